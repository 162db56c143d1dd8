"""The treemap as HTML: nested lists, positioned by the style sheet.

There is one map of the zip and one of each distribution and larger directory. Tiles link to the map of what they stand
for, so navigation works without JavaScript, by `:target`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.inspect.report import treemap
from hatch_lambda.inspect.report.markup import Markup, escape, join, percent, tag
from hatch_lambda.inspect.survey import BYTECODE, DATA, MACHINE_CODE, METADATA, SOURCE, STUBS, TESTS, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.inspect.directories import Node

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
_EXTENSION_TAG = re.compile(r"\.(?:cpython-\d+[a-z]*(?:-[\w-]+)?|abi3t?(?:-[\w-]+)?)(?=\.so$)")


class _View(NamedTuple):
    """One map. `way`: the nodes from the zip down to the one whose map it is."""

    id: str
    way: tuple[Node, ...]
    tiles: tuple[treemap.Tile, ...]


class Maps(NamedTuple):
    """`sections`: the HTML of all maps. `style`: CSS with the positions of tiles. `ids`: by distribution."""

    sections: Markup
    style: str
    ids: dict[str, str]


def maps(root: Node) -> Maps:
    views = _views(root)
    drawing = _Drawing(root, {id(view.way[-1]): view.id for view in views})
    # The zip's own map comes last: `.map:target ~ .whole` can hide it only there.
    sections = join([drawing.section(view) for view in [*views[1:], views[0]]])
    wide = "".join(f"#t{number}{{{tile.wide}}}" for number, tile in enumerate(drawing.tiles))
    narrow = "".join(f"#t{number}{{{tile.narrow}}}" for number, tile in enumerate(drawing.tiles))
    return Maps(
        sections,
        f"{wide}\n@media (max-width: 40rem) {{{narrow}}}\n",
        {view.way[-1].name: view.id for view in views if len(view.way) == 2},  # noqa: PLR2004 - zip, distribution
    )


def _views(root: Node) -> list[_View]:
    def directories(way: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
        for child in way[-1].children:
            if child.children:
                yield (*way, child)
                yield from directories((*way, child))

    views = [_View("map", (root,), treemap.lay_out(root))]
    left = _MAX_TILES - treemap.count(views[0].tiles)
    for way in sorted(directories((root,)), key=lambda way: (-way[-1].size, len(way))):
        tiles = treemap.lay_out(way[-1])
        if len(tiles) > 1 and (left > 0 or way[-1].path is None):
            left -= treemap.count(tiles)
            views.append(_View(f"map-{len(views)}", way, tiles))
    return views


@dataclass
class _Drawing:
    """`views`: ids of maps, by the identity of their node. `tiles`: those that are drawn so far."""

    root: Node
    views: dict[int, str]
    tiles: list[treemap.Tile] = field(default_factory=list)

    def section(self, view: _View) -> Markup:
        *parents, node = view.way
        steps = [
            tag("li", tag("a", tag("bdi", above.name), href=f"#{self.views[id(above)]}"))
            for above in parents
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
        identifier = f"t{len(self.tiles)}"
        self.tiles.append(tile)
        node, size, view = tile.node, megabytes(tile.node.size), self.views.get(id(tile.node))
        if tile.hidden:
            shown, style = f"+{tile.hidden}", "small"
            name = f"{counted(tile.hidden, 'smaller item')} in {parent.path or parent.name}"
            facts = f"{size} unzipped · {self._share(node.size)} · {_files(node.files)}"
        else:
            shown, style = _EXTENSION_TAG.sub("", node.name), STYLES[node.kind]
            name = node.path or node.name
            facts = f"{self._facts(node)} · {'mostly ' if node.children else ''}{label(node.kind)}"
        hint = Markup(f"{escape(name)}\n{escape(facts)}")
        text = (tag("bdi", shown), " ", tag("i", size))
        return tag(
            "li",
            tag("a", text, href=f"#{view}", title=hint) if view else tag("span", text, title=hint),
            tag("ul", [self._tile(inner, node) for inner in tile.tiles]) if tile.tiles else None,
            id=identifier,
            class_=f"parent {style}" if tile.tiles else style,
        )


def _files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


def swatch(kind: str) -> Markup:
    """The colour of a kind of file in the maps."""
    return tag("span", tag("span", class_="swatch"), class_=f"key {STYLES[kind]}", aria_hidden="true")


def title(kind: str) -> str:
    """The name of a kind of file, capitalized."""
    text = label(kind)
    return text[:1].upper() + text[1:]
