"""Which cases of a parametrized test are in the quick run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def first_quick(cases: Iterable[Any], *, quick: int = 1) -> list[Any]:
    """Of cases that cost time, the first `quick` ones stand for their kind in the quick run."""
    return [
        case
        if number < quick
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]
