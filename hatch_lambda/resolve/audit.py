"""Stage 7, too: check that the closure is complete and the target can load all machine code."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.resolve.requirements import check_requirements
from hatch_lambda.wheels.loadable import check_loadable, path_in_bundle
from hatch_lambda.wheels.scan import Scan, check_and_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store


_SHOWN = 3


def audit(closure: Closure, resolved: Closure, job: Job, store: Store) -> Closure:
    """Return the closure if it passes. `resolved`: the closure of stage 1.

    Raises `IncompleteClosureError`, `UnfitMachineCodeError` or `BrokenWheelError`.
    """
    wheels = [(found.name, str(found.version), found.wheel.path) for found in closure.distributions if found.wheel]
    for scan in audit_wheels(wheels, job.settings, store):
        if scan.unmatched:
            more = len(scan.unmatched) - _SHOWN
            rows = ", ".join(path if path.isprintable() else repr(path) for path in scan.unmatched[:_SHOWN])
            rows += f" and {more} more" if more > 0 else ""
            job.reporter.warn(f"{scan.distribution}: RECORD lists missing files ({rows}); the bundle's is corrected")
    check_requirements(closure, resolved, job)
    return closure


def audit_wheels(wheels: Sequence[tuple[str, str, Path]], settings: Settings, store: Store) -> list[Scan]:
    """Check and scan wheels, each given by its name, version and path. Raises the same as `audit`."""
    scans = scans_of(wheels, settings, store)
    check_loadable(scans, settings.target, trusted=settings.compatible)
    return scans


def scans_of(wheels: Sequence[tuple[str, str, Path]], settings: Settings, store: Store) -> list[Scan]:
    """Scans of wheels, each given by its name, version and path, without the excluded files."""
    scans = check_and_scan(wheels, store)
    return [without(scan, settings.is_excluded) for scan in scans] if settings.exclude else [*scans]


def without(scan: Scan, is_left_out: Callable[[str], bool]) -> Scan:
    """A scan without the files that are left out of the bundle, by their path in the bundle."""
    return dataclasses.replace(
        scan,
        machine_code=tuple(code for code in scan.machine_code if not is_left_out(path_in_bundle(code.path))),
        files=frozenset(name for name in scan.files if not is_left_out(path_in_bundle(name))),
    )
