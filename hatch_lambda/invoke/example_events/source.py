"""A source of events: what its events look like, and what in them has to agree."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeAlias

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.invoke.example_events.moment import Moment

Event: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
"""Keys and indexes; in what a source says of its events, `*` stands for any."""

REGION, ACCOUNT = "eu-central-1", "123456789012"


class AssignmentError(LambdaBuildError):
    """What a user sets in an event cannot be read, or cannot be there."""


@dataclass(frozen=True)
class Source:
    """A source of events.

    `title`: as AWS calls it. `event`: makes one. `is_like`: whether an event seems to come from such a source.
    `settled`: an event in which what depends on the assigned paths agrees with them. `maps`: where an event has objects
    with any keys, and how a value in there is made of a user's; others have the keys of the documentation.
    `optional`: what the documentation has besides, but the example does not. `binary`: where a file's content need not
    be text; `settled` gets bytes. `shape`: what `settled` relies on; an event without it is left as it is.
    """

    name: str
    title: str
    event: Callable[[Moment], Event]
    is_like: Callable[[Event], bool]
    settled: Callable[[Event, frozenset[Path]], Event] = lambda event, _paths: event
    maps: Mapping[Path, Callable[[Any], Any]] = field(default_factory=dict)
    optional: frozenset[Path] = frozenset()
    binary: frozenset[Path] = frozenset()
    shape: Mapping[Path, tuple[type, ...]] = field(default_factory=dict)

    def is_source_of(self, event: Any) -> bool:
        return (
            isinstance(event, dict)
            and all(_has(event, path, types) for path, types in self.shape.items())
            and self.is_like(event)
        )

    def has_optional(self, path: Path) -> bool:
        return any(matches(path, pattern) for pattern in (*self.optional, *self.maps))

    def map_of(self, path: Path) -> tuple[Path, Callable[[Any], Any]] | None:
        """The object with any keys at a path or above it, and how its values are made."""
        for pattern, value_of in self.maps.items():
            if matches(path[: len(pattern)], pattern):
                return pattern, value_of
        return None


def _has(node: Any, path: Path, types: tuple[type, ...]) -> bool:
    """Whether what is at a path is of such a type; what is missing is None."""
    if not path:
        return isinstance(node, types)
    key, *below = path
    if key == "*":
        inner = node if isinstance(node, list) else [*node.values()] if isinstance(node, dict) else []
        return all(_has(each, tuple(below), types) for each in inner)
    return _has(node.get(key) if isinstance(node, dict) else None, tuple(below), types)


def matches(path: Path, pattern: Path) -> bool:
    return len(path) == len(pattern) and all(theirs in ("*", ours) for ours, theirs in zip(path, pattern, strict=True))


def touches(paths: frozenset[Path], *top: str) -> bool:
    """Whether any assigned path is this one or below it. `*` stands for any key."""
    return any(matches(path[: len(top)], top) for path in paths)


def at(path: str) -> Path:
    """`Records.*.body` as a path."""
    return tuple(path.split("."))


def text(value: Any) -> str:
    """A value where events have strings: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def decoded(value: str, path: str) -> bytes:
    """The bytes of base64. Raises `AssignmentError`."""
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise AssignmentError(f"`{path}` must be base64, not {value[:40]!r}") from None


def anything(value: Any) -> Any:
    return value


def records_of(event: Event, key: str, source: str) -> bool:
    """Whether these are records of a service, which have its name under a key."""
    return bool(event["Records"]) and all(record.get(key) == source for record in event["Records"])


TEXT, TABLE, MAYBE_TEXT, MAYBE_TABLE = (str,), (dict,), (str, NoneType), (dict, NoneType)
RECORDS: Mapping[Path, tuple[type, ...]] = {at("Records"): (list,), at("Records.*"): TABLE}
