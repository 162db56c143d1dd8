"""The table and the options over it; all faults at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.deploy.settings import FIELDS, TABLE, PerVariant, load, without_dry_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop

PLACEHOLDERS = "`{name}`, `{variant}`, `{architecture}`"
SAMPLES: dict[str, tuple[object, str, object]] = {
    "function": ("orders", "{name}-{variant}", PerVariant("{name}-{variant}")),
    "layer-name": ("common", "base", PerVariant("base")),
    "alias": ("live", "beta", "beta"),
    "publish-version": (False, "true", True),
    "bucket": ("artifacts", "other", "other"),
    "prefix": ("lambda/", "zips", "zips"),
    "region": ("eu-central-1", "us-gov-west-1", "us-gov-west-1"),
    "profile": ("prod", "dev", "dev"),
    "role": (
        "arn:aws:iam::123456789012:role/a",
        "arn:aws:iam::123456789012:role/b/c",
        PerVariant("arn:aws:iam::123456789012:role/b/c"),
    ),
    "handler": ("orders.app.handler", "orders.b.handler", PerVariant("orders.b.handler")),
    "memory": (512, "1024", PerVariant(1024)),
    "timeout": (3, "900", PerVariant(900)),
    "change-target": (False, "", True),
    "wait": (10, "60", 60),
}


@pytest.mark.parametrize("key", FIELDS)
def test_an_option_wins_over_the_table_and_this_over_the_personal_one(key: str) -> None:
    value, text, parsed = SAMPLES[key]
    name = key.replace("-", "_")
    in_table = PerVariant(value) if FIELDS[key].per_variant else value
    assert getattr(load({key: value}), name) == in_table
    assert getattr(load({}, personal={key: value}), name) == in_table
    assert getattr(load({key: value}, [(key, text)]), name) == parsed
    assert getattr(load({key: value}, personal={key: parsed if isinstance(parsed, str) else value}), name) == in_table


def test_values_by_variant_are_merged() -> None:
    table = {"function": {"api": "a", "worker": "w"}, "memory": {"api": 256}}
    settings = load(table, [("function", "api=b"), ("memory", "worker=512")])
    assert [settings.function.of(variant) for variant in ("api", "worker", None)] == ["b", "w", None]
    assert [settings.memory.of(variant) for variant in ("api", "worker", None)] == [256, 512, None]


def test_all_faults_come_at_once() -> None:
    table = {
        "alias": "5",
        "wait": 0,
        "functions": "x",
        "publish-version": "yes",
        "function": {"api": "a b"},
        "role": "orders",
        "layer-name": "{nam}",
    }
    with pytest.raises(ConfigurationError) as caught:
        load(table, [("memory", "much")])
    assert caught.value.faults == (
        f"Field `{TABLE}.alias` must be the name of an alias (letters, digits, `-` and `_`, not only digits), not '5'",
        f"Field `{TABLE}.wait` must be an integer from 1 to 3600, not 0",
        f"Unknown field `{TABLE}.functions`; did you mean `function`?",
        f"Field `{TABLE}.publish-version` must be a boolean, not 'yes'",
        f"Field `{TABLE}.function.api` must be the name or ARN of a function (letters, digits, `-` and `_`), not 'a b'",
        f"Field `{TABLE}.role` must be the ARN of a role, as in `arn:aws:iam::123456789012:role/orders`, not 'orders'",
        f"Field `{TABLE}.layer-name` has unknown placeholders: `{{nam}}`; known placeholders: {PLACEHOLDERS}",
        "Option `memory` must be an integer from 128 to 32768, not 'much'",
    )


def test_an_arn_with_an_alias_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="an alias or a version is not part of it"):
        load({"function": "arn:aws:lambda:eu-central-1:123456789012:function:orders:live"})


def test_hatch_s_own_key_is_left_alone() -> None:
    load({"disable": True})


@pytest.mark.parametrize(("text", "expected"), [("", True), ("true", True), ("0", False), ("no", False)])
def test_a_dry_run_is_an_option_alone(text: str, *, expected: bool) -> None:
    assert without_dry_run([("dry-run", text), ("alias", "live")]) == (expected, [("alias", "live")])
    with pytest.raises(ConfigurationError, match="Unknown field"):
        load({"dry-run": True})
    with pytest.raises(ConfigurationError, match="must be a boolean"):
        without_dry_run([("dry_run", "perhaps")])


def test_a_table_for_zips_that_the_project_does_not_build_is_refused(shop: Callable[..., Shop], deploy: Deploy) -> None:
    project = shop('[tool.hatch.publish.lambda.function]\napi = "front"')
    project.put()
    output = deploy(code=1).output
    assert "`tool.hatch.publish.lambda.function` names `api`, and the project builds no such zip" in output
