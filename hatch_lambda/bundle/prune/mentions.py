"""Find the tests, headers and stubs that sources name, and may need at run time. Nothing is imported.

Sources are split into tokens, not parsed: the result must not depend on the building Python, and sources may use the
syntax of another one. It finds too much rather than too little.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Name = tuple[str, ...]
"""The parts of a dotted name or of a path."""

TEST_FOLDERS = frozenset({"tests", "test"})
TEST_NAMES = TEST_FOLDERS | {"conftest"}


class TestMentions(NamedTuple):
    """The names of tests in a file, each cut off after the part that says `test`.

    `names`: with two parts at least. `loose`: `tests` without a package, with the words around it. `in_paths`: the same
    as a part of a path, which means files, not modules.
    """

    names: frozenset[Name] = frozenset()
    loose: frozenset[tuple[str, frozenset[str]]] = frozenset()
    in_paths: frozenset[tuple[str, frozenset[str]]] = frozenset()


def tests_named(content: bytes, package: Sequence[str]) -> TestMentions:
    """By Python source, valid or not. `package`: that of the module, for relative imports."""
    if not _may_name_tests(content):
        return TestMentions()
    names: set[Name] = set()
    loose: set[tuple[str, frozenset[str]]] = set()
    in_paths: set[tuple[str, frozenset[str]]] = set()
    for unit in _units(content):
        modules = {name for imported in unit.imported(tuple(package)) for name in _cut(imported)}
        modules |= {name for chain in unit.chains for name in _cut(chain) if len(name) > 1}  # else it is a variable
        files: set[Name] = set()
        for literal in unit.literals:
            (files if literal.in_path else modules).update(_named_by_literal(literal.text))
        names |= {name for name in modules | files if len(name) > 1}
        loose |= {(name[0], unit.words) for name in modules if len(name) == 1}
        in_paths |= {(name[0], unit.words) for name in files if len(name) == 1}
    return TestMentions(frozenset(names), frozenset(loose), frozenset(in_paths))


def tests_named_in_text(content: bytes) -> TestMentions:
    """By any text: every name in it."""
    if not _says_test(content):
        return TestMentions()
    names, words = set(_names_in(_decoded(content))), words_of(content)
    return TestMentions(
        frozenset(name for name in names if len(name) > 1),
        frozenset((name[0], words) for name in names if len(name) == 1),
    )


def tests_named_in_machine_code(content: bytes) -> TestMentions:
    """By an extension module of Cython or mypyc: it contains the names of its imports as strings."""
    if b"PyInit_" not in content:
        return TestMentions()
    names: set[Name] = set()
    loose: set[str] = set()
    for match in re.finditer(rb"tests?", content):
        before = content[max(0, match.start() - _LONGEST_NAME) : match.start()]
        above, leaf = (_NAME_BEFORE.search(before) or [b""])[0].decode("ascii"), match[0].decode("ascii")
        if above.endswith((".", "/")):
            # A compiler may concatenate its strings, so a name may begin and end anywhere.
            first, *parts = _parts(above) or ("",)
            names |= {(first[start:], *parts, leaf) for start in range(len(first))}
        elif before.endswith(b"\0") and content[match.end() : match.end() + 1] == b"\0":
            loose.add(leaf)
    return TestMentions(frozenset(names), frozenset((leaf, frozenset()) for leaf in loose))


def reads_stubs(content: bytes) -> bool:
    """Whether a source reads stubs at run time, like lazy_loader: https://scientific-python.org/specs/spec-0001."""
    if b".pyi" not in content and b"attach_stub" not in content:
        return False
    return any(
        "attach_stub" in unit.words or any(".pyi" in literal.text for literal in unit.literals)
        for unit in _units(content)
    )


def reads_headers(content: bytes) -> bool:
    """Whether a source uses headers at run time, other than by telling a build where they are."""
    # Since numpy's `get_include`, builds call functions of such a name for the headers of a package.
    return bool(_HEADER_IN_BYTES.search(content)) and any(
        _HEADER.search(literal.text) or (literal.text == "include" and literal.in_path)
        for unit in _units(content)
        if not unit.function.startswith("get_include")
        for literal in unit.literals
    )


def says_that_it_tests(content: bytes) -> bool:
    return bool(re.search(rb"^\s*(?:from|import)\s+(?:unittest|pytest)\b", content, re.MULTILINE))


def only_documents(content: bytes) -> bool:
    """Whether a module contains nothing but documentation."""
    return not any(unit.words for unit in _units(content))


def words_of(content: bytes) -> frozenset[str]:
    return _words(_decoded(content))


# names of tests

_NAME = re.compile(r"(?:\w+[./\\]+)*(?<!\w)(?:tests?|conftest)(?![\w(\[])")
_LOOSE_IN_PROSE = re.compile(r"""\bimport\b|["'](?:tests?|conftest)["']""")
_LEAF_IN_BYTES = re.compile(rb"tests?(?<!\wtest)(?<!\wtests)(?!\w)")  # it begins with a literal, which is fast
_NAME_BEFORE = re.compile(rb"[\w./]*$")
_LONGEST_NAME = 256

_LEAF = re.compile(r"(?<!\w)(?:tests?|conftest)(?!\w)")

# In strings, dotted names and import statements, which may be alone on a line; elsewhere it is prose, a variable or a
# function.
_LEAF_THAT_MATTERS = re.compile(
    r"""["'./\\{}](?:tests?|conftest)(?!\w)"""
    r"""|(?<!\w)(?:tests?|conftest)(?:["'/\\{}]|\.\w)"""
    r"""|^(?:[\w\s.]+,)*\s*(?:tests?|conftest)\s*(?:as\s+\w+\s*)?(?:[,;)\\#]|$)"""
)


def _says_test(content: bytes) -> bool:
    """A quick check: most files can be skipped."""
    return b"conftest" in content or bool(_LEAF_IN_BYTES.search(content))


def _may_name_tests(content: bytes) -> bool:
    """A second check, still faster than splitting into tokens."""
    return _says_test(content) and any(
        _LEAF_THAT_MATTERS.search(line) or ("import" in line and _LEAF.search(line))
        for line in _decoded(content).splitlines()
        if "test" in line
    )


def _named_by_literal(text: str) -> Iterator[Name]:
    if "test" not in text:
        return
    # A name, or source to run, or a text with expressions; not prose.
    may_be_loose = re.search(r"\s", text) is None or _LOOSE_IN_PROSE.search(text)
    yield from (name for name in _names_in(text) if may_be_loose or len(name) > 1)


def _names_in(text: str) -> Iterator[Name]:
    for match in _NAME.finditer(text):
        yield from _cut(_parts(match[0]))


def _parts(name: str) -> Name:
    return tuple(part for part in re.split(r"[./\\]+", name) if part)


def _cut(name: Name) -> Iterator[Name]:
    """A name up to each part that says `test`: `a.tests` of `a.tests.b`."""
    return (name[: place + 1] for place, part in enumerate(name) if part in TEST_NAMES)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")


# headers

_SUFFIX = r"\.(?:h|hpp|hh|hxx|inl|pxd|pxi)"
_HEADER = re.compile(rf"(?:^|[\w*/\\]){_SUFFIX}(?!\w)|[/\\]include(?:$|[/\\])|^include[/\\]")
_HEADER_IN_BYTES = re.compile(rb"\.(?:h|hpp|hh|hxx|inl|pxd|pxi)\b|[\"'/\\]include[\"'/\\]")

# Python, word by word

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


class _Literal(NamedTuple):
    text: str
    in_path: bool = False


@dataclass
class _Unit:
    """A function, or a statement outside of any, without docstrings and comments."""

    function: str = ""
    imports: list[tuple[int, Name]] = field(default_factory=list)
    """The dots of a relative import, and a name."""
    chains: set[Name] = field(default_factory=set)
    literals: list[_Literal] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)

    @property
    def words(self) -> frozenset[str]:
        return frozenset(self.identifiers).union(*(_words(literal.text) for literal in self.literals))

    def imported(self, package: Name) -> Iterator[Name]:
        """What import statements may load: a name after `from … import` may be a module."""
        for above, name in self.imports:
            yield (*package[: max(0, len(package) - above + 1)], *name) if above else name


def _units(content: bytes) -> Iterator[_Unit]:
    unit, function_at = _Unit(), -1
    for statement in _statements(_decoded(content)):
        column = statement[0].column
        if column <= function_at or function_at < 0:
            yield unit
            unit, function_at = _Unit(), -1
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


def _take(statement: Sequence[_Token], unit: _Unit) -> None:
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
            unit.literals.append(_Literal(text, in_path="/" in {before, after} or token.call in _JOINING))
        elif token.kind == "inner":
            unit.literals.append(_Literal(token.text))
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
