"""The setting `provided`: distributions that the runtime or a layer supplies."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.config.validators import listed
from hatch_lambda.resolve.curated import AWS_SDK, AWS_SDK_DEPENDENCIES, AWS_SDK_PACKAGES
from hatch_lambda.resolve.graph import needs_of, reachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure, Distribution
    from hatch_lambda.resolve.job import Job


class ProvidedError(LambdaBuildError):
    """A part of the AWS SDK would be packaged although the runtime must supply it as a whole."""


def provided_names(settings: Settings) -> frozenset[NormalizedName]:
    """The names in `provided`, with those of its SDK."""
    return (settings.provided - {AWS_SDK}) | (AWS_SDK_PACKAGES if AWS_SDK in settings.provided else frozenset())


def leave_out(closure: Closure, job: Job) -> Closure:
    """The closure without what is provided and what only that requires.

    What other distributions require, too, stays. Raises `ProvidedError` if it is a part of the AWS SDK.
    """
    if not job.settings.provided:
        return closure
    has_sdk = AWS_SDK in job.settings.provided
    named = provided_names(job.settings)
    members = {found.name: found for found in closure.distributions}
    # A lock file may lack what is provided.
    if not job.settings.lock_file and (unknown := sorted(named - members.keys() - AWS_SDK_PACKAGES)):
        job.reporter.warn(f"`provided` names {listed(unknown)}, which nothing requires")
    needs = needs_of(closure, job.target)
    stays = reachable([found.name for found in closure.distributions if found.requested], needs, without=named)
    provided = reachable(named, needs)
    if shared := sorted(stays & (provided | (AWS_SDK_DEPENDENCIES if has_sdk else frozenset()))):
        _report(shared, [members[name] for name in sorted(stays)], needs, job)
    if gone := [str(found) for found in closure.distributions if found.name not in stays]:
        job.reporter.line(f"  provided by the runtime or a layer: {', '.join(gone)}")
    left = tuple(found for found in closure.distributions if found.name in stays)
    return dataclasses.replace(closure, distributions=left)


def _report(
    shared: list[NormalizedName],
    stay: list[Distribution],
    needs: Mapping[NormalizedName, Iterable[NormalizedName]],
    job: Job,
) -> None:
    """Report which distributions require parts of what is provided."""
    lines = []
    for name in shared:
        who = [str(found) for found in stay if name in needs[found.name]]
        if any(found.name == name and found.requested for found in stay):
            who.append(job.request.subject)
        lines.append(f"{name} is required by {', '.join(who)}")
    if not job.settings.provided & (AWS_SDK_PACKAGES | {AWS_SDK}):
        job.reporter.warn(
            "still packaged because other distributions need it, possibly in a version that the provided layer does "
            f"not accept: {'; '.join(lines)}"
        )
        return
    quoted = ", ".join(f'"{name}"' for name in shared)
    raise ProvidedError(
        "`provided` leaves the AWS SDK to the runtime, but these parts of it would still be packaged:\n"
        + "".join(f"  {line}\n" for line in lines)
        + "The runtime's SDK would then import your version of them instead of its own. AWS advises packaging the SDK, "
        "too, if you package any of its dependencies.\n"
        "What you can do: package the SDK (remove it from `provided`), or leave these to the runtime as well, in "
        f"whatever version it has: add {quoted} to `provided`."
    )
