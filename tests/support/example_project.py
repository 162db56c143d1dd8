"""The example project of this repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

EXAMPLE = Path(__file__).parents[2] / "example_project"
NOT_SOURCES = ("dist", ".hatch", "__pycache__", ".venv")


def build_example(folder: Path, *, locked: bool = True, **environment: str) -> Path:
    """Build a copy of the example and give back the one zip that was made.

    It has locks for its runtime only; for others, it is built without.
    """
    root = folder / "example"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    if not locked:
        pyproject = root / "pyproject.toml"
        without = re.sub(r"^lock-file = .*\n", "", pyproject.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
        pyproject.write_text(without, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "lambda"],
        cwd=root,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    (made,) = (root / "dist").iterdir()
    return made


class BuiltExample(Protocol):
    def __call__(self, runtime: str = "", architecture: str = "") -> Path: ...
