"""The treemap of a zip: its distributions, directories and files as nested rectangles, areas in proportion to sizes.

After M. Bruls, K. Huizing and J. van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.inspect.contents import OWN
from hatch_lambda.inspect.directories import Node, directory, together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.inspect.contents import Contents

UNCLAIMED = "Files outside distributions"

_MOST_OF_IT = 0.5

# The style sheet's frame and heading of a tile that contains tiles, in pixels.
_FRAME = 3
_HEADING = 20

# Tiles that are too small to read or click are drawn as one; tiles too small to read with tiles inside have none.
_MIN_AREA = 420.0
_MIN_PARENT = (58.0, 50.0)


def tree(contents: Contents, kinds: Mapping[str, str]) -> Node:
    """The zip with its distributions, the largest first. `kinds`: by path."""
    parts = [(UNCLAIMED if name == OWN else name, entries) for name, entries in contents.parts]
    return together(contents.path.name, [_opened(directory(name, entries, kinds)) for name, entries in parts])


def _opened(distribution: Node) -> Node:
    """Replace a distribution's main package by what is in it, so that the map shows one level more.

    In a layer, also replace `python/`.
    """
    children = distribution.children
    while len(children) == 1 and children[0].children:
        children = children[0].children
    if children and children[0].children and children[0].size >= _MOST_OF_IT * distribution.size:
        package, *rest = children
        children = tuple(sorted([*package.children, *rest], key=lambda child: (-child.size, child.name)))
    return replace(distribution, children=children)


class Rect(NamedTuple):
    """In pixels; the page scales maps to the screen."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


WIDE = Rect(0, 0, 1120, 600)
NARROW = Rect(0, 0, 340, 520)


class Tile(NamedTuple):
    """A node's place in a map. `hidden`: how many nodes this one stands for, which are too small to be shown.

    `wide`, `narrow`: the place within its parent, as CSS.
    """

    node: Node
    hidden: int
    wide: str
    narrow: str
    tiles: tuple[Tile, ...]


def lay_out(node: Node) -> tuple[Tile, ...]:
    """The map of a node's children."""
    return _tiles(node, WIDE, NARROW)


def count(tiles: Sequence[Tile]) -> int:
    """The number of tiles, including nested ones."""
    return sum(1 + count(tile.tiles) for tile in tiles)


def squarify(sizes: Sequence[float], into: Rect) -> list[Rect]:
    """Divide a rectangle in proportion to sizes, which are positive and sorted, the largest first."""
    scale = into.area / sum(sizes) if sizes else 0
    areas = [size * scale for size in sizes]
    placed: list[Rect] = []
    free = into
    while len(placed) < len(areas):
        row = _row(areas[len(placed) :], min(free.width, free.height))
        rects, free = _place(row, free)
        placed += rects
    return placed


def _row(areas: Sequence[float], side: float) -> list[float]:
    """As many of the next areas as make for tiles nearest to squares, side by side along `side`."""
    row, total = [areas[0]], areas[0]
    for area in areas[1:]:
        if _worst([*row, area], total + area, side) > _worst(row, total, side):
            break
        row.append(area)
        total += area
    return row


def _worst(row: Sequence[float], total: float, side: float) -> float:
    """The ratio of the edges of the tile that is farthest from a square."""
    depth = total / side
    return max(depth * depth / row[-1], row[0] / (depth * depth))


def _place(row: Sequence[float], free: Rect) -> tuple[list[Rect], Rect]:
    """The tiles of a row along the shorter side, and what is left."""
    if free.width < free.height:
        rects, left = _place(row, _mirrored(free))
        return list(map(_mirrored, rects)), _mirrored(left)
    rects, offset = [], 0.0
    depth = min(sum(row) / free.height, free.width)
    for area in row:
        length = area / depth
        rects.append(Rect(free.x, free.y + offset, depth, length))
        offset += length
    return rects, Rect(free.x + depth, free.y, free.width - depth, free.height)


def _mirrored(rect: Rect) -> Rect:
    return Rect(rect.y, rect.x, rect.height, rect.width)


def _tiles(parent: Node, wide: Rect, narrow: Rect) -> tuple[Tile, ...]:
    nodes = [child for child in parent.children if child.size]
    smallest = _MIN_AREA / wide.area * sum(child.size for child in nodes)
    hidden = [child for child in nodes if child.size < smallest]
    rest = None
    if len(hidden) > 1:  # one needs no more space under its own name
        rest = together("", hidden)
        nodes = [child for child in nodes if child.size >= smallest]
        nodes = sorted([*nodes, rest], key=lambda node: -node.size)
    sizes = [node.size for node in nodes]
    tiles = []
    for node, on_wide, on_narrow in zip(nodes, squarify(sizes, wide), squarify(sizes, narrow), strict=True):
        has_tiles = node is not rest and on_wide.width >= _MIN_PARENT[0] and on_wide.height >= _MIN_PARENT[1]
        tiles.append(
            Tile(
                node,
                len(hidden) if node is rest else 0,
                _css(on_wide, wide),
                _css(on_narrow, narrow),
                _tiles(node, _inner(on_wide), _inner(on_narrow)) if has_tiles else (),
            )
        )
    return tuple(tiles)


def _inner(rect: Rect) -> Rect:
    """A tile without frame and heading. The page may be narrower, so only the proportions matter."""
    return Rect(0, 0, max(rect.width - 2 * _FRAME, 1), max(rect.height - _HEADING - _FRAME, 1))


def _css(rect: Rect, parent: Rect) -> str:
    """The distance from each edge of the parent."""
    insets = (
        100 * (rect.y - parent.y) / parent.height,
        100 * (1 - (rect.x - parent.x + rect.width) / parent.width),
        100 * (1 - (rect.y - parent.y + rect.height) / parent.height),
        100 * (rect.x - parent.x) / parent.width,
    )
    edges = (f"{max(inset, 0):.2f}".rstrip("0").rstrip(".") for inset in insets)
    return "inset:" + " ".join("0" if edge == "0" else f"{edge}%" for edge in edges)
