"""Wheels from the store instead of downloads."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from typing import Any

from pip._internal.exceptions import InstallationError
from pip._internal.operations import prepare
from pip._internal.utils.hashes import Hashes

from hatch_lambda.resolve.pip.for_target.patches import Findings, patch


def use_cached_wheels(template: str, findings: Findings) -> None:
    """Have pip find the store's wheels as if it had downloaded them before to the same place.

    Neither they nor their metadata are requested then. pip's own cache does less: not every index allows caching. A pip
    without the function that is patched here downloads everything.
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
        return found

    patch(prepare, "_check_download_dir", find_cached_too)
