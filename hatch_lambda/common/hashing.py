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

_BUFFER = 2 * 1024 * 1024
"""Bytes. Between two of them a thread has to wait for its turn, since others run Python meanwhile."""
_MOST_THREADS = 4
"""More would only wait for the disk."""


def sha256_of(path: Path) -> str:
    """In hexadecimal. A file that the file system says was not touched since is not read again in this process.

    Raises `OSError`.
    """
    return _digest_of(path).value()


def hash_ahead(paths: Iterable[Path]) -> None:
    """Begin to hash files that `sha256_of` will be asked for. The caller goes on, with a core for itself."""
    waiting: deque[_Digest] = deque()
    for path in paths:
        with contextlib.suppress(OSError):  # whoever asks for it gets to know
            digest = _digest_of(path)
            if not digest.is_asked_for:
                digest.is_asked_for = True
                waiting.append(digest)
    for _ in range(min(max(cores() - 1, 1), _MOST_THREADS, len(waiting))):
        Thread(target=_work_out, args=(waiting,), daemon=True).start()


def cores() -> int:
    """Those that this process may use, which can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work_out(waiting: deque[_Digest]) -> None:
    while waiting:
        with contextlib.suppress(IndexError, OSError):  # another thread took the last one
            waiting.popleft().value()


class _Digest:
    """Of a file as it is now: worked out by the thread that asks first, and waited for by the others."""

    def __init__(self, path: Path, size: int) -> None:
        self.is_asked_for = False
        self._path = path
        self._size = size
        self._lock = Lock()
        self._found: str | None = None

    def value(self) -> str:
        self.is_asked_for = True
        with self._lock:
            if self._found is None:
                self._found = _sha256(self._path, self._size)
            return self._found


_DIGESTS: dict[tuple[object, ...], _Digest] = {}


def _digest_of(path: Path) -> _Digest:
    status = path.stat()
    as_it_is = (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _DIGESTS.setdefault(as_it_is, _Digest(path, status.st_size))


def _sha256(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(size + 1, _BUFFER)))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
