"""Installs what hatch-lambda itself needs for another Python into the cache."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common import process, tempfiles
from hatch_lambda.resolve.pip.variables import NOT_FOR_US

if TYPE_CHECKING:
    from collections.abc import Sequence


def install_once(requirement: str, directory: Path, python: tuple[int, int], arguments: Sequence[str] = ()) -> str:
    """Install wheels for a version of CPython into a directory, unless it exists. Returns pip's output if that fails.

    The running Python runs pip, as the other one may be too old for it. `arguments`: more of them for pip.
    """
    if directory.is_dir():
        return ""
    directory.parent.mkdir(parents=True, exist_ok=True)
    tempfiles.sweep(directory.parent, tempfiles.PART)
    with tempfile.TemporaryDirectory(prefix=tempfiles.marked(tempfiles.PART), dir=directory.parent) as scratch:
        target = Path(scratch, "installed")
        completed = process.run(
            [
                *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-color"),
                *("--progress-bar=off", "--python-version", "{}.{}".format(*python), "--implementation", "cp"),
                *("--only-binary=:all:", "--target", str(target), *arguments, requirement),
            ],
            directory=Path(scratch),
            environment={name: value for name, value in os.environ.items() if name not in NOT_FOR_US},
            on_line=lambda _line: None,
        )
        if completed.exit_code:
            return completed.output
        try:
            target.rename(directory)
        except OSError:
            if not directory.is_dir():  # else another process was faster, and its download is as good
                raise
    return ""
