"""HTML elements. All text is escaped, so a zip cannot inject any markup."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hatch_lambda.common.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"

_VOID = frozenset({"input", "meta", "br"})


def tag(name: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element. Attributes as keywords: `class_`, `aria_label`; None and False omit one, True gives no value."""
    start = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        start += f" {key.rstrip('_').replace('_', '-')}"
        if value is not True:
            start += f'="{value if isinstance(value, Markup) else escape(str(value))}"'
    return Markup(f"<{start}>" if name in _VOID else f"<{start}>{join(children)}</{name}>")


def join(child: Child) -> Markup:
    """Concatenate children; plain text is escaped."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child)
    return Markup("".join(map(join, child)))


def escape(text: str) -> Markup:
    return Markup(html.escape(printable(text)))


def card(identifier: str, title: str, *children: Child, beside: Child = None) -> Markup:
    heading = f"{identifier}-heading"
    return tag(
        "section",
        tag("div", tag("h2", title, id=heading), beside, class_="head"),
        children,
        class_="card",
        id=identifier,
        aria_labelledby=heading,
    )


class Figure(NamedTuple):
    """A cell with a number: its text, and what it is sorted by."""

    content: Child
    value: float


class Row(NamedTuple):
    """A row of a table: its header and the other cells."""

    head: Child
    cells: Sequence[Child | Figure]
    id: str | None = None


# The columns with numbers. The rows of all tables are sorted by the first.
_FIGURES = ("Unzipped", "Zipped", "Share", "Files", "Requires glibc")


def table(
    name: str, columns: Sequence[str], rows: Iterable[Row], *, identifier: str | None = None, style: str = ""
) -> Markup:
    heads = [
        tag(
            "th",
            column,
            scope="col",
            class_="n" if column in _FIGURES else None,
            aria_sort="descending" if column == _FIGURES[0] else None,
        )
        for column in columns
    ]
    body = [
        tag("tr", tag("th", row.head, scope="row"), list(map(_cell, columns[1:], row.cells)), id=row.id) for row in rows
    ]
    return tag(
        "table",
        tag("thead", tag("tr", heads)),
        tag("tbody", body),
        id=identifier,
        class_=f"sorts stacks {style}".rstrip(),
        aria_label=name,
    )


def _cell(column: str, content: Child | Figure) -> Markup:
    if isinstance(content, Figure):
        return tag("td", content.content, class_="n", data_of=column, data_value=f"{content.value:.12g}")
    return tag("td", content, data_of=column)


def filter_field(table: str, example: str) -> Markup:
    """Filters the rows of a table, by its `id`."""
    field = tag("input", type="search", data_filters=table, autocomplete="off", spellcheck="false", placeholder=example)
    return tag("label", tag("output", aria_live="polite"), tag("span", "Filter"), field, class_="filter")


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"
