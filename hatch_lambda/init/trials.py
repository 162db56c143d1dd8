"""Trying a change on a project: which of its files a zip would have, and whether the handlers are among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.settings import FUNCTION, HOOK_TABLE, TARGET_TABLE, VERSIONS
from hatch_lambda.init.pyproject import edited
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.project_wheel import project_files
from hatch_lambda.plugin.selection import selection_of
from hatch_lambda.zip.handler.modules import module_of
from hatch_lambda.zip.handler.names import handlers_in, likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.init.pyproject import Change
    from hatch_lambda.init.survey import Function, Survey

_MOST_NAMED = 6
_USUAL = 1  # as `likelihood` counts: `lambda_handler` and `handler`


@dataclass(frozen=True)
class Outcome:
    """A pyproject.toml and what it makes of the project. `handlers`: of each function, with its file."""

    text: str
    handlers: Mapping[str, tuple[str, str]]
    notes: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Handlers that are wanted and not among the files."""


class Trials:
    """Selections of the project's files, tried one after the other: Hatch's own, then those that name what is there."""

    def __init__(self, root: Path, text: str, surveyed: Survey, change: Change) -> None:
        self._root, self._text, self._surveyed, self._change = root, text, surveyed, change

    def outcome(self, handler: str | None) -> Outcome:
        """The first that has all handlers; else the first with files. Raises `LambdaBuildError` if there is none."""
        usable: list[Outcome] = []
        failure: LambdaBuildError | None = None
        for change in self._changes():
            if failure:  # where Hatch finds no files, there is no wheel either
                change = replace(change, target={}, wheel=change.target)  # noqa: PLW2901
            try:
                found = self._tried(change, handler)
            except LambdaBuildError as error:
                failure = failure or error
                continue
            if found.handlers and not found.missing:
                return found
            usable.append(found)
        if handler and usable:
            raise LambdaBuildError(f"The project's files have no module for the handler `{handler}` of --handler.")
        if usable:
            return max(usable, key=lambda found: len(found.handlers))
        if not selection_of(self._root) and not self._surveyed.functions:
            raise LambdaBuildError(
                "There is no Python code in this directory to package.\n"
                "What you can do: `hatch-lambda init --new NAME` makes an example to start from."
            )
        raise failure or LambdaBuildError("The project's files cannot be determined.")

    def _changes(self) -> Iterator[Change]:
        change, functions = self._change, self._surveyed.functions
        directories = [*dict.fromkeys(function.directory for function in functions if function.directory)]
        if len(functions) > 1:
            change = replace(change, **self._of_several(functions, directories))
        elif functions and functions[0].requirements:
            change = replace(change, hook={**change.hook, "requirements": [functions[0].requirements]})
        yield change
        if len({function.directory for function in functions}) > 1:
            rest = selection_of(self._root) if any(not function.directory for function in functions) else {}
            inside = [path for path in rest.get("only-include", []) if path not in directories]
            yield replace(change, target={"only-include": [*inside, *directories]})
        elif directories:
            yield replace(change, target={"only-include": directories, "sources": directories})
        elif selection := selection_of(self._root):
            yield replace(change, target=selection)

    def _of_several(self, functions: tuple[Function, ...], directories: list[str]) -> dict[str, Any]:
        """The tables of several functions, and what they share in the hook's."""
        hook = dict(self._change.hook)
        shared = {function.requirements for function in functions}
        if len(shared) == 1 and functions[0].requirements:
            hook["requirements"] = [functions[0].requirements]
        tables: dict[str, dict[str, Any]] = {}
        for function in functions:
            table: dict[str, Any] = {"handler": function.handler} if function.handler else {}
            target = {"runtime": function.runtime, "architecture": function.architecture}
            table |= {key: value for key, value in target.items() if value != hook[key]}
            if len(shared) > 1 and function.requirements:
                table["requirements"] = [function.requirements]
            others = [each for each in directories if each != function.directory]
            if others and function.directory:
                table["sources"] = [function.directory]
            if others:
                table["include"] = ["*", *(f"!/{each}/**" for each in _covering(others, function.directory))]
            tables[f"{function.name}-function" if function.name in VERSIONS else function.name] = table
        return {"hook": hook, "functions": tables}

    def _tried(self, change: Change, wanted: str | None) -> Outcome:
        """What a change makes of the project. Raises `LambdaBuildError` if it would not build."""
        functions = self._surveyed.functions
        files = self._files(edited(self._text, change))
        handlers: dict[str, tuple[str, str]] = {}
        missing, notes = [], []
        if len(functions) > 1:
            tables = {name: dict(table) for name, table in change.functions.items()}
            for name, table in tables.items():
                handler = table.get("handler")
                if handler and (file := _file_of(handler, files[name])):
                    handlers[name] = (handler, file)
                elif handler:
                    del table["handler"]
                    missing.append(handler)
                    notes.append(
                        f"the handler {handler} of {name} is not among the project's files; set it in its table"
                    )
            change = replace(change, functions=tables)
            if len({repr({**table, "handler": ""}) for table in tables.values()}) == 1:
                notes.append(
                    "the zips of all functions have the same content: one would do for all of them, if you leave "
                    "out their tables"
                )
        else:
            handler = wanted or (functions[0].handler if functions else None)
            if handler is None:
                handler, notes = _detected(files[FUNCTION])
            if handler and (file := _file_of(handler, files[FUNCTION])):
                handlers[FUNCTION] = (handler, file)
                change = replace(change, target={"handler": handler, **change.target})
            elif handler:
                missing.append(handler)
                notes.append(
                    f"the handler {handler} of {self._surveyed.template} is not among the project's files; maybe "
                    "a plugin adds it. Set one in your code"
                )
        text = edited(self._text, change)
        self._files(text)
        return Outcome(text, handlers, tuple(notes), tuple(missing))

    def _files(self, text: str) -> dict[str, dict[str, Path]]:
        """The project's files in each zip. Raises `LambdaBuildError` for whatever stops a build before it resolves."""
        try:
            pyproject = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise LambdaBuildError(
                "pyproject.toml is written in a way that no further table can be added to: `tool.hatch` or "
                "`build-system` is an inline table, or has dotted keys.\n"
                "What you can do: write it as tables of its own ([tool.hatch.build]), and run this again."
            ) from None
        builder = LambdaBuilder(str(self._root.resolve()), config=_without_plugins(pyproject))
        build = builder.current
        try:
            with build:
                versions = builder.get_default_versions()
                build.check(versions)
                for version in versions:
                    build.requests.of(version)
                return {version: project_files(builder, build.settings[version]) for version in versions}
        except (TypeError, ValueError) as error:  # Hatch's, of [project]
            raise LambdaBuildError(f"pyproject.toml cannot be built from: {error}") from None


def _covering(directories: list[str], own: str) -> list[str]:
    """The directories; one above all of them, and this one, if there is one."""
    parents = {directory.rpartition("/")[0] for directory in [*directories, own]}
    return [*parents] if len(parents) == 1 and parents != {""} else directories


def _without_plugins(pyproject: dict[str, Any]) -> dict[str, Any]:
    """A pyproject.toml without what plugins contribute, which only a build environment needs to have."""
    project, hatch = dict(pyproject["project"]), dict(pyproject["tool"]["hatch"])
    if project.pop("dynamic", None):
        project.setdefault("version", "0")
    build = dict(hatch["build"])
    build["hooks"] = {"lambda": build["hooks"]["lambda"]}
    build["targets"] = {
        name: {key: value for key, value in table.items() if key != "hooks"}
        for name, table in build.get("targets", {}).items()
    }
    tool = {**pyproject["tool"], "hatch": {"build": build}}
    return {**pyproject, "project": project, "tool": tool}


def _file_of(handler: str, files: Mapping[str, Path]) -> str | None:
    """The file of a handler's module, by its path in the zip."""
    stem = handler.rpartition(".")[0].replace(".", "/")
    return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in files), None)


def _detected(files: Mapping[str, Path]) -> tuple[str | None, list[str]]:
    """The handler that the code defines, if it is clear which one; else what there is to say."""
    found: dict[int, list[str]] = {}
    for path, source in sorted(files.items()):
        if path.endswith(".py") and (names := handlers_in(source.read_bytes())):
            best = min(names, key=likelihood)
            found.setdefault(max(likelihood(best), _USUAL), []).append(f"{module_of(path)}.{best}")
    if not found:
        return None, ["no function looks like a handler; set `handler` in [" + TARGET_TABLE + "] once there is one"]
    likeliest = found[min(found)]
    if len(likeliest) == 1:
        return likeliest[0], []
    shown = ", ".join(likeliest[:_MOST_NAMED]) + (", …" if len(likeliest) > _MOST_NAMED else "")
    several = (
        f"several functions look like handlers: {shown}. Name one by --handler; or give each a zip of its own, by "
        f"a table [{HOOK_TABLE}.functions.NAME] with its `handler`"
    )
    return None, [several]
