"""What a build begins before it is asked for: hashing, pip, and a look through what pip has brought."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import hashing, pip_process
from hatch_lambda.ahead import Ahead
from hatch_lambda.hashing import hash_ahead, sha256_of
from hatch_lambda.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def wait_until(holds: Callable[[], object]) -> None:
    """Within a time that no machine needs."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


class TestHashing:
    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """The files that were read, in order."""
        read: list[Path] = []
        sha256 = hashing._sha256

        def note(path: Path, size: int) -> str:
            read.append(path)
            return sha256(path, size)

        monkeypatch.setattr(hashing, "_sha256", note)
        return read

    def test_what_was_hashed_ahead_is_not_read_again(self, tmp_path: Path, read: list[Path]) -> None:
        paths = [tmp_path / f"{number}" for number in range(5)]
        for path in paths:
            path.write_bytes(path.name.encode("ascii"))

        hash_ahead([tmp_path / "gone", *paths])
        wait_until(lambda: len(read) == len(paths))
        hashes = [sha256_of(path) for path in paths]

        assert sorted(read) == paths
        assert hashes[0] == "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
        assert len(set(hashes)) == len(paths)

    def test_several_threads_read_a_file_once(self, tmp_path: Path, read: list[Path]) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(20_000_000))  # some buffers
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(sha256_of(path))) for _ in range(8)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert read == [path]
        assert len(found) == 8
        assert len(set(found)) == 1

    def test_what_cannot_be_read_is_told_whoever_asks_for_it(self, tmp_path: Path) -> None:
        hash_ahead([tmp_path])
        with pytest.raises(IsADirectoryError if os.name != "nt" else PermissionError):
            sha256_of(tmp_path)
        with pytest.raises(FileNotFoundError):
            sha256_of(tmp_path / "gone")


def process_is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(os.name == "nt", reason="processes are looked at by signals")
class TestPip:
    @pytest.fixture
    def waiting(self) -> Iterator[pip_process._StartedAhead]:
        waiting = pip_process._StartedAhead()
        yield waiting
        waiting._end()

    def test_the_one_that_waits_is_taken_once(self, waiting: pip_process._StartedAhead, tmp_path: Path) -> None:
        waiting.start(tmp_path)
        waiting.start(tmp_path)

        process = waiting.take(tmp_path)

        assert process is not None
        assert waiting.take(tmp_path) is None
        assert process.poll() is None
        output, _ = process.communicate("")  # nothing to do
        assert (process.returncode, output) == (0, "")

    def test_it_is_not_taken_for_another_project(self, waiting: pip_process._StartedAhead, tmp_path: Path) -> None:
        waiting.start(tmp_path)
        process = waiting._process
        assert process is not None

        assert waiting.take(tmp_path / "other") is None
        assert process.poll() is not None

    def test_it_is_not_taken_once_the_environment_is_another(
        self, waiting: pip_process._StartedAhead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting.start(tmp_path)
        monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")

        assert waiting.take(tmp_path) is None

    def test_one_that_is_not_needed_ends_together_with_the_build(self, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from hatch_lambda import pip_process\n"
            f"pip_process.start_ahead(Path({str(tmp_path)!r})); print(pip_process._AHEAD._process.pid)"
        )
        completed = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert completed.stderr == ""
        assert not process_is_there(int(completed.stdout))

    def test_and_where_the_build_is_killed(self, tmp_path: Path) -> None:
        code = (
            "import time; from pathlib import Path; from hatch_lambda import pip_process\n"
            f"pip_process.start_ahead(Path({str(tmp_path)!r})); print(pip_process._AHEAD._process.pid, flush=True)\n"
            "time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as build:
            assert build.stdout is not None
            number = int(build.stdout.readline())
            assert process_is_there(number)
            build.kill()

        wait_until(lambda: not process_is_there(number) or is_a_zombie(number))


def is_a_zombie(number: int) -> bool:
    """In a container whose first process waits for nobody, the dead stay."""
    completed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True, check=False, timeout=60
    )
    return completed.stdout.strip().startswith("Z")


def test_what_follows_is_imported_while_pip_is_at_work(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from hatch_lambda.ahead import Ahead; from hatch_lambda.store import Store\n"
        "names = ('hatch_lambda.inspection', 'hatch_lambda.stages.audit', 'packaging.pylock', 'tomli_w')\n"
        "assert not sys.modules.keys() & set(names)\n"
        f"with Ahead(Store(Path({str(tmp_path)!r}))) as ahead:\n"
        "    ahead.begin(); ahead.begin()\n"
        "assert sys.modules.keys() >= set(names), sorted(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_wheels_are_looked_through_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[Path] = []
    most: list[int] = []

    def look(wheel: Path, _store: Store) -> None:
        at_work.append(wheel)
        most.append(len(at_work))
        time.sleep(0.005)
        at_work.remove(wheel)

    monkeypatch.setattr("hatch_lambda.inspection.inspect_in_silence", look)

    with Ahead(Store(tmp_path)) as ahead:
        for number in range(10):
            ahead.look(tmp_path / f"p{number}-1.0-py3-none-any.whl")

    assert most == [1] * 10
