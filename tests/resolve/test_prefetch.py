"""What a build begins before it is asked for: hashing, pip, and a look through what pip has brought."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common import hashing
from hatch_lambda.common.hashing import hash_ahead, sha256_of
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.prefetch import Prefetch
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel
from tests.support.projects import HOOK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.projects import NewProject, Project


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


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="processes are looked at in /proc")
class TestPip:
    def test_the_waiting_one_is_taken_once(self, tmp_path: Path) -> None:
        with process.WaitingPip(tmp_path) as waiting:
            begun = waiting.take(tmp_path)

            assert begun is not None
            assert waiting.take(tmp_path) is None
            assert begun.poll() is None
            output, _ = begun.communicate("")  # nothing to do
            assert (begun.returncode, output) == (0, "")

    def test_it_is_not_taken_for_another_project(self, tmp_path: Path) -> None:
        with process.WaitingPip(tmp_path) as waiting:
            begun = waiting._process

            assert waiting.take(tmp_path / "other") is None
            assert begun is not None
            assert begun.poll() is not None

    def test_it_is_not_taken_once_the_environment_has_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with process.WaitingPip(tmp_path) as waiting:
            monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")

            assert waiting.take(tmp_path) is None

    def test_it_is_not_taken_if_it_has_ended(self, tmp_path: Path) -> None:
        with process.WaitingPip(tmp_path) as waiting:
            begun = waiting._process
            assert begun is not None
            begun.kill()
            begun.wait()

            assert waiting.take(tmp_path) is None

    def test_one_that_was_not_needed_is_ended(self, tmp_path: Path) -> None:
        with process.WaitingPip(tmp_path) as waiting:
            begun = waiting._process
            assert begun is not None
            assert begun.poll() is None

        assert begun.returncode is not None
        assert not is_at_work(begun.pid)

    def test_it_ends_if_the_build_is_killed(self, tmp_path: Path) -> None:
        code = (
            "import time; from pathlib import Path; from hatch_lambda.resolve.pip import process\n"
            f"with process.WaitingPip(Path({str(tmp_path)!r})) as waiting:\n"
            "    print(waiting._process.pid, flush=True); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as build:
            assert build.stdout is not None
            number = int(build.stdout.readline())
            assert is_at_work(number)
            build.kill()

        wait_until(lambda: not is_at_work(number))


def is_at_work(number: int) -> bool:
    """Whether there is such a process that has not ended; where nobody waits for the dead, they stay."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_what_follows_is_imported_while_pip_is_at_work(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from hatch_lambda.resolve.prefetch import Prefetch; from hatch_lambda.wheels.store import Store\n"
        "names = ('hatch_lambda.wheels.scan', 'hatch_lambda.resolve.audit', 'hatch_lambda.resolve.toolchains')\n"
        "assert not sys.modules.keys() & set(names)\n"
        f"with Prefetch(Store(Path({str(tmp_path)!r}))) as prefetch:\n"
        "    prefetch.begin(); prefetch.begin()\n"
        "assert sys.modules.keys() >= set(names), sorted(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_arrivals_are_inspected_once_each_and_only_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspected: list[str] = []
    monkeypatch.setattr("hatch_lambda.wheels.scan.prescan", lambda wheel, _store: inspected.append(str(wheel)))
    arrivals = tmp_path / "arrivals"
    arrivals.touch()

    with Prefetch(Store(tmp_path)) as prefetch:
        look = prefetch.follow(arrivals)
        look()
        with arrivals.open("ab", buffering=0) as file:
            file.write(b'"/a/one.whl"\n"/a/t')
            look()
            file.write(b'wo\\nlines.whl"\n')
            look()
        look()

    assert [Path(wheel) for wheel in inspected] == [Path("/a/one.whl"), Path("/a/two\nlines.whl")]


def test_wheels_are_looked_through_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[Path] = []
    most: list[int] = []

    def look(wheel: Path, _store: Store) -> None:
        at_work.append(wheel)
        most.append(len(at_work))
        time.sleep(0.005)
        at_work.remove(wheel)

    monkeypatch.setattr("hatch_lambda.wheels.scan.prescan", look)

    with Prefetch(Store(tmp_path)) as prefetch:
        for number in range(10):
            prefetch.inspect(tmp_path / f"p{number}-1.0-py3-none-any.whl")

    assert most == [1] * 10


COUNTING = """# may be forked
import sys
from hatch_lambda.resolve.pip import process
from hatchling.cli import hatchling

start = process.start_pip

def tell(root):
    print("pip is started")
    return start(root)

process.start_pip = tell
hatchling()
"""
FUNCTIONS = """
[tool.hatch.build.hooks.lambda.functions.api]

[tool.hatch.build.hooks.lambda.functions.worker]
exclude = ["*.txt"]
"""


class TestWholeBuilds:
    @staticmethod
    def pips(project: Project, *arguments: str) -> int:
        completed = project.python("-c", COUNTING, "build", *arguments)
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout.count("pip is started")

    @pytest.mark.parametrize("more", ["", FUNCTIONS], ids=["one zip", "functions that need the same"])
    def test_pip_is_started_once_for_what_is_not_resolved(
        self, more: str, new_project: NewProject, index: Path
    ) -> None:
        make_wheel(index, "foo")
        project = new_project(HOOK + more, project='dependencies = ["foo"]')

        assert self.pips(project, "-t", "lambda") == 1
        assert self.pips(project, "-t", "lambda") == 0
        assert self.pips(project, "-c", "-t", "lambda") == 1
        assert self.pips(project, "-c", "-t", "wheel") == 0

    def test_it_is_started_for_another_function_that_needs_something_else(
        self, new_project: NewProject, index: Path
    ) -> None:
        make_wheel(index, "foo")
        make_wheel(index, "bar")
        more = "[tool.hatch.build.hooks.lambda.functions.api]\nextras = ['bar']\n"
        project = new_project(HOOK + more, project="dependencies = ['foo']\noptional-dependencies.bar = ['bar']")
        assert self.pips(project, "-t", "lambda:function") == 1

        assert self.pips(project, "-t", "lambda:api") == 1
        assert self.pips(project, "-t", "lambda:api", "-t", "lambda:function") == 0
