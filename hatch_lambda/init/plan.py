"""What `hatch-lambda init` would write, checked by what a build checks before it resolves anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.files import read_regular
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.config.settings import FUNCTION
from hatch_lambda.init.pyproject import Change
from hatch_lambda.init.refusals import notes_on_backend, refuse
from hatch_lambda.init.survey import Survey, survey
from hatch_lambda.init.trials import Outcome, Trials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NEW_VERSION = "0.1.0"


@dataclass(frozen=True)
class Plan:
    """A pyproject.toml to write. `before`: its text now, None if there is no file. `found`: facts and their origins.

    `notes`: what else its user should know.
    """

    path: Path
    before: str | None
    after: str
    found: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def plan(
    root: Path, *, runtime: str | None = None, architecture: str | None = None, handler: str | None = None
) -> Plan:
    """Find out what to write for a project. Raises `LambdaBuildError`, also if it would not build with it."""
    path = root / "pyproject.toml"
    before = _text_of(path)
    pyproject = _parsed(path, before or "")
    refuse(root, pyproject)
    surveyed = survey(root, pyproject, runtime=runtime, architecture=architecture)
    change = _first_change(root, pyproject, surveyed)
    outcome = Trials(root, before or "", surveyed, change).outcome(handler)
    notes = [*surveyed.notes, *notes_on_backend(pyproject), *outcome.notes]
    if change.keep_unpackaged:
        notes.append("uv still does not install the project itself (`tool.uv.package`), so uv.lock stays as it is")
    return Plan(path, before, outcome.text, tuple(_found(surveyed, outcome)), tuple(dict.fromkeys(notes)))


def _text_of(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return read_regular(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise LambdaBuildError(f"{path.name} is not UTF-8: {error.reason} at byte {error.start}") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        pyproject: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LambdaBuildError(f"{path.name} is not valid TOML: {error}\nCorrect it, and run this again.") from None
    for name in ("project", "build-system", "tool"):
        if not isinstance(pyproject.get(name, {}), dict):
            raise LambdaBuildError(f"{path.name}: `{name}` must be a table.")
    return pyproject


# --- What to write ---


def _first_change(root: Path, pyproject: Mapping[str, Any], surveyed: Survey) -> Change:
    """All but the selection of files and handlers."""
    hook: dict[str, Any] = {"runtime": surveyed.runtime.value, "architecture": surveyed.architecture.value}
    lock_file = surveyed.lock_file
    if lock_file:
        hook["lock-file"] = lock_file
    if surveyed.requirements:
        hook["requirements"] = [surveyed.requirements]
    tool = LOCK_TOOLS.get(lock_file or "")
    new = None
    if "project" not in pyproject:
        poetry = pyproject.get("tool", {}).get("poetry", {})
        new = {"name": poetry.get("name", _name_of(root)), "version": poetry.get("version", _NEW_VERSION)}
    return Change(
        hook,
        build_requires=tool.packages if tool else (),
        project=new,
        # uv packages a project as soon as it has a build system, and its lock file says whether it does.
        keep_unpackaged=lock_file == "uv.lock"
        and "build-system" not in pyproject
        and "package" not in pyproject.get("tool", {}).get("uv", {}),
    )


def _name_of(root: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._") or "function"


def _found(surveyed: Survey, outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    yield "runtime", surveyed.runtime.value, surveyed.runtime.origin
    yield "architecture", surveyed.architecture.value, surveyed.architecture.origin
    for name, (handler, file) in outcome.handlers.items():
        yield "handler" if name == FUNCTION else f"handler of {name}", handler, surveyed.template or file
    if surveyed.lock_file:
        yield "dependencies", surveyed.lock_file, "the lock file"
    elif surveyed.requirements or any(function.requirements for function in surveyed.functions):
        files = dict.fromkeys(
            filter(None, [surveyed.requirements, *(each.requirements for each in surveyed.functions)])
        )
        yield "dependencies", ", ".join(files), "requirements files"
