"""What the sections of the page are made of: cards, tables, cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_lambda.common.ui import megabytes
from hatch_lambda.inspect.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.report.markup import Child
    from hatch_lambda.inspect.report.requirements import Requirements
    from hatch_lambda.wheels.loadable import Fault

_LEAST_SHOWN = 0.0005


@dataclass(frozen=True)
class Facts:
    """What the sections draw on. `faults`: what keeps each target from running it. `kinds`: of files, by path."""

    contents: Contents
    target: Target | None
    requirements: Requirements
    faults: Mapping[Target, Sequence[Fault]]
    kinds: Mapping[str, str]

    def share(self, size: int) -> float:
        return size / (self.contents.size or 1)

    @property
    def told_target(self) -> Target:
        """Of which it is told what is wrong: the target; where none is named, the one that comes nearest."""
        return self.target or min(self.faults, key=lambda target: len(self.faults[target]))


@dataclass(frozen=True)
class Column:
    """Of a table. `sorted`: `ascending` or `descending`, where the rows come so."""

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
    number = None if value is None else f"{value:.12g}"
    return tag("td", children, class_="n" if number else None, data_of=column, data_value=number)


def size_cell(column: str, size: int) -> Markup:
    return cell(column, megabytes(size), value=size)


def share_cell(facts: Facts, size: int) -> Markup:
    share = facts.share(size)
    picture = tag("svg", tag("rect", width=percent(share), height="100%"), class_="share", aria_hidden="true")
    text = "<0.1%" if 0 < share < _LEAST_SHOWN else percent(share)
    return cell("Share", text, picture, value=size)


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


def filter_field(table: str, example: str) -> Markup:
    """For the rows of a table, by its `id`."""
    field = tag("input", type="search", data_filters=table, autocomplete="off", spellcheck="false", placeholder=example)
    return tag("label", tag("output", aria_live="polite"), tag("span", "Filter"), field, class_="filter")


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def named(target: Target) -> str:
    return f"{target.runtime.name} on {target.architecture.name}"
