"""Reading lock files (PEP 751), whoever wrote them.

https://packaging.python.org/en/latest/specifications/pylock-toml/
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.files import read_regular
from hatch_lambda.common.redact import redact
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.config.unpacked_sdist import FROM_THE_PROJECT, is_unpacked_sdist

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings

TOOL = "hatch-lambda"
"""Our name, as `created-by` and as a key of `[tool]`."""
_CHOOSING_THE_TARGET = tuple(ENVIRONMENT_VARIABLES[key] for key in ("runtime", "architecture"))


class LockFileError(LambdaBuildError):
    """A lock file that cannot be read, or does not match the target or the project."""


@dataclass(frozen=True)
class LockFile:
    """A lock file that is read for a bundle with these settings.

    Of other formats, `content` is what their tool exports from it; `options`: lines of a requirements file with the
    indexes that it names; `direct`: what its tool's own declarations (a Pipfile) require in addition to `[project]`;
    `doubts`: what could not be checked.
    """

    path: Path
    content: Pylock
    settings: Settings
    options: tuple[str, ...] = ()
    direct: frozenset[NormalizedName] = frozenset()
    doubts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return label(self.path, self.settings)

    @property
    def declares(self) -> str:
        """The file that `direct` is declared in."""
        return LOCK_TOOLS[self.path.name].declares

    def place(self, path: str) -> Path:
        """Where one of its paths leads; in one written on Windows, they may contain backslashes."""
        return (self.path.parent / path.replace("\\", "/")).resolve()

    def error(self, predicate: str) -> LockFileError:
        """What is wrong with it, and how to lock again."""
        return LockFileError(f"{self.label} {predicate}\n\n{how_to_lock(self.settings, self.content.created_by)}")


def content_of(path: Path, settings: Settings) -> bytes:
    """Raises `LockFileError`."""
    shown = label(path, settings)
    try:
        return read_regular(path)
    except FileNotFoundError:
        fault = f"The lock file {shown}, set by `lock-file`, does not exist."
        remedy = f" {FROM_THE_PROJECT}" if is_unpacked_sdist(settings.root) else f"\n\n{how_to_lock(settings)}"
        raise LockFileError(f"{fault}{remedy}") from None
    except OSError as error:
        raise LockFileError(f"The lock file {shown} cannot be read: {error.strerror or error}") from None


def read(path: Path, settings: Settings) -> LockFile:
    """Read and check a lock file. Raises `LockFileError`."""
    return parse(content_of(path, settings), path, settings)


def parse(content: bytes, path: Path, settings: Settings) -> LockFile:
    """Check the content of a lock file, in which paths are relative to that of `path`. Raises `LockFileError`."""
    shown = label(path, settings)
    try:
        table = tomllib.loads(content.decode("utf-8"))
        lock = LockFile(path, Pylock.from_dict(table), settings)
    except PylockUnsupportedVersionError:
        fault = f"{shown} has lock-version {table.get('lock-version')}; only versions 1.x are supported."
    except (PylockValidationError, ValueError) as error:  # also for an integer of thousands of digits
        reason = f"{error}{_entry_of(error, table) if isinstance(error, PylockValidationError) else ''}"
        fault = f"{shown} is not a valid lock file (PEP 751): {redact(reason)}"
    except RecursionError:
        fault = f"{shown} is not a valid lock file (PEP 751): it is nested too deep"
    else:
        names = [entry["name"] for entry in table["packages"] if _has_null(entry)]
        if not names:
            return lock
        fault = f"{shown} is not a valid lock file (PEP 751): its entry for {names[0]} has a null character"
    raise LockFileError(f"{fault}\n\n{how_to_lock(settings)}")


def _has_null(value: object) -> bool:
    """Whether there is a null character in any string: no path or URL may have one."""
    if isinstance(value, (dict, list)):
        return any(map(_has_null, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "\0" in value


def _entry_of(error: PylockValidationError, table: dict[str, Any]) -> str:
    """The name of the entry that an error is about, which says only `packages[3]`."""
    match = re.match(r"packages\[(\d+)\]", error.context or "")
    try:
        name = table["packages"][int(match[1])]["name"] if match else None
    except (LookupError, TypeError):
        return ""
    return f" ({name})" if isinstance(name, str) else ""


def label(path: Path, settings: Settings) -> str:
    """A path as in messages: relative to the project if it is in there."""
    return os.path.relpath(path, settings.root) if path.is_relative_to(settings.root) else str(path)


def how_to_lock(settings: Settings, created_by: str | None = None) -> str:
    """Commands that lock again: ours, and that of the tool that wrote the lock file."""
    if settings.lock_file and (tool := LOCK_TOOLS.get(settings.lock_file.name)):
        return f"To lock again:\n  {tool.lock}"
    path = shlex.quote(label(settings.lock_file, settings)) if settings.lock_file else ""
    # With the variables that chose the target, so that the command works in another terminal.
    chosen_by = [f"{name}={os.environ[name]} " for name in _CHOOSING_THE_TARGET if os.environ.get(name)]
    lines = [f"To lock for {settings.target.description}:", f"  {''.join(chosen_by)}hatch-lambda lock"]
    if created_by in {None, "uv"}:
        chosen = [f" --extra {name}" for name in sorted(settings.extras)]
        chosen += [f" --group {name}" for name in sorted(settings.dependency_groups)]
        lines.append(
            f"  uv export --format pylock.toml --no-dev --no-emit-project{''.join(chosen)} --output-file {path}"
        )
    if created_by == "pip":
        lines.append(
            f"`pip lock` locks for the machine that it runs on, which must be Linux on "
            f"{settings.target.architecture.machine} with {settings.target.runtime.name}."
        )
    if created_by == "pdm":
        lines.append(f"  pdm export --format pylock --prod --output {path}")
    return "\n".join(lines)
