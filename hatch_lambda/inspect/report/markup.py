"""HTML elements. All text is escaped, so a zip cannot inject any markup."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hatch_lambda.common.printable import printable
from hatch_lambda.common.ui import megabytes

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


@dataclass(frozen=True)
class Column:
    """A column of a table. `sorted`: `ascending` or `descending`, if the rows are."""

    name: str
    number: bool = False
    sorted: str | None = None


def table(
    name: str, columns: Sequence[Column], rows: Sequence[Markup], *, identifier: str | None = None, style: str = ""
) -> Markup:
    heads = [
        tag("th", column.name, scope="col", class_="n" if column.number else None, aria_sort=column.sorted)
        for column in columns
    ]
    return tag(
        "table",
        tag("thead", tag("tr", heads)),
        tag("tbody", rows),
        id=identifier,
        class_=f"sorts stacks {style}".rstrip(),
        aria_label=name,
    )


def cell(column: str, *children: Child, value: float | None = None) -> Markup:
    """`value`: what a number is sorted by."""
    number = None if value is None else f"{value:.12g}"
    return tag("td", children, class_="n" if number else None, data_of=column, data_value=number)


def size_cell(column: str, size: int) -> Markup:
    return cell(column, megabytes(size), value=size)


def filter_field(table: str, example: str) -> Markup:
    """Filters the rows of a table, by its `id`."""
    field = tag("input", type="search", data_filters=table, autocomplete="off", spellcheck="false", placeholder=example)
    return tag("label", tag("output", aria_live="polite"), tag("span", "Filter"), field, class_="filter")


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"
