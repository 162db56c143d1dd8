"""Wheels from the store instead of downloads, and word of each wheel as soon as it is complete.

Neither changes what pip resolves; a pip without the functions that are patched here downloads everything.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

from pip._internal.exceptions import InstallationError
from pip._internal.network import download
from pip._internal.operations import prepare
from pip._internal.utils.hashes import Hashes

from hatch_lambda.resolve.pip.for_target.patches import Findings, patch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Arrivals:
    """Writes the paths of wheels that are complete to a file; pip's own output has text from indexes and backends."""

    def __init__(self, file: str, early: str) -> None:
        self.file = file
        self.early = early

    def add(self, path: str) -> None:
        with open(self.file, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{json.dumps(path)}\n")

    def add_link(self, link: Any, path: str) -> None:
        """Add a wheel that pip has downloaded, under its own name and where it outlives pip's temporary folder."""
        if not link.is_wheel:
            return
        with contextlib.suppress(OSError):  # without hard links, it is inspected after pip has finished
            # A folder for each: pip may drop one of two wheels with the same name.
            place = os.path.join(tempfile.mkdtemp(dir=self.early), link.filename)  # noqa: PTH118
            os.link(path, place)
            self.add(place)


def report_downloads(arrivals: Arrivals) -> None:
    """Report each wheel as soon as it is downloaded; pip saves those that it needs only at the end."""
    if one := getattr(download, "Downloader", None):
        fetch = one.__call__

        def fetch_and_report(self: Any, link: Any, location: Any) -> Any:
            fetched = fetch(self, link, location)
            arrivals.add_link(link, fetched[0])
            return fetched

        patch(one, "__call__", fetch_and_report)

    if many := getattr(download, "BatchDownloader", None):  # until pip 25.1
        fetch_each = many.__call__

        def fetch_each_and_report(self: Any, links: Any, location: Any) -> Iterator[Any]:
            for link, fetched in fetch_each(self, links, location):
                arrivals.add_link(link, fetched[0])
                yield link, fetched

        patch(many, "__call__", fetch_each_and_report)


def use_cached_wheels(template: str, findings: Findings, arrivals: Arrivals) -> None:
    """Have pip find the store's wheels as if it had downloaded them before to the same place.

    Neither they nor their metadata are requested then. pip's own cache does less: not every index allows caching.
    """
    find_download = getattr(prepare, "_check_download_dir", None)
    if find_download is None:
        return

    def cached_wheel(link: Any) -> str | None:
        """The wheel with the SHA-256 that the index states and the same name."""
        sha256 = getattr(link, "_hashes", {}).get("sha256", "")
        if link.is_file or not link.is_wheel or not re.fullmatch("[0-9a-f]{64}", sha256):
            return None
        path = template.format(sha256=sha256, filename=link.filename)
        with contextlib.suppress(OSError):
            os.utime(path)  # marks it as in use for other builds
        try:
            Hashes({"sha256": [sha256]}).check_against_path(path)
        except (OSError, InstallationError):
            return None
        return path

    def find_cached_too(link: Any, *args: Any, **kwargs: Any) -> Any:
        found = find_download(link, *args, **kwargs)
        if found is None and (found := cached_wheel(link)) and found not in findings.cached:
            findings.cached.add(found)
            logging.getLogger(prepare.__name__).info("Using cached %s from an earlier build", link.filename)
            arrivals.add(found)
        return found

    patch(prepare, "_check_download_dir", find_cached_too)
