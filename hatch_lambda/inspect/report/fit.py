"""Where it runs, and why not; and its machine code, which mostly decides that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.ui import counted
from hatch_lambda.inspect.report.kit import Column, Facts, card, cell, listed, named, size_cell, table
from hatch_lambda.inspect.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.wheels.machine_code import MachineCode

_FILES_OF_MACHINE_CODE = 400
_SHOWN_AT_ONCE = 12
_FILES_OF_ONE_FAULT = 5


def runs_on(facts: Facts) -> Markup:
    return card("fit", "Runs on", _fit(facts))


def unfit(facts: Facts) -> Markup | None:
    """What is wrong for the target, told once for all files that share it."""
    target = facts.told_target
    if not facts.faults[target]:
        return None
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for fault in facts.faults[target]:
        alike.setdefault((fault.distribution, fault.needs, fault.runtime_has, fault.advice), []).append(fault.path)
    return card(
        "unfit",
        f"Why it does not fit {named(target)}",
        tag("ul", [_fault(*why, paths) for why, paths in alike.items()], class_="faults"),
    )


def _fit(facts: Facts) -> Markup:
    """Which runtimes could load all of it, on which architecture."""
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            [_fit_cell(facts, Target(runtime, architecture)) for architecture in ARCHITECTURES.values()],
            tag("td", ".".join(map(str, runtime.glibc)), class_="n soft"),
        )
        for name, runtime in RUNTIMES.items()
    ]
    heads = [tag("th", text, scope="col") for text in ("Runtime", *ARCHITECTURES)]
    head = tag("thead", tag("tr", heads, tag("th", "glibc", scope="col", class_="n")))
    return tag("table", head, tag("tbody", rows), class_="short", aria_label="Runs on")


def _fit_cell(facts: Facts, target: Target) -> Markup:
    number = len(facts.faults[target])
    text, style = (f"✗ {counted(number, 'fault')}", "bad") if number else ("✓ yes", "good")
    return tag("td", tag("b", text) if target == facts.target else text, class_=style)


def _fault(distribution: str, needs: str, runtime_has: str, advice: str, paths: Sequence[str]) -> Markup:
    more = len(paths) - _FILES_OF_ONE_FAULT
    return tag(
        "li",
        tag("p", tag("b", tag("bdi", distribution)), f" needs {needs}, but {runtime_has}."),
        [tag("p", tag("bdi", path, class_="path")) for path in paths[:_FILES_OF_ONE_FAULT]],
        tag("p", f"and {counted(more, 'more file')}", class_="soft") if more > 0 else None,
        tag("p", f"What you can do: {advice}.", class_="soft"),
    )


def machine_code(facts: Facts) -> Markup:
    code = facts.contents.machine_code
    if not code:
        nothing = "There is none: nothing in here depends on a processor or a glibc."
        return card("machine-code", "Machine code", tag("p", nothing))
    return card("machine-code", "Machine code", tag("p", _summary(code)), _table(facts))


def _summary(code: Sequence[MachineCode]) -> str:
    """What it is for, and the one file that asks for the newest glibc."""
    architectures = Counter(map(_architecture, code))
    parts = [f"{counted(number, 'file')} for {name}" for name, number in architectures.most_common()]
    glibc, path = max(((one.glibc, one.path) for one in code if one.glibc), default=(None, ""))
    newest = f" The newest glibc that is needed is {glibc}, by {path}." if glibc else ""
    return f"{listed(parts)}.{newest}"


def _architecture(code: MachineCode) -> str:
    return code.architecture if code.kind == "ELF" else f"{code.architecture} ({code.kind})"


def _table(facts: Facts) -> Markup:
    sizes = {entry.path: entry.size for entry in facts.contents.entries}
    owners = {entry.path: str(found) for found in facts.contents.installed for entry in found.entries}
    code = sorted(facts.contents.machine_code, key=lambda one: (-sizes[one.path], one.path))
    rows = [
        tag(
            "tr",
            tag("th", tag("bdi", one.path, class_="path"), scope="row"),
            size_cell("Unzipped", sizes[one.path]),
            cell("Architecture", _architecture(one)),
            _glibc(one),
            cell("Distribution", tag("bdi", owners[one.path]) if one.path in owners else None),
        )
        for one in code[:_FILES_OF_MACHINE_CODE]
    ]
    columns = [
        Column("File"),
        Column("Unzipped", number=True, sorted="descending"),
        Column("Architecture"),
        Column("Needs glibc", number=True),
        Column("Distribution"),
    ]
    shown = "" if len(rows) == len(code) else f", the {len(rows)} largest of them"
    return tag(
        "details",
        tag("summary", f"{counted(len(code), 'file')} of machine code{shown}"),
        table("Machine code", columns, rows),
        open=len(rows) <= _SHOWN_AT_ONCE,
    )


def _glibc(code: MachineCode) -> Markup:
    """With a value to sort by, in which 2.5 comes before 2.17."""
    release = code.glibc.release if code.glibc else ()
    value = sum(part * 1000.0**-place for place, part in enumerate(release))
    return cell("Needs glibc", "musl" if code.musl else ".".join(map(str, release)), value=value)
