"""Locks of builds that share a store.

A build holds the lock of its bundle directory until its zip is written, so builds of the same bundle run one after the
other, and nobody clears the store while a build reads from it. It holds one lock at a time: a build of several versions
releases one before it takes the next, so that no two builds can wait for each other.

A lock is taken by whoever holds the gate, and only then. `hatch-lambda cache clear` keeps the gate for as long as it
removes files: it sees each build that is running, and none can begin.

Lock files are never deleted, as a file that one process has deleted and another one has open keeps nobody out. Their
number is limited by their names, which are 16 bits of a hash; the wrong build waits once in a while. The system
releases the locks of a process that was killed.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.wheels.store import Store

_GATE = "gate.lock"
_PAUSE = 0.05
"""Seconds between two tries, as in filelock."""
_PATIENCE = 1.0
"""Seconds that the gate may be held by a build that begins."""


@contextmanager
def building(store: Store, directory: Path, report: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock of a bundle directory; a thread that holds it already goes on.

    `report` is told once what the build is waiting for.
    """
    name = f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:4]}.lock"
    lock = FileLock(store.lock_file(name), is_singleton=True)
    if lock.is_locked:
        with lock:
            yield
        return
    is_reported = False
    while not _try(lock, FileLock(store.lock_file(_GATE), is_singleton=True), report):
        if not is_reported:
            report("Waiting for another build of the same bundle to finish")
            is_reported = True
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        lock.release()


def _try(lock: FileLock, gate: FileLock, report: Callable[[str], object]) -> bool:
    try:
        gate.acquire(timeout=_PATIENCE)
    except Timeout:
        report("Waiting for `hatch-lambda cache clear` to finish")
        gate.acquire()
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    finally:
        gate.release()
    return True


@contextmanager
def clearing(store: Store) -> Iterator[None]:
    """Keep builds from beginning. Raises `LambdaBuildError` if one is running."""
    with FileLock(store.lock_file(_GATE)):
        for path in store.lock_files():
            if path.name == _GATE:
                continue
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                raise LambdaBuildError(
                    "A build is running and uses the cache. What you can do: clear it when the build has finished."
                ) from None
        yield
