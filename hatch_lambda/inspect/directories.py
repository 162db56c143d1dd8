"""The files of a zip as a tree of directories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_lambda.inspect.sources import grouped
from hatch_lambda.inspect.survey import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.sources import Entry

# Deeper than any package is; a zip may hold any path.
_MAX_DEPTH = 40


@dataclass(frozen=True, eq=False)
class Node:
    """A directory or a file; or several of them, such as a distribution, which have no `path`.

    `name`: relative to its parent. `path`: in the zip. `size`, `compressed`: in bytes. `kind`: that of most of its
    bytes, see `survey`. `children`: the largest first.
    """

    name: str
    path: str | None
    size: int
    compressed: int
    files: int
    kind: str
    children: tuple[Node, ...] = ()


def directory(
    name: str, entries: Iterable[Entry], kinds: Mapping[str, str], path: str | None = None, depth: int = 0
) -> Node:
    """The entries below `path`. A directory with only a directory in it is one with that: `google/cloud/`."""
    start = "" if path is None else f"{path}/"
    children: list[Node] = []
    deep: list[Entry] = []
    for entry in entries:
        rest = entry.path[len(start) :]
        if "/" in rest and depth < _MAX_DEPTH:
            deep.append(entry)
        else:
            children.append(Node(rest, entry.path, entry.size, entry.compressed, 1, kinds[entry.path]))
    for head, below in grouped(deep, lambda entry: entry.path[len(start) :].partition("/")[0]).items():
        children.append(directory(f"{head}/", below, kinds, f"{start}{head}", depth + 1))
    if path is not None and len(children) == 1 and children[0].children:
        return replace(children[0], name=name + children[0].name)
    return together(name, children, path)


def together(name: str, children: Sequence[Node], path: str | None = None) -> Node:
    kinds: Counter[str] = Counter()
    for child in children:
        kinds[child.kind] += child.size
    return Node(
        name,
        path,
        sum(child.size for child in children),
        sum(child.compressed for child in children),
        sum(child.files for child in children),
        max(sorted(kinds), key=lambda kind: kinds[kind], default=DATA),
        tuple(sorted(children, key=lambda child: (-child.size, child.name))),
    )


def large_directories(
    contents: Contents, kinds: Mapping[str, str], *, least_share: float = 0.04, deepest: int = 3
) -> tuple[tuple[int, Node], ...]:
    """The large directories with their depth, each followed by those inside it, the largest first."""
    least = max(contents.size * least_share, 1)

    def below(parent: Node, depth: int) -> Iterator[tuple[int, Node]]:
        for node in parent.children:
            if node.children and node.size >= least:
                is_shown = f"{node.path}/" not in contents.import_roots
                if is_shown:
                    yield depth, node
                if not is_shown or depth < deepest:
                    yield from below(node, depth + is_shown)

    return tuple(below(directory("", contents.entries, kinds), 0))
