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
from hatch_lambda.inspect.report.markup import Markup, escape, join, tag
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
    views = [_View(ROOT_ID, root, (root,), treemap.lay_out(root))]
    left = _MAX_TILES - treemap.count(views[0].tiles)
    candidates = sorted(_folders(root, (root,)), key=lambda way: (-way[-1].size, len(way)))
    for way in candidates:
        tiles = treemap.lay_out(way[-1])
        if len(tiles) > 1 and (left > 0 or way[-1].path is None):
            left -= treemap.count(tiles)
            views.append(_View(f"map-{len(views)}", way[-1], way, tiles))
    return views


def _folders(node: Node, way: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    for child in node.children:
        if child.children:
            yield (*way, child)
            yield from _folders(child, (*way, child))


@dataclass
class _Drawing:
    """Collects the positions of tiles. `views`: ids of maps, by the identity of their node."""

    root: Node
    views: dict[int, str]
    wide: list[str] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)

    def section(self, view: _View) -> Markup:
        node = view.node
        return tag(
            "section",
            tag(
                "div",
                tag("nav", self._way(view), aria_label="Path in the zip", class_="way"),
                tag("p", self._facts(node), class_="facts"),
                class_="over-map",
            ),
            tag("ul", [self._tile(tile, node) for tile in view.tiles], class_="tiles"),
            id=view.id,
            class_="map whole" if node is self.root else "map",
            aria_label=f"Map of {node.name}",
        )

    def _way(self, view: _View) -> Markup:
        *above, here = view.way
        steps = [
            tag("li", tag("a", tag("bdi", node.name), href=f"#{self.views[id(node)]}"))
            for node in above
            if id(node) in self.views
        ]
        return tag("ol", steps, tag("li", tag("bdi", here.name), aria_current="location"))

    def _facts(self, node: Node) -> str:
        parts = [f"{megabytes(node.size)} unzipped"]
        if node is not self.root:
            parts += [f"{megabytes(node.compressed)} zipped", f"{self._share(node.size)} of total"]
        if node.children:
            parts.append(_count_files(node.files))
        return " · ".join(parts)

    def _share(self, size: int) -> str:
        return f"{100 * size / (self.root.size or 1):.1f} %"

    def _tile(self, tile: treemap.Tile, parent: Node) -> Markup:
        identifier = f"t{len(self.wide)}"
        self.wide.append(f"#{identifier}{{{_inset(tile.wide)}}}")
        self.narrow.append(f"#{identifier}{{{_inset(tile.narrow)}}}")
        if tile.node is None:
            return self._small(tile, parent, identifier)
        node = tile.node
        view = self.views.get(id(node))
        title = Markup(f"{escape(node.path or node.name)}\n{escape(self._about(node))}")
        label = (tag("bdi", _short(node.name)), " ", tag("i", megabytes(node.size)))
        return tag(
            "li",
            tag("a", label, href=f"#{view}", title=title) if view else tag("span", label, title=title),
            tag("ul", [self._tile(inner, node) for inner in tile.tiles]) if tile.tiles else None,
            id=identifier,
            class_=f"parent {STYLES[node.kind]}" if tile.tiles else STYLES[node.kind],
        )

    def _about(self, node: Node) -> str:
        return f"{self._facts(node)} · {'mostly ' if node.children else ''}{label(node.kind)}"

    def _small(self, tile: treemap.Tile, parent: Node, identifier: str) -> Markup:
        size, files = sum(node.size for node in tile.hidden), sum(node.files for node in tile.hidden)
        what = f"{counted(len(tile.hidden), 'smaller item')} in {parent.path or parent.name}"
        about = f"{megabytes(size)} unzipped · {self._share(size)} of total · {_count_files(files)}"
        title = Markup(f"{escape(what)}\n{escape(about)}")
        label = (tag("bdi", f"+{len(tile.hidden)}"), " ", tag("i", megabytes(size)))
        return tag("li", tag("span", label, title=title), id=identifier, class_="small")


def _count_files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


# PEP 3149, and the stable ABI
_EXTENSION_TAG = re.compile(r"\.(?:cpython-\d+[a-z]*(?:-[\w-]+)?|abi3)(?=\.so$)")


def _short(name: str) -> str:
    """A name for a small tile: `_core.so` for `_core.cpython-313-x86_64-linux-gnu.so`."""
    return _EXTENSION_TAG.sub("", name)


def swatch(kind: str) -> Markup:
    """The colour of a kind of file in the maps."""
    return tag("span", tag("span", class_="swatch"), class_=f"key {STYLES[kind]}", aria_hidden="true")


def title(kind: str) -> str:
    text = label(kind)
    return text[:1].upper() + text[1:]


def _inset(inset: treemap.Inset) -> str:
    return "inset:" + " ".join(_per_cent(value) for value in inset)


def _per_cent(value: float) -> str:
    text = f"{max(value, 0):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "0" else f"{text}%"
