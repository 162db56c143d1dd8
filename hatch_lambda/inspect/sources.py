"""The files of a zip or a directory, read without unpacking anything to disk."""

from __future__ import annotations

import weakref
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hatch_lambda.common.files import walk
from hatch_lambda.zip.reader import open_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

Item = TypeVar("Item")
Key = TypeVar("Key")

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


class Portion(NamedTuple):
    """A part of a zip. Sizes in bytes."""

    name: str
    files: int
    size: int
    compressed: int


def portion(name: str, entries: Iterable[Entry]) -> Portion:
    entries = tuple(entries)
    return Portion(name, len(entries), sum(entry.size for entry in entries), sum(entry.compressed for entry in entries))


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> defaultdict[Key, list[Item]]:
    """The items by their key."""
    groups: defaultdict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


@dataclass(frozen=True)
class Source:
    """`entries`: sorted by path. `zipped`: size of the zip file in bytes; None for a directory.

    `open`, `checksum`: read a file, or return its CRC-32, by its path.
    """

    entries: tuple[Entry, ...]
    zipped: int | None
    open: Callable[[str], IO[bytes]]
    checksum: Callable[[str], int]


def source_of(path: Path) -> Source:
    """Raises `ContentsError` or `OSError`."""
    return _directory(path) if path.is_dir() else _zip(path)


def _zip(path: Path) -> Source:
    archive = open_zip(path)
    # Of two entries with the same path, unpacking leaves the last.
    members = {member.filename.removeprefix("./"): member for member in archive.infolist() if not member.is_dir()}
    entries = tuple(
        Entry(
            name,
            member.file_size,
            member.compress_size,
            member.external_attr >> 16 if member.create_system in _MADE_ON_UNIX else 0,
        )
        for name, member in sorted(members.items())
    )

    def open_member(name: str) -> IO[bytes]:
        return archive.open(members[name])

    # What is garbage at once is finalized in any order, and a file that is not closed warns.
    weakref.finalize(open_member, archive.close)
    return Source(entries, path.stat().st_size, open_member, lambda name: members[name].CRC)


def _directory(root: Path) -> Source:
    entries = []
    for directory, _, names in walk(root):
        for name in names:
            path = Path(directory, name)
            # A symlink counts as the file it points to, as with `zip -r`. Pipes and sockets are skipped.
            if path.is_file():
                status = path.stat()
                entries.append(Entry(path.relative_to(root).as_posix(), status.st_size, status.st_size, status.st_mode))

    def checksum(name: str) -> int:
        crc = 0
        with (root / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                crc = zlib.crc32(chunk, crc)
        return crc

    return Source(tuple(sorted(entries)), None, lambda name: (root / name).open("rb"), checksum)
