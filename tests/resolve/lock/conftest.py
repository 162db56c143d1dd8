"""Bundles from lock files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.lock_tools import StandIns
from tests.support.locks import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


@pytest.fixture
def build(bundle_of: BundleOf, project_root: Path) -> BundleOf:
    """`bundle_of` with the lock file of the project's folder."""
    del project_root

    def run(*requirements: str, **table: object) -> Bundle:
        return bundle_of(*requirements, **{"lock_file": LOCK, **table})

    return run


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder that no index knows."""
    return tmp_path / "wheels"


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns.alone(tmp_path / "tools", monkeypatch)
