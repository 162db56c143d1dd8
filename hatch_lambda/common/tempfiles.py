"""Temporary files and folders, named so that the next build can tell whose they are: a killed one cannot tidy up."""

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
"""How our folders in the system's temporary folder begin."""
PART = ".part-"
"""How files begin that are not complete yet."""

_LONG_AGO = 24 * 60 * 60


def marked(prefix: str) -> str:
    """A prefix that names this process, and its machine or container: process numbers are only known there."""
    return f"{prefix}{_here()}-{os.getpid()}-"


def sweep(folder: Path, prefix: str) -> None:
    """Remove what processes have left in a folder that were killed."""
    for path in folder.glob(f"{prefix}*"):
        match = re.match(rf"{re.escape(prefix)}([0-9a-f]{{8}})-(\d+)-", path.name)
        if match and _is_over(match[1], int(match[2]), path):
            remove(path)


def remove(path: Path) -> None:
    """Remove a folder, or what stands in its place; of a link, the link and not what it leads to."""
    if path.is_symlink() or not path.is_dir():  # a pipe, say
        path.unlink(missing_ok=True)
    else:
        _make_writable(path)
        shutil.rmtree(path, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    """Let a folder be removed that was made for reading only, as a function's files are."""
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
    if where != _here() or os.name == "nt":  # there, signal 0 is not a question
        return _age(path) > _LONG_AGO
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # another user's
    return False


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
