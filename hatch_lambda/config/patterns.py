"""Patterns that select nothing or all code, most likely by mistake."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Excluded in case they are there; Hatch and the set `bytecode` of `prune` leave them out anyway.
_NEVER_PACKAGED = ("__pycache__/x.pyc", "x.pyo", ".DS_Store", ".git/x", ".venv/x", "dist/x")


def faults_of_excluded_sources(excludes: Mapping[tuple[str, ...], str]) -> list[str]:
    """What is wrong with `exclude` beside `compile-bytecode`. `excludes`: by their patterns, the tables they are in."""
    return [
        f"Field `{table}.exclude` leaves out all sources ({', '.join(map(repr, patterns))}), and with them all code: "
        "nothing is left to compile, and bytecode in `__pycache__` works only next to its source. To package bytecode "
        'without sources, set `compile-bytecode = "only"` and remove the pattern'
        for patterns, table in excludes.items()
        if all(map(GitIgnoreSpec.from_lines(patterns).match_file, _SOURCES)) and not any(p[0] == "!" for p in patterns)
    ]


_SOURCES = ("module.py", "package/__init__.py", "other_package/subpackage/another_module.py")


def unmatched(patterns: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """The gitignore patterns that match none of the paths, nor anything that is never packaged."""
    left = [
        (text, pattern)
        for text in dict.fromkeys(patterns)
        for pattern in GitIgnoreSpec.from_lines([text]).patterns
        if pattern.include is not None  # a comment, or empty
    ]
    for path in chain(_NEVER_PACKAGED, paths):
        if not left:
            break
        left = [(text, pattern) for text, pattern in left if pattern.match_file(path) is None]
    return tuple(text for text, _pattern in left)
