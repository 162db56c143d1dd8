"""Who requires whom: arithmetic over requirements."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from hatch_lambda.common.errors import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job


def parsed(requires: Iterable[str]) -> Iterator[Requirement]:
    """`Requires-Dist` lines as requirements, without those that no installer can read."""
    for text in requires:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue


def applies(requirement: Requirement, target: Target, extras: Iterable[str] = ()) -> bool:
    """Whether the target needs it, with these extras of the distribution that requires it."""
    if requirement.marker is None:
        return True
    environment = target.marker_environment
    try:
        return any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *sorted(extras)))
    except (InvalidVersion, UndefinedComparison, UndefinedEnvironmentName):
        return False  # no installer can read it either


def required_names(requires: Iterable[Requirement], extras: Iterable[str], target: Target) -> set[NormalizedName]:
    """Names of what is required on the target."""
    return {canonicalize_name(requirement.name) for requirement in requires if applies(requirement, target, extras)}


def name_and_extras(requirement: Requirement) -> list[tuple[NormalizedName, str]]:
    """The required distribution by itself (its extra is empty), and with each extra."""
    name = canonicalize_name(requirement.name)
    return [(name, extra) for extra in ("", *sorted(map(canonicalize_name, requirement.extras)))]


def requirements_from(
    start: Iterable[tuple[NormalizedName, str]],
    requires: Mapping[NormalizedName, Sequence[Requirement]],
    target: Target,
) -> Iterator[tuple[NormalizedName, Requirement]]:
    """Who requires what on the target, from distributions with an extra on."""
    waiting = list(dict.fromkeys(start))
    for name, extra in waiting:  # grows while it is read
        for requirement in requires.get(name, ()):
            if applies(requirement, target, [extra]):
                yield name, requirement
                waiting += [pair for pair in name_and_extras(requirement) if pair not in waiting]


def reachable(
    start: Iterable[NormalizedName],
    needs: Mapping[NormalizedName, Iterable[NormalizedName]],
    *,
    without: frozenset[NormalizedName] = frozenset(),
) -> set[NormalizedName]:
    """What is needed from the start on, among the keys of `needs`, along paths that avoid `without`."""
    found: set[NormalizedName] = set()
    waiting = [*start]
    while waiting:
        name = waiting.pop()
        if name in needs and name not in found and name not in without:
            found.add(name)
            waiting += needs[name]
    return found


def needs_of(closure: Closure, target: Target) -> dict[NormalizedName, set[NormalizedName]]:
    """What each distribution of a closure requires on the target."""
    return {found.name: required_names(found.requires, found.extras, target) for found in closure.distributions}


@contextmanager
def naming_requirers(required_by: Mapping[str, str]) -> Iterator[None]:
    """Add to a `BrokenWheelError` who requires the wheel, and what to do. `required_by`: as in `Closure`."""
    try:
        yield
    except BrokenWheelError as error:
        name = canonicalize_name(error.filename.partition("-")[0])
        remedies = "; ".join(filter(None, ["require another version, or report it to its author", error.remedy]))
        raise BrokenWheelError(
            error.filename,
            f"{error.reason}\nRequired by: {required_by.get(name, name)}\nWhat you can do: {remedies}.",
        ) from None


def required_by_in(closure: Closure, job: Job) -> dict[str, str]:
    """How the project requires each distribution: `orders 1.0 -> foo 1.0`."""
    chains = chains_in(closure, job.target)
    return {name: " -> ".join((job.request.subject, *chain)) for name, chain in chains.items()}


def chains_in(closure: Closure, target: Target) -> dict[NormalizedName, tuple[str, ...]]:
    """The shortest path from a direct dependency to each distribution, each as `name version`."""
    by_name, needs = {found.name: found for found in closure.distributions}, needs_of(closure, target)
    chains: dict[NormalizedName, tuple[str, ...]] = {
        found.name: (str(found),) for found in closure.distributions if found.requested
    }
    waiting = [*chains]
    for name in waiting:  # grows while it is read: breadth first
        for required in sorted(needs[name] & by_name.keys() - chains.keys()):
            chains[required] = (*chains[name], str(by_name[required]))
            waiting.append(required)
    return {name: chains.get(name, (str(found),)) for name, found in by_name.items()}
