from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hatch_lambda.resolve.prefetch import Prefetch
from hatch_lambda.wheels.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_wheels_are_looked_through_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[Path] = []
    most: list[int] = []

    def look(wheel: Path, _store: Store) -> None:
        at_work.append(wheel)
        most.append(len(at_work))
        time.sleep(0.005)
        at_work.remove(wheel)

    monkeypatch.setattr("hatch_lambda.resolve.prefetch.prescan", look)

    with Prefetch(Store(tmp_path)) as prefetch:
        for number in range(10):
            prefetch.inspect(tmp_path / f"p{number}-1.0-py3-none-any.whl")

    assert most == [1] * 10
