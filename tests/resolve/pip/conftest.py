"""A pip that is not as expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def changed_pip(tmp_path: Path) -> Callable[[str], Path]:
    """A folder that, in front of all others, has the pip at hand changed before anything else is done with it."""

    def change(statements: str) -> Path:
        folder = tmp_path / "changed"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(f"{statements}\n", encoding="utf-8")
        return folder

    return change
