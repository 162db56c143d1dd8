"""Which of the project's files can be packaged."""

from __future__ import annotations

import json
import keyword
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import ConfigurationError, LambdaBuildError
from hatch_lambda.config.settings import FIELDS, HOOK_TABLE, TARGET_TABLE
from hatch_lambda.plugin import HOOK
from hatch_lambda.wheels.store import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatchling.builders.plugin.interface import BuilderInterface, IncludedFile

# In a project's root, meant for tools or people.
_NOT_FOR_LAMBDA = frozenset(
    {
        *("__init__.py", "conftest.py", "hatch_build.py", "noxfile.py", "setup.py", "tasks.py"),
        *("benchmarks", "build", "dist", "docs", "examples", "node_modules", "scripts", "test", "tests"),
    }
)


SERVED = ".serve"
"""The directory for zips that are built to be served here."""

# At the top of a build directory, also of earlier releases: what a target has, and files of builds, systems and network
# file systems.
_BUILT = re.compile(r"python3\.\d+-\w+|\.gitignore|\.zips|\.serve|\.part-.*|\.DS_Store|\.nfs.*|desktop\.ini|Thumbs\.db")


def selection_of(root: Path) -> dict[str, list[str]]:
    """Hatch's options that select the modules and packages of a project without Hatch's usual names; none if empty."""
    source = root / "src"
    bases = [source] if _code_in(source) and not source.joinpath("__init__.py").exists() else [root]
    # An `import` cannot name `my-code`, so what is in it is imported from the zip's root.
    bases += [
        path
        for path in _code_in(root)
        if bases == [root] and path.is_dir() and (not path.name.isidentifier() or keyword.iskeyword(path.name))
    ]
    selected = [path for base in bases for path in _code_in(base) if path not in bases]
    options = {
        "only-include": [path.relative_to(root).as_posix() for path in selected],
        "sources": [base.name for base in bases if base != root],
    }
    return {key: paths for key, paths in options.items() if paths and selected}


def suggested_selection(root: Path) -> str:
    """`selection_of` a project as lines for a target's table, with an example if there is no code."""
    options = selection_of(root) or {"only-include": ["app.py"]}
    return "\n".join(f"{key} = {json.dumps(paths, ensure_ascii=False)}" for key, paths in options.items())


def _code_in(directory: Path) -> list[Path]:
    """The modules of a directory, and its directories with modules, less those for tools, tests and documentation."""
    return sorted(
        path
        for path in directory.glob("[!.]*")
        if path.name not in _NOT_FOR_LAMBDA
        and (path.suffix == ".py" if path.is_file() else any(path.glob("**/*.py")))
        and not path.joinpath("pyvenv.cfg").exists()
    )


def build_directory(builder: BuilderInterface[Any, Any], table: Mapping[str, Any]) -> Path | None:
    """The build directory that a hook's table sets, resolved; None for the default, or a fault reported elsewhere.

    Raises `ConfigurationError` if it has files that others made: they would be missing in all archives without a word.
    """
    value = table.get("build-directory")
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    directory = Path(builder.root, value).resolve()
    if not directory.exists():
        return directory
    # Where users may have put the zips, or the cache.
    others = [
        Path(builder.root, path).resolve()
        for path in (builder.config.directory, os.environ.get(CACHE_VARIABLE))
        if path
    ]
    for path in sorted(directory.iterdir()):
        if directory not in others and not _is_ours(path) and not any(other.is_relative_to(path) for other in others):
            of_target = HOOK in builder.target_config.get("hooks", {})
            where = f"tool.hatch.build.targets.{builder.PLUGIN_NAME}.hooks.{HOOK}" if of_target else HOOK_TABLE
            fault = (
                f"Field `{where}.build-directory` must be a dedicated directory, but {value!r} contains `{path.name}`, "
                "which hatch-lambda did not create.\n"
                "Nothing in the build directory is packaged, and git ignores it.\n"
                "What you can do: set it to a directory that is empty or does not exist yet, or leave it out for the "
                f"default, `{FIELDS['build-directory'].default.as_posix()}`."
            )
            raise ConfigurationError([fault])
    return directory


def _is_ours(path: Path) -> bool:
    """Whether builds create this at the top of a build directory, or systems do in any directory."""
    if _BUILT.fullmatch(path.name):
        return True
    if not path.is_dir():
        return False
    if path.name == "store":  # the fallback for the cache, unless it is a package
        return not any(path.glob("*.py"))
    return all(_BUILT.fullmatch(inner.name) for inner in path.iterdir())  # a function's


def leave_out_build_directory(builder: BuilderInterface[Any, Any], table: Mapping[str, Any]) -> None:
    """Have a builder of Hatch select nothing from the build directory. `table`: the hook's.

    Hatch's `exclude` does not do: `artifacts` and `force-include` override it. Raises `ConfigurationError`.
    """
    left_out = build_directory(builder, table)
    if left_out is None:
        return
    select = builder.recurse_included_files

    def selected() -> Iterator[IncludedFile]:
        return (file for file in select() if not Path(file.path).resolve().is_relative_to(left_out))

    builder.recurse_included_files = selected  # type: ignore[method-assign]


def packable(files: Iterable[IncludedFile], root: str, *, forced: bool = False) -> Iterator[IncludedFile]:
    """The files without the locks of editors. Raises `LambdaBuildError` for one that Hatch could not read.

    `forced`: they are from `force-include`, which `exclude` does not affect.
    """
    for file in files:
        file.distribution_path = os.path.normpath(file.distribution_path)  # `./app.py` by `only-include = ["."]`
        source = Path(file.path)
        fault = _unpackable(source, file.distribution_path)
        if fault is None:
            yield file
        elif not (source.is_symlink() and source.name.startswith(".#")):
            path = os.path.relpath(source, root).replace(os.sep, "/")
            # Of `shared-data`, Hatch compares the path that it is packaged under.
            pattern = _pattern(file.relative_path.replace(os.sep, "/") or path)
            way = (
                "have `force-include`, which ignores `exclude`, name only what can be packaged"
                if forced
                else f'leave it out (`exclude = ["/{pattern}"]` in `[{TARGET_TABLE}]`)'
            )
            raise LambdaBuildError(
                f"The project's file `{path}` cannot be packaged: {fault}.\n"
                "Only regular files that can be read, with names in UTF-8, can go into the zip.\n"
                f"What you can do: remove it, or {way}."
            )


def _unpackable(path: Path, name: str) -> str | None:
    """Why a file cannot be packaged under a name, as a predicate. Opening a FIFO or a device may wait forever."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            return f"it is a link to `{path.readlink()}`, which does not exist"
        return f"it cannot be read ({error.strerror})"
    kinds = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    if not stat.S_ISREG(mode):
        return f"it is a {kinds.get(stat.S_IFMT(mode), 'special file')}"
    if not os.access(path, os.R_OK):
        return "it cannot be read (permission denied)"
    return None if _pattern(name) == name else "its name is not valid UTF-8"


def _pattern(path: str) -> str:
    """A gitignore pattern in UTF-8 for a path, which may have bytes that are not."""
    return re.sub("[\ud800-\udfff]", "?", path)
