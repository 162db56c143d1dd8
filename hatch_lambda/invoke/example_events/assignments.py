"""What a user sets in an event: `Records.0.body={"id": 7}`.

A path has keys and indexes, `Records.0.body` or `Records[0].body`; a key with dots in it is quoted:
`detail["order.id"]`. The value is JSON where it parses, else text; `@FILE` takes the content of a file. A path has to
exist already, or nobody would notice a typo; with a `+` before it, it may add a key, or an element to a list.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.ui import counted
from hatch_lambda.invoke.example_events.source import AssignmentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.invoke.example_events.source import Path, Source

_PART = re.compile(
    r"""(?:^|\.)(?P<key>[^.\[\]="']+)|\.?\[(?:(?P<index>\d+)|(?P<mark>["'])(?P<quoted>.*?)(?P=mark))\]"""
)
_SHOWN_KEYS = 12


@dataclass(frozen=True)
class Assignment:
    """A path in an event and what is put there.

    `value`: as JSON, or as text, or bytes of a file that are no text. `written`: the value as the user wrote it, for
    places where events have strings. `adds`: it may add a key or an element.
    """

    path: Path
    value: Any
    written: str
    adds: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)


def parsed(argument: str) -> Assignment:
    """Read `path=value` or `+path=value`. Raises `AssignmentError`."""
    adds = argument.startswith("+")
    path: list[str] = []
    end = int(adds)
    rest = argument[end:]
    while rest and not rest.startswith("="):
        part = _PART.match(rest)
        if part is None or (part["key"] and path and not rest.startswith(".")):
            raise AssignmentError(
                f"{argument!r} is not PATH=VALUE, for example `headers.accept=text/html` or `Records[0].body=hello`"
            )
        path.append(next(piece for piece in (part["key"], part["index"], part["quoted"]) if piece is not None))
        rest = rest[part.end() :]
        rest = f".{rest}" if rest and rest[0] not in ".[=" else rest
    if not path or not rest:
        raise AssignmentError(f"{argument!r} is not PATH=VALUE: it has no {'path' if rest else '`=`'}")
    return Assignment(tuple(path), *_value(rest[1:], argument), adds)


def _value(written: str, argument: str) -> tuple[Any, str]:
    if written.startswith("@"):
        content = _file(FilePath(written[1:]), argument)
        if isinstance(content, bytes):
            return content, ""
        written = content
    try:
        value = json.loads(written)
        json.dumps(value, allow_nan=False).encode()
    except (ValueError, RecursionError):  # not JSON, or no JSON that Lambda accepts
        value = written
    try:
        written.encode()
    except UnicodeEncodeError:
        raise AssignmentError(
            f"{argument!r} is not UTF-8; put binary content into a file, and name it: @FILE"
        ) from None
    return value, value if isinstance(value, str) else written


def _file(path: FilePath, argument: str) -> str | bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AssignmentError(
            f"{argument!r} takes its value from the file {path}, which cannot be read: {error.strerror}. "
            f'For a text that begins with @, write it as JSON: "@{path}"'
        ) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def assigned(event: Any, assignment: Assignment, source: Source | None) -> Any:
    """The event with one assignment. `source`: of the event, if it is known. Raises `AssignmentError`."""
    return _Assigner(event, assignment, source).put(event, ())


class _Assigner:
    def __init__(self, event: Any, assignment: Assignment, source: Source | None) -> None:
        self._event, self._assignment, self._source = event, assignment, source

    def put(self, node: Any, done: Path) -> Any:
        """A node of the event, at the path `done`, with the value in it."""
        rest = self._assignment.path[len(done) :]
        if not rest:
            return self._fitting(node, done)
        key = rest[0]
        path = (*done, key)
        if isinstance(node, list):
            return self._put_into_list(node, path)
        if node is None and self._is_free(path):
            node = {}
        if not isinstance(node, dict):
            raise self._error(done)
        if key in node:
            inner = node[key]
        elif not node or self._is_free(path) or self._assignment.adds:
            inner = {} if len(rest) > 1 else None
        else:
            raise self._error(done)
        return {**node, key: self.put(inner, path)}

    def _put_into_list(self, node: list[Any], path: Path) -> list[Any]:
        index = int(path[-1]) if path[-1].isdecimal() else -1
        if 0 <= index < len(node):
            inner = node[index]
        elif index == len(node) and self._assignment.adds:
            is_within = len(self._assignment.path) > len(path)
            inner = copy.deepcopy(node[-1]) if node and is_within else {}  # a further record is one like the last
        else:
            raise self._error(path[:-1])
        return [*node[: max(index, 0)], self.put(inner, path), *node[index + 1 :]]

    def _is_free(self, path: Path) -> bool:
        return self._source is not None and (self._source.map_of(path) is not None or self._source.has_optional(path))

    def _fitting(self, former: Any, path: Path) -> Any:
        """The value for a path: in the events of a known source, a string stays one."""
        value, written = self._assignment.value, self._assignment.written
        if isinstance(value, bytes):
            if self._source and path in self._source.binary:
                return value
            raise AssignmentError(
                f"`{self._assignment.name}` cannot be set from a file that is not UTF-8; only the body of an HTTP "
                "request can be binary"
            )
        if self._source is None:
            return value
        if found := self._source.map_of(path):
            pattern, value_of = found
            if len(path) == len(pattern) and isinstance(value, dict):
                return {key: value_of(each) for key, each in value.items()}
            if len(path) == len(pattern) and value is not None:
                raise AssignmentError(f"`{self._assignment.name}` must be an object, not {written}")
            return value_of(value) if len(path) == len(pattern) + 1 else value
        is_plain = value is not None and not isinstance(value, (dict, list))
        is_text = isinstance(former, str) or path in self._source.binary
        if (is_text and value is not None) or (is_plain and self._source.has_optional(path)):
            return written
        return value

    def _error(self, done: Path) -> AssignmentError:
        """Say that a path does not exist, and which may have been meant."""
        wanted = self._assignment.name
        node = self._event
        for key in done:
            node = node[int(key)] if isinstance(node, list) else node[key]
        place = f"`{'.'.join(done)}`" if done else "the event"
        key = self._assignment.path[len(done)]
        if isinstance(node, list):
            has = f"{place} has {counted(len(node), 'element')}, with indexes from 0"
        elif isinstance(node, dict):
            has = f"{place} has no `{key}`"
        else:
            raise AssignmentError(
                f"there is no `{wanted}`: {place} is {json.dumps(node)[:60]}, which has nothing below it"
            )
        known = [".".join(path) for path in _paths(self._event)]
        if near := _nearest(wanted, known):
            hint = f". Did you mean `{near}`?"
        elif isinstance(node, dict):
            keys = [*node][:_SHOWN_KEYS]
            hint = f"; it has {', '.join(keys)}{', …' if len(node) > len(keys) else ''}."
        else:
            hint = "."
        what = "an element like the last" if isinstance(node, list) and node else "it"
        return AssignmentError(f"{has}{hint} To add {what}, write +{wanted}=…")


def _paths(node: Any, above: Path = ()) -> Iterator[Path]:
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    for key, inner in items:
        path = (*above, str(key))
        yield path
        yield from _paths(inner, path)


def _nearest(wanted: str, known: list[str]) -> str | None:
    """The path that was most likely meant: one that ends alike, or is written alike."""
    last = wanted.rpartition(".")[2].lower()
    alike = [path for path in known if path.rpartition(".")[2].lower() == last]
    near = difflib.get_close_matches(wanted, alike or known, n=1, cutoff=0 if alike else 0.7)
    if near:
        return near[0]
    lasts = {path.rpartition(".")[2]: path for path in reversed(known)}
    near = difflib.get_close_matches(last, lasts, n=1, cutoff=0.75)
    return lasts[near[0]] if near else None
