"""All or nothing: builds that are interrupted, killed, run at the same time or cannot write."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.busy_builds import has_ended, make_slow_sdist, start_busy_build
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import (
    BUNDLE,
    ZIP,
    NewProject,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.real_processes
@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
@pytest.mark.parametrize("slow_function", ["prepare_metadata_for_build_wheel", "build_wheel"])
def test_an_interrupted_build_ends_at_once_and_leaves_nothing(
    new_project: NewProject, index: Path, tmp_path: Path, slow_function: str
) -> None:
    make_slow_sdist(index, "slow", slow_function)
    project = new_project(project='dependencies = ["slow"]')
    before = project.put_former_zip()
    build = start_busy_build(project, tmp_path)

    code, shown = build.signal(signal.SIGINT)

    assert code == 130
    assert shown.splitlines()[-1].startswith("Interrupted")
    project.assert_clean_failure(shown, before)
    assert has_ended(build.backend)


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
def test_progress_is_shown_while_a_stage_is_at_work(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    make_slow_sdist(index, "slow", "build_wheel")
    build = start_busy_build(new_project(project='dependencies = ["slow"]'), tmp_path)
    so_far = build.shown.read_text(encoding="utf-8")
    build.signal(signal.SIGKILL)

    assert so_far.startswith("Bundle for python3.13 on x86_64")
    assert "\n  1 download " in so_far
    assert "\n  3 download wheels " in so_far


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
def test_a_killed_build_leaves_the_former_zip_and_the_next_one_works(
    new_project: NewProject, index: Path, tmp_path: Path
) -> None:
    make_slow_sdist(index, "slow", "build_wheel")
    project = new_project(project='dependencies = ["slow"]')
    before = project.put_former_zip()

    start_busy_build(project, tmp_path).signal(signal.SIGKILL)

    assert project.in_dist() == before
    make_sdist(index, "slow")
    project.build(HATCH_LAMBDA_PYTHON=sys.executable)
    assert "slow.py" in project.zipped()


_WITH_SMALL_FILES_ONLY = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv[:] = ["hatchling", "build", "-t", "lambda"]
runpy.run_module("hatchling", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
@pytest.mark.parametrize(
    ("contents", "where"),
    [
        pytest.param([os.urandom(300_000), os.urandom(300_000)], ZIP, id="writing the zip"),
        pytest.param([bytes(600_000)], BUNDLE.rpartition("/")[0], id="laying the bundle out"),
        pytest.param([os.urandom(600_000)], "foo0", id="downloading"),
    ],
)
def test_where_a_file_cannot_be_written_the_build_says_so_and_leaves_what_was_there(
    new_project: NewProject, index: Path, contents: list[bytes], where: str
) -> None:
    for number, content in enumerate(contents):
        make_wheel(index, f"foo{number}", files={f"foo{number}.bin": content})
    names = [f"foo{number}" for number in range(len(contents))]
    project = new_project(project=f"dependencies = {names}")
    before = project.put_former_zip()

    ended = project.python("-c", _WITH_SMALL_FILES_ONLY, "450000")

    assert ended.returncode == 1
    assert not ended.stdout
    project.assert_clean_failure(ended.stderr, before)
    reason = ended.stderr.partition("The ")[2]
    assert "File too large" in reason
    assert where in reason
