"""Which distribution of a zip requires which, by their own metadata."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_lambda.common.target import all_targets
from hatch_lambda.inspect.sources import grouped
from hatch_lambda.resolve import graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.ownership import Installed


class Edge(NamedTuple):
    """One distribution requires another one. `specifier`: the accepted versions, as in `>=2,<3`.

    `fits`: whether the version in the zip is accepted; None if it is not in the zip.
    """

    requirer: NormalizedName
    required: NormalizedName
    specifier: str
    fits: bool | None


@dataclass(frozen=True)
class Requirements:
    """`names`: the distributions of the zip, sorted. `edges`: sorted, including those to missing distributions."""

    names: tuple[NormalizedName, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def of(self) -> Mapping[NormalizedName, Sequence[Edge]]:
        """What a distribution requires, as far as it is in the zip."""
        return dict(grouped((edge for edge in self.edges if edge.fits is not None), lambda edge: edge.requirer))

    @cached_property
    def by(self) -> Mapping[NormalizedName, Sequence[Edge]]:
        """What requires a distribution, in the zip or missing."""
        return dict(grouped(self.edges, lambda edge: edge.required))

    @cached_property
    def missing(self) -> tuple[NormalizedName, ...]:
        return tuple(sorted({edge.required for edge in self.edges if edge.fits is None}))

    @cached_property
    def roots(self) -> tuple[NormalizedName, ...]:
        """What nothing else in the zip requires, and one of each cycle that nothing else leads into."""
        needs = {name: [edge.required for edge in self.of.get(name, ())] for name in self.names}
        roots = [name for name in self.names if name not in self.by]
        reached = graph.reachable(roots, needs)
        for name in self.names:
            if name not in reached:
                roots.append(name)
                reached |= graph.reachable([name], needs)
        return tuple(roots)


def requirements(installed: Sequence[Installed], target: Target | None) -> Requirements:
    """By the markers of a target. Without one: what any target requires, and as missing what all require."""
    by_target = [_edges(installed, one) for one in ([target] if target else all_targets())]
    names = {found.normalized_name for found in installed}
    edges = {
        edge for edges in by_target for edge in edges if edge.required in names or all(edge in one for one in by_target)
    }
    return Requirements(tuple(sorted(names)), tuple(sorted(edges)))


def _edges(installed: Sequence[Installed], target: Target) -> set[Edge]:
    """What is required on a target. Extras count if something in the zip requires them."""
    versions = {found.normalized_name: found.version for found in installed}
    parsed = {found.normalized_name: tuple(graph.parsed(found.metadata.requires)) for found in installed}
    extras: defaultdict[NormalizedName, set[str]] = defaultdict(set)
    edges: set[Edge] = set()
    waiting = list(parsed)
    while waiting:
        name = waiting.pop()
        for requirement in parsed[name]:
            if not graph.applies(requirement, target, extras[name]):
                continue
            required = canonicalize_name(requirement.name)
            if required != name:  # `project[all]` requires its own extras
                fits = _fits(requirement, versions.get(required))
                edges.add(Edge(name, required, str(requirement.specifier), fits))
            new = set(map(canonicalize_name, requirement.extras)) - extras[required]
            if new and required in parsed:
                extras[required] |= new
                waiting.append(required)
    return edges


def _fits(requirement: Requirement, version: str | None) -> bool | None:
    if version is None:
        return None
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # cannot be compared
