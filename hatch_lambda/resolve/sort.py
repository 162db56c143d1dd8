"""Stage 2: a verdict for each wheel."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.resolve.graph import naming_requirers, required_by_in
from hatch_lambda.wheels.compatibility import judge
from hatch_lambda.wheels.scan import check_and_scan

if TYPE_CHECKING:
    from hatch_lambda.resolve.closure import Closure, Distribution
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store


def sort(closure: Closure, job: Job, store: Store) -> Closure:
    """Sort wheels into compatible and incompatible ones; distributions without a wheel have sources.

    Raises `BrokenWheelError` for an invalid wheel.
    """
    wheels = [(found.name, str(found.version), wheel.path) for found in closure.distributions for wheel in found.wheels]
    with naming_requirers(required_by_in(closure, job)):
        check_and_scan(wheels, store)

    def with_verdicts(found: Distribution) -> Distribution:
        judged = tuple(dataclasses.replace(wheel, verdict=judge(wheel.path, job.target)) for wheel in found.wheels)
        return dataclasses.replace(found, wheels=judged)

    return closure.each(with_verdicts)
