"""Stage 7, too: check that the closure is complete and the target can load all machine code."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import BrokenWheelError, LambdaBuildError
from hatch_lambda.resolve.fallbacks import built_without_extensions, warning_about
from hatch_lambda.resolve.graph import chain_to
from hatch_lambda.resolve.requirements import check_requirements
from hatch_lambda.wheels.loadable import check_loadable, path_in_bundle
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, read_machine_code
from hatch_lambda.wheels.scan import Scan, check_and_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store


_SHOWN = 3


def audit(closure: Closure, resolved: Closure, job: Job, store: Store) -> Closure:
    """Return the closure, with what is `pure` in it, if it passes. `resolved`: the closure of stage 1.

    Raises `IncompleteClosureError`, `UnfitMachineCodeError` or `BrokenWheelError`.
    """
    members = [found for found in closure.distributions if found.wheel]
    wheels = [(found.name, str(found.version), found.wheel.path) for found in members if found.wheel]
    scans = audit_wheels(wheels, job.request, store)
    for found, (*_, path), scan in zip(members, wheels, scans, strict=True):
        if scan.record.unmatched:
            missing = _some(scan.record.unmatched)
            job.reporter.warn(f"{found}: RECORD lists missing files ({missing}); the bundle's is corrected")
        if not scan.record.faults:
            continue
        if found.name not in job.settings.compatible:
            chain = " -> ".join((job.request.subject, *chain_to(found, closure, job.target)))
            raise BrokenWheelError(
                path.name,
                f"{_some(scan.record.faults)}\nRequired by: {chain}\nWhat you can do: require another version, or "
                f'report it to its author; if you trust the wheel, accept it by `compatible = ["{found.name}"]`.',
            )
        job.reporter.warn(f"{found} is accepted as `compatible` names it, although {_some(scan.record.faults)}")
    check_requirements(closure, resolved, job)
    if pure := built_without_extensions(closure, scans):
        job.reporter.warn(warning_about(pure))
    return dataclasses.replace(closure, pure=pure)


def _some(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(text if text.isprintable() else repr(text) for text in items[:_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )


def audit_wheels(wheels: Sequence[tuple[str, str, Path]], request: Request, store: Store) -> list[Scan]:
    """Check and scan wheels, each given by its name, version and path. Raises the same as `audit`."""
    scans = scans_of(wheels, request.settings, store)
    shipped = _libraries_for(scans, request) if any(scan.machine_code for scan in scans) else []
    check_loadable([*shipped, *scans], request.settings.target, trusted=request.settings.compatible)
    return scans


def _libraries_for(scans: Sequence[Scan], request: Request) -> list[Scan]:
    """The project's libraries that wheels may need, under their file names, by which the loader searches."""
    found = []
    for path, source in request.libraries().items():
        try:
            with source.open("rb") as file:
                found.append(read_machine_code(path, file))
        except BrokenMachineCodeError as error:
            raise LambdaBuildError(f"The project's {error}") from None
    codes = [dataclasses.replace(code, soname=None) for code in found if code]
    needed = {name for scan in scans for code in scan.machine_code for name in code.libraries}
    needed.update(name for code in codes for name in code.libraries)
    used = tuple(code for code in codes if code.path.rpartition("/")[2] in needed)
    return [Scan(request.subject, "", used, frozenset(code.path for code in used))] if used else []


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
