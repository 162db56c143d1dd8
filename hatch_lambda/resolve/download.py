"""Stage 1: resolve the closure for the target and download it.

There are two ways: the finder, which is fast, and pip, which can do everything. What is locked is only downloaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import ConfigurationError, ResolutionError
from hatch_lambda.common.redact import redact
from hatch_lambda.resolve.closure import Closure
from hatch_lambda.resolve.finder import IndexFault, LeftToPip
from hatch_lambda.resolve.prefetch import Prefetch

if TYPE_CHECKING:
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store

VARIABLE = "HATCH_LAMBDA_RESOLVER"
PIP, FINDER, BOTH = "pip", "finder", "both"


def download(job: Job, store: Store) -> Closure:
    """Resolve for the target and download the whole closure; with a lock file, download what is locked.

    Wheels are inspected as they arrive; stage 2 finds the results in the store.

    Raises `ResolutionError` with pip's own words, `LockFileError`, and `ConfigurationError` for an unknown way.
    """
    way = os.environ.get(VARIABLE, "")
    if way not in {"", PIP, FINDER, BOTH}:
        raise ConfigurationError(
            [f"Environment variable `{VARIABLE}` must be one of {PIP}, {FINDER} and {BOTH}, not `{way}`"]
        )
    with Prefetch(store) as prefetch:
        if job.settings.lock_file:
            from hatch_lambda.resolve.lock.download import download_locked  # only for some projects

            return download_locked(job, store, prefetch)
        if not (job.settings.requirements or job.request.requirements):
            return Closure(())
        found, fault = (None, "") if way == PIP else _find(job, store, prefetch, way)
    if found and way != BOTH:
        return found
    from hatch_lambda.resolve.resolve_with_pip import resolve_with_pip  # most builds do without

    of_pip = resolve_with_pip(job, fault)
    if found:
        _compare(found, of_pip)
    return of_pip


def _find(job: Job, store: Store, prefetch: Prefetch, way: str) -> tuple[Closure | None, str]:
    """The closure, if the finder can do it; else how the index has failed, if that is why."""
    from hatch_lambda.resolve.finder.find import find

    try:
        return find(job, store, prefetch.inspect), ""
    except LeftToPip as reason:
        if way == FINDER:
            raise ResolutionError(f"`{VARIABLE}` is `{FINDER}`, but pip has to resolve: {reason}.", output="") from None
        job.reporter.detail(redact(f"Resolving with pip: {reason}"))
        return None, redact(str(reason)) if isinstance(reason, IndexFault) else ""
    except Exception as error:
        if way:  # to find out about the finder
            raise
        job.reporter.detail(redact(f"Resolving with pip: {error!r}"))
        return None, ""


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
