"""Stage 6: allow wheels whose tags misstate their compatibility."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.resolve.closure import Attempt
from hatch_lambda.resolve.curated import is_listed_as_compatible
from hatch_lambda.wheels.compatibility import Verdict, fault_of_machine_code, wheel_tags
from hatch_lambda.wheels.loadable import find_faults
from hatch_lambda.wheels.machine_code import scan_wheel
from hatch_lambda.wheels.scan import scan_unchecked

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure, Distribution, Wheel

STAGE = 6


def allow(closure: Closure, settings: Settings) -> Closure:
    """Judge incompatible wheels by their content, newest first.

    Machine code that the target cannot load is never allowed, whatever the lists say.
    """

    def look_again(found: Distribution) -> Distribution:
        for wheel in reversed(found.wheels):
            verdict = _verdict(wheel, found, settings)
            if verdict.compatible:
                attempt = Attempt(STAGE, f"allowing {wheel.path.name}", succeeded=True, outcome=verdict.reason)
                return dataclasses.replace(
                    found,
                    wheels=(dataclasses.replace(wheel, verdict=verdict), *found.wheels),
                    attempts=(*found.attempts, attempt),
                )
        return found

    return closure.each_unmet(look_again)


def _verdict(wheel: Wheel, found: Distribution, settings: Settings) -> Verdict:
    if not _is_for_python_3(wheel):
        return wheel.verdict
    if not scan_wheel(wheel.path):
        return Verdict(compatible=True, reason="it contains no machine code")
    fault = fault_of_machine_code(wheel.path, settings.target)
    if fault:
        return Verdict(compatible=False, reason=fault)
    if is_listed_as_compatible(found.name, settings):
        return Verdict(compatible=True, reason=f"`{found.name}` is listed as compatible")
    return wheel.verdict


def could_be_allowed(wheel: Wheel, found: Distribution, target: Target) -> bool:
    """Whether a wheel would be packaged if the user listed it as compatible."""
    if not _is_for_python_3(wheel) or fault_of_machine_code(wheel.path, target):
        return False
    scan = scan_unchecked(found.name, str(found.version), wheel.path)
    return not find_faults([scan], target, trusted=frozenset({found.name}))


def _is_for_python_3(wheel: Wheel) -> bool:
    return any(tag.interpreter.startswith(("cp3", "py3")) for tag in wheel_tags(wheel.path.name))
