"""Reading wheels where they are: their entries as they lie in there, compressed or not, with few calls."""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from hatch_lambda.errors import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hatch_lambda.bundle import Member

LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")  # APPNOTE 4.3.7
_PIECE = 1024 * 1024
USUAL_EXTRA = 64
"""Bytes that an entry's extra field seldom exceeds."""
_READ_AHEAD = 256 * 1024


class Reader:
    """Reads at places of a file. What lies one behind the other, as most files of a wheel do, takes few calls.

    `file`: open without a buffer. It is for one thread.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = 0
        self._ahead = b""

    def at(self, offset: int, size: int) -> bytes:
        """Up to so many bytes from a place."""
        begin = offset - self._start
        left = len(self._ahead) - begin
        if begin < 0 or left < size:
            goes_on = begin >= 0 and left > -_READ_AHEAD and size < _READ_AHEAD
            self._start, begin = offset, 0
            self._ahead = self._read(offset, _READ_AHEAD if goes_on else size)
        return self._ahead[begin : begin + size]

    def _read(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, offset)
        self._file.seek(offset)
        return self._file.read(size)


class OpenWheels(ExitStack):
    """Wheels that are read from, each of which is opened once. It is for one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[Path, Reader] = {}

    def reader(self, wheel: Path) -> Reader:
        if wheel not in self._readers:
            self._readers[wheel] = Reader(self.enter_context(wheel.open("rb", buffering=0)))
        return self._readers[wheel]


def raw_pieces(wheels: OpenWheels, member: Member) -> Iterable[bytes]:
    """A member as it lies in its wheel, compressed or not, in pieces. Raises `BrokenWheelError`.

    Most are small: the header is read together with what comes behind it.
    """
    wheel = wheels.reader(member.wheel)
    size = member.compressed_size
    ahead = wheel.at(member.offset, min(LOCAL_HEADER.size + len(member.name) + USUAL_EXTRA + size, _PIECE))
    start = _start_of_data(ahead, member)
    piece = ahead[start : start + size]
    return (piece,) if len(piece) == size else _pieces(wheel, member, start, piece)


def _pieces(wheel: Reader, member: Member, start: int, piece: bytes) -> Iterator[bytes]:
    place = member.offset + start + len(piece)
    left = member.compressed_size
    while left:
        if not piece:
            piece = wheel.at(place, min(left, _PIECE))
            place += len(piece)
        if not piece:
            raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is cut off")
        yield piece
        left -= len(piece)
        piece = b""


def _start_of_data(ahead: bytes, member: Member) -> int:
    """Behind the member's own header, whose extra field may differ from the one in the central directory (4.3.7)."""
    if len(ahead) < LOCAL_HEADER.size or ahead[:4] != b"PK\3\4":
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is not where its directory says")
    *_, name_length, extra_length = LOCAL_HEADER.unpack_from(ahead)
    return LOCAL_HEADER.size + int(name_length) + int(extra_length)
