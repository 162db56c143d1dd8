"""Why builds fail, from the words of real compilers and backends."""

from __future__ import annotations

import pytest

from hatch_lambda.common.target import target_named
from hatch_lambda.resolve.reasons import reason_of, why_without_extensions
from hatch_lambda.resolve.toolchains import Call

TARGET = target_named("python3.13", "arm64")
LIBRARY = "it needs a library of the system, which a cross build does not have: "


def call(words: str = "", *arguments: str, tool: str = "cc", exit_code: int = 1) -> Call:
    return Call(tool, [*arguments] or ["-c", "x.c"], exit_code, words)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("c/_cffi_backend.c:15:10: fatal error: 'ffi.h' file not found", f"{LIBRARY}the header `ffi.h` is missing"),
        ("x.c:1:10: fatal error: ffi.h: No such file or directory", f"{LIBRARY}the header `ffi.h` is missing"),
        (
            "error: unable to find dynamic system library 'pq' using strategy 'paths_first'. searched paths: none",
            f"{LIBRARY}`pq` is missing",
        ),
        (
            "fatal error: 'xcb/xcb.h' file not found\nThe headers or library files could not be found for jpeg,",
            "it needs libraries of the system, which a cross build does not have: jpeg",
        ),
        (
            "Error: Please make sure the libxml2 and libxslt development packages are installed.",
            "it needs libraries of the system, which a cross build does not have: libxml2 and libxslt",
        ),
        ("ld.lld: error: unable to find library -lxml2", f"{LIBRARY}`xml2` is missing"),
        ("/usr/bin/ld: cannot find -lpq: No such file or directory", f"{LIBRARY}`pq` is missing"),
        (
            "error: /usr/lib/libz.so is a library of this machine, which the target does not have",
            f"{LIBRARY}that of `/usr/lib/libz.so` is missing",
        ),
        (
            "error: pg_config answers for this machine, not for the target of a cross build",
            "it asks `pg_config` for a library of the system, which a cross build does not have",
        ),
        (
            "error: -fopenmp: the cross compiler has no OpenMP",
            "it needs OpenMP, which the cross compiler does not have",
        ),
        (
            "../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang']]",
            "it needs a Fortran compiler, and there is none for the target",
        ),
        (
            "configure: error: cannot run C compiled programs.\nIf you meant to cross compile, use `--host'.",
            "its `configure` runs what it compiles, as it is called without `--host`",
        ),
        (
            "OSError: [Errno 8] Exec format error: './gen'",
            "it runs a program that it has compiled for the target",
        ),
        (
            "make[1]: *** [Makefile:528: check-recursive] Error 1\nmake: *** [Makefile:831: check] Error 2",
            "it runs the tests of a library that it has compiled for the target (`make check`)",
        ),
    ],
)
def test_what_no_cross_compiler_can_help(words: str, text: str) -> None:
    for reason in (reason_of(words, [], TARGET), reason_of("", [call(words)], TARGET)):
        assert reason
        assert reason.text == text
        assert reason.helpless
        assert not reason.remedy


def test_a_missing_header_of_python_itself() -> None:
    reason = reason_of("x.c:1:10: fatal error: Python.h: No such file or directory", [], TARGET)
    assert reason
    assert not reason.helpless


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (
            "error[E0463]: can't find crate for `core`\n= the `aarch64-unknown-linux-gnu` target may not be installed",
            "install Rust's standard library for the target: `rustup target add aarch64-unknown-linux-gnu`",
        ),
        (
            "Cargo, the Rust package manager, is not installed or is not on PATH.",
            "install Rust, with the standard library for the target: `rustup target add aarch64-unknown-linux-gnu`",
        ),
        (
            "error: can't find Rust compiler",
            "install Rust, with the standard library for the target: `rustup target add aarch64-unknown-linux-gnu`",
        ),
    ],
)
def test_what_helps_with_rust(words: str, remedy: str) -> None:
    reason = reason_of(words, [], TARGET)
    assert reason
    assert reason.remedy == remedy
    assert not reason.helpless


def test_the_last_compiler_that_failed_decides() -> None:
    """Not what it failed at when it was only asked what it can do."""
    calls = [
        call("fatal error: 'a.h' file not found"),
        call("fatal error: 'b.h' file not found"),
        call("fatal error: 'c.h' file not found", "conftest.c"),
        call("fatal error: 'd.h' file not found", "-c", "/build/CMakeFiles/CMakeScratch/x.c"),
        call(exit_code=0),
    ]
    reason = reason_of("fatal error: 'e.h' file not found", calls, TARGET)
    assert reason
    assert "`b.h`" in reason.text


def test_an_unknown_reason_is_none() -> None:
    assert reason_of("error: this sdist cannot be built", [call("something")], TARGET) is None


def test_why_a_build_has_come_out_pure() -> None:
    assert why_without_extensions(None) is None
    assert why_without_extensions([]) == "no compiler was called"
    assert why_without_extensions([call("", "--version", exit_code=0)]) == "no compiler was called"
    assert why_without_extensions([call(exit_code=0)]) == "what was compiled is not in its wheel"
    noise = "In file included from x.c:1:\nx.c:2:3: error: unknown type name 'foo'\n1 error generated.\n"
    assert why_without_extensions([call(noise), call(exit_code=0)]) == (
        "the compiler failed: x.c:2:3: error: unknown type name 'foo'"
    )
