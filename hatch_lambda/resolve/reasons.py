"""Why a build failed, or came out in pure Python, in one sentence: from the compilers' words and pip's output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.toolchains import Call


class Reason(NamedTuple):
    """`text`: a clause. `remedy`: what would help, in the imperative. `helpless`: no cross compiler can help."""

    text: str
    remedy: str = ""
    helpless: bool = True


def reason_of(output: str, calls: Sequence[Call], target: Target) -> Reason | None:
    """Why a build failed, if it is known. `calls`: of compilers. `output`: of pip; not all builds show the former."""
    decisive = last_failure(calls)
    texts = [*([decisive.words] if decisive else []), output]
    for pattern, words, remedy in _REASONS:
        for text in texts:
            if match := pattern.search(text):
                named = next((group for group in match.groups() if group), "")
                helpless = remedy is None and named != "Python.h"
                triple = f"{target.architecture.machine}-unknown-linux-gnu"
                return Reason(words.format(named), (remedy or "").format(triple), helpless)
    return None


def why_without_extensions(calls: Sequence[Call] | None) -> str | None:
    """Why a build has succeeded without native code. `calls`: None if they are not known."""
    if calls is None:
        return None
    if decisive := last_failure(calls):
        lines = [line.strip() for line in decisive.words.splitlines()]
        return f"the compiler failed: {next((line for line in lines if 'error' in line), *lines[:1])}"
    compiled = any(call.tool in _COMPILERS and not _is_probe(call) for call in calls)
    return "what was compiled is not in its wheel" if compiled else "no compiler was called"


def last_failure(calls: Sequence[Call] | None) -> Call | None:
    """The last call of a compiler that failed, without those that only ask what the compiler can do."""
    failed = [call for call in calls or () if call.tool in _COMPILERS and call.exit_code and not _is_probe(call)]
    return failed[-1] if failed else None


def _is_probe(call: Call) -> bool:
    return not call.arguments or any(map(_PROBE.search, call.arguments))


_COMPILERS = frozenset({"cc", "c++"})
# autoconf's and CMake's tests, Meson's, and questions for a version.
_PROBE = re.compile(r"conftest|CMakeScratch|CMakeTmp|CompilerId|meson-private|^--?v(?:ersion)?$|^-E$|^-###$")

_LIBRARY = "it needs a library of the system, which a cross build does not have: {} is missing"
# Patterns with what they name, what that means, and what helps; None where a cross compiler cannot.
_REASONS: tuple[tuple[re.Pattern[str], str, str | None], ...] = (
    # A `setup.py` that looks for libraries itself knows better than its compiler, which is often asked in vain.
    (
        re.compile(r"header.* could not be found for (\w+)|make sure the (.+?) development packages are installed"),
        "it needs libraries of the system, which a cross build does not have: {}",
        None,
    ),
    (
        re.compile(r"fatal error: '(.+?)' file not found|fatal error: (\S+): No such file or directory"),
        _LIBRARY.format("the header `{}`"),
        None,
    ),
    (
        re.compile(r"unable to find (?:\w+ system )?library '?(?:-l)?([\w+.-]+)|cannot find -l([\w+.-]+)"),
        _LIBRARY.format("`{}`"),
        None,
    ),
    (re.compile(r"error: (/\S+) is a library of this machine"), _LIBRARY.format("that of `{}`"), None),
    (re.compile(r"the cross compiler has no OpenMP"), "it needs OpenMP, which the cross compiler does not have", None),
    (
        re.compile(r"error: (?:gfortran|f77|f9\d|flang) answers|Unknown compiler.*gfortran|No Fortran compiler"),
        "it needs a Fortran compiler, and there is none for the target",
        None,
    ),
    (
        re.compile(r"cannot run C(?:\+\+)? compiled programs|cannot run test program while cross compiling"),
        "its `configure` runs what it compiles, as it is called without `--host`",
        None,
    ),
    (
        re.compile(r"Exec format error|cannot execute binary file"),
        "it runs a program that it has compiled for the target",
        None,
    ),
    (
        re.compile(r"make(?:\[\d+\])?: \*\*\* \[(?:\S+: )?check(?:-\w+)*\] Error"),
        "it runs the tests of a library that it has compiled for the target (`make check`)",
        None,
    ),
    (
        re.compile(r"target may not be installed|can't find crate for `(?:core|std)`"),
        "Rust's standard library for the target is not installed",
        "install Rust's standard library for the target: `rustup target add {}`",
    ),
    (
        re.compile(
            r"can't find Rust compiler|Rust package manager, is not installed|[Cc]argo (?:was )?not found|"
            r"No such file or directory: '(?:cargo|rustc)'"
        ),
        "it needs Rust, which is not installed",
        "install Rust, with the standard library for the target: `rustup target add {}`",
    ),
    (
        re.compile(r"error: (\S+) answers for this machine"),
        "it asks `{}` for a library of the system, which a cross build does not have",
        None,
    ),
)
