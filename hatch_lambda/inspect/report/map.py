"""The treemap as HTML: nested lists, positioned by the style sheet.

There is one map of the zip and one of each distribution and larger directory. Tiles link to the map of what they stand
for, so navigation works without JavaScript, by `:target`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.inspect.report import treemap
from hatch_lambda.inspect.report.markup import Markup, escape, join, percent, tag
from hatch_lambda.inspect.survey import BYTECODE, DATA, MACHINE_CODE, METADATA, SOURCE, STUBS, TESTS, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.inspect.report.treemap import Node

STYLES = {
    MACHINE_CODE: "native",
    SOURCE: "python",
    TESTS: "tests",
    BYTECODE: "bytecode",
    STUBS: "typing",
    METADATA: "metadata",
    DATA: "data",
}
"""The CSS class of each kind of file, in the order of the legend."""

# Limits the size of the page. Distributions have a map in any case.
_MAX_TILES = 3_600

# PEP 3149, and the stable ABI: `_core.so` is enough for `_core.cpython-313-x86_64-linux-gnu.so`.
_EXTENSION_TAG = re.compile(r"\.(?:cpython-\d+[a-z]*(?:-[\w-]+)?|abi3)(?=\.so$)")

ROOT_ID = "map"


@dataclass(frozen=True)
class _View:
    """One map. `way`: the nodes from the zip down to this one."""

    id: str
    node: Node
    way: tuple[Node, ...]
    tiles: tuple[treemap.Tile, ...]


@dataclass(frozen=True)
class Maps:
    """`sections`: the HTML of all maps. `wide`, `narrow`: CSS with the positions of tiles. `ids`: by distribution."""

    sections: Markup
    wide: str
    narrow: str
    ids: dict[str, str]


def maps(root: Node) -> Maps:
    views = _views(root)
    drawing = _Drawing(root, {id(view.node): view.id for view in views})
    # The zip's own map comes last: `.map:target ~ .whole` can hide it only there.
    sections = join([drawing.section(view) for view in [*views[1:], views[0]]])
    return Maps(
        sections,
        "".join(drawing.wide),
        "".join(drawing.narrow),
        {view.node.name: view.id for view in views if len(view.way) == 2},  # noqa: PLR2004 - zip, distribution
    )


def _views(root: Node) -> list[_View]:
    def directories(way: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
        for child in way[-1].children:
            if child.children:
                yield (*way, child)
                yield from directories((*way, child))

    views = [_View(ROOT_ID, root, (root,), treemap.lay_out(root))]
    left = _MAX_TILES - treemap.count(views[0].tiles)
    for way in sorted(directories((root,)), key=lambda way: (-way[-1].size, len(way))):
        tiles = treemap.lay_out(way[-1])
        if len(tiles) > 1 and (left > 0 or way[-1].path is None):
            left -= treemap.count(tiles)
            views.append(_View(f"map-{len(views)}", way[-1], way, tiles))
    return views


@dataclass
class _Drawing:
    """Collects the positions of tiles. `views`: ids of maps, by the identity of their node."""

    root: Node
    views: dict[int, str]
    wide: list[str] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)

    def section(self, view: _View) -> Markup:
        node = view.node
        steps = [
            tag("li", tag("a", tag("bdi", above.name), href=f"#{self.views[id(above)]}"))
            for above in view.way[:-1]
            if id(above) in self.views
        ]
        way = tag("ol", steps, tag("li", tag("bdi", node.name), aria_current="location"))
        return tag(
            "section",
            tag(
                "div",
                tag("nav", way, aria_label="Path in the zip", class_="way"),
                tag("p", self._facts(node), class_="facts"),
                class_="over-map",
            ),
            tag("ul", [self._tile(tile, node) for tile in view.tiles], class_="tiles"),
            id=view.id,
            class_="map whole" if node is self.root else "map",
            aria_label=f"Map of {node.name}",
        )

    def _facts(self, node: Node) -> str:
        parts = [f"{megabytes(node.size)} unzipped"]
        if node is not self.root:
            parts += [f"{megabytes(node.compressed)} zipped", self._share(node.size)]
        if node.children:
            parts.append(_files(node.files))
        return " · ".join(parts)

    def _share(self, size: int) -> str:
        return f"{percent(size / (self.root.size or 1))} of total"

    def _tile(self, tile: treemap.Tile, parent: Node) -> Markup:
        identifier = f"t{len(self.wide)}"
        self.wide.append(f"#{identifier}{{{_css(tile.wide)}}}")
        self.narrow.append(f"#{identifier}{{{_css(tile.narrow)}}}")
        if node := tile.node:
            view = self.views.get(id(node))
            name, facts = node.path or node.name, f"{self._facts(node)} · {'mostly ' if node.children else ''}"
            hint = Markup(f"{escape(name)}\n{escape(facts + label(node.kind))}")
            text = (tag("bdi", _EXTENSION_TAG.sub("", node.name)), " ", tag("i", megabytes(node.size)))
            return tag(
                "li",
                tag("a", text, href=f"#{view}", title=hint) if view else tag("span", text, title=hint),
                tag("ul", [self._tile(inner, node) for inner in tile.tiles]) if tile.tiles else None,
                id=identifier,
                class_=f"parent {STYLES[node.kind]}" if tile.tiles else STYLES[node.kind],
            )
        size, files = sum(node.size for node in tile.hidden), sum(node.files for node in tile.hidden)
        name = f"{counted(len(tile.hidden), 'smaller item')} in {parent.path or parent.name}"
        facts = f"{megabytes(size)} unzipped · {self._share(size)} · {_files(files)}"
        hint = Markup(f"{escape(name)}\n{escape(facts)}")
        text = (tag("bdi", f"+{len(tile.hidden)}"), " ", tag("i", megabytes(size)))
        return tag("li", tag("span", text, title=hint), id=identifier, class_="small")


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


def _css(inset: treemap.Inset) -> str:
    edges = (f"{max(value, 0):.2f}".rstrip("0").rstrip(".") for value in inset)
    return "inset:" + " ".join("0" if edge == "0" else f"{edge}%" for edge in edges)


def swatch(kind: str) -> Markup:
    """The colour of a kind of file in the maps."""
    return tag("span", tag("span", class_="swatch"), class_=f"key {STYLES[kind]}", aria_hidden="true")


def title(kind: str) -> str:
    """The name of a kind of file, capitalized."""
    text = label(kind)
    return text[:1].upper() + text[1:]
