"""The files of a bundle, and reading their content from wheels, compressed or not, with few system calls."""

from __future__ import annotations

import os
import struct
import sys
import zipfile
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

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
_LENGTHS, _PLACE_OF_LENGTHS = struct.Struct("<HH"), 26  # the end of it: of the name, of the extra field
PIECE = 256 * 1024
"""Bytes that stay in the processor's cache while they are inflated, summed and written."""
USUAL_EXTRA = 64
"""Bytes; few extra fields are longer."""
_READ_AHEAD = 256 * 1024
_SMALL = 16 * 1024
"""Bytes up to which a copy is faster than a view."""


class Reader:
    """Reads from offsets of an unbuffered file, ahead if they are consecutive, as in a wheel. For one thread."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._ahead = b""

    def at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from an offset."""
        ahead, begin = self.around(offset, size)
        return ahead[begin : begin + size]

    def around(self, offset: int, size: int) -> tuple[bytes, int]:
        """The bytes read ahead, which include those asked for if the file does, and where in them the offset is."""
        begin = offset - self._start
        left = len(self._ahead) - begin
        if begin < 0 or left < size:
            goes_on = begin >= 0 and left > -_READ_AHEAD and size < _READ_AHEAD
            self._start, begin = offset, 0
            self._ahead = self._read(offset, _READ_AHEAD if goes_on else size)
        return self._ahead, begin

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
        self._latest: tuple[Path | None, Reader | None] = (None, None)

    def reader(self, wheel: Path) -> Reader:
        latest, reader = self._latest
        if reader is None or wheel is not latest:  # hashing a path takes longer than most reads
            if wheel not in self._readers:
                self._readers[wheel] = Reader(self.enter_context(wheel.open("rb", buffering=0)))
            reader = self._readers[wheel]
            self._latest = wheel, reader
        return reader

    def read(self, source: Member | Generated) -> bytes:
        """The content of a file. Raises `BrokenWheelError`."""
        return b"".join(inflated(self, source)) if isinstance(source, Member) else source.content


def raw_pieces(wheels: OpenWheels, member: Member) -> Iterable[bytes | memoryview]:
    """The data of a member as it is in the wheel, compressed or not, in pieces. Raises `BrokenWheelError`.

    Most are small, so the header is read together with the data.
    """
    wheel = wheels.reader(member.wheel)
    size = member.compressed_size
    expected = LOCAL_HEADER.size + len(member.name) + USUAL_EXTRA + size
    ahead, header = wheel.around(member.offset, min(PIECE, expected))
    if not ahead.startswith(b"PK\3\4", header) or len(ahead) < header + LOCAL_HEADER.size:
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is not where its directory says")
    # The extra field may differ from the one in the central directory (4.3.7).
    name_length, extra_length = _LENGTHS.unpack_from(ahead, header + _PLACE_OF_LENGTHS)
    start = header + LOCAL_HEADER.size + name_length + extra_length
    if size <= _SMALL and start + size <= len(ahead):
        return (ahead[start : start + size],)
    piece = memoryview(ahead)[start : start + size]
    return (piece,) if len(piece) == size else _pieces(wheel, member, start - header, piece)


def _pieces(wheel: Reader, member: Member, start: int, piece: memoryview) -> Iterator[memoryview]:
    place = member.offset + start + len(piece)
    left = member.compressed_size
    while left:
        if not piece:
            piece = memoryview(wheel.at(place, min(left, PIECE)))
            place += len(piece)
        if not piece:
            raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is cut off")
        yield piece
        left -= len(piece)
        piece = piece[:0]


def inflated(wheels: OpenWheels, member: Member) -> Iterator[bytes | memoryview]:
    """The content of a member in pieces, checked. Raises `BrokenWheelError`."""
    try:
        if member.method in {STORED, DEFLATED}:
            yield from inflate(raw_pieces(wheels, member), member.method, member.size, member.crc)
        else:
            with zipfile.ZipFile(member.wheel) as archive:
                yield archive.read(member.name)
    except (CorruptEntryError, zipfile.BadZipFile) as error:
        raise BrokenWheelError(member.wheel.name, f"its entry `{member.name}` {error}") from None


class CorruptEntryError(Exception):
    """How an entry differs from its headers, as in `is damaged`."""


_Piece = TypeVar("_Piece", bytes, bytes | memoryview)


def inflate(raw: Iterable[_Piece], method: int, expected_size: int, expected_crc: int) -> Iterator[_Piece]:
    """The content of an entry, stored or deflated, in pieces of at most `PIECE` bytes.

    Raises `CorruptEntryError`, at the latest after the last piece.
    """
    size, crc = 0, 0
    pieces: Iterable[_Piece] = raw if method == STORED else _inflated(raw)
    for piece in pieces:
        size += len(piece)
        if size > expected_size:
            raise CorruptEntryError(f"unpacks to more than the {expected_size} bytes it says")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size < expected_size:
        raise CorruptEntryError(f"unpacks to {size} bytes, not the {expected_size} it says")
    if crc != expected_crc:
        raise CorruptEntryError("is damaged: its CRC is not the one it says")


def _inflated(raw: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in raw:
            left: bytes | memoryview = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, PIECE)
                left = inflater.unconsumed_tail
        while not inflater.eof and (rest := inflater.decompress(b"", PIECE)):
            yield rest
    except zlib.error as error:
        raise CorruptEntryError(f"is damaged: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise CorruptEntryError("is damaged: its compressed data ends elsewhere than it says")
