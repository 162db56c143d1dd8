from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.process import leaving_none, run
from hatch_lambda.common.redact import redact
from tests.support.leftovers import has_ended, is_alive

if TYPE_CHECKING:
    from pathlib import Path


def python(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", script, *arguments]


class TestRun:
    def test_output_and_errors_come_line_by_line_in_their_order_with_the_exit_code(self, tmp_path: Path) -> None:
        script = """
import sys
for number, stream in enumerate([sys.stdout, sys.stderr, sys.stdout]):
    print("line", number, file=stream, flush=True)
sys.exit(7)
"""
        told: list[str] = []

        completed = run(python(script), directory=tmp_path, environment=os.environ, on_line=told.append)

        assert told == ["line 0", "line 1", "line 2"]
        assert completed.output == "line 0\nline 1\nline 2"
        assert completed.exit_code == 7

    def test_lines_are_handed_on_while_the_program_still_runs(self, tmp_path: Path) -> None:
        script = """
import pathlib, time
print("first", flush=True)
while not pathlib.Path("heard").exists():
    time.sleep(0.01)
print("second")
"""
        completed = run(
            python(script),
            directory=tmp_path,
            environment=os.environ,
            on_line=lambda _line: (tmp_path / "heard").touch(),
        )

        assert completed.output == "first\nsecond"

    def test_the_program_has_the_folder_and_the_environment_that_it_is_given_and_no_other(self, tmp_path: Path) -> None:
        script = "import os; print(os.getcwd()); print(sorted(name for name in os.environ if name != 'LC_CTYPE'))"

        completed = run(python(script), directory=tmp_path, environment={"ONLY": "this"}, on_line=lambda _line: None)

        assert completed.output == f"{tmp_path}\n['ONLY']"

    def test_it_can_ask_nothing(self, tmp_path: Path) -> None:
        caller = """
import os, pathlib, sys
from hatch_lambda.common.process import run
run([sys.executable, "-c", "print(repr(input('Password: ')))"], directory=pathlib.Path.cwd(), environment=os.environ,
    on_line=print)
print("left:", input())
"""
        ended = subprocess.run(
            [sys.executable, "-c", caller], cwd=tmp_path, input="sesame", capture_output=True, text=True, check=True
        )

        assert "EOFError" in ended.stdout
        assert ended.stdout.splitlines()[-1] == "left: sesame"

    def test_bytes_that_are_no_text_do_not_end_it(self, tmp_path: Path) -> None:
        completed = run(
            python(r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xc3\xa9\n')"),
            directory=tmp_path,
            environment=os.environ,
            on_line=lambda _line: None,
        )

        assert completed.output == "caf\N{REPLACEMENT CHARACTER} \N{LATIN SMALL LETTER E WITH ACUTE}"

    def test_credentials_are_neither_handed_on_nor_kept(self, tmp_path: Path) -> None:
        told: list[str] = []

        completed = run(
            python("print('Looking in indexes: https://bob:sesame@index.example.com/simple')"),
            directory=tmp_path,
            environment=os.environ,
            on_line=told.append,
        )

        assert told == [completed.output]
        assert "index.example.com/simple" in completed.output
        assert "sesame" not in completed.output

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, BrokenPipeError, SystemExit])
    def test_the_program_is_killed_when_the_caller_is_interrupted(
        self, interruption: type[BaseException], tmp_path: Path
    ) -> None:
        pids: list[int] = []

        def interrupt(line: str) -> None:
            pids.append(int(line))
            raise interruption

        started = time.monotonic()
        with pytest.raises(interruption):
            run(
                python("import os, time; print(os.getpid(), flush=True); time.sleep(60)"),
                directory=tmp_path,
                environment=os.environ,
                on_line=interrupt,
            )

        assert not is_alive(pids[0])
        assert time.monotonic() - started < 30

    def test_a_program_that_ignores_signals_is_killed_too_when_ctrl_c_comes_while_it_is_silent(
        self, tmp_path: Path
    ) -> None:
        """In a process of its own, whose main thread is where Python raises `KeyboardInterrupt`."""
        caller = """
import os, pathlib, sys
from hatch_lambda.common.process import run
deaf = (
    "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "print(os.getpid(), flush=True); time.sleep(60)"
)
run([sys.executable, "-c", deaf], directory=pathlib.Path.cwd(), environment=os.environ,
    on_line=lambda line: print(line, flush=True))
"""
        with subprocess.Popen(
            [sys.executable, "-c", caller], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)

        assert "KeyboardInterrupt" in errors
        assert not is_alive(pid)

    def test_what_the_program_has_started_itself_is_killed_with_it(self, tmp_path: Path) -> None:
        """A compiler below a build backend below pip must not go on writing into folders that are being removed."""
        grandchild = """
import pathlib, time
for number in range(600):
    pathlib.Path("beat").write_text(str(number))
    time.sleep(0.05)
"""
        child = """
import pathlib, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
while not pathlib.Path("beat").exists():
    time.sleep(0.01)
print("started", flush=True)
time.sleep(60)
"""

        def interrupt(_line: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(python(child, grandchild), directory=tmp_path, environment=os.environ, on_line=interrupt)
        (tmp_path / "beat").unlink()
        time.sleep(0.5)

        assert not (tmp_path / "beat").exists()

    @pytest.mark.parametrize("its_output", [None, subprocess.DEVNULL], ids=["holds the output", "silent"])
    def test_what_the_program_leaves_behind_is_killed(self, its_output: int | None, tmp_path: Path) -> None:
        script = f"""
import subprocess
print(subprocess.Popen(["sleep", "600"], stdout={its_output}, stderr={its_output}).pid)
"""
        completed = run(python(script), directory=tmp_path, environment=os.environ, on_line=lambda _line: None)

        assert completed.exit_code == 0
        assert has_ended(int(completed.output))

    @pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
    def test_so_is_what_leads_a_session_of_its_own(self, tmp_path: Path) -> None:
        script = """
import subprocess
print(subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=-3, stderr=-3).pid)
"""
        environment = {**os.environ, "MARK": str(tmp_path)}
        with leaving_none(f"MARK={tmp_path}"):
            completed = run(python(script), directory=tmp_path, environment=environment, on_line=lambda _line: None)
            pid = int(completed.output)
            assert not has_ended(pid, within=0)

        assert has_ended(pid)

    @pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
    def test_the_program_does_not_wait_for_what_its_child_has_left(self, tmp_path: Path) -> None:
        backend = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
        pip = f"""
import subprocess, sys
with subprocess.Popen([sys.executable, "-c", {backend!r}], stdout=subprocess.PIPE, text=True) as backend:
    pid = int(backend.stdout.read())
print(pid, backend.returncode)
"""
        completed = run(python(pip), directory=tmp_path, environment=os.environ, on_line=lambda _line: None)

        pid, exit_code = completed.output.split()
        assert (exit_code, completed.exit_code) == ("0", 0)
        assert has_ended(int(pid))

    @pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
    def test_what_a_reaped_child_has_left_runs_until_the_program_ends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hatch_lambda.common.process._PAUSE", 0.02)
        script = """
import os, subprocess, time
pid = int(subprocess.check_output(["sh", "-c", "sleep 600 >/dev/null & echo $!"]))
time.sleep(0.3)
os.kill(pid, 0)
print(pid)
"""
        completed = run(python(script), directory=tmp_path, environment=os.environ, on_line=lambda _line: None)

        assert completed.exit_code == 0, completed.output
        assert has_ended(int(completed.output))

    def test_long_lines_are_cut_and_a_cut_url_leaks_nothing(self, tmp_path: Path) -> None:
        script = """
print("error: " + "x y " * 1_000_000)
print("z" * 4080, "https://me:sesame" + "e" * 100 + "@example.org/", "and more")
print("https://me:" + "sesame" * 1_000 + "@example.org/")
print("end")
"""
        told: list[str] = []
        completed = run(python(script), directory=tmp_path, environment=os.environ, on_line=told.append)

        assert completed.output.splitlines() == told
        assert [len(line) < 4100 for line in told] == [True] * 4
        assert told[0].startswith("error: x y x y")
        assert told[0].endswith(" …")
        assert told[1:] == ["z" * 4080 + " …", " …", "end"]

    def test_of_very_many_lines_the_first_and_the_last_ones_are_kept(self, tmp_path: Path) -> None:
        script = "print('first'); print('x\\n' * 50_000); print('last')"
        completed = run(python(script), directory=tmp_path, environment=os.environ, on_line=lambda _line: None)

        lines = completed.output.splitlines()
        assert len(lines) == 10_000
        assert (lines[0], lines[-1]) == ("first", "last")


SCHEMES = ("https", "http", "git+https", "git+ssh", "ftp")
USERS = (
    "bob:sesame",
    "sesame",
    ":sesame",
    "sesame:",
    "__token__:pypi-sesame",
    "aws:eyJ2ZXJ.sesame_-~+=",
    "bob:s%40sesame%2F",
    "bob@example.com:sesame",
    "bob:p@sesame",
    "bob:sesame!$&'()*+,;=",
)
PLACES = ("index.example.com/simple", "127.0.0.1:8080", "[::1]:8080/a@b", "host/x/y-1.0.tar.gz#sha256=0a1b", "host")
SURROUNDINGS = (
    "{}",
    "Looking in indexes: https://pypi.org/simple, {}, https://pypi.org/simple",
    "ERROR: Could not install: HTTPError('404 for url: {}')",
    'fatal: unable to access "{}": no route',
    "<{}>",
    "--index-url={}",
    "orders @ {}",
)


class TestRedact:
    @pytest.mark.parametrize("user", USERS)
    def test_no_credential_is_left_of_any_url_and_where_it_leads_is(self, user: str) -> None:
        for scheme, place, surrounding in itertools.product(SCHEMES, PLACES, SURROUNDINGS):
            text = redact(surrounding.format(f"{scheme}://{user}@{place}"))

            assert text == surrounding.format(f"{scheme}://****@{place}")
            assert redact(text) == text

    def test_every_url_of_a_line_is_treated(self) -> None:
        text = "from https://a:sesame@one.example.com/x to https://b:sesame@two.example.com/y"

        assert redact(text) == "from https://****@one.example.com/x to https://****@two.example.com/y"

    @pytest.mark.parametrize(
        "text",
        [
            "https://index.example.com/simple/orders/",
            "git+https://github.com/example/orders@v1.0#subdirectory=x",
            "https://files.example.com/a@b/c.whl",
            "https://index.example.com/simple?mail=bob@example.com",
            "file:///home/bob/wheels@work/a.whl",
            "write to bob@example.com",
            "orders @ https://host/orders-1.0.tar.gz",
            "see https://host and bob@example.com",
            "",
        ],
    )
    def test_what_is_no_credential_stays(self, text: str) -> None:
        assert redact(text) == text
