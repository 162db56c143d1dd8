"""SHA-256 of files, and how many threads hash or inflate at once."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from hatch_lambda.common.files import looks_of, regular

if TYPE_CHECKING:
    from pathlib import Path

_BUFFER = 2 * 1024 * 1024
"""Bytes. A thread waits for the GIL between two buffers."""


_TICK = 20_000_000
"""Nanoseconds, twice the longest tick of Linux: a file that is written twice within a tick keeps its times."""

_hashed: dict[Path, tuple[list[int], str]] = {}
"""How files looked when this process hashed them, and their SHA-256."""


def is_hashed(path: Path) -> bool:
    """Whether this process has hashed a file that has not been touched since."""
    looks = looks_of(path)
    return bool(looks) and path in _hashed and _hashed[path][0] == looks


def sha256_of(path: Path) -> str:
    """In hexadecimal. A large wheel takes longer to read than most stages, so it is read once. Raises `OSError`."""
    if is_hashed(path):
        return _hashed[path][1]
    looks, digest = looks_of(path), hashlib.sha256()
    with regular(path).open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(os.fstat(file.fileno()).st_size + 1, _BUFFER)))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    sha256 = digest.hexdigest()
    if looks and looks == looks_of(path) and time.time_ns() - looks[2] > _TICK:
        _hashed[path] = (looks, sha256)
    return sha256


def cores() -> int:
    """The processors that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
