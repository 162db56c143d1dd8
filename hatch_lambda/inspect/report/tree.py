"""What a zip holds as a tree: distributions, their folders, their files, each with what it weighs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_lambda.inspect.contents.survey import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_lambda.inspect.contents import Contents, Entry

NOBODYS = "Files of no distribution"


@dataclass(frozen=True, eq=False)
class Node:
    """The zip, a distribution, a folder or a file.

    `name`: below its parent. `path`: in the zip; None for a distribution. `kind`: what most of its bytes are, as
    `survey` has it. `children`: the largest first.
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
    distributions = [
        _opened(_folder(f"{found.name} {found.version}", None, found.entries, kinds)) for found in contents.installed
    ]
    if contents.unclaimed:
        distributions.append(_opened(_folder(NOBODYS, None, contents.unclaimed, kinds)))
    return _sum(contents.path.name, None, distributions)


# Deeper than any package is; a zip may name what it likes.
_DEEPEST = 40


def _folder(name: str, path: str | None, entries: Iterable[Entry], kinds: Mapping[str, str], depth: int = 0) -> Node:
    """Entries below `path`, as folders and files."""
    start = "" if path is None else f"{path}/"
    files: list[Node] = []
    folders: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        rest = entry.path[len(start) :]
        head, slash, _below = rest.partition("/")
        if slash and depth < _DEEPEST:
            folders[head].append(entry)
        else:
            files.append(Node(rest, entry.path, entry.size, entry.compressed, 1, kinds[entry.path]))
    below = [_folder(f"{head}/", f"{start}{head}", found, kinds, depth + 1) for head, found in folders.items()]
    return _joined(_sum(name, path, [*below, *files]))


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


def _joined(node: Node) -> Node:
    """A folder with nothing in it but a folder counts as one: `google/cloud/`."""
    if node.path is None or len(node.children) != 1 or not node.children[0].children:
        return node
    (only,) = node.children
    return replace(only, name=node.name + only.name)


_MOST = 0.5


def _opened(distribution: Node) -> Node:
    """A distribution with what is in its package side by side with the rest: what matters is one level less deep.

    In a layer, all of a distribution is in a folder `python/` as well.
    """
    children = distribution.children
    while len(children) == 1 and children[0].children:
        children = children[0].children
    if children and children[0].children and children[0].size >= _MOST * distribution.size:
        package, *rest = children
        children = tuple(sorted([*package.children, *rest], key=lambda child: (-child.size, child.name)))
    return replace(distribution, children=children)
