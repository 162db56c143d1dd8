"""Builds in an unpacked sdist, which has nothing of what lies outside the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FROM_THE_PROJECT = (
    "This directory is an unpacked sdist, which does not contain it. What you can do: build from the project's own "
    "directory, with `hatch build` or, for other build tools, without going through the sdist: "
    "`python -m build --wheel`, `uv build --wheel`"
)


def is_unpacked_sdist(root: Path) -> bool:
    """Only sdists have this file at the top."""
    return (root / "PKG-INFO").is_file()


def missing_from_sdist(root: Path) -> str:
    """To append to a sentence about a missing file or directory; empty if the project is not an unpacked sdist."""
    return f". {FROM_THE_PROJECT}" if is_unpacked_sdist(root) else ""
