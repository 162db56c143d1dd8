"""Who requires whom, as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from hatch_lambda.common.ui import megabytes
from hatch_lambda.inspect.report.kit import Facts, card, listed
from hatch_lambda.inspect.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.inspect.contents import Installed
    from hatch_lambda.inspect.report.markup import Child
    from hatch_lambda.inspect.report.requirements import Edge, Requirements

# Deeper than any project's dependencies are; a zip may say what it likes.
_DEEPEST = 60


def who_requires_whom(facts: Facts) -> Markup:
    wanted = facts.requirements
    names = {canonicalize_name(found.name): found for found in facts.contents.installed}
    drawing = _Tree(wanted, names)
    tree = tag("ul", [drawing.branch(name) for name in wanted.roots], class_="tree")
    markers = f"on {facts.target}" if facts.target else "on any runtime of Lambda"
    return card(
        "requirements",
        "Who requires whom",
        tree if names else tag("p", "There is no distribution in here that would say."),
        _missing(wanted),
        beside=tag("p", f"by the metadata of the distributions, {markers}", class_="hint") if names else None,
    )


@dataclass(frozen=True)
class _Tree:
    """While the tree is drawn: what stands in it once is only linked to afterwards."""

    wanted: Requirements
    installed: Mapping[NormalizedName, Installed]
    drawn: set[NormalizedName] = field(default_factory=set)

    def branch(self, name: NormalizedName, edge: Edge | None = None, depth: int = 0) -> Markup:
        """A distribution with what it requires, or with a link to where that stands."""
        found = self.installed[name]
        again = name in self.drawn
        place = f"{'r' if again else 'd'}-{quote(name)}"
        label: list[Child] = [tag("a", tag("bdi", found.name), href=f"#{place}"), " ", found.version]
        if edge and edge.specifier:
            label.append(tag("span", f" ({edge.specifier})", class_="soft" if edge.fits else "bad"))
        if edge and edge.fits is False:
            label.append(tag("b", " asks for another version", class_="bad"))
        if again:
            return tag("li", label, tag("span", " · see above", class_="soft"))
        if depth > _DEEPEST:
            return tag("li", label, tag("span", " · and so on", class_="soft"))
        self.drawn.add(name)
        label.append(tag("span", f" · {megabytes(found.size)}", class_="soft size"))
        edges = {edge.required: edge for edge in self.wanted.of.get(name, ()) if edge.required != name}
        below = [self.branch(required, edges[required], depth + 1) for required in sorted(edges)]
        return tag("li", tag("span", label, id=f"r-{name}"), tag("ul", below) if below else None)


def _missing(wanted: Requirements) -> Child:
    if not wanted.missing:
        return None
    rows = []
    for name in wanted.missing:
        requirers = sorted({edge.requirer for edge in wanted.by[name]})
        rows.append(tag("li", tag("b", name), f", required by {listed(requirers)}"))
    return [
        tag("h3", "Required and not in here: the runtime or a layer has to bring it"),
        tag("ul", rows, class_="tree"),
    ]
