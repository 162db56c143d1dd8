"""`exclude = ["*.py"]` beside `compile-bytecode`, which would package no code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.config.tables import load_project

if TYPE_CHECKING:
    from collections.abc import Mapping


def faults(table: Mapping[str, object], target: Mapping[str, object] | None = None) -> tuple[str, ...]:
    try:
        load_project({"runtime": "python3.13", **table}, target or {}, Path(), hatch_keys=["exclude"], environ={})
    except ConfigurationError as error:
        return error.faults
    return ()


@pytest.mark.parametrize("compiled", [True, "only"])
@pytest.mark.parametrize("patterns", [["*.py"], ["**/*.py", "*.pyx"], ["*.p[yx]"], ["*"]], ids=str)
def test_excluding_all_sources_is_an_error_that_names_the_way(patterns: list[str], compiled: bool | str) -> None:  # noqa: FBT001
    table = {"exclude": patterns, "compile-bytecode": compiled}

    (fault,) = faults(table)

    assert fault.startswith("Field `tool.hatch.build.hooks.lambda.exclude` leaves out all sources (")
    assert fault.endswith('To package bytecode without sources, set `compile-bytecode = "only"` and remove the pattern')


def test_it_is_an_error_in_the_table_of_a_function_or_the_target_too() -> None:
    function = {"functions": {"api": {"exclude": ["*.py"], "compile-bytecode": True}}}

    assert faults(function)[0].startswith("Field `tool.hatch.build.hooks.lambda.functions.api.exclude` ")
    (fault,) = faults({"compile-bytecode": True}, {"exclude": ["*.py"]})
    assert fault.startswith("Field `tool.hatch.build.targets.lambda.exclude` leaves out all sources ('*.py')")


@pytest.mark.parametrize(
    "table",
    [
        {"exclude": ["*.py"]},
        {"exclude": ["tests/*.py", "*.pyx"], "compile-bytecode": True},
        {"exclude": ["*.py", "!orders/*.py"], "compile-bytecode": True},
        {"exclude": [], "compile-bytecode": "only"},
    ],
    ids=str,
)
def test_other_patterns_are_none(table: dict[str, object]) -> None:
    assert faults(table, {"exclude": ["/tests"]}) == ()
