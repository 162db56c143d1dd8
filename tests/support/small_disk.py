"""Builds that run out of disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# In a namespace of its own, where anyone may mount: a file system of so many kilobytes at a folder. What is in it is
# there only for as long as the build runs, so that it is copied.
_ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1"k none "$2" || exit 77
[ -e "$3" ] && cp -r "$3/." "$2"
"$5" -m hatchling build -t lambda
code=$?
cp -r "$2/." "$4"
exit $code
"""


def build_on_a_small_disk(
    root: Path, kilobytes: int, place: Path, *, before: Path, after: Path
) -> subprocess.CompletedProcess[str]:
    if not shutil.which("unshare"):  # a small disk takes Linux and the right to mount one
        pytest.skip("no unshare at hand")
    place.mkdir(parents=True, exist_ok=True)
    after.mkdir()
    arguments = [str(kilobytes), str(place), str(before), str(after), sys.executable]
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ON_A_SMALL_DISK, "sh", *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Containers often forbid it, whoever asks.
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("nothing may be mounted here")
    return ended
