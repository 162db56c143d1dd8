"""The command: help, errors, exit codes, and output with and without a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from hatch_lambda import cli
from hatch_lambda.cli import COMMANDS, main
from hatch_lambda.cli.terminal import bar, console, size
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.printable import printable
from hatch_lambda.common.ui import percent
from tests.support.ci_logs import commands_in
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a subprocess with its output in pipes."""
    return subprocess.run(
        [sys.executable, "-m", "hatch_lambda", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


class TestHelp:
    def test_lists_commands_without_importing_them(self) -> None:
        code = (
            "import sys\nfrom hatch_lambda.cli import main\nmain(['--help'], standalone_mode=False)\n"
            "assert not [name for name in sys.modules if name.startswith(('rich', 'hatch_lambda.cli.'))]"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for name, words in COMMANDS.items():
            assert f"  {name:<7}  {words}\n" in done.stdout

    @pytest.mark.parametrize("name", ["inspect", "diff", "cache"])
    def test_of_a_command(self, name: str) -> None:
        result = CliRunner().invoke(main, [name, "-h"])
        assert result.exit_code == 0
        assert f"Usage: main {name}" in result.output

    def test_version(self) -> None:
        result = CliRunner().invoke(main, ["--version"])
        assert result.output.startswith("hatch-lambda, version ")

    def test_is_shown_without_a_command(self) -> None:
        assert "Commands:" in CliRunner().invoke(main, []).output


class TestExitCodes:
    def test_2_for_usage_errors(self, tmp_path: Path) -> None:
        for arguments in (["no-such-command"], ["inspect"], ["inspect", str(tmp_path / "nowhere.zip")]):
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 2
            assert "Error: " in result.output

    def test_1_without_traceback_for_errors(self, tmp_path: Path) -> None:
        (tmp_path / "f.zip").write_bytes(b"garbage")
        done = run("inspect", tmp_path / "f.zip")
        assert done.returncode == 1
        assert done.stdout == b""
        assert done.stderr.decode() == f"Error: {tmp_path / 'f.zip'} is not a zip file.\n"

    @pytest.mark.parametrize(
        ("error", "code", "words"),
        [
            (LambdaBuildError("first\nsecond \x1b[31m"), 1, "Error: first\nsecond \\x1b[31m\n"),
            (FileNotFoundError(2, "No such file", "there"), 1, "Error: there: No such file\n"),
            (OSError("strange"), 1, "Error: strange\n"),
            (KeyboardInterrupt(), 130, "Interrupted.\n"),
            (click.Abort(), 130, "Interrupted.\n"),
        ],
    )
    def test_exceptions_of_a_command(
        self, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
    ) -> None:
        @click.command
        def failing() -> None:
            raise error

        monkeypatch.setattr(cli._Commands, "get_command", lambda *_: failing)
        result = CliRunner().invoke(main, ["failing"])
        assert (result.exit_code, result.stderr) == (code, words)

    def test_130_when_interrupted(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        code = (
            "import hatch_lambda.inspect.contents as contents\n"
            "def wait(path):\n    print('ready', flush=True)\n    open(path.parent / 'pipe').read()\n"
            "contents.read = wait\n"
            "from hatch_lambda.cli import main\nmain()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, "inspect", str(tmp_path / "folder")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
            assert process.stderr.read() == b"Interrupted.\n"

    def test_closed_pipe_is_not_an_error(self, tmp_path: Path) -> None:
        files = {f"module_{n}.py": "def handler(event, context): ..." for n in range(3000)}
        path = make_zip(tmp_path / "f.zip", files)
        with subprocess.Popen(
            [sys.executable, "-m", "hatch_lambda", "inspect", "--json", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stderr
            assert process.stdout.readline() == b"{\n"
            process.stdout.close()
            assert process.stderr.read() == b""


class TestOutput:
    NAMES = ("\x1b[31mred/x.py", "[bold]x[/bold]/x.py", "\u202egnp/x.py", "naïve/x.py", f"{'long' * 30}/x.py")

    @pytest.fixture
    def odd(self, tmp_path: Path) -> Path:
        return make_zip(tmp_path / "odd.zip", dict.fromkeys(self.NAMES, "def handler(event, context): ..."))

    def test_pipe_gets_plain_text_with_unbroken_names(self, odd: Path) -> None:
        done = run("inspect", odd, PYTHONUTF8="1")
        assert done.returncode == 0
        assert b"\x1b" not in done.stdout
        text = done.stdout.decode()
        for name in ("\\x1b[31mred/", "[bold]x[/", "\\u202egnp/", "naïve/", f"{'long' * 30}/"):
            assert f"  {name}" in text

    def test_characters_missing_in_the_encoding_are_escaped(self, odd: Path) -> None:
        done = run("inspect", odd, PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert b"  na\\xefve/" in done.stdout
        assert b"####" in done.stdout

    @pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "TERM": "xterm-256color"}, {"TERM": "dumb"}])
    def test_terminal_without_colours(
        self, on_terminal: Callable[..., str], odd: Path, environment: dict[str, str]
    ) -> None:
        text = on_terminal("inspect", odd, **environment)
        assert "odd.zip  function, 5 files" in text
        assert "\x1b" not in text

    def test_terminal_with_colours(self, on_terminal: Callable[..., str], odd: Path) -> None:
        text = on_terminal("inspect", odd, TERM="xterm-256color")
        assert "\x1b[1modd.zip\x1b[0m" in text

    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_tables_fit_the_terminal(self, on_terminal: Callable[..., str], odd: Path, width: int) -> None:
        lines = on_terminal("inspect", odd, TERM="dumb", COLUMNS=str(width)).splitlines()
        tables = [line for line in lines if "%" in line]
        assert len(tables) > 5
        assert max(map(len, tables)) <= width

    def test_errors_are_red_on_a_terminal(self, on_terminal: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "f.zip").write_bytes(b"garbage")
        text = on_terminal("inspect", tmp_path / "f.zip", TERM="xterm")
        assert text.startswith("\x1b[31mError: ")

    def test_names_are_no_commands_of_ci_logs(self, tmp_path: Path) -> None:
        names = ("::add-mask::x/x.py", "##vso[task.complete]/x.py", "a.py", "::debug::x.py")
        done = run("inspect", make_zip(tmp_path / "f.zip", dict.fromkeys(names, "def handler(event, context): ...")))
        assert done.returncode == 0
        assert b"add-mask" in done.stdout
        assert commands_in(done.stdout.decode()) == []

    def test_sizes_percentages_and_escapes(self) -> None:
        assert [percent(share) for share in (0, 0.001, 0.01, 1.5)] == ["0%", "<1%", "1%", "150%"]
        assert [size(count) for count in (0, 1023, 1024, 3 * 1024**2)] == ["0 B", "1023 B", "1.0 kB", "3.0 MB"]
        assert printable("plain, naïve") == "plain, naïve"
        assert printable("a\n\t\udcff") == "a\\n\\t\\udcff"

    def test_bars(self) -> None:
        out = console()
        filled = [str(bar(share, 10, out)).count(str(bar(1, 1, out))) for share in (0, 0.0001, 0.5, 1, 3)]
        assert filled == [0, 1, 5, 10, 10]


@pytest.fixture
def on_terminal() -> Callable[..., str]:
    """Run the command on a pseudo-terminal and return its output."""
    pty = pytest.importorskip("pty")

    def run_there(*arguments: str | Path, **environment: str) -> str:
        ours, theirs = pty.openpty()
        ambient = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        with subprocess.Popen(
            [sys.executable, "-m", "hatch_lambda", *map(str, arguments)],
            env={**ambient, "PYTHONUTF8": "1", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            text = b""
            try:
                while chunk := os.read(ours, 65536):
                    text += chunk
            except OSError:
                pass  # how Linux says that the other end is closed
            finally:
                os.close(ours)
            process.wait()
        return text.decode().replace("\r\n", "\n")

    return run_there
