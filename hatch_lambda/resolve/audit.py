"""Stage 7, too: check that the closure is complete, and that the target can use its wheels."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import BrokenWheelError, LambdaBuildError
from hatch_lambda.resolve.fallbacks import built_without_extensions, warning_about
from hatch_lambda.resolve.graph import naming_requirers, required_by_in
from hatch_lambda.resolve.requirements import check_requirements
from hatch_lambda.wheels.extension_modules import path_in_bundle
from hatch_lambda.wheels.loadable import check_loadable, without_idle_extensions
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, read_machine_code
from hatch_lambda.wheels.scan import Scan, check_and_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store, StoredWheel


_SHOWN = 3


def check_closure(closure: Closure, resolved: Closure, job: Job, store: Store) -> Closure:
    """Return the closure, with `required_by` and what is `pure`, if nothing is missing. `resolved`: that of stage 1.

    Raises `IncompleteClosureError` or `BrokenWheelError`.
    """
    closure = dataclasses.replace(closure, required_by=required_by_in(closure, job))
    with naming_requirers(closure.required_by):
        scans = check_and_scan(
            [(found.name, str(found.version), found.wheel.path) for found in closure.distributions if found.wheel],
            store,
        )
    check_requirements(closure, resolved, job)
    if pure := built_without_extensions(closure, scans, job):
        job.reporter.warn(warning_about(pure))
    return dataclasses.replace(closure, pure=pure)


def audit(  # noqa: PLR0913 - the request's facts
    wheels: Sequence[StoredWheel],
    required_by: Mapping[str, str],
    request: Request,
    store: Store,
    reporter: Reporter,
    *,
    layers: Iterable[tuple[Settings, Sequence[StoredWheel]]] = (),
) -> None:
    """Check that wheels have what their RECORD says and that the target can load their machine code.

    `required_by`: as `Closure.required_by`. `layers`: what the function's have, with their settings.
    Raises `BrokenWheelError` or `UnfitMachineCodeError`.
    """
    settings = request.settings
    with naming_requirers(required_by):
        scans = scans_of(wheels, settings, store)
        for wheel, scan in zip(wheels, scans, strict=True):
            _check_record(wheel, scan, settings, reporter)
    if any(scan.machine_code for scan in scans):
        check_loadable(
            [*_libraries_for(scans, request), *scans],
            settings.target,
            trusted=settings.compatible,
            layers=[scan for of, its_wheels in layers for scan in scans_of(its_wheels, of, store)],
        )


def _check_record(wheel: StoredWheel, scan: Scan, settings: Settings, reporter: Reporter) -> None:
    if scan.record.unmatched:
        missing = _some(scan.record.unmatched)
        reporter.warn(f"{wheel.distribution}: RECORD lists missing files ({missing}); the bundle's is corrected")
    if scan.record.faults:
        files = defaultdict[str, list[str]](list)
        for fault, file in scan.record.faults:
            files[fault].append(file)
        faults = "its RECORD " + ", and ".join(f"{fault} {_some(files[fault])}" for fault in files)
        if wheel.name not in settings.compatible:
            remedy = f'if you trust the wheel, accept it by `compatible = ["{wheel.name}"]`'
            raise BrokenWheelError(wheel.filename, faults, remedy=remedy)
        reporter.warn(f"{wheel.distribution} is accepted as `compatible` names it, although {faults}")


def _some(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(text if text.isprintable() else repr(text) for text in items[:_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )


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


def scans_of(wheels: Sequence[StoredWheel], settings: Settings, store: Store) -> list[Scan]:
    """Scans of wheels without the excluded files, and without extension modules that are pruned."""
    scans = [*check_and_scan([(wheel.name, wheel.version, wheel.path) for wheel in wheels], store)]
    if settings.exclude:
        scans = [without(scan, settings.is_excluded) for scan in scans]
    if "other-pythons" in settings.prune:
        scans = [without_idle_extensions(scan, settings.target) for scan in scans]
    return scans


def without(scan: Scan, is_left_out: Callable[[str], bool]) -> Scan:
    """A scan without the files that are left out of the bundle, by their path in the bundle."""
    return dataclasses.replace(
        scan,
        machine_code=tuple(code for code in scan.machine_code if not is_left_out(path_in_bundle(code.path))),
        files=frozenset(name for name in scan.files if not is_left_out(path_in_bundle(name))),
    )
