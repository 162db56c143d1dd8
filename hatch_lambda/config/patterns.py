"""Patterns that select nothing, most likely by mistake."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

# Excluded in case they are there; Hatch and the set `bytecode` of `prune` leave them out anyway.
_NEVER_PACKAGED = ("__pycache__/x.pyc", "x.pyo", ".DS_Store", ".git/x", ".venv/x", "dist/x")


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
