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
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.config.settings import Settings

TOOL = "hatch-lambda"
"""Our name, as `created-by` and as a key of `[tool]`."""
_CHOOSING_THE_TARGET = tuple(ENVIRONMENT_VARIABLES[key] for key in ("runtime", "architecture"))


class LockFileError(LambdaBuildError):
    """A lock file that cannot be read, or does not match the target or the project."""


@dataclass(frozen=True)
class LockFile:
    path: Path
    content: Pylock

    @property
    def directory(self) -> Path:
        """What its relative paths are relative to."""
        return self.path.parent


def read(path: Path, settings: Settings) -> LockFile:
    """Read and check a lock file. Raises `LockFileError`."""
    shown = label(path, settings)
    try:
        table = tomllib.loads(read_regular(path).decode("utf-8"))
        return LockFile(path, Pylock.from_dict(table))
    except FileNotFoundError:
        raise LockFileError(
            f"The lock file {shown}, set by `lock-file`, does not exist.\n\n{how_to_lock(settings)}"
        ) from None
    except PylockUnsupportedVersionError:
        version = table.get("lock-version")
        raise LockFileError(
            f"{shown} has lock-version {version}; only versions 1.x are supported.\n\n{how_to_lock(settings)}"
        ) from None
    except (PylockValidationError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = f"{error}{_entry_of(error, table) if isinstance(error, PylockValidationError) else ''}"
        raise LockFileError(
            f"{shown} is not a valid lock file (PEP 751): {redact(reason)}\n\n{how_to_lock(settings)}"
        ) from None
    except RecursionError:
        raise LockFileError(
            f"{shown} is not a valid lock file (PEP 751): it is nested too deep\n\n{how_to_lock(settings)}"
        ) from None
    except OSError as error:
        raise LockFileError(f"The lock file {shown} cannot be read: {error.strerror or error}") from None


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
    path = shlex.quote(label(settings.lock_file, settings)) if settings.lock_file else ""
    # With the variables that chose the target, so that the command works in another terminal.
    chosen_by = [f"{name}={os.environ[name]} " for name in _CHOOSING_THE_TARGET if os.environ.get(name)]
    lines = [f"To lock for {settings.target.description}:", f"  {''.join(chosen_by)}hatch-lambda lock"]
    if created_by in {None, "uv"}:
        chosen = [f" --extra {name}" for name in sorted(settings.extras)]
        chosen += [f" --group {name}" for name in sorted(settings.dependency_groups)]
        command = f"uv export --format pylock.toml --no-dev --no-emit-project{''.join(chosen)} --output-file {path}"
        lines.append(f"  {command}")
    if created_by == "pip":
        minor = settings.target.runtime.name
        lines.append(
            f"`pip lock` locks for the machine that it runs on, which must be Linux on "
            f"{settings.target.architecture.machine} with {minor}."
        )
    if created_by == "pdm":
        lines.append(f"  pdm export --format pylock --prod --output {path}")
    return "\n".join(lines)
