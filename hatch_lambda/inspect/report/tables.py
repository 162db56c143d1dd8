"""The tables of the page: distributions, files, file types, machine code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.inspect import survey
from hatch_lambda.inspect.built import build_record_of
from hatch_lambda.inspect.licences import licence_of
from hatch_lambda.inspect.report.facts import Facts, listed
from hatch_lambda.inspect.report.map import swatch, title
from hatch_lambda.inspect.report.markup import Figure, Markup, Row, card, filter_field, percent, table, tag
from hatch_lambda.inspect.report.treemap import UNCLAIMED
from hatch_lambda.inspect.sources import portion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.inspect.report.markup import Child
    from hatch_lambda.inspect.sources import Portion
    from hatch_lambda.wheels.build_record import BuildRecord
    from hatch_lambda.wheels.machine_code import MachineCode

_LARGEST_FILES = 25
_MAX_MACHINE_CODE = 400
_OPEN_MACHINE_CODE = 12
_MIN_SHARE = 0.0005


def distributions(facts: Facts, maps: Mapping[str, str]) -> Markup:
    """`maps`: ids of maps, by distribution (`name version`)."""
    first = {found.normalized_name: found for found in reversed(facts.contents.installed)}
    built = {
        found.dist_info: record
        for found in facts.contents.installed
        if (record := build_record_of(facts.contents, found))
    }
    rows = []
    for found in facts.contents.installed:
        name = found.normalized_name
        requirers = sorted({edge.requirer for edge in facts.requirements.by.get(name, ())})
        links = [
            [", " if number else None, tag("a", requirer, href=f"#d-{quote(requirer)}")]
            for number, requirer in enumerate(requirers)
        ]
        label = [_map_link(found.name, str(found), maps), " ", tag("span", found.version, class_="version")]
        cells: list[Child | Figure] = [*_figures(facts, found.portion), str(licence_of(found.metadata)), links]
        if built:
            cells.append(_how_built(built[found.dist_info]) if found.dist_info in built else None)
        # A distribution may be installed twice, in two directories; only one row can have the `id`.
        rows.append((found.portion.size, Row(label, cells, f"d-{name}" if first[name] is found else None)))
    if facts.contents.unclaimed:
        rest = portion(UNCLAIMED, facts.contents.unclaimed)
        cells = [*_figures(facts, rest), None, None, *([None] if built else [])]
        rows.append((rest.size, Row(_map_link(UNCLAIMED, UNCLAIMED, maps), cells)))
    rows.sort(key=lambda row: -row[0])
    columns = ["Distribution", "Unzipped", "Zipped", "Share", "Files", "Licence", "Required by"]
    columns += ["Built from sources"] if built else []
    content = table("Distributions", columns, [row for _size, row in rows], identifier="distributions-table")
    return card(
        "distributions", "Distributions", content, beside=filter_field("distributions-table", "name, licence, …")
    )


def _how_built(record: BuildRecord) -> Markup:
    known = "; ".join(f"{name}: {text}" for name, text in record.known().items())
    return tag("bdi", str(record), title=known)


def _map_link(text: str, name: str, maps: Mapping[str, str]) -> Markup:
    shown = tag("bdi", text)
    return tag("a", shown, href=f"#{maps[name]}") if name in maps else shown


def _figures(facts: Facts, part: Portion) -> list[Figure]:
    """Unzipped, zipped, share, files."""
    share = part.size / (facts.contents.size or 1)
    text = "<0.1%" if 0 < share < _MIN_SHARE else percent(share)
    picture = tag("svg", tag("rect", width=percent(share), height="100%"), class_="share", aria_hidden="true")
    return [
        _size(part.size),
        _size(part.compressed),
        Figure([text, picture], part.size),
        Figure(f"{part.files:,}", part.files),
    ]


def _size(size: int) -> Figure:
    return Figure(megabytes(size), size)


def _path(path: str) -> Markup:
    return tag("bdi", path, class_="path")


def largest_files(facts: Facts) -> Markup:
    largest = sorted(facts.contents.entries, key=lambda entry: (-entry.size, entry.path))[:_LARGEST_FILES]
    rows = [Row(_path(entry.path), [_size(entry.size), _size(entry.compressed)]) for entry in largest]
    title = "Largest files" if len(facts.contents.entries) > _LARGEST_FILES else "Files"
    content = table(title, ["File", "Unzipped", "Zipped"], rows, identifier="files-table")
    return card("files", title, content, beside=filter_field("files-table", "path"))


def file_types(facts: Facts) -> Markup:
    rows = []
    for part in survey.kinds(facts.contents, facts.kinds):
        unzipped, _zipped, share, files = _figures(facts, part)
        rows.append(Row([swatch(part.name), title(part.name)], [unzipped, share, files]))
    content = table("File types", ["Type", "Unzipped", "Share", "Files"], rows, style="short")
    return card("kinds", "File types", content)


def machine_code(facts: Facts) -> Markup:
    code, by_path, owners = facts.contents.machine_code, facts.contents.by_path, facts.contents.owners
    if not code:
        return card("machine-code", "Native code", tag("p", "No native code."))
    rows = [
        Row(
            _path(one.path),
            [
                _size(by_path[one.path].size),
                _architecture(one),
                _glibc(one),
                tag("bdi", str(owners[one.path])) if one.path in owners else None,
            ],
        )
        for one in sorted(code, key=lambda one: (-by_path[one.path].size, one.path))[:_MAX_MACHINE_CODE]
    ]
    columns = ["File", "Unzipped", "Architecture", "Requires glibc", "Distribution"]
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


def _glibc(code: MachineCode) -> Figure:
    """Sorted by a value in which 2.5 comes before 2.17."""
    release = code.glibc.release if code.glibc else ()
    value = sum(part * 1000.0**-place for place, part in enumerate(release))
    return Figure("musl" if code.musl else ".".join(map(str, release)), value)
