"""From pip's output to progress."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from hatch_lambda.common.ui import megabytes

if TYPE_CHECKING:
    from hatch_lambda.common.ui import Reporter

_MEGABYTE = 1024 * 1024
PROGRESS = re.compile(r"Progress (?P<bytes>\d+) of (?P<total>\d+)")
"""A line of `--progress-bar=raw`, not kept as output. The total is 0 where the index does not state it."""
_COLLECTING = re.compile(r"\s*(?:Collecting|Processing) (?P<name>[^\s;@=<>!~(]+)")
_DOWNLOADING = re.compile(r"\s*(?:Downloading|Resuming download) (?P<filename>\S+)")
_SDIST = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.(?:tar\.\w+|tgz|zip)")
_STEPS = {
    "Installing build dependencies": "{}: installing build dependencies",
    "Getting requirements to build": "{}: build requirements",
    "Installing backend dependencies": "{}: installing build dependencies",
    "Preparing metadata": "{}: metadata",
    "Building wheel": "building {}",
}


class Listener:
    """Shows what pip is doing. `subject`: what is built, if anything is."""

    def __init__(self, reporter: Reporter, subject: str = "") -> None:
        self._reporter = reporter
        self._subject = subject
        self._seen: set[str] = set()
        self._collecting = ""
        self._downloading = ""
        self._first: tuple[float, int] | None = None
        if not subject:
            reporter.now("starting pip")

    def hear(self, line: str) -> None:
        if progress := PROGRESS.fullmatch(line):
            size, total, moment = int(progress["bytes"]), int(progress["total"]), time.monotonic()
            since, already = self._first = self._first or (moment, size)
            of_total = f"{size / _MEGABYTE:.1f} of {megabytes(total)}" if total >= _MEGABYTE else megabytes(size)
            rate = f" {megabytes(int((size - already) / (moment - since)))}/s" if moment > since else ""
            self._reporter.now(f"{self._downloading} {of_total}{rate}")
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


def _distribution_of(place: str) -> str:
    """`numpy 2.3.0` for a path or URL ending in `numpy-2.3.0-cp313-….whl` or `numpy-2.3.0.tar.gz`, else its end."""
    filename = place.rstrip("/").rpartition("/")[2]
    if filename.endswith((".whl", ".whl.metadata")):
        return " ".join(filename.split("-")[:2])
    sdist = _SDIST.fullmatch(filename)
    return f"{sdist['name']} {sdist['version']}" if sdist else filename
