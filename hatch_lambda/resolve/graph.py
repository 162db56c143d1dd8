"""Who requires whom: arithmetic over the requirements of a closure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.closure import Closure, Distribution


def chain_to(wanted: Distribution, closure: Closure, target: Target) -> tuple[str, ...]:
    """The shortest way down from what the project asks for, as `name version`, the wanted one last."""
    by_name = {found.name: found for found in closure.distributions}
    paths: list[tuple[Distribution, ...]] = [(found,) for found in closure.distributions if found.requested]
    seen = {path[0].name for path in paths}
    for path in paths:  # grows while it is read: breadth first
        if path[-1].name == wanted.name:
            return tuple(map(str, path))
        for name in sorted(required_names(path[-1].requires, path[-1].extras, target) - seen):
            if name in by_name:
                seen.add(name)
                paths.append((*path, by_name[name]))
    return (str(wanted),)


def required_names(requires: Iterable[str], extras: Iterable[str], target: Target) -> set[NormalizedName]:
    """Who is required on the target, by `Requires-Dist` and the extras that are wanted."""
    names = set()
    for text in requires:
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({**target.marker_environment, "extra": extra}) for extra in ("", *extras)
        ):
            names.add(canonicalize_name(requirement.name))
    return names
