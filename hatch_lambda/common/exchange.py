"""Swap two paths in one step, so that a crash leaves one of the two states; imported by what replaces a directory."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CURRENT_DIRECTORY = -100  # AT_FDCWD
_SWAP = 2  # RENAME_EXCHANGE of renameat2(2) in Linux, RENAME_SWAP of renamex_np(2) in macOS


def exchange(one: Path, other: Path) -> bool:
    """Whether the system could do it: not on Windows, with musl, and on some file systems."""
    if os.name == "nt":
        return False
    first, second = os.fsencode(one.absolute()), os.fsencode(other.absolute())
    try:
        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(libc.renamex_np(first, second, _SWAP) == 0)
        else:  # noqa: RET505 - mypy knows branches by platform
            return bool(libc.renameat2(_CURRENT_DIRECTORY, first, _CURRENT_DIRECTORY, second, _SWAP) == 0)
    except (AttributeError, OSError):
        return False
