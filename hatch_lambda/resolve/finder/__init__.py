"""Stage 1 without pip: the closure that pip would choose, fetched on many connections at once.

pip is the reference. Whatever is not known to come out as with pip raises `LeftToPip`, and pip does it from the start.
"""

from __future__ import annotations


class LeftToPip(Exception):  # noqa: N818 - not an error: pip can do it
    """What pip has to do; the reason is for `-v`."""


class IndexFault(LeftToPip):
    """An index fails, or has something wrong. pip asks again; if it fails, too, this is a part of the error."""
