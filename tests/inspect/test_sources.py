"""The files of a zip or a directory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from hatch_lambda.inspect.sources import source_of
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from pathlib import Path


def test_the_zip_is_closed_even_if_what_reads_it_is_part_of_a_cycle(tmp_path: Path) -> None:
    """Warnings are errors: a file that is collected before its archive would warn."""
    zipped = make_zip(tmp_path / "f.zip", {"app.py": "A = 1\n"})
    for _ in range(20):
        cycle: list[object] = [source_of(zipped)]
        cycle.append(cycle)
        del cycle
    assert gc.collect() >= 20
