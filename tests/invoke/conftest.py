from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.functions import APP, zipped


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A zip of `APP`."""
    return zipped(tmp_path / "app.zip", {"app.py": APP, "package/__init__.py": ""})


@pytest.fixture
def temporary() -> Path:
    """Where temporary directories are created."""
    return Path(os.environ["TMPDIR"])
