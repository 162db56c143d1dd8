"""Builds and commands whose output or input is closed, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.marks import first_quick
from tests.support.projects import HOOK, NewProject, Project
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shell = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirections of a Unix shell")

REDIRECTIONS = ["2>&-", ">&-", "<&-", "<&- >&- 2>&-", "2>&1 | head -n 1", "2>&1 | true", "2>/dev/full"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a Python module in a shell, with redirections. Returns its exit code, and what is shown."""

    def run(arguments: str, redirections: str, directory: Path = tmp_path) -> tuple[int, str]:
        code = tmp_path / "exit-code"
        script = f'{{ "$0" -m {arguments}; echo $? > "{code}"; }} {redirections}'
        ended = subprocess.run(
            ["sh", "-c", script, sys.executable],
            cwd=directory,
            # where streams are buffered, Python flushes them at exit
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return int(code.read_text(encoding="ascii")), ended.stdout

    return run


@pytest.fixture
def two_zips(new_project: NewProject) -> Project:
    functions = "[tool.hatch.build.hooks.lambda.functions.{}]\n"
    return new_project(HOOK + functions.format("api") + functions.format("worker"))


@pytest.mark.parametrize("redirections", REDIRECTIONS)
def test_a_build_writes_its_zips_whoever_reads_its_output(two_zips: Project, shell: Shell, redirections: str) -> None:
    code, shown = shell("hatchling build -t lambda", redirections, two_zips.root)

    assert (code, "Traceback" in shown) == (0, False), shown
    assert len(two_zips.in_dist()) == 2
    if redirections.startswith("2>&-"):
        assert shown == "", "what is for stderr is on stdout"


@pytest.mark.parametrize("redirections", REDIRECTIONS)
def test_a_build_that_fails_says_so_by_its_exit_code(two_zips: Project, shell: Shell, redirections: str) -> None:
    two_zips.add_to_pyproject("[tool.hatch.build.hooks.lambda.functions.third]\nno-such-key = 1\n")

    code, shown = shell("hatchling build -t lambda", redirections, two_zips.root)

    assert (code, "Traceback" in shown) == (1, False), shown


@pytest.mark.parametrize(
    ("arguments", "redirections", "expected"),
    first_quick(
        [
            # As pip, git and Hatch: without a stream, there is nothing to complain about.
            *(
                ("inspect f.zip", redirections, 0)
                for redirections in ("2>&-", ">&-", "<&-", "<&- >&- 2>&-", "2>/dev/full")
            ),
            ("inspect gone.zip", "2>&-", 2),
            ("inspect broken.zip", "2>&-", 1),
            ("inspect broken.zip", "2>&1 | true", 1),
            ("inspect broken.zip", "2>/dev/full", 1),
            ("inspect f.zip", ">/dev/full", 1),
            ("cache clear", "<&-", 2),
            ("invoke f.zip --handler app.handler --event -", "<&-", 2),
            ("lock no-lock-file", "2>&-", 1),
        ]
    ),
)
def test_commands(shell: Shell, tmp_path: Path, arguments: str, redirections: str, expected: int) -> None:
    make_zip(tmp_path / "f.zip", {"app.py": "def handler(event, context): ..."})
    (tmp_path / "broken.zip").write_bytes(b"garbage")
    (tmp_path / "no-lock-file").mkdir()
    (tmp_path / "no-lock-file/pyproject.toml").write_text('[project]\nname = "orders"\nversion = "1"\n' + HOOK, "utf-8")
    cached = tmp_path / "lambda-cache/wheels/00" / ("0" * 64) / "foo-1.0-py3-none-any.whl"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"")

    code, shown = shell(f"hatch_lambda {arguments}", redirections)

    assert (code, "Traceback" in shown) == (expected, False), shown


@pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")
@pytest.mark.parametrize("redirections", ["<&- 2>&-", "<&- >&- 2>&-"])
def test_a_function_runs_without_standard_streams(shell: Shell, tmp_path: Path, redirections: str) -> None:
    """Pipes to the runtime must not get the numbers of standard streams."""
    make_zip(tmp_path / "f.zip", {"app.py": "def handler(event, context):\n    open(event, 'w')\n"})
    here = f"--python {sys.executable} --runtime python{sys.version_info[0]}.{sys.version_info[1]}"

    code, shown = shell(
        f"hatch_lambda invoke f.zip --handler app.handler --event '\"{tmp_path}/ran\"' {here}", redirections
    )

    assert (code, "Traceback" in shown) == (0, False), shown
    assert (tmp_path / "ran").exists()
