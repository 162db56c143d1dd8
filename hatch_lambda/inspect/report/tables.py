"""The tables of the page: distributions, files, file types, machine code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_lambda.common.ui import counted
from hatch_lambda.inspect import survey
from hatch_lambda.inspect.licences import licence_of
from hatch_lambda.inspect.report.facts import Facts, listed
from hatch_lambda.inspect.report.map import swatch, title
from hatch_lambda.inspect.report.markup import Column, Markup, card, cell, filter_field, percent, size_cell, table, tag
from hatch_lambda.inspect.report.treemap import UNCLAIMED
from hatch_lambda.inspect.sources import portion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.inspect.report.markup import Child
    from hatch_lambda.inspect.sources import Portion
    from hatch_lambda.wheels.machine_code import MachineCode

_LARGEST_FILES = 25
_MAX_MACHINE_CODE = 400
_OPEN_MACHINE_CODE = 12
_MIN_SHARE = 0.0005


def distributions(facts: Facts, maps: Mapping[str, str]) -> Markup:
    """`maps`: ids of maps, by distribution (`name version`)."""
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
        name = found.normalized_name
        requirers = sorted({edge.requirer for edge in facts.requirements.by.get(name, ()) if edge.requirer != name})
        links = [
            [", " if number else None, tag("a", requirer, href=f"#d-{quote(requirer)}")]
            for number, requirer in enumerate(requirers)
        ]
        label = [_map_link(found.name, str(found), maps), " ", tag("span", found.version, class_="version")]
        more = [cell("Licence", str(licence_of(found.metadata))), cell("Required by", links)]
        # A distribution may be installed twice, in two directories; only one row can have the `id`.
        row = _row(facts, found.portion, label, more, None if name in seen else f"d-{name}")
        rows.append((found.portion.size, row))
        seen.add(name)
    if facts.contents.unclaimed:
        rest = portion(UNCLAIMED, facts.contents.unclaimed)
        more = [cell("Licence"), cell("Required by")]
        rows.append((rest.size, _row(facts, rest, _map_link(UNCLAIMED, UNCLAIMED, maps), more)))
    rows.sort(key=lambda row: -row[0])
    content = table("Distributions", columns, [row for _size, row in rows], identifier="distributions-table")
    return card(
        "distributions", "Distributions", content, beside=filter_field("distributions-table", "name, licence, …")
    )


def _map_link(text: str, name: str, maps: Mapping[str, str]) -> Markup:
    shown = tag("bdi", text)
    return tag("a", shown, href=f"#{maps[name]}") if name in maps else shown


def _row(facts: Facts, part: Portion, label: Child, more: Child, identifier: str | None = None) -> Markup:
    return tag(
        "tr",
        tag("th", label, scope="row"),
        size_cell("Unzipped", part.size),
        size_cell("Zipped", part.compressed),
        _share_cell(facts, part.size),
        cell("Files", f"{part.files:,}", value=part.files),
        more,
        id=identifier,
    )


def _share_cell(facts: Facts, size: int) -> Markup:
    share = size / (facts.contents.size or 1)
    picture = tag("svg", tag("rect", width=percent(share), height="100%"), class_="share", aria_hidden="true")
    return cell("Share", "<0.1%" if 0 < share < _MIN_SHARE else percent(share), picture, value=size)


def _path_cell(path: str) -> Markup:
    return tag("th", tag("bdi", path, class_="path"), scope="row")


def largest_files(facts: Facts) -> Markup:
    largest = sorted(facts.contents.entries, key=lambda entry: (-entry.size, entry.path))[:_LARGEST_FILES]
    rows = [
        tag(
            "tr",
            _path_cell(entry.path),
            size_cell("Unzipped", entry.size),
            size_cell("Zipped", entry.compressed),
        )
        for entry in largest
    ]
    columns = [Column("File"), Column("Unzipped", number=True, sorted="descending"), Column("Zipped", number=True)]
    title = "Largest files" if len(facts.contents.entries) > _LARGEST_FILES else "Files"
    content = table(title, columns, rows, identifier="files-table")
    return card("files", title, content, beside=filter_field("files-table", "path"))


def file_types(facts: Facts) -> Markup:
    rows = [
        tag(
            "tr",
            tag("th", swatch(part.name), title(part.name), scope="row"),
            size_cell("Unzipped", part.size),
            _share_cell(facts, part.size),
            cell("Files", f"{part.files:,}", value=part.files),
        )
        for part in survey.kinds(facts.contents)
    ]
    columns = [
        Column("Type"),
        Column("Unzipped", number=True, sorted="descending"),
        Column("Share", number=True),
        Column("Files", number=True),
    ]
    return card("kinds", "File types", table("File types", columns, rows, style="short"))


def machine_code(facts: Facts) -> Markup:
    code, by_path, owners = facts.contents.machine_code, facts.contents.by_path, facts.contents.owners
    if not code:
        return card("machine-code", "Native code", tag("p", "No native code."))
    rows = [
        tag(
            "tr",
            _path_cell(one.path),
            size_cell("Unzipped", by_path[one.path].size),
            cell("Architecture", _architecture(one)),
            _glibc_cell(one),
            cell("Distribution", tag("bdi", str(owners[one.path])) if one.path in owners else None),
        )
        for one in sorted(code, key=lambda one: (-by_path[one.path].size, one.path))[:_MAX_MACHINE_CODE]
    ]
    columns = [
        Column("File"),
        Column("Unzipped", number=True, sorted="descending"),
        Column("Architecture"),
        Column("Requires glibc", number=True),
        Column("Distribution"),
    ]
    shown = "" if len(rows) == len(code) else f", the {len(rows)} largest shown"
    return card(
        "machine-code",
        "Native code",
        tag("p", _machine_code_summary(facts)),
        tag(
            "details",
            tag("summary", f"{counted(len(code), 'file')} of native code{shown}"),
            table("Native code", columns, rows),
            open=len(rows) <= _OPEN_MACHINE_CODE,
        ),
    )


def _machine_code_summary(facts: Facts) -> Child:
    """The architectures, and the file that requires the newest glibc."""
    code = facts.contents.machine_code
    parts = [
        f"{counted(number, 'file')} for {name}" for name, number in Counter(map(_architecture, code)).most_common()
    ]
    glibc, path = max(((one.glibc, one.path) for one in code if one.glibc), default=(None, ""))
    return f"{listed(parts)}." + (f" Requires glibc {glibc} or newer, because of {path}." if glibc else "")


def _architecture(code: MachineCode) -> str:
    return code.architecture if code.kind == "ELF" else f"{code.architecture} ({code.kind})"


def _glibc_cell(code: MachineCode) -> Markup:
    """Sorted by a value in which 2.5 comes before 2.17."""
    release = code.glibc.release if code.glibc else ()
    value = sum(part * 1000.0**-place for place, part in enumerate(release))
    return cell("Requires glibc", "musl" if code.musl else ".".join(map(str, release)), value=value)
