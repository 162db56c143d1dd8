"""What a bundle does not need to run, by named sets: `bytecode`, `tests`, `headers`, `stubs`.

Nothing that can be imported today may fail for want of a file afterwards; in doubt, a file stays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.prune.bytecode import bytecode
from hatch_lambda.bundle.prune.headers import headers
from hatch_lambda.bundle.prune.idle_tests import idle_tests
from hatch_lambda.bundle.prune.search import Contents, Found, Search
from hatch_lambda.bundle.prune.stubs import stubs
from hatch_lambda.config.settings import PRUNABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hatch_lambda.wheels.members import BundleFile


class Taken(NamedTuple):
    """What a set took away: `size` in bytes, unzipped."""

    files: int
    size: int


class Spared(NamedTuple):
    """What a set would take away if nothing needed it. `what`: a folder, a module or a distribution."""

    set: str
    what: str
    because: str


@dataclass(frozen=True)
class Pruned:
    """Which files are to go, by their paths in the bundle. `taken`: by set, for each that was asked for."""

    paths: frozenset[str] = frozenset()
    taken: Mapping[str, Taken] = field(default_factory=dict)
    spared: tuple[Spared, ...] = ()

    def to_json(self) -> str:
        return json.dumps({"paths": sorted(self.paths), "taken": self.taken, "spared": self.spared})

    @classmethod
    def from_json(cls, text: str) -> Pruned:
        """Raises `ValueError`, `TypeError` or `KeyError` for what `to_json` did not write."""
        kept = json.loads(text)
        return cls(
            frozenset(kept["paths"]),
            {name: Taken(*taken) for name, taken in kept["taken"].items()},
            tuple(Spared(*spared) for spared in kept["spared"]),
        )


def decide(layouts: Iterable[Sequence[BundleFile]], sets: frozenset[str], also: Iterable[bytes] = ()) -> Pruned:
    """What the sets take away from a bundle, given as the whole layouts of its wheels.

    `also`: sources that use the bundle, the project's own: what they name stays.
    Raises `BrokenWheelError`.
    """
    files = {file.path: file for layout in layouts for file in layout}
    taken: dict[str, Taken] = {}
    spared: list[Spared] = []
    gone: set[str] = set()
    with Contents() as contents:
        for name in (name for name in PRUNABLE if name in sets):
            left = {path: file for path, file in files.items() if path not in gone}
            found = _SETS[name](Search.over(left, contents, tuple(also)))
            taken[name] = Taken(len(found.paths), sum(files[path].source.size for path in found.paths))
            spared += [Spared(name, what, because) for what, because in sorted(found.spared.items())]
            gone |= found.paths
    return Pruned(frozenset(gone), taken, tuple(spared))


_SETS: dict[str, Callable[[Search], Found]] = {
    "bytecode": bytecode,
    "tests": idle_tests,
    "headers": headers,
    "stubs": stubs,
}
