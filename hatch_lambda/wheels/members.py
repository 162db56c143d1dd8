"""The files that wheels bring to a bundle."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


STORED, DEFLATED = 0, 8  # a zip's compression methods that wheels have (APPNOTE 4.4.5)


FILE_MODE = 0o644


EXECUTABLE_MODE = 0o755


class Member(NamedTuple):
    """Content that is an entry of a wheel, and where it is in there, for those who copy it as it is.

    A plain tuple, as a bundle has thousands of them.
    """

    wheel: Path
    name: str
    method: int
    """The compression method, as in a zip's headers."""
    crc: int
    compressed_size: int
    size: int
    offset: int
    """Of the entry's own header."""

    def read(self) -> bytes:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(self.name)


class Text(NamedTuple):
    """Content made here: the scripts of entry points, a RECORD that is true to the layout."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        return self.content


class BundleFile(NamedTuple):
    """A file below the root of the bundle. `path`: with forward slashes. `owner`: the distribution that brings it."""

    path: str
    mode: int
    source: Member | Text
    owner: str
