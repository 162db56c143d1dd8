"""The tables of what is in the zip."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from hatch_lambda.inspect.contents import survey
from hatch_lambda.inspect.report.kit import Column, Facts, card, cell, filter_field, share_cell, size_cell, table
from hatch_lambda.inspect.report.licences import licence_of
from hatch_lambda.inspect.report.map import capitalised, swatch
from hatch_lambda.inspect.report.markup import Markup, tag
from hatch_lambda.inspect.report.tree import NOBODYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.inspect.contents import Installed

_LARGEST_FILES = 25


def distributions(facts: Facts, maps: Mapping[str, str]) -> Markup:
    columns = [
        Column("Distribution"),
        Column("Unzipped", number=True, sorted="descending"),
        Column("Zipped", number=True),
        Column("Share", number=True),
        Column("Files", number=True),
        Column("Licence"),
        Column("Required by"),
    ]
    seen: set[str] = set()
    rows = []
    for found in facts.contents.installed:
        name = canonicalize_name(found.name)
        rows.append((found.size, _distribution(facts, found, maps, identifier=None if name in seen else f"d-{name}")))
        seen.add(name)
    if facts.contents.unclaimed:
        rows.append((sum(entry.size for entry in facts.contents.unclaimed), _nobodys(facts, maps)))
    rows.sort(key=lambda row: -row[0])
    content = table("Distributions", columns, [row for _size, row in rows], identifier="distributions-table")
    return card(
        "distributions", "Distributions", content, beside=filter_field("distributions-table", "name, licence, …")
    )


def _distribution(facts: Facts, found: Installed, maps: Mapping[str, str], *, identifier: str | None) -> Markup:
    """Of those that are in there twice, in two folders, one can have the `id`."""
    name = canonicalize_name(found.name)
    requirers = sorted({edge.requirer for edge in facts.requirements.by.get(name, ()) if edge.requirer != name})
    links = [
        [", " if number else None, tag("a", requirer, href=f"#d-{quote(requirer)}")]
        for number, requirer in enumerate(requirers)
    ]
    return tag(
        "tr",
        tag(
            "th",
            _map_link(f"{found.name} {found.version}", found.name, maps),
            " ",
            tag("span", found.version, class_="version"),
            scope="row",
        ),
        size_cell("Unzipped", found.size),
        size_cell("Zipped", found.compressed),
        share_cell(facts, found.size),
        cell("Files", f"{len(found.entries):,}", value=len(found.entries)),
        cell("Licence", str(licence_of(found.metadata))),
        cell("Required by", links),
        id=identifier,
    )


def _nobodys(facts: Facts, maps: Mapping[str, str]) -> Markup:
    entries = facts.contents.unclaimed
    size = sum(entry.size for entry in entries)
    return tag(
        "tr",
        tag("th", _map_link(NOBODYS, NOBODYS, maps), scope="row"),
        size_cell("Unzipped", size),
        size_cell("Zipped", sum(entry.compressed for entry in entries)),
        share_cell(facts, size),
        cell("Files", f"{len(entries):,}", value=len(entries)),
        cell("Licence"),
        cell("Required by"),
    )


def _map_link(node: str, text: str, maps: Mapping[str, str]) -> Markup:
    shown = tag("bdi", text)
    return tag("a", shown, href=f"#{maps[node]}") if node in maps else shown


def largest_files(facts: Facts) -> Markup:
    largest = sorted(facts.contents.entries, key=lambda entry: (-entry.size, entry.path))[:_LARGEST_FILES]
    rows = [
        tag(
            "tr",
            tag("th", tag("bdi", entry.path, class_="path"), scope="row"),
            size_cell("Unzipped", entry.size),
            size_cell("Zipped", entry.compressed),
        )
        for entry in largest
    ]
    columns = [Column("File"), Column("Unzipped", number=True, sorted="descending"), Column("Zipped", number=True)]
    title = "Largest files" if len(facts.contents.entries) > _LARGEST_FILES else "Files"
    content = table(title, columns, rows, identifier="files-table")
    return card("files", title, content, beside=filter_field("files-table", "path"))


def kinds_of_files(facts: Facts) -> Markup:
    rows = [
        tag(
            "tr",
            tag("th", swatch(part.name), capitalised(part.name), scope="row"),
            size_cell("Unzipped", part.size),
            share_cell(facts, part.size),
            cell("Files", f"{part.files:,}", value=part.files),
        )
        for part in survey.kinds(facts.contents)
    ]
    columns = [
        Column("Kind"),
        Column("Unzipped", number=True, sorted="descending"),
        Column("Share", number=True),
        Column("Files", number=True),
    ]
    return card("kinds", "Kinds of files", table("Kinds of files", columns, rows, style="short"))
