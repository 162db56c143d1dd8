"""The files of a zip or a directory, read without unpacking anything to disk."""

from __future__ import annotations

import os
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from hatch_lambda.zip.reader import open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_MADE_ON_UNIX = (3, 19)  # APPNOTE 4.4.2: Unix and macOS
_CHUNK = 1024 * 1024


class Entry(NamedTuple):
    """A file in a zip or a directory.

    `path`: relative, with forward slashes. `size`, `compressed`: in bytes; equal in a directory. `mode`: the Unix mode,
    with the file type; 0 if the zip does not record it.
    """

    path: str
    size: int
    compressed: int
    mode: int


class Source(Protocol):
    """`entries`: sorted by path. `zipped`: size of the zip file in bytes; None for a directory."""

    @property
    def entries(self) -> tuple[Entry, ...]: ...

    @property
    def zipped(self) -> int | None: ...

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]: ...

    def checksum(self, path: str) -> int:
        """The CRC-32 of a file."""


def source_of(path: Path) -> Source:
    """Raises `ContentsError` or `OSError`."""
    return _Directory(path) if path.is_dir() else _Zip(path)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.archive = open_zip(path)
        self.zipped: int | None = path.stat().st_size
        members = (member for member in self.archive.infolist() if not member.is_dir())
        # Of two entries with the same path, unpacking leaves the last.
        self.members = {member.filename.removeprefix("./"): member for member in members}

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                path,
                member.file_size,
                member.compress_size,
                member.external_attr >> 16 if member.create_system in _MADE_ON_UNIX else 0,
            )
            for path, member in sorted(self.members.items())
        )

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with self.archive.open(self.members[path]) as file:
            yield cast("BinaryIO", file)

    def checksum(self, path: str) -> int:
        return self.members[path].CRC


class _Directory:
    zipped: int | None = None

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        def fail(error: OSError) -> None:  # by default `os.walk` silently skips what it cannot list
            raise error

        found = []
        for directory, _, names in os.walk(self.root, onerror=fail):
            for name in names:
                path = Path(directory, name)
                # A symlink counts as the file it points to, as with `zip -r`. Pipes and sockets are skipped.
                if path.is_file():
                    status = path.stat()
                    relative = path.relative_to(self.root).as_posix()
                    found.append(Entry(relative, status.st_size, status.st_size, status.st_mode))
        return tuple(sorted(found))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with (self.root / path).open("rb") as file:
            yield file

    def checksum(self, path: str) -> int:
        crc = 0
        with self.open(path) as file:
            while chunk := file.read(_CHUNK):
                crc = zlib.crc32(chunk, crc)
        return crc
