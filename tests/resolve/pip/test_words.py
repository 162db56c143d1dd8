"""What is taken from the output of pip, and of what pip runs."""

from __future__ import annotations

import pytest

from hatch_lambda.resolve.pip.words import error_lines, in_conflict, is_not_found, resolver_words

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


# As pip indents what a backend prints: a chain of two exceptions, whose frames have words of failure in them.
CHAINED = """\
      running build
      Traceback (most recent call last):
        File "/env/errors.py", line 389, in failed_main
          raise SetupError("cannot find it")
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      KeyError: 'no such'

      During handling of the above exception, another exception occurred:

      Traceback (most recent call last):
        File "/src/setup.py", line 3, in <module>
          check_for_error(
              "failed",
          )
      config.SetupError: cannot find it
      [end of output]
"""
SYNTAX = """\
        File "/src/setup.py", line 1
          print "error"
          ^^^^^^^^^^^^^
      SyntaxError: Missing parentheses in call to 'print'.
"""
GROUP = """\
        + Exception Group Traceback (most recent call last):
        |   File "/src/errors.py", line 1, in <module>
        |     raise ExceptionGroup("errors", [ValueError("a")])
        | ExceptionGroup: errors (1 sub-exception)
        +-+---------------- 1 ----------------
          | ValueError: a
          +------------------------------------
"""
OF_PIP = """\
Collecting foo
ERROR: Exception:
Traceback (most recent call last):
  File "/env/pip/base_command.py", line 3, in _run
    return error()
pip.SomeError: cannot go on
because of this
"""


class TestTracebacks:
    """Of a traceback, the exception is shown, and no frame or part of one."""

    @pytest.mark.parametrize(
        ("output", "shown"),
        [
            (CHAINED, ("KeyError: 'no such'", "config.SetupError: cannot find it")),
            (SYNTAX, ("SyntaxError: Missing parentheses in call to 'print'.",)),
            (GROUP, ("| ExceptionGroup: errors (1 sub-exception)", "| ValueError: a")),
            ("Traceback (most recent call last):\n  File 'x'\nKeyboardInterrupt\n", ("KeyboardInterrupt",)),
            ("error: one\n  File not found: error 2\n", ("error: one", "File not found: error 2")),
        ],
        ids=["chained", "syntax error", "group", "without a word of failure", "none"],
    )
    def test_of_a_build(self, output: str, shown: tuple[str, ...]) -> None:
        assert error_lines(output) == shown

    def test_of_a_build_for_metadata(self) -> None:
        output = f"Collecting foo\n  error: subprocess-exited-with-error\n{CHAINED}ERROR: Failed to build 'foo'\n"
        assert resolver_words(output)[:3] == (
            "Collecting foo",
            "KeyError: 'no such'",
            "config.SetupError: cannot find it",
        )

    def test_of_pip_itself(self) -> None:
        assert resolver_words(OF_PIP) == ("Collecting foo", "pip.SomeError: cannot go on", "because of this")


def test_a_name_is_not_taken_for_the_start_of_another() -> None:
    assert is_not_found("tool-box", "ERROR: No matching distribution found for Tool.Box>=2")
    assert not is_not_found("tool", "ERROR: No matching distribution found for tool.box")
    assert not is_not_found("tool", "ERROR: No matching distribution found for tools")


def test_the_projects_of_a_conflict() -> None:
    output = (
        "The conflict is caused by:\n    The user requested tool.box>=2\n    The user requested (constraint) c==1\n"
        "    a 1.0 depends on b[x]<2\n    a 1.0 depends on direct@ file:///x\n    a 1.0 depends on e @ https://x/e.zip\n"
        "    The user requested local 1.0 (from file:///x)\n    a 1.0 depends on local>=2\n"
        "    a 1.0 depends on last\n    f 1.0 depends on <Python from Requires-Python>\n"
    )
    assert in_conflict(output) == ["tool.box", "b", "last"]
