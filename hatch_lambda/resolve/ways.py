"""The two ways of stage 1: without pip, which is fast, and pip, which can do everything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import ConfigurationError, ResolutionError
from hatch_lambda.resolve.finder import LeftToPip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store

VARIABLE = "HATCH_LAMBDA_RESOLVER"
PIP, FINDER, BOTH = "pip", "finder", "both"


def resolve(job: Job, store: Store, arrived: Callable[[Path], object], by_pip: Callable[[], Closure]) -> Closure:
    """`arrived`: called for each wheel that was downloaded. `by_pip`: resolves with pip.

    Raises `ConfigurationError`, `ResolutionError`.
    """
    way = os.environ.get(VARIABLE, "")
    if way not in {"", PIP, FINDER, BOTH}:
        raise ConfigurationError(
            [f"Environment variable `{VARIABLE}` must be one of {PIP}, {FINDER} and {BOTH}, not `{way}`"]
        )
    if way == PIP or not (job.settings.requirements or job.request.requirements):
        return by_pip()
    from hatch_lambda.resolve.finder.find import find

    try:
        found = find(job, store, arrived)
    except LeftToPip as reason:
        if way == FINDER:
            raise ResolutionError(f"`{VARIABLE}` is `{FINDER}`, but pip has to resolve: {reason}.", output="") from None
        job.reporter.detail(f"Resolving with pip: {reason}")
        return by_pip()
    if way == BOTH:
        _compare(found, by_pip())
    return found


def _compare(found: Closure, of_pip: Closure) -> None:
    """Raises `ResolutionError` where the two closures differ."""
    ours, pips = (
        {(each.name, wheel.path.name) for each in closure.distributions for wheel in each.wheels}
        | {(each.name, f"extras: {', '.join(sorted(each.extras))}") for each in closure.distributions if each.extras}
        for closure in (found, of_pip)
    )
    if ours != pips:
        lines = [f"  {name}: {what} (the finder)" for name, what in sorted(ours - pips)]
        lines += [f"  {name}: {what} (pip)" for name, what in sorted(pips - ours)]
        raise ResolutionError(
            "The finder and pip resolve differently; please report this:\n\n" + "\n".join(sorted(lines)), output=""
        )
