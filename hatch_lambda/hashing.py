"""SHA-256 of files: in one process each is read once, and what will be asked for can be read ahead."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BUFFER = 4 * 1024 * 1024
"""Bytes. Between two of them a thread has to wait for its turn, since others run Python meanwhile."""


def sha256_of(path: Path) -> str:
    """In hexadecimal. A file that the file system says was not touched since is not read again in this process.

    Raises `OSError`.
    """
    status = path.stat()
    as_it_is = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _DIGESTS.setdefault(as_it_is, _Digest(path)).value(status.st_size)


def hash_ahead(paths: Iterable[Path]) -> None:
    """Begin to hash files that `sha256_of` will be asked for; the caller goes on, with a core for itself."""
    waiting = deque(paths)
    for _ in range(min(max((os.cpu_count() or 1) - 1, 1), len(waiting))):
        Thread(target=_hash_all, args=(waiting,), daemon=True).start()


def _hash_all(waiting: deque[Path]) -> None:
    while waiting:
        with contextlib.suppress(IndexError, OSError):  # another thread took the last one; or whoever asks gets to know
            sha256_of(waiting.popleft())


class _Digest:
    """Of a file as it is now: worked out by the thread that asks first, and waited for by the others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._found: str | None = None

    def value(self, size: int) -> str:
        with self._lock:
            if self._found is None:
                self._found = _sha256(self._path, size)
            return self._found


_DIGESTS: dict[tuple[object, ...], _Digest] = {}


def _sha256(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(size + 1, _BUFFER)))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
