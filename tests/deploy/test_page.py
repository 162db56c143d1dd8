"""What `docs/how-to/deploy.md` promises."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.toml import tomllib
from hatch_lambda.deploy.settings import FIELDS, load
from tests.support.pages import ROOT, blocks, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "how-to/deploy.md"


def rows() -> Iterator[str]:
    for key, field in FIELDS.items():
        default = "" if field.default is None else f", `{str(field.default).lower()}`"
        per_variant = ", per variant" if field.per_variant else ""
        yield f"| `{key}` | {field.type}{default}{per_variant} | {field.help} |"


def test_the_table_has_the_keys_of_the_code() -> None:
    assert re.findall(r"^\| `.*$", text_of(PAGE), re.MULTILINE) == [*rows()]


@pytest.mark.parametrize("example", blocks(PAGE, "toml"))
def test_each_example_is_valid(example: str) -> None:
    load(tomllib.loads(example)["tool"]["hatch"]["publish"]["lambda"])


def test_the_policy_has_every_action_that_is_asked_for() -> None:
    (policy,) = blocks(PAGE, "json")
    allowed = set(re.findall(r'"((?:lambda|s3):\w+)"', json.dumps(json.loads(policy))))
    asked = {
        action
        for module in ROOT.joinpath("hatch_lambda/deploy").glob("*.py")
        for action in re.findall(r'"((?:lambda|s3):\w+)"', module.read_text(encoding="utf-8"))
    }
    assert allowed == asked | {"s3:GetObject"}  # for HeadObject
