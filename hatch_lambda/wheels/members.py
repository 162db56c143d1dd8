"""The files of a bundle, and reading their content from wheels, compressed or not, with few system calls."""

from __future__ import annotations

import os
import struct
import sys
import zipfile
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hatch_lambda.common.errors import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STORED, DEFLATED = 0, 8  # a zip's compression methods that wheels have (APPNOTE 4.4.5)
FILE_MODE = 0o644
EXECUTABLE_MODE = 0o755


class Member(NamedTuple):
    """An entry of a wheel, with all that copying it needs. A tuple, as a bundle has thousands of them."""

    wheel: Path
    name: str
    method: int
    """The compression method, as in a zip's headers."""
    crc: int
    compressed_size: int
    size: int
    offset: int
    """Of the local header."""

    @classmethod
    def of(cls, wheel: Path, entry: zipfile.ZipInfo) -> Member:
        sizes = entry.compress_size, entry.file_size
        return cls(wheel, entry.filename, entry.compress_type, entry.CRC, *sizes, entry.header_offset)

    def read(self) -> bytes:
        """Raises `BrokenWheelError`."""
        with OpenWheels() as wheels:
            return wheels.read(self)


class Generated(NamedTuple):
    """Content made here, such as scripts of entry points, or RECORD."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self) -> bytes:
        return self.content


class BundleFile(NamedTuple):
    """A file of a bundle. `path`: from its root, with forward slashes. `owner`: `name version` of its distribution."""

    path: str
    mode: int
    source: Member | Generated
    owner: str


LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")  # APPNOTE 4.3.7
PIECE = 256 * 1024
"""Bytes that stay in the processor's cache while they are inflated, summed and written."""
USUAL_EXTRA = 64
"""Bytes; few extra fields are longer."""
_READ_AHEAD = 256 * 1024


class Reader:
    """Reads from offsets of an unbuffered file, ahead if they are consecutive, as in a wheel. For one thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._ahead = b""

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from an offset."""
        begin = offset - self._start
        left = len(self._ahead) - begin
        if begin < 0 or left < size:
            goes_on = begin >= 0 and left > -_READ_AHEAD and size < _READ_AHEAD
            self._start, begin = offset, 0
            self._ahead = self._read(offset, _READ_AHEAD if goes_on else size)
        return self._ahead[begin : begin + size]

    def _read(self, offset: int, size: int) -> bytes:
        if sys.platform == "win32":
            self._file.seek(offset)
            return self._file.read(size)
        else:  # noqa: RET505 - mypy knows branches by platform
            return os.pread(self._file.fileno(), size, offset)


class OpenWheels(ExitStack):
    """Wheels to read from, each opened once. For one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[Path, Reader] = {}

    def reader(self, wheel: Path) -> Reader:
        if wheel not in self._readers:
            self._readers[wheel] = Reader(self.enter_context(wheel.open("rb", buffering=0)))
        return self._readers[wheel]

    def read(self, source: Member | Generated) -> bytes:
        """The content of a file. Raises `BrokenWheelError`."""
        return b"".join(inflated(self, source)) if isinstance(source, Member) else source.content


def raw_pieces(wheels: OpenWheels, member: Member) -> Iterator[bytes]:
    """The data of a member as it is in the wheel, compressed or not, in pieces. Raises `BrokenWheelError`."""
    wheel, left = wheels.reader(member.wheel), member.compressed_size
    expected = LOCAL_HEADER.size + len(member.name) + USUAL_EXTRA
    # Most are small, so the header is read together with the data.
    header = wheel.at(member.offset, expected + left if left < PIECE else expected)
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
        raise _broken(member, "is not where its directory says")
    *_facts, name_length, extra_length = LOCAL_HEADER.unpack_from(header)
    # The extra field may differ from the one in the central directory (4.3.7).
    place = member.offset + LOCAL_HEADER.size + name_length + extra_length
    while left:
        piece = wheel.at(place, min(left, PIECE))
        if not piece:
            raise _broken(member, "is cut off")
        yield piece
        place += len(piece)
        left -= len(piece)


def inflated(wheels: OpenWheels, member: Member) -> Iterator[bytes]:
    """The content of a member in pieces, checked. Raises `BrokenWheelError`."""
    if member.method in {STORED, DEFLATED}:
        yield from inflate(raw_pieces(wheels, member), member)
        return
    try:
        with zipfile.ZipFile(member.wheel) as archive:
            yield archive.read(member.name)
    except zipfile.BadZipFile as error:
        raise _broken(member, str(error)) from None


def inflate(raw: Iterable[bytes], member: Member) -> Iterator[bytes]:
    """The content of a stored or deflated member, in pieces of at most `PIECE` bytes.

    Raises `BrokenWheelError`, at the latest after the last piece.
    """
    size, crc = 0, 0
    for piece in raw if member.method == STORED else _inflated(raw, member):
        size += len(piece)
        if size > member.size:
            raise _broken(member, f"unpacks to more than the {member.size} bytes it says")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size < member.size:
        raise _broken(member, f"unpacks to {size} bytes, not the {member.size} it says")
    if crc != member.crc:
        raise _broken(member, "is damaged: its CRC is not the one it says")


def _inflated(raw: Iterable[bytes], member: Member) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in raw:
            left = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, PIECE)
                left = inflater.unconsumed_tail
        while not inflater.eof and (rest := inflater.decompress(b"", PIECE)):
            yield rest
    except zlib.error as error:
        raise _broken(member, f"is damaged: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise _broken(member, "is damaged: its compressed data ends elsewhere than it says")


def _broken(member: Member, what: str) -> BrokenWheelError:
    return BrokenWheelError(member.wheel.name, f"its entry `{member.name}` {what}")
