"""The dependency tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_lambda.common.ui import megabytes
from hatch_lambda.inspect.report.facts import Facts, described, listed
from hatch_lambda.inspect.report.markup import Markup, card, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.inspect.ownership import Installed
    from hatch_lambda.inspect.report.markup import Child
    from hatch_lambda.inspect.requirements import Edge, Requirements

# Deeper than any project's dependencies are; a zip may hold any metadata.
_MAX_DEPTH = 60


def dependency_tree(facts: Facts) -> Markup:
    if not facts.contents.installed:
        return card("requirements", "Dependency tree", tag("p", "No distributions."))
    graph = facts.requirements
    tree = _Tree(graph, {found.normalized_name: found for found in facts.contents.installed})
    missing = []
    for name in graph.missing:
        requirers = sorted({edge.requirer for edge in graph.by[name]})
        missing.append(tag("li", tag("b", name), f", required by {listed(requirers)}"))
    heading = tag("h3", "Missing: the runtime or a layer must provide them")
    runtime = described(facts.target) if facts.target else "any Lambda runtime"
    return card(
        "requirements",
        "Dependency tree",
        tag("ul", [tree.branch(name) for name in graph.roots], class_="tree"),
        [heading, tag("ul", missing, class_="tree")] if missing else None,
        beside=tag("p", f"from the metadata of the distributions, for {runtime}", class_="hint"),
    )


@dataclass(frozen=True)
class _Tree:
    """Each distribution is drawn in full once, and as a link after that (`drawn`)."""

    graph: Requirements
    installed: Mapping[NormalizedName, Installed]
    drawn: set[NormalizedName] = field(default_factory=set)

    def branch(self, name: NormalizedName, edge: Edge | None = None, depth: int = 0) -> Markup:
        """A distribution with its requirements, or with a link to them."""
        found = self.installed[name]
        is_drawn = name in self.drawn
        label: list[Child] = [
            tag("a", tag("bdi", found.name), href=f"#{'r' if is_drawn else 'd'}-{quote(name)}"),
            " ",
            found.version,
        ]
        if edge and edge.specifier:
            label.append(tag("span", f" ({edge.specifier})", class_="soft" if edge.fits else "bad"))
        if edge and edge.fits is False:
            label.append(tag("b", " version conflict", class_="bad"))
        if is_drawn:
            return tag("li", label, tag("span", " · see above", class_="soft"))
        if depth > _MAX_DEPTH:
            return tag("li", label, tag("span", " · truncated", class_="soft"))
        self.drawn.add(name)
        label.append(tag("span", f" · {megabytes(found.portion.size)}", class_="soft size"))
        edges = {edge.required: edge for edge in self.graph.of.get(name, ())}
        below = [self.branch(required, edges[required], depth + 1) for required in sorted(edges)]
        return tag("li", tag("span", label, id=f"r-{name}"), tag("ul", below) if below else None)
