"""SHA-256 of files, and how many threads hash or inflate at once."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from hatch_lambda.common.files import regular

if TYPE_CHECKING:
    from pathlib import Path

_BUFFER = 2 * 1024 * 1024
"""Bytes. A thread waits for the GIL between two buffers."""


def sha256_of(path: Path) -> str:
    """In hexadecimal. Raises `OSError`."""
    digest = hashlib.sha256()
    with regular(path).open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(os.fstat(file.fileno()).st_size + 1, _BUFFER)))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def cores() -> int:
    """The processors that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
