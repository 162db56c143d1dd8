"""What the site's own strict build does not look at: navigation, images, links in files that are no pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.toml import tomllib
from tests.support.pages import DOCS, ROOT, pages, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "example_project/README.md")


def _navigation(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from _navigation(value)


def test_each_page_is_in_the_navigation_once() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(_navigation(site["nav"])) == sorted(pages())


@pytest.mark.parametrize("page", pages())
def test_images_and_links_in_html_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"!\[[^\]]*\]\(([^)#]+)\)", text) + re.findall(r"(?:src|srcset)=\"([^\"#]+)\"", text)
    missing = [name for name in named if not (DOCS / page).parent.joinpath(name).is_file()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_documents_lead_to_files_and_headings(document: str) -> None:
    path = ROOT / document
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text)
    missing = []
    for name, anchor in links:
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in _anchors(target.read_text(encoding="utf-8"))):
            missing.append(f"{name}#{anchor}")
    assert not missing


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_nothing_is_loaded_from_elsewhere() -> None:
    """Fonts, scripts and images of other sites would tell them who reads."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert site["theme"]["font"] is False
    assert not [
        page for page in pages() if re.search(r"!\[[^\]]*\]\(https?:|<(?:script|iframe|img)[^>]*http", text_of(page))
    ]


@pytest.mark.parametrize("page", pages())
def test_a_page_has_one_title_and_says_something(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert len(text_of(page).splitlines()) > 10
    assert "not written yet" not in text
