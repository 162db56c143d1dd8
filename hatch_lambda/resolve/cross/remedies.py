"""What is said about the cross compiler where it was not used: how it would help, or why it would not."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_lambda.resolve.cross.zig import host_may_serve, installed_zig, lacks_compiler
from hatch_lambda.resolve.source_files import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.resolve.closure import Distribution
    from hatch_lambda.resolve.job import Job

_FOR_C = frozenset({".c", ".cc", ".cpp", ".cxx", ".pyx"})
_FOR_RUST = ".rs"
_FOR_FORTRAN = frozenset({".f", ".f90", ".f95", ".for"})


_NO_HELP = "the cross compiler (`hatch-lambda[cross]`) would not help"


def how_to_compile(found: Distribution, job: Job) -> str | None:
    """How a distribution that became pure Python would get its extension modules, if that is known."""
    return next((remedy for remedy in cross_remedies(found, job) if not remedy.startswith(_NO_HELP)), None)


def how_to_make_metadata(job: Job) -> str | None:
    """What helps if a backend looked for a compiler when it was asked for metadata, and this machine has none."""
    if not lacks_compiler():
        return None
    if not installed_zig():
        return "if it needs a compiler, install one, or `hatch-lambda[cross]` (in `build-system.requires`)"
    return None if job.settings.cross else "if it needs a compiler, let Zig be one: remove `cross = false`"


def cross_remedies(found: Distribution, job: Job) -> Iterator[str]:
    reasons = [attempt.reason for attempt in found.attempts if attempt.reason]
    yield from dict.fromkeys(reason.remedy for reason in reasons if reason.remedy)
    if not found.source or os.name != "posix" or (is_installed := bool(installed_zig())) & job.settings.cross:
        return
    was_refused = any(wheel.origin.startswith("built by") and not wheel.verdict.compatible for wheel in found.wheels)
    if (
        host_may_serve(job.target, job.interpreter.python)
        and not was_refused
        and all(reason.helpless for reason in reasons)
    ):
        return  # this machine's compilers could have built it, too
    suffixes = {PurePosixPath(name).suffix for name in names_of(found.source)}
    helpless = next((reason.text for reason in reasons if reason.helpless), None)
    if not helpless and suffixes & _FOR_FORTRAN:
        helpless = "it has Fortran sources"
    if not suffixes & {*_FOR_C, _FOR_RUST}:
        return
    if helpless:
        yield f"{_NO_HELP}: {helpless}"
    elif is_installed:
        yield "let the cross compiler build it: remove `cross = false`"
    else:
        rust = " (and cargo, for its Rust code)" if _FOR_RUST in suffixes else ""
        yield (
            f"install the cross compiler, which builds it for the target{rust}: "
            "`hatch-lambda[cross]` in `build-system.requires`"
        )
