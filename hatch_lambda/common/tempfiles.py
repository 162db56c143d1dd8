"""Temporary files and directories named after their process: the next build removes those of killed ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRATCH = "hatch-lambda-"
"""Prefix of our directories in the system's temporary directory."""
PART = ".part-"
"""Prefix of incomplete files."""

_LONG_AGO = 24 * 60 * 60


def marked(prefix: str) -> str:
    """A prefix with this process and its machine or container, in which alone its number is valid."""
    return f"{prefix}{_here()}-{os.getpid()}-"


def sweep(folder: Path, prefix: str) -> None:
    """Remove what killed processes have left in a directory."""
    for path in folder.glob(f"{prefix}*"):
        match = re.match(rf"{re.escape(prefix)}([0-9a-f]{{8}})-(\d+)-", path.name)
        if match and _is_over(match[1], int(match[2]), path):
            remove(path)


def remove(path: Path) -> None:
    """Remove a directory or any other file; of a link, the link itself."""
    if path.is_symlink() or not path.is_dir():  # a pipe, say
        path.unlink(missing_ok=True)
    else:
        _make_writable(path)
        shutil.rmtree(path, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    """Make the directories below a directory writable, as needed to remove it: those of a function are read-only."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
        for parent, names, _ in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)  # noqa: PTH118 - many of them
                if not os.path.islink(path):  # noqa: PTH114
                    os.chmod(path, 0o700)  # noqa: PTH101


def _here() -> str:
    return hashlib.sha256(platform.node().encode("utf-8")).hexdigest()[:8]


def _is_over(where: str, process: int, path: Path) -> bool:
    if where != _here() or os.name == "nt":  # where signal 0 ends the process
        with contextlib.suppress(OSError):
            return time.time() - path.stat().st_mtime > _LONG_AGO
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # another user's
    return False
