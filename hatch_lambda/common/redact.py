"""Credentials in URLs: no output, file or message of ours is to have any."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


def redact(text: str) -> str:
    """Take user names and passwords out of every URL in a text."""
    return _CREDENTIALS.sub("****@", text)


def without_credentials(url: str) -> str:
    """A URL that others can use with credentials of their own."""
    return _CREDENTIALS.sub("", url)
