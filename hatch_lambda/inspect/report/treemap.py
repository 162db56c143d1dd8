"""The treemap of a zip: its distributions, directories and files as nested rectangles, areas in proportion to sizes.

After M. Bruls, K. Huizing and J. van Wijk, "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.inspect.survey import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.sources import Entry

UNCLAIMED = "Files outside distributions"

# Deeper than any package is; a zip may hold any path.
_MAX_DEPTH = 40
_MOST_OF_IT = 0.5

# The style sheet's frame and heading of a tile that contains tiles, in pixels.
_FRAME = 3
_HEADING = 20

# Tiles that are too small to read or click are drawn as one; tiles too small to read with tiles inside have none.
_MIN_AREA = 420.0
_MIN_PARENT = (58.0, 50.0)


# --- The tree ---


@dataclass(frozen=True, eq=False)
class Node:
    """The zip, a distribution, a directory or a file.

    `name`: relative to its parent. `path`: in the zip; None for a distribution. `kind`: that of most of its bytes, see
    `survey`. `children`: the largest first.
    """

    name: str
    path: str | None
    size: int
    compressed: int
    files: int
    kind: str
    children: tuple[Node, ...] = ()


def tree(contents: Contents, kinds: Mapping[str, str]) -> Node:
    """The zip with its distributions, the largest first. `kinds`: by path."""
    parts = [(str(found), found.entries) for found in contents.installed]
    if contents.unclaimed:
        parts.append((UNCLAIMED, contents.unclaimed))
    return _sum(contents.path.name, None, [_opened(_directory(name, None, entries, kinds)) for name, entries in parts])


def _directory(name: str, path: str | None, entries: Iterable[Entry], kinds: Mapping[str, str], depth: int = 0) -> Node:
    """The entries below `path` as directories and files."""
    start = "" if path is None else f"{path}/"
    children: list[Node] = []
    directories: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        rest = entry.path[len(start) :]
        head, slash, _below = rest.partition("/")
        if slash and depth < _MAX_DEPTH:
            directories[head].append(entry)
        else:
            children.append(Node(rest, entry.path, entry.size, entry.compressed, 1, kinds[entry.path]))
    children += [
        _directory(f"{head}/", f"{start}{head}", below, kinds, depth + 1) for head, below in directories.items()
    ]
    node = _sum(name, path, children)
    if path is not None and len(children) == 1 and children[0].children:
        return replace(children[0], name=name + children[0].name)  # a directory with only a directory: `google/cloud/`
    return node


def _sum(name: str, path: str | None, children: list[Node]) -> Node:
    kinds: Counter[str] = Counter()
    for child in children:
        kinds[child.kind] += child.size
    ordered = sorted(children, key=lambda child: (-child.size, child.name))
    return Node(
        name,
        path,
        sum(child.size for child in children),
        sum(child.compressed for child in children),
        sum(child.files for child in children),
        max(sorted(kinds), key=lambda kind: kinds[kind], default=DATA),
        tuple(ordered),
    )


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


# --- The layout ---


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


class Canvas(NamedTuple):
    """Size of a map in pixels; the page scales it to the screen."""

    width: float
    height: float


WIDE = Canvas(1120, 600)
NARROW = Canvas(340, 520)


class Inset(NamedTuple):
    """A place within the parent: the distance from each edge in percent, as in CSS."""

    top: float
    right: float
    bottom: float
    left: float


class Tile(NamedTuple):
    """A node's place in a map. `node` is None for the one tile of all `hidden`, which are too small."""

    node: Node | None
    hidden: tuple[Node, ...]
    wide: Inset
    narrow: Inset
    tiles: tuple[Tile, ...]


def lay_out(node: Node) -> tuple[Tile, ...]:
    """The map of a node's children."""
    return _tiles(node, Rect(0, 0, *WIDE), Rect(0, 0, *NARROW))


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
    smallest = _MIN_AREA / wide.area * sum(child.size for child in nodes)
    hidden = tuple(child for child in nodes if child.size < smallest)
    if len(hidden) == 1:  # needs no more space under its own name
        smallest, hidden = 0, ()
    weights: list[tuple[int, Node | None]] = [(child.size, child) for child in nodes if child.size >= smallest]
    if hidden:
        weights.append((sum(child.size for child in hidden), None))
        weights.sort(key=lambda weight: -weight[0])
    sizes = [size for size, _node in weights]
    tiles = []
    for (_size, node), on_wide, on_narrow in zip(weights, squarify(sizes, wide), squarify(sizes, narrow), strict=True):
        has_tiles = node and on_wide.width >= _MIN_PARENT[0] and on_wide.height >= _MIN_PARENT[1]
        tiles.append(
            Tile(
                node,
                () if node else hidden,
                _inset(on_wide, wide),
                _inset(on_narrow, narrow),
                _tiles(node, _inner(on_wide), _inner(on_narrow)) if node and has_tiles else (),
            )
        )
    return tuple(tiles)


def _inner(rect: Rect) -> Rect:
    """A tile without frame and heading. The page may be narrower, so only the proportions matter."""
    return Rect(0, 0, max(rect.width - 2 * _FRAME, 1), max(rect.height - _HEADING - _FRAME, 1))


def _inset(rect: Rect, parent: Rect) -> Inset:
    return Inset(
        top=100 * (rect.y - parent.y) / parent.height,
        right=100 * (1 - (rect.x - parent.x + rect.width) / parent.width),
        bottom=100 * (1 - (rect.y - parent.y + rect.height) / parent.height),
        left=100 * (rect.x - parent.x) / parent.width,
    )
