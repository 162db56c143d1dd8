"""What most tests stand on: a forked build or pip gives the same answer as a started one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.fork_server import ForkingPopen
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, NewProject, Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks")

HELP = [sys.executable, "-m", "hatchling", "--help"]


def forked(process: subprocess.Popen[str]) -> bool:
    return isinstance(process, ForkingPopen) and process._connection is not None


@pytest.mark.parametrize(
    ("project", "arguments", "exit_code"),
    [
        ('dependencies = ["foo", "bar"]', ("-t", "lambda"), 0),
        ('dependencies = ["foo", "bar"]', ("-t", "wheel", "-t", "sdist", "-t", "lambda:layer"), 0),
        ('dependencies = ["foo>1"]', ("-t", "lambda"), 1),
        ('dependencies = ["foo"]\n[tool.hatch.build.hooks.lambda]\nruntme = "python3.13"', ("-t", "lambda"), 1),
        ("", ("-t", "nonesuch"), 1),
        ("", ("--nonesuch",), 2),
    ],
    ids=["dependencies", "several targets", "a resolution that fails", "a wrong table", "no such target", "usage"],
)
def test_a_forked_build_gives_what_a_started_one_gives(  # noqa: PLR0917
    new_project: NewProject,
    index: Path,
    tmp_path: Path,
    project: str,
    arguments: tuple[str, ...],
    exit_code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_wheel(index, "foo")
    make_wheel(index, "bar", tag="cp313-cp313-manylinux_2_17_x86_64", requires=["foo"])
    made = new_project("" if "tool.hatch" in project else HOOK, project=project)

    def build() -> tuple[int, str, str, dict[str, bytes]]:
        ended = made.run(*arguments)
        files = made.in_dist() if made.dist.is_dir() else {}
        for folder in (made.dist, made.root / ".hatch", tmp_path / "lambda-cache"):
            shutil.rmtree(folder, ignore_errors=True)
        return ended.returncode, ended.stdout, re.sub(r"\d+\.\d s", "… s", ended.stderr), files

    by_fork = build()
    monkeypatch.setattr(ForkingPopen, "server", None)
    assert by_fork == build()
    assert by_fork[0] == exit_code


def test_a_forked_build_has_the_umask_directory_and_environment_of_its_caller(new_project: NewProject) -> None:
    project = new_project()

    Project(project.root, umask=0o077).build(HATCH_LAMBDA_ARCHITECTURE="arm64")

    (zip_file,) = project.dist.iterdir()
    assert zip_file.name == "orders-1.0-python3.13-arm64.zip"
    assert zip_file.stat().st_mode & 0o777 == 0o600


def test_a_forked_process_is_waited_for_and_killed_like_any_other() -> None:
    with subprocess.Popen(HELP, stdout=subprocess.PIPE, text=True) as process:
        assert forked(process)
        assert "Usage" in process.communicate(timeout=30)[0].capitalize()
    assert process.returncode == process.poll() == 0

    with subprocess.Popen(
        [sys.executable, "-m", "hatch_lambda", "invoke"], stderr=subprocess.DEVNULL, start_new_session=True, text=True
    ) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ([sys.executable, "-c", ""], {}),
        ([sys.executable, "-W", "error", "-m", "hatchling", "--help"], {}),
        ([sys.executable, "-m", "this"], {}),
        (["/bin/sh", "-c", ":"], {}),
        (HELP, {"PYTHONHASHSEED": "1"}),
        (HELP, {"PYTHONPATH": "elsewhere"}),
        (HELP, {"LC_ALL": "C.UTF-8", "LANG": "de_DE"}),
    ],
    ids=lambda value: " ".join(value)[-30:] if value else "as it is",
)
def test_what_a_fork_could_answer_differently_is_started(command: list[str], variables: dict[str, str]) -> None:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **variables}, text=True
    ) as process:
        assert not forked(process)


@pytest.mark.real_processes
def test_a_test_may_ask_for_real_processes() -> None:
    with subprocess.Popen(HELP, stdout=subprocess.DEVNULL, text=True) as process:
        assert not forked(process)
