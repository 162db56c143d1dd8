"""Builds that are still at work when a test interrupts them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tests.support.packages import source_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.projects import Project


def make_slow_sdist(folder: Path, name: str, slow_function: str) -> None:
    """Its backend says that it has begun, and is then busy for longer than any test waits."""
    files = source_files(name)
    files["backend.py"] += (
        f"\n\ndef {slow_function}(*args, **kwargs):\n"
        "    import time\n"
        "    pathlib.Path(os.environ['BUSY']).write_text(str(os.getpid()))\n"
        "    time.sleep(120)\n"
    )
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


@dataclass(frozen=True)
class BusyBuild:
    """A build whose sdist backend is at work, in a process group of its own as from a shell."""

    process: subprocess.Popen[bytes]
    backend: int
    shown: Path

    def signal(self, number: int) -> tuple[int, str]:
        os.killpg(self.process.pid, number)
        return self.process.wait(30), self.shown.read_text(encoding="utf-8")


def start_build(
    project: Project, shown: Path, is_begun: Callable[[int], object], **variables: str
) -> subprocess.Popen[bytes]:
    """A build in a session of its own, once something has begun. `is_begun`: is asked with the build's process."""
    with shown.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hatchling", "build", "-t", "lambda"],
            cwd=project.root,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while not is_begun(process.pid):
        assert process.poll() is None, shown.read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def start_busy_build(project: Project, tmp_path: Path) -> BusyBuild:
    busy, shown = tmp_path / "busy", tmp_path / "shown"
    process = start_build(
        project,
        shown,
        lambda _pid: busy.exists() and busy.read_text(encoding="utf-8"),
        BUSY=str(busy),
        HATCH_LAMBDA_PYTHON=sys.executable,
    )
    return BusyBuild(process, int(busy.read_text(encoding="utf-8")), shown)


def has_ended(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not _runs(pid):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
