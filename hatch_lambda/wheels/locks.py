"""Locks of builds that share a store: see ARCHITECTURE.md, *Locks*.

A build holds one lock at a time, so builds cannot deadlock, and takes it while holding the gate. The system releases
the locks of killed processes. filelock locks in the same way, but takes 10 ms to import.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.wheels.store import Store

_GATE = "gate.lock"
_PAUSE = 0.05
"""Seconds between attempts."""
_PATIENCE = 20
"""Attempts after which it is not a starting build that holds the gate."""


@contextmanager
def building(store: Store, directory: Path, report: Callable[[str], object]) -> Iterator[None]:
    """Lock a bundle directory. `report` is called once if the build has to wait."""
    name = f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:4]}.lock"
    is_reported = False
    while True:
        with _gate(store, report):
            lock = _locked(store.lock_file(name))
        if lock:
            break
        if not is_reported:
            report("Waiting for another build of the same bundle to finish")
            is_reported = True
        time.sleep(_PAUSE)
    with lock:
        yield


@contextmanager
def clearing(store: Store) -> Iterator[None]:
    """Keep builds from starting. Raises `LambdaBuildError` if one is running."""
    with _gate(store, lambda _: None):
        for path in store.lock_files():
            if path.name == _GATE:
                continue
            lock = _locked(path)
            if lock is None:
                raise LambdaBuildError(
                    "A build is running and uses the cache. What you can do: clear it when the build has finished."
                )
            lock.close()
        yield


def _gate(store: Store, report: Callable[[str], object]) -> FileIO:
    """Wait for the gate and lock it."""
    attempts = 0
    while (gate := _locked(store.lock_file(_GATE))) is None:
        if attempts == _PATIENCE:
            report("Waiting for `hatch-lambda cache clear` to finish")
        attempts += 1
        time.sleep(_PAUSE)
    return gate


def _locked(path: Path) -> FileIO | None:
    """Lock a file until it is closed. Return None if somebody else has locked it. Raises `LambdaBuildError`."""
    file = FileIO(path, "a")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        return None
    except OSError as error:
        file.close()
        raise LambdaBuildError(
            f"The cache cannot be locked: {error.strerror}: {path}. What you can do: set HATCH_LAMBDA_CACHE_DIR to a "
            "directory on a file system with locks."
        ) from error
    return file
