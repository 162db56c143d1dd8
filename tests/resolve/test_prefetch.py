"""What a build begins before it is asked for: hashing, pip, and a look through what pip has brought."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve import prefetch
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.prefetch import Prefetch
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel
from tests.support.projects import HOOK

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.projects import NewProject, Project
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex


def wait_until(holds: Callable[[], object]) -> None:
    """Within a time that no machine needs."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_imported_ahead_exists() -> None:
    importlib.import_module(prefetch._NEEDED_LATER)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix's")
@pytest.mark.parametrize("shape", ["{}", '"{}"', "Progress 1 of 2\n{}", '{{"path": "{}"}}', "Saved {}"])
def test_what_an_index_writes_is_not_taken_for_what_pip_reports(
    shape: str, tmp_path: Path, serve: type[SimpleIndex], bundle_of: Callable[..., Bundle], ui: RecordingUI
) -> None:
    """Opening a named pipe would wait forever. pip prints an index's reasons for yanking as they are."""
    pipe = tmp_path / "evil-1.0-py3-none-any.whl"
    os.mkfifo(pipe)
    made = make_wheel(tmp_path / "served", "foo")
    reason = f"broken\n{shape.format(pipe)}\n"

    with serve(tmp_path / "served", as_json=True, yanked={made.name: reason}) as index:
        bundle = bundle_of("foo==1.0", pip_args=["--index-url", index.url])

    assert [wheel.distribution for wheel in bundle.wheels] == ["foo 1.0"]
    assert "yanked" in ui.text
    assert "Reason for being yanked: " in ui.text


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
        "assert 'hatch_lambda.bundle.prune' not in sys.modules\n"
        f"with Prefetch(Store(Path({str(tmp_path)!r}))):\n"
        "    pass\n"
        "assert 'hatch_lambda.bundle.prune' in sys.modules, sorted(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_arrivals_are_inspected_once_each_and_only_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspected: list[str] = []
    monkeypatch.setattr("hatch_lambda.resolve.prefetch.prescan", lambda wheel, _store: inspected.append(str(wheel)))
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

    monkeypatch.setattr("hatch_lambda.resolve.prefetch.prescan", look)

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
