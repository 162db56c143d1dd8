"""Threads and connections of the finder: nothing waits for ever, nothing stays, and little is held in memory."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import threading
import time
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve.finder import LeftToPip, workers
from hatch_lambda.resolve.finder.client import Client
from hatch_lambda.resolve.finder.indexes import Indexes
from hatch_lambda.resolve.finder.workers import Workers
from tests.support import faulty_index as faults
from tests.support.packages import make_wheel
from tests.support.situation import raising

if TYPE_CHECKING:
    from pathlib import Path

    from tests.resolve.finder.conftest import Find
    from tests.support.faulty_index import Exchange, FaultyIndex

pytestmark = pytest.mark.usefixtures("silent")


def a_client(url: str = "http://127.0.0.1:9", timeout: float = 5) -> Client:
    return Client(Indexes((url,), None, timeout, 0), "test")


class TestWorkers:
    def test_the_most_urgent_is_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workers, "WORKERS", 1)
        begin, done = threading.Event(), list[int]()
        with Workers(a_client()) as pool:
            pool.submit((0, 0), begin.wait)
            futures = [pool.submit((number % 3, -number), partial(done.append, number)) for number in range(9)]
            begin.set()
            for future in futures:
                future.result(5)
        assert done == [6, 3, 0, 7, 4, 1, 8, 5, 2]

    def test_no_task_waits_while_a_thread_could_do_it(self) -> None:
        for _ in range(50):
            with Workers(a_client()) as pool:
                everybody = threading.Barrier(4)
                pool.submit((0, 0), int).result(5)
                futures = [pool.submit((0, 0), partial(everybody.wait, 5)) for _ in range(4)]
                assert {future.result(5) for future in futures} == {0, 1, 2, 3}

    def test_an_error_comes_where_the_result_is_wanted(self) -> None:
        with Workers(a_client()) as pool:
            with pytest.raises(ZeroDivisionError):
                pool.submit((0, 0), lambda: 1 // 0).result(5)
            with pytest.raises(LeftToPip, match="No space left"):
                pool.submit((0, 0), raising(OSError(28, "No space left on device"))).result(5)
            assert pool.submit((0, 0), lambda: 7).result(5) == 7

    def test_it_does_with_as_many_threads_as_there_can_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = raising(RuntimeError("can't start new thread"))
        with Workers(a_client()) as pool:
            with monkeypatch.context() as crowded:
                crowded.setattr(threading.Thread, "start", refused)
                with pytest.raises(LeftToPip, match="can't start new thread"):
                    pool.submit((0, 0), int)
            begin = threading.Event()
            first = pool.submit((0, 0), lambda: begin.wait(5))
            monkeypatch.setattr(threading.Thread, "start", refused)
            others = [pool.submit((0, 0), int) for _ in range(5)]
            begin.set()
            assert first.result(5)
            assert [other.result(5) for other in others] == [0] * 5

    def test_after_the_end_nothing_is_begun(self) -> None:
        done: list[int] = []
        begin = threading.Event()
        with Workers(a_client()) as pool:

            def work() -> None:
                begin.wait(5)
                done.append(1)

            for _ in range(100):
                pool.submit((1, 0), work)
            begin.set()
        at_the_end = len(done)
        with pytest.raises(LeftToPip, match="stopped"):
            pool.submit((0, 0), int).result(5)
        time.sleep(0.1)
        assert len(done) == at_the_end

    def test_a_thread_that_a_task_starts_at_the_end_ends_too(self) -> None:
        for number in range(60):
            with Workers(a_client()) as pool:

                def task(pool: Workers = pool) -> None:
                    pool.submit((0, 0), task)
                    time.sleep(0.0005)
                    pool.submit((0, 0), task)

                pool.submit((0, 0), task)
                time.sleep(number % 10 / 5000)
            for thread in pool._threads:
                thread.join(5)
                assert not thread.is_alive()


class TestTheEnd:
    def test_no_connection_stays(self, faulty: FaultyIndex, find_foo: Find) -> None:
        assert find_foo() == faulty.wheels
        gc.collect()  # a socket that was not closed is an error
        deadline = time.monotonic() + 5
        while faulty.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not faulty.connections

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "fault",
        [faults.hanging, faults.hanging_in_the_middle, faults.trickling(), faults.status(503, Retry_After="20")],
    )
    def test_what_is_not_needed_is_not_waited_for(
        self, faulty: FaultyIndex, folder: Path, find_foo: Find, fault: faults.Fault
    ) -> None:
        """`bar` 2.0, which alone would be the best, and what it requires: its page is never asked for in earnest."""
        make_wheel(folder, "bar", "2.0", requires=["baz"])
        make_wheel(folder, "baz", files={"baz.bin": os.urandom(100_000)})
        make_wheel(folder, "other", requires=["bar<2"])
        faulty.faults["/files/other-1.0-py3-none-any.whl.metadata"] = _late
        faulty.faults["/simple/baz/"] = fault
        begun = time.monotonic()
        assert find_foo("other", "bar").keys() == {"bar-1.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"}
        assert time.monotonic() - begun < 4
        assert "/simple/baz/" in faulty.paths()

    def test_nothing_is_written_where_all_was_removed(self, faulty: FaultyIndex, tmp_path: Path) -> None:
        client = a_client(faulty.url)
        path = tmp_path / "scratch" / "found" / "bar.whl"
        client.stop()
        with pytest.raises(LeftToPip, match="stopped"):
            client._create(path)
        assert not path.parent.parent.exists()


def _late(exchange: Exchange) -> None:
    exchange.stopped.wait(0.5)
    exchange.send()


def test_a_huge_wheel_is_not_held_in_memory(faulty: FaultyIndex, tmp_path: Path) -> None:
    size, piece = 64 * 1024 * 1024, bytes(1024 * 1024)
    digest = hashlib.sha256()
    for _ in range(size // len(piece)):
        digest.update(piece)

    def huge(exchange: Exchange) -> None:
        exchange.reply.status = 200
        exchange.send(b"", size)
        for _ in range(size // len(piece)):
            exchange.handler.wfile.write(piece)

    faulty.faults["/huge.whl"] = huge
    client, path = a_client(faulty.url), tmp_path / "found" / "huge.whl"
    tracemalloc.start()
    try:
        assert client.download(f"{faulty.url}/huge.whl", path, digest.hexdigest(), size, lambda: True)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        client.stop()
        client.close()
    assert path.stat().st_size == size
    assert peak < 16 * 1024 * 1024


def test_many_projects_on_an_index_that_fails_now_and_then(faulty: FaultyIndex, folder: Path, find_foo: Find) -> None:
    """Each waits for others, whose wheels have no metadata beside them: whatever comes first, it ends."""
    names = [f"project-{number}" for number in range(40)]
    for number, name in enumerate(names):
        make_wheel(folder, name, requires=names[number + 1 : number + 4])
    faulty.page = lambda _name, page: [file.update({"core-metadata": False}) for file in page["files"]] and None
    chance = random.Random(3)

    def fault(exchange: Exchange) -> None:
        exchange.stopped.wait(chance.random() * 0.02)
        if exchange.number == 1 and chance.random() < 0.2:
            exchange.cut()
        else:
            exchange.send()

    faulty.faults["/"] = faulty.faults[".whl"] = fault
    assert len(find_foo("project-0")) == len(names)
