"""The names of a module at one point of its execution, and what is left of them where ways meet or fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_lambda.zip.handler.values import NOTHING, Star, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.zip.handler.values import Value, Values


@dataclass
class Bindings:
    """The names of a module at one point of its execution."""

    bound: dict[str, Values] = field(default_factory=dict)
    stars: frozenset[tuple[tuple[str, bool], ...]] = frozenset({()})
    """The star imports that every other name has seen, by the ways that lead here."""

    def get(self, name: str) -> Values:
        if name in self.bound:
            return self.bound[name]
        values: set[Value] = set()
        for stars in self.stars:
            under = NOTHING
            for module, guarded in stars:
                under = frozenset({Star(module, name, under, guarded)})
            values |= under
        return frozenset(values)

    def copy(self) -> Bindings:
        return Bindings(dict(self.bound), self.stars)

    def import_star(self, module: str, *, guarded: bool) -> None:
        for name, values in self.bound.items():
            self.bound[name] = frozenset({Star(module, name, values, guarded)})
        self.stars = frozenset((*stars, (module, guarded)) for stars in self.stars)


def joined(ways: Iterable[Bindings | None]) -> Bindings | None:
    """What holds where several ways meet; none where none gets there."""
    open_ways = [way for way in ways if way is not None]
    if not open_ways:
        return None
    names = dict.fromkeys(name for way in open_ways for name in way.bound)
    bound = {name: union(way.get(name) for way in open_ways) for name in names}
    return Bindings(bound, frozenset().union(*(way.stars for way in open_ways)))


@dataclass
class Loop:
    breaks: list[Bindings | None] = field(default_factory=list)
    continues: list[Bindings | None] = field(default_factory=list)


class Attempt:
    """What names may be bound to where something within a `try` has failed, at whatever point."""

    def __init__(self, start: Bindings) -> None:
        self._states: list[Bindings | None] = [start.copy()]
        self._bound: dict[str, Values] = {}

    def see(self, name: str, values: Values) -> None:
        self._bound[name] = self._bound.get(name, frozenset()) | values

    def see_all(self, state: Bindings) -> None:
        self._states.append(state.copy())

    def failed(self) -> Bindings | None:
        state = joined(self._states)
        if state is not None:
            state.bound.update({name: state.get(name) | values for name, values in self._bound.items()})
        return state
