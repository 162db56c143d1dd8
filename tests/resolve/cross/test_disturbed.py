"""Builds that are interrupted, out of disk or not alone while they cross-compile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from hatch_lambda.resolve.cross.zig import installed_zig
from tests.resolve.cross.test_cross_builds import MACHINES, OTHER
from tests.support.busy_builds import has_ended, start_build
from tests.support.native_sdists import SETUP, make_native_sdist, native_files, wheel_of_installed
from tests.support.projects import Project
from tests.support.situation import HERE
from tests.support.small_disk import build_on_a_small_disk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.projects import NewProject

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="signals to process groups, and small disks"),
    pytest.mark.skipif(installed_zig() is None, reason="no cross compiler (ziglang) at hand"),
    pytest.mark.usefixtures("zig"),
]

TABLE = f'[tool.hatch.build.hooks.lambda]\nruntime = "{HERE}"\narchitecture = "{OTHER}"\n'
# The compiler waits for whoever writes to what it includes.
ENDLESS = '#include "endless.h"\n'
FIFO = "import os\nif not os.path.exists('endless.h'):\n    os.mkfifo('endless.h')\n"


@pytest.fixture
def project_with(new_project: NewProject, index: Path) -> Callable[..., Project]:
    """`project_with(source, setup)`: one for the other architecture that requires an sdist `wrapt` with this in it."""
    wheel_of_installed(index, "setuptools")

    def make(**parts: str) -> Project:
        make_native_sdist(index, "wrapt", native_files("wrapt", **parts))  # type: ignore[arg-type]
        return new_project(TABLE, project='dependencies = ["wrapt"]')

    return make


def compilers_below(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):  # the process itself
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # or a child that has just ended
                if child.name().startswith("zig"):
                    found.append(child.pid)
    return found


@pytest.mark.real_processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_compiler_and_leaves_nothing(
    number: int, project_with: Callable[..., Project], tmp_path: Path
) -> None:
    project = project_with(source=ENDLESS, setup=FIFO + SETUP)
    before = project.put_former_zip()
    shown = tmp_path / "shown"
    process = start_build(project, shown, compilers_below)
    compilers = compilers_below(process.pid)
    os.killpg(process.pid, number)

    assert process.wait(30) == 130  # as for an interrupt from the keyboard
    project.assert_clean_failure(shown.read_text(encoding="utf-8"), before)
    assert all(has_ended(compiler) for compiler in compilers)
    assert not list(Path(os.environ["HATCH_LAMBDA_CACHE_DIR"]).rglob("*.whl"))


def test_a_full_disk_is_told_with_the_compilers_words(project_with: Callable[..., Project], tmp_path: Path) -> None:
    project = project_with()
    before = project.put_former_zip()
    cache = Path(os.environ["HATCH_LAMBDA_CACHE_DIR"])

    ended = build_on_a_small_disk(project.root, 300, cache, before=tmp_path / "none", after=tmp_path / "after")

    assert ended.returncode == 1, ended.stderr
    assert "NoSpaceLeft" in ended.stderr or "No space left on device" in ended.stderr
    project.assert_clean_failure(ended.stderr, before)
    project.build()


def test_two_builds_at_once_give_what_one_gives(project_with: Callable[..., Project], tmp_path: Path) -> None:
    project = project_with()
    other = Project(shutil.copytree(project.root, tmp_path / "other"))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "hatchling", "build", "-t", "lambda"],
            cwd=each.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for each in (project, other)
    ]
    shown = [build.communicate(timeout=120)[0] for build in running]
    assert [build.returncode for build in running] == [0, 0], "\n".join(shown)

    assert project.in_dist() == other.in_dist()
    (zip_file,) = project.dist.iterdir()
    with zipfile.ZipFile(zip_file) as archive:
        assert [name for name in archive.namelist() if MACHINES[OTHER] in name]
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []
