"""Python sources, split into words: names, imports and strings, without docstrings and comments.

They are not parsed: the result must not depend on the building Python, and sources may use the syntax of another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Name = tuple[str, ...]
"""The parts of a dotted name or of a path."""


def words_in(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")


_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    |(?P<literal>[rRbBuUfFtT]{0,2}
        (?:\"{3}[^"\\]*(?:(?:\\.|\"(?!\"\"))[^"\\]*)*\"{3}|'{3}[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3}
        |\"[^"\\\n]*(?:\\.[^"\\\n]*)*\"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'))
    |(?P<word>\w+)
    |(?P<space>\\\r?\n|[^\S\n]+)
    |(?P<newline>\n)
    |(?P<dot>\.)
    |(?P<sign>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTED = re.compile(r"\w*(\"{3}|'{3}|\"|')(?P<text>.*)\1", re.DOTALL)
_DOCUMENTATION = re.compile(r"[rRbBuU]{0,2}[\"']")
_QUOTES = frozenset({'"', "'"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_JOINING = frozenset({"join", "joinpath", "Path", "PurePath"})
_BEGIN_STATEMENTS = frozenset({"async", "class", "def", "from", "import"})


class _Token(NamedTuple):
    """`column`: its position in the line. `call`: for a literal, the token before the bracket that it is in."""

    kind: str
    text: str
    column: int
    call: str = ""


class Literal(NamedTuple):
    text: str
    in_path: bool = False


@dataclass
class Unit:
    """A function, or a statement outside of any, without docstrings and comments."""

    function: str = ""
    imports: list[tuple[int, Name]] = field(default_factory=list)
    """The dots of a relative import, and a name."""
    chains: set[Name] = field(default_factory=set)
    literals: list[Literal] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)

    @property
    def words(self) -> frozenset[str]:
        return frozenset(self.identifiers).union(*(words_in(literal.text) for literal in self.literals))

    def imported(self, package: Name) -> Iterator[Name]:
        """What import statements may load: a name after `from … import` may be a module."""
        for above, name in self.imports:
            yield (*package[: max(0, len(package) - above + 1)], *name) if above else name


def units(content: bytes) -> Iterator[Unit]:
    unit, function_at = Unit(), -1
    for statement in _statements(decoded(content)):
        column = statement[0].column
        if column <= function_at or function_at < 0:
            yield unit
            unit, function_at = Unit(), -1
        if all(map(_DOCUMENTATION.match, (token.text for token in statement))):
            continue
        words = [token.text for token in statement[:3]]
        if function_at < 0 and "def" in words[:2]:
            unit.function, function_at = words[-1] if words[0] == "async" else words[1], column
        _take(statement, unit)
    yield unit


def _tokens(text: str) -> Iterator[_Token]:
    line = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        kind, value = str(match.lastgroup), match[0]
        if kind == "word" and not _QUOTES.isdisjoint((text[start - 1 : start], text[end : end + 1])):
            kind = "inner"  # in an f-string with the same quotes (PEP 701), which looks like outside of it
        if kind not in {"comment", "space"}:
            yield _Token(kind, value, start - line)
        if kind in {"newline", "literal"} and "\n" in value:
            line = start + value.rindex("\n") + 1


def _statements(text: str) -> Iterator[list[_Token]]:
    """The tokens of each statement. A bracket that is never closed ends at the next definition."""
    statement: list[_Token] = []
    calls: list[str] = []
    for token in _tokens(text):
        ends = not calls and (token.kind == "newline" or token.text == ";")
        if statement and (ends or (token.column == 0 and token.text in _BEGIN_STATEMENTS)):
            yield statement
            statement, calls = [], []
        if ends or token.kind == "newline":
            continue
        if token.text in _OPENING:
            calls.append(statement[-1].text if statement else "")
        elif token.text in _CLOSING and calls:
            calls.pop()
        statement.append(token._replace(call=calls[-1] if calls else ""))
    if statement:
        yield statement


def _take(statement: Sequence[_Token], unit: Unit) -> None:
    """Add the names in a statement to a unit."""
    place = 0
    while place < len(statement):
        end = place + 1
        token, before = statement[place], statement[place - 1].text if place else ""
        if token.kind == "literal":
            while end < len(statement) and statement[end].kind == "literal":  # implicit concatenation
                end += 1
            after = statement[end].text if end < len(statement) else ""
            text = "".join(_quoted(piece.text) for piece in statement[place:end])
            unit.literals.append(Literal(text, in_path="/" in {before, after} or token.call in _JOINING))
        elif token.kind == "inner":
            unit.literals.append(Literal(token.text))
        elif token.kind == "word":
            while token.text != "from" and [piece.kind for piece in statement[end : end + 2]] == ["dot", "word"]:
                end += 2
            chain = tuple(piece.text for piece in statement[place:end:2])
            unit.identifiers.update(chain)
            if before != "." and len(chain) > 1:
                unit.chains.add(chain)
            if token.text == "import":
                sides = statement[:place], statement[end:]
                unit.imports += _imported(*(" ".join(piece.text for piece in side) for side in sides))
        place = end


def _quoted(literal: str) -> str:
    match = _QUOTED.fullmatch(literal)
    return match["text"] if match else literal


_SOURCE = re.compile(r"(?<!\S)from ([. ]*)((?:\w+(?: \. \w+)*)?)$")
_IMPORTED = re.compile(r"[ (]*(\*|\w+(?: \. \w+)*)")


def _imported(before: str, after: str) -> Iterator[tuple[int, Name]]:
    """The dots and the names of an import, by what is around `import`, with a space between any two tokens."""
    source = _SOURCE.search(before)
    dots, base = source.groups() if source else ("", "")
    for name in filter(None, map(_IMPORTED.match, after.split(" , "))):
        yield dots.count("."), tuple(re.findall(r"\w+|\*", f"{base} {name[1]}"))
