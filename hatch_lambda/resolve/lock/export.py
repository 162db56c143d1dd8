"""Lock files of uv, Poetry, PDM and Pipenv, exported by their own tools: offline, and without writing to the project.

uv exports a PEP 751 file; what the others export are requirements with hashes and markers, for files of an index.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import tomli_w
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.common import tempfiles
from hatch_lambda.common.files import read_regular
from hatch_lambda.common.redact import redact
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.resolve.lock.exported import lock_of_requirements
from hatch_lambda.resolve.lock.read import LockFile, LockFileError, content_of, label, parse, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from subprocess import CompletedProcess

    from hatch_lambda.config.lock_tools import LockTool
    from hatch_lambda.config.settings import Settings

_MOST_WORDS = 2000
# So that no tool creates an environment or notes an interpreter in the project, asks, or looks for its own updates.
_ENVIRONMENT = {
    "NO_COLOR": "1",
    "PYTHONIOENCODING": "utf-8",
    "UV_OFFLINE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "POETRY_VIRTUALENVS_CREATE": "false",
    "PDM_CHECK_UPDATE": "0",
    "PDM_PYTHON": sys.executable,
    "PIPENV_IGNORE_VIRTUALENVS": "1",
    "PIPENV_VENV_IN_PROJECT": "0",
    "PIPENV_DONT_LOAD_ENV": "1",
    "PIPENV_NOSPIN": "1",
    "PIPENV_VERBOSITY": "-1",
}


def load(path: Path, settings: Settings) -> LockFile:
    """Read a lock file, or have it exported by its tool if it is not one of PEP 751. Raises `LockFileError`."""
    tool = LOCK_TOOLS.get(path.name)
    if tool is None:
        return read(path, settings)
    content = content_of(path, settings)
    run = _Tool(tool, path, settings)
    run.check_version()
    doubts = run.check_that_it_is_up_to_date()
    try:
        exported = run.export()
        if tool.name == "uv":
            return dataclasses.replace(parse(exported.encode("utf-8"), path, settings), doubts=doubts)
        lock = lock_of_requirements(exported, content.decode("utf-8"), path, settings)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:  # of markers, versions, JSON, TOML
        raise LockFileError(f"What {tool.name} exports from {run.shown} cannot be used: {redact(str(error))}") from None
    declared = _DECLARED[tool.name](path, settings) if tool.name in _DECLARED else {}
    direct = frozenset(canonicalize_name(name) for table in declared.values() for name in table)
    return dataclasses.replace(lock, direct=direct)


def _of_uv(path: Path, settings: Settings) -> list[str]:
    named = [word for extra in sorted(settings.extras) for word in ("--extra", extra)]
    named += [word for group in sorted(settings.dependency_groups) for word in ("--group", group)]
    if path.parent.resolve() != settings.root.resolve():  # one member of a workspace
        project = tomllib.loads(read_regular(settings.root / "pyproject.toml").decode("utf-8"))["project"]["name"]
        named += ["--package", project]
    return ["export", "--format", "pylock.toml", "--frozen", "--offline", "--no-default-groups", "--quiet", *named]


def _of_poetry(_path: Path, settings: Settings) -> list[str]:
    named = [f"--extras={extra}" for extra in sorted(settings.extras)]
    named += [f"--with={group}" for group in sorted(settings.dependency_groups)]
    return ["export", "--format=requirements.txt", "--without-hashes", "--no-interaction", "--no-ansi", *named]


def _of_pdm(_path: Path, settings: Settings) -> list[str]:
    named = [f"--group={name}" for name in sorted(settings.extras | settings.dependency_groups)]
    # Without it, and without groups, PDM adds all development groups; with it, it accepts none.
    production = [] if settings.dependency_groups else ["--prod"]
    # With hashes, it exports no repositories.
    return ["export", "--format=requirements", "--no-hashes", *production, *named]


def _of_pipenv(path: Path, settings: Settings) -> list[str]:
    return ["requirements", "--hash", f"--categories={','.join(_pipfile(path, settings))}"]


def _pipfile(path: Path, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """The categories of a Pipfile to package: its `packages`, and those of the named groups."""
    try:
        table = tomllib.loads(read_regular(path.with_name("Pipfile")).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise LockFileError(f"The Pipfile of {label(path, settings)} cannot be read: {error}") from None
    return {
        name: category
        for name, category in table.items()
        if isinstance(category, dict) and (name == "packages" or canonicalize_name(name) in settings.dependency_groups)
    }


def _poetry_tables(path: Path, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """What is declared in Poetry's own tables, in place of `[project]` or beside it."""
    table = tomllib.loads(read_regular(path.with_name("pyproject.toml")).decode("utf-8")).get("tool", {})
    table = table.get("poetry", {})
    groups = {
        name: group.get("dependencies", {})
        for name, group in table.get("group", {}).items()
        if canonicalize_name(name) in settings.dependency_groups
    }
    return {"": table.get("dependencies", {}), **groups}


_EXPORTS: Mapping[str, Callable[[Path, Settings], list[str]]] = {
    "uv": _of_uv,
    "poetry": _of_poetry,
    "pdm": _of_pdm,
    "pipenv": _of_pipenv,
}
# What they require besides `[project]`, by groups.
_DECLARED: Mapping[str, Callable[[Path, Settings], Mapping[str, Mapping[str, Any]]]] = {
    "poetry": _poetry_tables,
    "pipenv": _pipfile,
}
# What fails if the lock file is outdated.
_CHECKS = {"uv": ["lock", "--check", "--offline", "--quiet"], "pdm": ["lock", "--check"], "pipenv": ["verify"]}
# Its exit code for errors, such as no interpreter for the project's `requires-python`, or no network for what a backend
# requires that has to say what the project requires.
_UV_HAS_FAILED = 2


class _Tool:
    """A lock file's tool, to run next to it. Raises `LockFileError` if it is missing, too old, or fails."""

    def __init__(self, tool: LockTool, path: Path, settings: Settings) -> None:
        self.tool, self.path = tool, path
        self.shown = label(path, settings)
        self.settings = settings
        self.command = _find(tool.name)

    @property
    def remedy(self) -> str:
        oldest = {self.tool.name: f">={self.tool.oldest}"}
        wanted = ", ".join(f'"{package}{oldest.get(package, "")}"' for package in self.tool.packages)
        return f"add {wanted} to `build-system.requires` in pyproject.toml."

    def check_version(self) -> None:
        if not self.command:
            raise LockFileError(
                f"{self.shown} has to be exported by {self.tool.name}, which is neither in the build environment, nor "
                f"on PATH, nor next to {sys.executable}.\nWhat you can do: {self.remedy}"
            )
        ended = self._run("--version")
        version = re.search(r"\d+(\.\d+)+", ended.stdout)
        if ended.returncode or not version:
            raise self._error("cannot be exported", ended, f"What you can do: {self.remedy}")
        if Version(version[0]) < Version(self.tool.oldest):
            raise LockFileError(
                f"{self.shown} has to be exported by {self.tool.name} {self.tool.oldest} or newer; "
                f"{self.command[0]} is {version[0]}.\nWhat you can do: {self.remedy}"
            )

    def check_that_it_is_up_to_date(self) -> tuple[str, ...]:
        """Return why that cannot be checked. Poetry's export does it itself."""
        command = _CHECKS.get(self.tool.name)
        ended = self._run(*command) if command else None
        if not ended or not ended.returncode:
            return ()
        words = _words_of(ended)
        # Of older uv, also the exit code for an outdated lock file
        if self.tool.name == "uv" and ended.returncode == _UV_HAS_FAILED and "needs to be updated" not in words:
            reason = words.partition("\n")[0].removeprefix("error: ")
            return (f"uv cannot check offline whether it is up to date: {reason}",)
        raise self._error("is outdated", ended, f"To lock again:\n  {self.tool.lock}")

    def export(self) -> str:
        arguments = _EXPORTS[self.tool.name](self.path, self.settings)
        if self.tool.name == "pdm":
            with TemporaryDirectory(prefix=tempfiles.marked(tempfiles.SCRATCH)) as folder:
                ended = self._run(*arguments, directory=self._copied_for_any_python(Path(folder)))
        else:
            ended = self._run(*arguments)
        if ended.returncode:
            remedy = f"What you can do: lock again, if that is what it says (`{self.tool.lock}`), or {self.remedy}"
            raise self._error("cannot be exported", ended, remedy)
        return ended.stdout

    def _copied_for_any_python(self, folder: Path) -> Path:
        """PDM wants an interpreter of those that the project is for, and notes in the project which one it found."""
        pyproject = tomllib.loads(read_regular(self.path.with_name("pyproject.toml")).decode("utf-8"))
        pyproject.get("project", {}).pop("requires-python", None)
        (folder / "pyproject.toml").write_text(tomli_w.dumps(pyproject), encoding="utf-8")
        shutil.copyfile(self.path, folder / self.path.name)
        return folder

    def _run(self, *arguments: str, directory: Path | None = None) -> CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - the tool that the user's lock file needs
                [*self.command, *arguments],
                cwd=directory or self.path.parent,
                env={**os.environ, **_ENVIRONMENT, "PIPENV_PIPFILE": str(self.path.with_name("Pipfile"))},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise LockFileError(f"{self.command[0]} cannot be started: {error.strerror or error}") from None

    def _error(self, fault: str, ended: CompletedProcess[str], remedy: str) -> LockFileError:
        said = "".join(f"\n  {line}".rstrip() for line in _words_of(ended)[:_MOST_WORDS].splitlines())
        shown = " ".join([self.tool.name, *ended.args[len(self.command) :]])
        return LockFileError(f"{self.shown} {fault}: `{shown}` fails with:\n{said}\n\n{remedy}")


def _words_of(ended: CompletedProcess[str]) -> str:
    return redact(ended.stderr.strip() or ended.stdout.strip())


def _find(name: str) -> list[str]:
    """The command of a tool: of the running interpreter's environment, or on PATH; empty without one."""
    if found := shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name):
        return [found]
    return [sys.executable, "-m", name] if any(metadata.distributions(name=name)) else []
