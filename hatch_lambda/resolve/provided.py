"""What need not be packaged, since the runtime or a layer has it: the setting `provided`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.config.validators import listed
from hatch_lambda.resolve.curated import _WHAT_COMES_WITH_IT, AWS_SDK, SDK_ITSELF
from hatch_lambda.resolve.graph import required_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.resolve.closure import Closure, Distribution
    from hatch_lambda.resolve.job import Job


class ProvidedError(LambdaBuildError):
    """Something that is packaged would bring a part of what the runtime has to have as a whole."""


def leave_out(closure: Closure, job: Job) -> Closure:
    """The closure without what is provided and what only that needs.

    What something else needs, too, stays. Raises `ProvidedError` where that is a part of the AWS SDK's closure.
    """
    asked_for = job.settings.provided
    if not asked_for:
        return closure
    named = (asked_for - {AWS_SDK}) | (SDK_ITSELF if AWS_SDK in asked_for else frozenset())
    members = {found.name: found for found in closure.distributions}
    # A lock need not have what is provided.
    if not job.settings.lock_file and (unknown := sorted(named - members.keys() - SDK_ITSELF)):
        job.reporter.warn(f"`provided` names {listed(unknown)}, which nothing requires")
    needs = {found.name: required_names(found.requires, found.extras, job.target) for found in closure.distributions}
    requested = [found.name for found in closure.distributions if found.requested]
    stays = _reachable(requested, needs, without=named)
    provided = _reachable(named, needs)
    if shared := sorted(stays & (provided | (_WHAT_COMES_WITH_IT if AWS_SDK in asked_for else frozenset()))):
        _tell(shared, [members[name] for name in sorted(stays)], needs, job)
    left = tuple(found for found in closure.distributions if found.name in stays)
    gone = [str(found) for found in closure.distributions if found.name not in stays]
    if gone:
        job.reporter.line(f"  left to the runtime or a layer: {', '.join(gone)}")
    return dataclasses.replace(closure, distributions=left)


def _reachable(
    start: Iterable[NormalizedName],
    needs: Mapping[NormalizedName, Iterable[NormalizedName]],
    *,
    without: frozenset[NormalizedName] = frozenset(),
) -> set[NormalizedName]:
    """All that is needed from the start on, by ways that do not lead through what is left out."""
    found: set[NormalizedName] = set()
    waiting = [name for name in start if name in needs and name not in without]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [needed for needed in needs[name] if needed in needs and needed not in without]
    return found


def _tell(
    shared: list[NormalizedName],
    stay: list[Distribution],
    needs: Mapping[NormalizedName, Iterable[NormalizedName]],
    job: Job,
) -> None:
    """Say who keeps parts of a closure of which the rest is left out."""
    lines = []
    for name in shared:
        who = [str(found) for found in stay if name in needs[found.name]]
        if any(found.name == name and found.requested for found in stay):
            who.append(job.request.subject)
        lines.append(f"{name} is needed by {', '.join(who)}")
    if not job.settings.provided & (SDK_ITSELF | {AWS_SDK}):
        job.reporter.warn(
            f"packaged, though something in `provided` needs it, too, and may want another version: {'; '.join(lines)}"
        )
        return
    quoted = ", ".join(f'"{name}"' for name in shared)
    raise ProvidedError(
        "`provided` leaves the AWS SDK to the runtime, and these parts of it would be packaged all the same:\n"
        + "".join(f"  {line}\n" for line in lines)
        + "The runtime's SDK would then find your version of them instead of its own; AWS's advice is to ship the SDK, "
        "too, if one ships any of what it needs.\n"
        "What you can do: package the SDK (take it out of `provided`), or leave these to the runtime as well, in "
        f"whatever version it has: add {quoted} to `provided`."
    )
