"""Patterns that match nothing."""

from __future__ import annotations

import pytest

from hatch_lambda.config.patterns import unmatched

PATHS = ["orders/app.py", "orders/data/eu.json", "README.md"]


@pytest.mark.parametrize(
    "pattern",
    ["orders", "/orders/", "app.py", "*.json", "**/eu.json", "orders/data/**", "!README.md", "# comment", "a\n", "*"],
)
def test_a_pattern_that_matches(pattern: str) -> None:
    assert unmatched([pattern], [*PATHS, "a"]) == ()


@pytest.mark.parametrize("pattern", ["order", "/app.py", "*.jsn", "README.md/", "!gone.py", "data/eu.json"])
def test_a_pattern_that_matches_nothing(pattern: str) -> None:
    assert unmatched([pattern, "orders", pattern], PATHS) == (pattern,)


@pytest.mark.parametrize(
    "pattern", ["__pycache__", "**/__pycache__/", "*.pyc", "*.py[cod]", ".DS_Store", ".git", ".venv"]
)
def test_what_is_never_packaged_may_be_excluded_in_any_case(pattern: str) -> None:
    assert unmatched([pattern], []) == ()
