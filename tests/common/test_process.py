from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.process import error_lines, run
from hatch_lambda.common.redact import redact

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
        completed = run(
            python("print(repr(input('Password: ')))"),
            directory=tmp_path,
            environment=os.environ,
            on_line=lambda _line: None,
        )

        assert completed.exit_code == 1
        assert "EOFError" in completed.output

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


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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


# What pip wrapped around a failing setuptools, whose compiler did not find a header.
NO_HEADER = """\
Looking in links: /srv/index
Processing ./.
  Installing build dependencies: started
  Installing build dependencies: finished with status 'done'
  Getting requirements to build wheel: started
  Getting requirements to build wheel: finished with status 'done'
  Preparing metadata (pyproject.toml): started
  Preparing metadata (pyproject.toml): finished with status 'done'
Building wheels for collected packages: psycopg2
  Building wheel for psycopg2 (pyproject.toml): started
  Building wheel for psycopg2 (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
  \n\
  \N{MULTIPLICATION SIGN} Building wheel for psycopg2 (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [10 lines of output]
      running bdist_wheel
      running build
      running build_ext
      building 'psycopg2._psycopg' extension
      gcc -Wsign-compare -DNDEBUG -g -O3 -Wall -Werror=format-security -fPIC -I/usr/include/python3.11 -c a.c -o a.o
      psycopg/psycopg.h:31:10: fatal error: libpq-fe.h: No such file or directory
         31 | #include <libpq-fe.h>
            |          ^~~~~~~~~~~~
      compilation terminated.
      error: command '/usr/bin/gcc' failed with exit code 1
      [end of output]
  \n\
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for psycopg2
Failed to build psycopg2
ERROR: Failed to build one or more wheels
"""

# setup.py's own check, before there was any metadata.
NO_PG_CONFIG = """\
Processing ./.
  Preparing metadata (pyproject.toml): started
  Preparing metadata (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
  \n\
  \N{MULTIPLICATION SIGN} Preparing metadata (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [18 lines of output]
      Traceback (most recent call last):
        File "/env/lib/pip/_vendor/pyproject_hooks/_in_process/_in_process.py", line 406, in <module>
          main()
        File "/env/lib/pip/_vendor/pyproject_hooks/_in_process/_in_process.py", line 381, in main
          json_out["return_val"] = hook(**hook_input["kwargs"])
                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        File "/env/lib/setuptools/build_meta.py", line 335, in run_setup
          exec(code, locals())
        File "<string>", line 1, in <module>
      RuntimeError: pg_config executable not found
      [end of output]
  \n\
  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed

\N{MULTIPLICATION SIGN} Encountered error while generating package metadata.
╰─> from file:///srv/psycopg2

note: This is an issue with the package mentioned above, not pip.
hint: See above for details.
"""

# maturin, and rustc below it, below pip.
NO_RUST_CRATE = """\
  Building wheel for orjson (pyproject.toml): started
  Building wheel for orjson (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
  \n\
  \N{MULTIPLICATION SIGN} Building wheel for orjson (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [24 lines of output]
      Running `maturin pep517 build-wheel -i /usr/bin/python3.11 --compatibility off`
         Compiling orjson v3.10.0 (/tmp/orjson)
      error[E0433]: failed to resolve: use of unresolved module or unlinked crate `missing`
       --> src/lib.rs:1:38
        |
      1 | pub fn a() -> u32 { let x: &str = 1; missing::thing(); x }
        |                                      ^^^^^^^ use of unresolved module or unlinked crate `missing`
      \n\
      For more information about an error, try `rustc --explain E0433`.
      error: could not compile `orjson` (lib) due to 1 previous error
      💥 maturin failed
        Caused by: Failed to build a native library through cargo
      Error: command ['maturin', 'pep517', 'build-wheel'] returned non-zero exit status 1
      [end of output]
  \n\
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for orjson
Failed to build orjson
ERROR: Failed to build one or more wheels
"""

NO_RUST = """\
  \N{MULTIPLICATION SIGN} Preparing metadata (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      \n\
      Cargo, the Rust package manager, is not installed or is not on PATH.
      This package requires Rust and Cargo to compile extensions. Install it through
      the system's package manager or via https://rustup.rs/.
      \n\
      Checking for Rust toolchain....
      [end of output]
  \n\
  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed
"""

NO_VERSION = """\
Looking in links: /srv/index
ERROR: Could not find a version that satisfies the requirement orders==4 (from versions: 1.0, 2.0)
ERROR: No matching distribution found for orders==4
"""

# Several files are compiled at a time, and the others are finished after one has failed.
MANY_FILES = "\n".join(
    [
        *(f"gcc -O3 -Wall -Werror=format-security -c error_{number}.c -o error_{number}.o" for number in range(40)),
        "error_40.c:7:2: error: #error this needs a newer glibc",
        *(f"gcc -O3 -Wall -Werror=format-security -c error_{number}.c -o error_{number}.o" for number in range(41, 45)),
        "ninja: build stopped: subcommand failed.",
    ]
)

# Each is said of any failure, or of none.
NOISE = (
    "subprocess-exited-with-error",
    "did not run successfully",
    "finished with status",
    "This error originates from a subprocess",
    "Failed building wheel",
    "Failed to build psycopg2",
    "Failed to build orjson",
    "one or more wheels",
    "metadata-generation-failed",
    "Encountered error while generating package metadata",
    "See above",
    "gcc -Wsign-compare",
    "gcc -O3",
)


class TestTellingLines:
    @pytest.mark.parametrize(
        ("output", "causes"),
        [
            (
                NO_HEADER,
                ["fatal error: libpq-fe.h: No such file or directory", "error: command '/usr/bin/gcc' failed"],
            ),
            (NO_PG_CONFIG, ["RuntimeError: pg_config executable not found"]),
            (NO_RUST_CRATE, ["error[E0433]: failed to resolve", "error: could not compile `orjson`"]),
            (NO_RUST, ["Cargo, the Rust package manager, is not installed or is not on PATH."]),
            (NO_VERSION, ["requirement orders==4 (from versions: 1.0, 2.0)", "No matching distribution found"]),
            (MANY_FILES, ["error: #error this needs a newer glibc", "ninja: build stopped"]),
        ],
        ids=["gcc", "setuptools", "cargo", "no cargo", "pip", "ninja"],
    )
    def test_the_cause_is_among_them(self, output: str, causes: list[str]) -> None:
        lines = error_lines(output)

        for cause in causes:
            assert any(cause in line for line in lines), cause

    @pytest.mark.parametrize(
        "output", [NO_HEADER, NO_PG_CONFIG, NO_RUST_CRATE, MANY_FILES], ids=["gcc", "setuptools", "cargo", "ninja"]
    )
    def test_what_is_said_of_every_failure_is_not(self, output: str) -> None:
        present = [noise for noise in NOISE if noise in output]
        assert present

        lines = error_lines(output)

        assert [noise for noise in present if any(noise in line for line in lines)] == []

    @pytest.mark.parametrize(
        "output", [NO_HEADER, NO_PG_CONFIG, NO_RUST_CRATE, MANY_FILES], ids=["gcc", "setuptools", "cargo", "ninja"]
    )
    def test_they_are_few_and_stand_without_indentation(self, output: str) -> None:
        lines = error_lines(output, 5)

        assert 0 < len(lines) <= 5
        assert all(line == line.strip() for line in lines)

    def test_without_any_word_of_failure_they_are_the_last_ones(self) -> None:
        output = "one\n\n  two\n  |  \nthree\n"

        assert [line.strip() for line in error_lines(output, 2)] == ["two", "three"]

    def test_of_nothing_there_is_nothing_to_tell(self) -> None:
        assert error_lines("") == ()
