"""The top of the page: what the zip is, where it runs and how it compares to Lambda's limits."""

from __future__ import annotations

from dataclasses import replace

from hatch_lambda.common import limits
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.inspect import survey
from hatch_lambda.inspect.report.facts import Facts, described, listed
from hatch_lambda.inspect.report.map import STYLES, swatch, title
from hatch_lambda.inspect.report.markup import Markup, card, escape, join, percent, tag
from hatch_lambda.inspect.sources import grouped

# From this share of a limit on, its bar warns.
_NEAR = 0.8
_FILES_OF_ONE_FAULT = 5


def top(facts: Facts) -> dict[str, Markup]:
    """The parts of the header."""
    contents = facts.contents
    where = f" for {facts.target.description}" if facts.target else ""
    counts = [
        (len(contents.installed), "distribution", "distributions"),
        (len(contents.entries), "file", "files"),
        (len(contents.machine_code), "file of native code", "files of native code"),
    ]
    is_good, text = _verdict(facts)
    why = tag("a", "why", href="#unfit") if not is_good and facts.faults[facts.explained_target] else None
    bars = [_limit("Unzipped", contents.size, limits.UNZIPPED_LIMIT, "layers included")]
    if contents.zipped is not None:
        remark = "for a direct upload; upload larger zips through Amazon S3"
        bars.append(_limit("Zipped", contents.zipped, limits.DIRECT_UPLOAD_LIMIT, remark))
    return {
        "kind": escape(f"AWS Lambda {contents.kind}{where}"),
        "title": escape(contents.path.name),
        "verdict": tag("p", f"{'✓' if is_good else '✗'} {text}", why, class_=f"verdict {'good' if is_good else 'bad'}"),
        "limits": join(bars),
        "counts": join(
            tag("div", tag("dt", one if number == 1 else many), tag("dd", f"{number:,}"))
            for number, one, many in counts
        ),
    }


def _verdict(facts: Facts) -> tuple[bool, str]:
    fitting = [target for target, faults in facts.faults.items() if not faults]
    if facts.contents.size > limits.UNZIPPED_LIMIT:
        return False, "Exceeds Lambda's size limit"
    if facts.target and facts.target in fitting:
        return True, f"Compatible with {described(facts.target)}"
    if facts.target:
        problems = counted(len(facts.faults[facts.target]), "problem")
        return False, f"Incompatible with {described(facts.target)}: {problems}"
    if len(fitting) == len(facts.faults):
        return True, "Compatible with every runtime and architecture"
    if not fitting:
        return False, "Incompatible with every Lambda runtime"
    parts = []
    for name, architecture in ARCHITECTURES.items():
        if runtimes := [target.runtime.name for target in fitting if target.architecture == architecture]:
            parts.append(f"{'every runtime' if len(runtimes) == len(RUNTIMES) else listed(runtimes)} on {name}")
    return True, f"Compatible with {'; '.join(parts)}"


def _limit(name: str, size: int, limit: int, remark: str) -> Markup:
    used = size / limit
    state, style = ("over", "bad") if used > 1 else ("near", "warn") if used >= _NEAR else (None, None)
    whole = max(used, 1)
    marker = tag("line", x1=percent(1 / whole), x2=percent(1 / whole), y1="0", y2="100%") if used > 1 else None
    return tag(
        "div",
        tag("p", tag("b", megabytes(size)), f" {name.lower()}"),
        tag(
            "svg",
            tag("rect", width=percent(used / whole), height="100%", class_=state),
            marker,
            class_="bar",
            aria_hidden="true",
        ),
        tag("p", tag("span", f"{percent(used)} of {megabytes(limit)}", class_=style), f", {remark}", class_="hint"),
        class_="limit",
    )


def legend(facts: Facts) -> Markup:
    present = {part.name for part in survey.kinds(facts.contents, facts.kinds) if part.size}
    return join(tag("li", swatch(kind), title(kind)) for kind in STYLES if kind in present)


def problems(facts: Facts) -> Markup | None:
    """What keeps the target from running it; files with the same fault are listed together."""
    target = facts.explained_target
    if not facts.faults[target]:
        return None
    items = []
    for fault, alike in grouped(facts.faults[target], lambda fault: replace(fault, path="")).items():
        more = len(alike) - _FILES_OF_ONE_FAULT
        items.append(
            tag(
                "li",
                tag("p", tag("b", tag("bdi", fault.distribution)), f" needs {fault.needs}, but {fault.runtime_has}."),
                [tag("p", tag("bdi", one.path, class_="path")) for one in alike[:_FILES_OF_ONE_FAULT]],
                tag("p", f"and {counted(more, 'more file')}", class_="soft") if more > 0 else None,
                tag("p", f"What you can do: {fault.advice}.", class_="soft"),
            )
        )
    return card("unfit", f"Why it is incompatible with {described(target)}", tag("ul", items, class_="faults"))


def runs_on(facts: Facts) -> Markup:
    """The runtimes and architectures that can run it."""

    def cell(target: Target) -> Markup:
        number = len(facts.faults[target])
        text, style = (f"✗ {counted(number, 'problem')}", "bad") if number else ("✓ yes", "good")
        return tag("td", tag("b", text) if target == facts.target else text, class_=style)

    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            [cell(Target(runtime, architecture)) for architecture in ARCHITECTURES.values()],
            tag("td", ".".join(map(str, runtime.glibc)), class_="n soft"),
        )
        for name, runtime in RUNTIMES.items()
    ]
    heads = [tag("th", text, scope="col") for text in ("Runtime", *ARCHITECTURES)]
    head = tag("thead", tag("tr", heads, tag("th", "glibc", scope="col", class_="n")))
    return card("fit", "Runs on", tag("table", head, tag("tbody", rows), class_="short", aria_label="Runs on"))
