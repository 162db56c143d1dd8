"""What one sees first: what it is, whether it runs, how much of Lambda's limits it takes; and the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES
from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.inspect.contents import survey
from hatch_lambda.inspect.report.kit import card, listed, named, percent
from hatch_lambda.inspect.report.map import STYLES, capitalised, swatch
from hatch_lambda.inspect.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.report.kit import Facts

# From this part of a limit on, its bar warns.
_NEAR = 0.8


def top(facts: Facts) -> Markup:
    contents = facts.contents
    what = "layer" if contents.kind == "layer" else "function"
    where = f" for {facts.target.description}" if facts.target else ""
    counts = [
        (len(contents.installed), "distribution"),
        (len(contents.entries), "file"),
        (len(contents.machine_code), "file of machine code"),
    ]
    return tag(
        "header",
        tag("p", f"AWS Lambda {what}{where}", class_="kind"),
        tag("h1", tag("bdi", contents.path.name)),
        _verdict(facts),
        tag("div", _limits(contents), class_="limits"),
        tag(
            "dl",
            [tag("div", tag("dt", _plural(number, word)), tag("dd", f"{number:,}")) for number, word in counts],
            class_="counts",
        ),
        class_="top",
    )


def _plural(number: int, word: str) -> str:
    return counted(number, word, word.replace("file", "files", 1) if " " in word else None).partition(" ")[2]


def _verdict(facts: Facts) -> Markup:
    good, text = _judgement(facts)
    why = tag("a", "why", href="#unfit") if not good and facts.faults[facts.told_target] else None
    return tag("p", f"{'✓' if good else '✗'} {text}", why, class_=f"verdict {'good' if good else 'bad'}")


def _judgement(facts: Facts) -> tuple[bool, str]:
    fitting = [target for target, faults in facts.faults.items() if not faults]
    if facts.contents.size > UNZIPPED_LIMIT:
        return False, "It is larger than Lambda takes"
    if facts.target and facts.target in fitting:
        return True, f"It fits {named(facts.target)}"
    if facts.target:
        return False, f"It does not fit: {counted(len(facts.faults[facts.target]), 'fault')}"
    if len(fitting) == len(facts.faults):
        return True, "It fits every runtime and architecture"
    return (True, f"It fits {_summed_up(fitting)}") if fitting else (False, "It fits no runtime of Lambda")


def _summed_up(targets: Sequence[Target]) -> str:
    """By architecture: `python3.12 and python3.13 on arm64`."""
    names = {
        architecture.name: [target.runtime.name for target in targets if target.architecture == architecture]
        for architecture in ARCHITECTURES.values()
    }
    return "; ".join(
        f"{'every runtime' if len(runtimes) == len(RUNTIMES) else listed(runtimes)} on {architecture}"
        for architecture, runtimes in names.items()
        if runtimes
    )


def _limits(contents: Contents) -> Iterator[Markup]:
    yield _limit("Unzipped", contents.size, UNZIPPED_LIMIT, "layers included")
    if contents.zipped is not None:
        yield _limit(
            "Zipped", contents.zipped, DIRECT_UPLOAD_LIMIT, "for a direct upload; what is larger goes by way of S3"
        )


def _limit(name: str, size: int, limit: int, remark: str) -> Markup:
    used = size / limit
    state = "over" if used > 1 else "near" if used >= _NEAR else None
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
        tag(
            "p",
            tag(
                "span",
                f"{percent(used)} of {megabytes(limit)}",
                class_={"over": "bad", "near": "warn"}.get(state or ""),
            ),
            f", {remark}",
            class_="hint",
        ),
        class_="limit",
    )


def map_card(facts: Facts, maps: Markup) -> Markup:
    how = "Areas are unzipped sizes. Choose a tile to look into it."
    return card(
        "content",
        "What takes the space",
        maps,
        _legend(facts),
        tag("p", id="news", class_="unseen", aria_live="polite"),
        beside=tag("p", how, class_="hint"),
    )


def _legend(facts: Facts) -> Markup:
    present = {part.name for part in survey.kinds(facts.contents) if part.size}
    items = [tag("li", swatch(kind), capitalised(kind)) for kind in STYLES if kind in present]
    return tag("ul", items, class_="legend", aria_label="Colours")
