"""What goes on beside pip: wheels are inspected as they arrive, and what follows is imported."""

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
from hatch_lambda.resolve.prefetch import Prefetch
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex


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
