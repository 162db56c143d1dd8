"""Locks of builds: one build of a bundle at a time, and no clearing of the cache while a build is running."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock, Timeout

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.wheels.locks import building, clearing
from hatch_lambda.wheels.store import UNUSED_FOR, Store

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """\
import sys
from pathlib import Path
from hatch_lambda.wheels.locks import building
from hatch_lambda.wheels.store import Store

with building(Store(Path(sys.argv[1])), Path(sys.argv[2]), print):
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class Holder:
    """Another process that holds the lock of a bundle."""

    def __init__(self, store: Store, bundle: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(store.root), str(bundle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "holding\n"

    def finish(self) -> None:
        self.process.communicate()


def held(store: Store) -> list[str]:
    """The names of the locks that somebody holds, this thread included."""
    names = []
    for path in store.lock_files():
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            names.append(path.name)
    return names


def test_builds_of_a_bundle_wait_for_each_other_and_say_so_once(store: Store, tmp_path: Path) -> None:
    holder, reports = Holder(store, tmp_path / "bundle"), list[str]()
    threading.Timer(0.3, holder.finish).start()

    with building(store, tmp_path / "bundle", reports.append):
        holder.process.wait()

    assert reports == ["Waiting for another build of the same bundle to finish"]
    assert held(store) == []


def test_builds_of_other_bundles_do_not_wait(store: Store, tmp_path: Path) -> None:
    with building(store, tmp_path / "one", pytest.fail), building(store, tmp_path / "another", pytest.fail):
        assert len(held(store)) == 2


def test_other_threads_wait(store: Store, tmp_path: Path) -> None:
    reports: list[str] = []

    def build() -> None:
        with building(store, tmp_path / "bundle", reports.append):
            pass

    with building(store, tmp_path / "bundle", pytest.fail):
        thread = threading.Thread(target=build)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    assert reports == ["Waiting for another build of the same bundle to finish"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_build_leaves_no_lock_held(store: Store, tmp_path: Path) -> None:
    holder = Holder(store, tmp_path / "bundle")
    assert len(held(store)) == 1
    holder.process.send_signal(signal.SIGKILL)
    holder.finish()

    with building(store, tmp_path / "bundle", pytest.fail), pytest.raises(LambdaBuildError), clearing(store):
        pass
    with clearing(store):
        pass


def test_clearing_is_refused_while_a_build_is_running(store: Store, tmp_path: Path) -> None:
    holder = Holder(store, tmp_path / "bundle")

    with pytest.raises(LambdaBuildError, match="A build is running"), clearing(store):
        pytest.fail("cleared")

    holder.finish()
    with clearing(store):
        pass


def test_a_lock_that_another_program_holds_counts(store: Store, tmp_path: Path) -> None:
    with building(store, tmp_path / "bundle", pytest.fail):
        pass
    lock = next(path for path in store.lock_files() if path.name != "gate.lock")

    with FileLock(lock), pytest.raises(LambdaBuildError, match="A build is running"), clearing(store):
        pytest.fail("cleared")


@pytest.mark.slow
def test_builds_wait_until_the_cache_is_cleared(store: Store, tmp_path: Path) -> None:
    reports: list[str] = []

    def build() -> None:
        with building(store, tmp_path / "new bundle", reports.append):
            pass

    thread = threading.Thread(target=build)
    with clearing(store):
        thread.start()
        thread.join(1.5)
        assert thread.is_alive()
    thread.join()
    assert reports == ["Waiting for `hatch-lambda cache clear` to finish"]


def test_tidying_keeps_lock_files_however_old(store: Store, tmp_path: Path) -> None:
    with building(store, tmp_path / "bundle", pytest.fail):
        pass
    before = store.lock_files()
    for path in before:
        os.utime(path, (0, UNUSED_FOR))

    store.tidy()

    assert store.lock_files() == before
    assert len(before) == 2  # the gate's and the bundle's


def test_there_is_a_limited_number_of_lock_files(store: Store, tmp_path: Path) -> None:
    for number in range(20):
        with building(store, tmp_path / f"{number}", pytest.fail):
            pass
    assert {len(path.stem) for path in store.lock_files()} == {len("gate"), len("f00d")}


@pytest.mark.skipif(sys.platform == "win32", reason="flock(2)")
def test_a_file_system_without_locks_stops_the_build(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)

    with (
        pytest.raises(LambdaBuildError, match=r"No locks available: .*gate\.lock.* set HATCH_LAMBDA_CACHE_DIR to"),
        building(store, tmp_path / "bundle", pytest.fail),
    ):
        pytest.fail("locked")


@pytest.mark.parametrize("place", ["locks", "locks/gate.lock", "begun"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_stands_in_the_way_of_locks_is_removed(store: Store, tmp_path: Path, place: str, kind: str) -> None:
    path = store.root / place
    path.parent.mkdir(parents=True)
    if kind == "file":
        path.touch()
    else:
        path.joinpath("something").mkdir(parents=True)

    with building(store, tmp_path / "bundle", pytest.fail):
        assert len(held(store)) == 1
