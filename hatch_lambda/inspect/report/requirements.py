"""Who requires whom among the distributions of a zip, by their own metadata."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_lambda.common.target import all_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Installed


@dataclass(frozen=True)
class Edge:
    """One distribution requires another. `specifier`: which versions of it, as in `>=2,<3`.

    `fits`: whether the version at hand is one of those; None where there is none at hand.
    """

    requirer: NormalizedName
    required: NormalizedName
    specifier: str
    fits: bool | None


@dataclass(frozen=True)
class Requirements:
    """`names`: what is there, sorted. `edges`: sorted, those to what is not there included."""

    names: tuple[NormalizedName, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def of(self) -> Mapping[NormalizedName, tuple[Edge, ...]]:
        """What a distribution requires that is there."""
        return _grouped((edge.requirer, edge) for edge in self.edges if edge.fits is not None)

    @cached_property
    def by(self) -> Mapping[NormalizedName, tuple[Edge, ...]]:
        """What requires a distribution, there or not."""
        return _grouped((edge.required, edge) for edge in self.edges)

    @cached_property
    def missing(self) -> tuple[NormalizedName, ...]:
        return tuple(sorted({edge.required for edge in self.edges if edge.fits is None}))

    @cached_property
    def roots(self) -> tuple[NormalizedName, ...]:
        """What nothing else in the zip requires, and one of each circle that nothing else leads into."""
        roots = [name for name in self.names if all(edge.requirer == name for edge in self.by.get(name, ()))]
        reached = self._reached_from(roots)
        for name in self.names:
            if name not in reached:
                roots.append(name)
                reached |= self._reached_from([name])
        return tuple(roots)

    def _reached_from(self, names: Sequence[NormalizedName]) -> set[NormalizedName]:
        reached: set[NormalizedName] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [edge.required for edge in self.of.get(name, ())]
        return reached


def requirements(installed: Sequence[Installed], target: Target | None) -> Requirements:
    """By the markers of a target; without one, what any target would want, and as missing what all would."""
    wanted = [_wanted(installed, one) for one in ([target] if target else all_targets())]
    there = {canonicalize_name(found.name) for found in installed}
    edges = {
        edge for edges in wanted for edge in edges if edge.required in there or all(edge in others for others in wanted)
    }
    return Requirements(
        tuple(sorted(there)), tuple(sorted(edges, key=lambda edge: (edge.requirer, edge.required, edge.specifier)))
    )


def _wanted(installed: Sequence[Installed], target: Target) -> set[Edge]:
    """What is required on a target. Extras count where something in the zip asks for them."""
    versions = {canonicalize_name(found.name): found.version for found in installed}
    parsed = {canonicalize_name(found.name): tuple(_parsed(found.requires)) for found in installed}
    extras: defaultdict[NormalizedName, set[str]] = defaultdict(set)
    edges: set[Edge] = set()
    waiting = list(parsed)
    while waiting:
        name = waiting.pop()
        for requirement in parsed[name]:
            if not _applies(requirement, target, extras[name]):
                continue
            required = canonicalize_name(requirement.name)
            edges.add(Edge(name, required, str(requirement.specifier), _fits(requirement, versions.get(required))))
            new = set(map(canonicalize_name, requirement.extras)) - extras[required]
            if new and required in parsed:
                extras[required] |= new
                waiting.append(required)
    return edges


def _parsed(texts: Sequence[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # what no installer could read, none has followed


def _applies(requirement: Requirement, target: Target, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    environment = target.marker_environment
    try:
        return any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in ("", *sorted(extras)))
    except (InvalidVersion, UndefinedComparison, UndefinedEnvironmentName):
        return False  # as with a requirement that cannot be read


def _fits(requirement: Requirement, version: str | None) -> bool | None:
    if version is None:
        return None
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # no version that could be compared


def _grouped(pairs: Iterator[tuple[NormalizedName, Edge]]) -> dict[NormalizedName, tuple[Edge, ...]]:
    groups: defaultdict[NormalizedName, list[Edge]] = defaultdict(list)
    for name, edge in pairs:
        groups[name].append(edge)
    return {name: tuple(edges) for name, edges in groups.items()}
