"""The whole page: HTML with its styles and its script, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from hatch_lambda.inspect.contents.fitness import faults_by_target
from hatch_lambda.inspect.contents.survey import kind_of
from hatch_lambda.inspect.report import dependencies, fit, overview, tables
from hatch_lambda.inspect.report.kit import Facts
from hatch_lambda.inspect.report.map import maps
from hatch_lambda.inspect.report.markup import Markup, escape, join, tag
from hatch_lambda.inspect.report.requirements import requirements
from hatch_lambda.inspect.report.tree import tree

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents


def page(contents: Contents, target: Target | None = None) -> str:
    """The page about what a zip holds, for a target if there is one."""
    kind = kind_of(contents)
    facts = Facts(
        contents,
        target,
        requirements(contents.installed, target),
        faults_by_target(contents),
        {entry.path: kind(entry.path) for entry in contents.entries},
    )
    drawn = maps(tree(contents, facts.kinds))
    # Of the treemap's tiles, only their places are not known before: the policy has no room for `style` attributes.
    style = f"{_part('page.css')}{drawn.wide}\n@media (max-width: 40rem) {{{drawn.narrow}}}\n"
    script = _part("page.js")
    return Template(_part("page.html")).substitute(
        policy=_policy(style, script),
        title=escape(contents.path.name),
        style=style,
        body=_body(facts, drawn.sections, drawn.ids),
        script=script,
    )


def _body(facts: Facts, map_sections: Markup, map_ids: dict[str, str]) -> Markup:
    return join(
        [
            tag("a", "Skip the map", href="#distributions", class_="skip"),
            overview.top(facts),
            tag(
                "main",
                overview.map_card(facts, map_sections),
                fit.unfit(facts),
                tables.distributions(facts, map_ids),
                tag(
                    "div",
                    tables.largest_files(facts),
                    tag("div", tables.kinds_of_files(facts), fit.runs_on(facts), class_="aside"),
                    class_="two",
                ),
                fit.machine_code(facts),
                dependencies.who_requires_whom(facts),
                tag("footer", tag("p", "Made by hatch-lambda. 1 MB is 1024 * 1024 bytes, as Lambda counts.")),
            ),
            tag("div", tag("b", tag("bdi")), tag("span"), id="tip", class_="tip", role="tooltip", hidden=True),
        ]
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Content-Security-Policy: these very pieces, and nothing from anywhere (https://www.w3.org/TR/CSP3)."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
