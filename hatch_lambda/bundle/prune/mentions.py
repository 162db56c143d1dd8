"""Find the tests, headers and stubs that sources name, and may need at run time: too many rather than too few.

Nothing is imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.words import decoded, units, words_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.bundle.words import Name

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
    for unit in units(content):
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
    names, words = set(_names_in(decoded(content))), words_of(content)
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
        for unit in units(content)
    )


def reads_headers(content: bytes) -> bool:
    """Whether a source uses headers at run time, other than by telling a build where they are."""
    # Since numpy's `get_include`, builds call functions of such a name for the headers of a package.
    return bool(_HEADER_IN_BYTES.search(content)) and any(
        _HEADER.search(literal.text) or (literal.text == "include" and literal.in_path)
        for unit in units(content)
        if not unit.function.startswith("get_include")
        for literal in unit.literals
    )


def says_that_it_tests(content: bytes) -> bool:
    return bool(re.search(rb"^\s*(?:lazy\s+)?(?:from|import)\s+(?:unittest|pytest)\b", content, re.MULTILINE))


def only_documents(content: bytes) -> bool:
    """Whether a module contains nothing but documentation."""
    return not any(unit.words for unit in units(content))


def words_of(content: bytes) -> frozenset[str]:
    return words_in(decoded(content))


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
        for line in decoded(content).splitlines()
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


# headers

_SUFFIX = r"\.(?:h|hpp|hh|hxx|inl|pxd|pxi)"
_HEADER = re.compile(rf"(?:^|[\w*/\\]){_SUFFIX}(?!\w)|[/\\]include(?:$|[/\\])|^include[/\\]")
_HEADER_IN_BYTES = re.compile(rb"\.(?:h|hpp|hh|hxx|inl|pxd|pxi)\b|[\"'/\\]include[\"'/\\]")
