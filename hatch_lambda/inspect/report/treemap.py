"""The map of a zip: nested rectangles, as large as what they stand for is heavy, and near to squares.

After M. Bruls, K. Huizing and J. van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.inspect.report.tree import Node

# What the page's style sheet takes for the frame and the heading of a tile that has tiles in it, in pixels.
_FRAME = 3
_HEADING = 20

# Where a tile is too small to be read or hit, it counts into one for all the small; where it is too small to be read
# with others in it, it has none.
_SMALLEST_AREA = 420.0
_SMALLEST_PARENT = (58.0, 50.0)


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


class Canvas(NamedTuple):
    """What a map is drawn for. The page stretches it to the screen at hand."""

    width: float
    height: float


WIDE = Canvas(1120, 600)
NARROW = Canvas(340, 520)


class Inset(NamedTuple):
    """A place within the parent, as CSS has it: how far from its edges, in per cent."""

    top: float
    right: float
    bottom: float
    left: float


class Tile(NamedTuple):
    """A node's place in a map. `node` is None where it is that of all `hidden`, which are too small for one each."""

    node: Node | None
    hidden: tuple[Node, ...]
    wide: Inset
    narrow: Inset
    tiles: tuple[Tile, ...]


def lay_out(node: Node) -> tuple[Tile, ...]:
    """The map of what is in a node."""
    return _tiles(node, Rect(0, 0, *WIDE), Rect(0, 0, *NARROW))


def count(tiles: Sequence[Tile]) -> int:
    """How many there are, those in others included."""
    return sum(1 + count(tile.tiles) for tile in tiles)


def squarify(sizes: Sequence[float], into: Rect) -> list[Rect]:
    """Divide a rectangle in the proportion of sizes, which are above zero and sorted, the largest first."""
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
    rects, offset = [], 0.0
    if free.width >= free.height:
        depth = min(sum(row) / free.height, free.width)
        for area in row:
            length = area / depth
            rects.append(Rect(free.x, free.y + offset, depth, length))
            offset += length
        return rects, Rect(free.x + depth, free.y, free.width - depth, free.height)
    depth = min(sum(row) / free.width, free.height)
    for area in row:
        length = area / depth
        rects.append(Rect(free.x + offset, free.y, length, depth))
        offset += length
    return rects, Rect(free.x, free.y + depth, free.width, free.height - depth)


def _tiles(parent: Node, wide: Rect, narrow: Rect) -> tuple[Tile, ...]:
    nodes = [child for child in parent.children if child.size]
    if not nodes:
        return ()
    smallest = _SMALLEST_AREA / wide.area * sum(child.size for child in nodes)
    hidden = tuple(child for child in nodes if child.size < smallest)
    if len(hidden) == 1:  # it takes no more place under its own name
        smallest, hidden = 0, ()
    weights: list[tuple[int, Node | None]] = [(child.size, child) for child in nodes if child.size >= smallest]
    if hidden:
        weights.append((sum(child.size for child in hidden), None))
        weights.sort(key=lambda weight: -weight[0])
    sizes = [size for size, _node in weights]
    places = zip(weights, squarify(sizes, wide), squarify(sizes, narrow), strict=True)
    return tuple(
        Tile(
            node,
            () if node else hidden,
            _inset(on_wide, wide),
            _inset(on_narrow, narrow),
            _tiles(node, _inner(on_wide), _inner(on_narrow)) if node and _holds_others(on_wide) else (),
        )
        for (_size, node), on_wide, on_narrow in places
    )


def _holds_others(rect: Rect) -> bool:
    return rect.width >= _SMALLEST_PARENT[0] and rect.height >= _SMALLEST_PARENT[1]


def _inner(rect: Rect) -> Rect:
    """What frame and heading leave of a tile. The page may be narrower, so the sizes only matter as a proportion."""
    return Rect(0, 0, max(rect.width - 2 * _FRAME, 1), max(rect.height - _HEADING - _FRAME, 1))


def _inset(rect: Rect, parent: Rect) -> Inset:
    return Inset(
        top=100 * (rect.y - parent.y) / parent.height,
        right=100 * (1 - (rect.x - parent.x + rect.width) / parent.width),
        bottom=100 * (1 - (rect.y - parent.y + rect.height) / parent.height),
        left=100 * (rect.x - parent.x) / parent.width,
    )
