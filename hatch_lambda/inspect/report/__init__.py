"""A report on a zip: one HTML page with its styles and its script, and a policy that allows nothing else.

- `treemap` computes the rectangles, `map` draws them;
- `overview`, `tables` and `dependencies` are the sections of the page, made of `facts` with `markup`;
- `page.html`, `page.css` and `page.js` are what is the same in every report.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from hatch_lambda.inspect import contents, output
from hatch_lambda.inspect.fitness import faults_by_target
from hatch_lambda.inspect.report import dependencies, overview, tables
from hatch_lambda.inspect.report.facts import Facts
from hatch_lambda.inspect.report.map import maps
from hatch_lambda.inspect.report.treemap import tree
from hatch_lambda.inspect.requirements import requirements
from hatch_lambda.inspect.survey import kind_by_path

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.common.target import Target


def write(zip_path: Path, to: Path, target: Target | None = None) -> Path:
    """Write the report on a Lambda zip, a layer or a directory. The same zip gives the same bytes.

    `target`: taken from the file name by default. Raises `LambdaBuildError` if the zip cannot be read.
    """
    whole = contents.read(output.named(zip_path))
    output.write(to, page(whole, target or output.target_by_name(zip_path)).encode("utf-8"))
    return to


def page(whole: contents.Contents, target: Target | None = None) -> str:
    facts = Facts(whole, target, requirements(whole.installed, target), faults_by_target(whole), kind_by_path(whole))
    drawn = maps(tree(whole, facts.kinds))
    # The positions of tiles are in the style sheet, since the policy forbids `style` attributes.
    style = _part("page.css") + drawn.style
    script = _part("page.js")
    # https://www.w3.org/TR/CSP3
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_part("page.html")).substitute(
        policy=policy,
        style=style,
        **overview.top(facts),
        maps=drawn.sections,
        legend=overview.legend(facts),
        problems=overview.problems(facts) or "",
        distributions=tables.distributions(facts, drawn.ids),
        files=tables.largest_files(facts),
        types=tables.file_types(facts),
        runs_on=overview.runs_on(facts),
        machine_code=tables.machine_code(facts),
        dependencies=dependencies.dependency_tree(facts),
        script=script,
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
