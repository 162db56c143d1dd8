"""Locks of builds that share a store: see ARCHITECTURE.md, *Locks*.

A build holds one lock at a time, so builds cannot deadlock, and takes it while holding the gate. The system releases
the locks of killed processes.
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
"""Seconds between attempts, as in filelock."""
_PATIENCE = 1.0
"""Seconds for which a starting build may hold the gate."""


@contextmanager
def building(store: Store, directory: Path, report: Callable[[str], object]) -> Iterator[None]:
    """Lock a bundle directory; reentrant. `report` is called once if the build has to wait."""
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
    """Keep builds from starting. Raises `LambdaBuildError` if one is running."""
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
