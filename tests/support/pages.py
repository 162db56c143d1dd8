"""The pages of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages() -> list[str]:
    """The paths of all pages, below `docs`."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """The text below a heading, up to the next one of the same level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", text_of(page), re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no section {title!r}"
    return found[2]


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a language, in their order."""
    return re.findall(rf"^```{language}(?: [^\n]*)?\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)
