"""What pip says while it is at work: who watches gets to know what it is at, and `ahead` which wheels have come."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.ui import megabytes
from hatch_lambda.resolve.pip.for_target import WHEEL_IS_HERE

if TYPE_CHECKING:
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.resolve.prefetch import Ahead

_MEGABYTE = 1024 * 1024
_PROGRESS = re.compile(r"Progress (?P<bytes>\d+) of (?P<total>\d+)")  # 0 where the index does not say
_WHEEL = re.compile(rf"{re.escape(WHEEL_IS_HERE)}(?P<path>.+)")
PASSING = re.compile(f"{_PROGRESS.pattern}$|{_WHEEL.pattern}")
"""What tells of progress alone, and need not be kept."""
_COLLECTING = re.compile(r"\s*(?:Collecting|Processing) (?P<name>[^\s;@=<>!~(]+)")
_DOWNLOADING = re.compile(r"\s*(?:Downloading|Resuming download) (?P<filename>\S+)")
_SDIST = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:tar\.\w+|tgz|zip)")
_STEPS = {
    "Installing build dependencies": "{}: installing build tools",
    "Getting requirements to build": "{}: build tools",
    "Installing backend dependencies": "{}: installing build tools",
    "Preparing metadata": "{}: metadata",
    "Building wheel": "building {}",
}


class Listener:
    """Makes of pip's words what it is doing at the moment."""

    def __init__(self, reporter: Reporter, subject: str = "", ahead: Ahead | None = None) -> None:
        self._reporter = reporter
        self._subject = subject
        self._ahead = ahead
        self._seen: set[str] = set()
        self._collecting = ""
        self._downloading = ""
        self._first: tuple[float, int] | None = None
        if not subject:
            reporter.now("starting pip")

    def hear(self, line: str) -> None:
        if self._ahead:
            self._ahead.begin()
        if progress := _PROGRESS.fullmatch(line):
            self._tell_progress(int(progress["bytes"]), int(progress["total"]))
            return
        if wheel := _WHEEL.fullmatch(line):
            if self._ahead:
                self._ahead.look(Path(wheel["path"]))
            return
        self._reporter.detail(line)
        if not self._subject and (collecting := _COLLECTING.match(line)):
            self._collecting = _distribution_of(collecting["name"])
            self._seen.add(self._collecting)
            self._reporter.now(f"collecting {self._collecting} ({len(self._seen)} so far)")
        elif downloading := _DOWNLOADING.match(line):
            self._downloading = _distribution_of(downloading["filename"])
            self._first = None
            if not downloading["filename"].endswith(".metadata"):
                self._reporter.now(f"downloading {self._downloading}")
        elif step := next((step for step in _STEPS if line.lstrip().startswith(step)), None):
            self._reporter.now(_STEPS[step].format(self._subject or self._collecting))

    def _tell_progress(self, size: int, total: int) -> None:
        moment = time.monotonic()
        since, already = self._first = self._first or (moment, size)
        of_total = f"{size / _MEGABYTE:.1f} of {megabytes(total)}" if total >= _MEGABYTE else megabytes(size)
        rate = f" {megabytes(int((size - already) / (moment - since)))}/s" if moment > since else ""
        self._reporter.now(f"{self._downloading} {of_total}{rate}")


def _distribution_of(place: str) -> str:
    """`numpy 2.3.0` of a path or URL that ends in `numpy-2.3.0-cp313-….whl` or `numpy-2.3.0.tar.gz`; else its end."""
    filename = place.rstrip("/").rpartition("/")[2]
    if filename.endswith((".whl", ".whl.metadata")):
        return " ".join(filename.split("-")[:2])
    sdist = _SDIST.fullmatch(filename)
    return f"{sdist['name']} {sdist['version']}" if sdist else filename
