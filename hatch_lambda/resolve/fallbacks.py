"""Distributions that were built here without the extension modules that other builds of them have."""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from hatch_lambda.resolve.cross.remedies import how_to_compile
from hatch_lambda.resolve.source_files import names_of
from hatch_lambda.resolve.toolchains import HostCompilers, NoCompilers
from hatch_lambda.wheels.signatures import may_have_machine_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_lambda.resolve.closure import Closure, Distribution, Wheel
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.scan import Scan

# What compilers read: C, C++, Cython, Rust and Fortran.
_COMPILED = re.compile(r".*\.(?:c|cc|cpp|cxx|pyx|rs|f|f90)")
_NOT_OF_THE_PACKAGE = frozenset({"test", "tests", "doc", "docs", "example", "examples", "benchmark", "benchmarks"})


def built_without_extensions(closure: Closure, scans: Iterable[Scan], job: Job) -> dict[str, str | None]:
    """As `Closure.pure`. `scans`: of all wheels of the closure.

    The evidence: an incompatible wheel of the same version that has native code, or a build that succeeded only without
    a compiler; else the platforms of the wheels that the index lists; if it lists none, sources for a compiler that the
    wheel itself does not ship. Told with the reason, and with what would compile them.
    """
    native = {scan.name for scan in scans if scan.machine_code}
    return {
        str(found): "; ".join(
            filter(None, (found.wheel.without_extensions or _why_not_before(found), how_to_compile(found, job)))
        )
        or None
        for found in closure.distributions
        if found.wheel and found.source and not found.wheel.url and found.name not in native
        if _has_extensions_elsewhere(found, found.wheel, closure)
    }


def _why_not_before(found: Distribution) -> str | None:
    """Why stage 4 has failed, if its outcome says more than that."""
    stage = HostCompilers.stage
    outcomes = [attempt.outcome for attempt in found.attempts if attempt.stage == stage and not attempt.succeeded]
    return next((reason for outcome in reversed(outcomes) if (reason := outcome.partition(": ")[2])), None)


def _has_extensions_elsewhere(found: Distribution, own: Wheel, closure: Closure) -> bool:
    others = [wheel.path for wheel in found.wheels if wheel.path != own.path]
    if any(map(may_have_machine_code, others)):
        return True
    if not others and any(attempt.stage == NoCompilers.stage and attempt.succeeded for attempt in found.attempts):
        return True  # stage 4 failed
    listed = []
    for file in closure.offers.get(found.name, ()):
        with suppress(InvalidWheelFilename):
            _name, version, _build, tags = parse_wheel_filename(file.filename)
            listed += [tag.platform for tag in tags if version == found.version]
    if listed:
        return any("linux" in platform for platform in listed)
    with zipfile.ZipFile(own.path) as archive:
        shipped = {PurePosixPath(name).name for name in archive.namelist()}
    return any(
        _COMPILED.fullmatch(name) and PurePosixPath(name).name not in shipped
        for name in names_of(found.source)
        if _NOT_OF_THE_PACKAGE.isdisjoint(PurePosixPath(name).parts)
    )


def warning_about(pure: Mapping[str, str | None]) -> str:
    """`pure`: as `Closure.pure`."""
    names = ", ".join(f"{name} ({reason})" if reason else name for name, reason in pure.items())
    return f"built here without extension modules, so in pure Python, which is slower: {names}"
