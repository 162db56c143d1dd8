"""Whether the zip archive of a wheel is consistent and safe, by its names, sizes and layout.

An archive describes its content twice, in its directory and in a header before each entry, and some tools believe the
one, some the other. So both must agree (PKWARE's APPNOTE.TXT).
"""

from __future__ import annotations

import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.wheels.members import LOCAL_HEADER, PIECE, USUAL_EXTRA, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# A wheel larger than Lambda accepts may still fit, once it is pruned.
_MOST_UNPACKED = 4 * UNZIPPED_LIMIT

ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, ValueError, struct.error, zlib.error)
"""What `zipfile` raises for archives that it cannot read; `NotImplementedError` for unknown versions and methods."""


class FaultError(Exception):
    """What is wrong with a wheel, as the reason of a `BrokenWheelError`."""


def check_archive(file: BinaryIO, archive: zipfile.ZipFile) -> None:
    """Check everything but the contents. Raises `FaultError`."""
    _check_names(archive.infolist())
    _check_kinds(archive.infolist())
    _check_sizes(archive.infolist())
    _check_layout(Reader(file), file.seek(0, io.SEEK_END), archive)


# --- Names ---


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    seen: dict[str, str] = {}
    for entry in entries:
        _check_name(entry)
        name = entry.orig_filename.rstrip("/")
        # File systems that ignore case or normalize Unicode would keep only one of the two.
        other = seen.setdefault(_folded(name), name)
        if other is not name:
            if other == name:
                raise FaultError(f"it has two entries `{name}`")
            raise FaultError(f"its entries `{other}` and `{name}` differ only in case")
    folders = {_folded(folder) for entry in entries for folder in _folders(entry.orig_filename)}
    for entry in entries:
        if not entry.is_dir() and _folded(entry.orig_filename) in folders:
            raise FaultError(f"its entry `{entry.orig_filename}` is a file and a directory of other entries")


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _folders(name: str) -> Iterator[str]:
    end = name.rstrip("/").rfind("/")
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 0, end)


# Info-ZIP's Unicode Path: a second name, which only some tools know.
_UNICODE_PATH = 0x7075
_ZIP64 = 1


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # zipfile repairs `filename`
    parts = name.removesuffix("/").split("/")
    if "\0" in name:
        raise FaultError(f"its entry {name!r} has a NUL in its name")
    if "\\" in name:
        raise FaultError(f"its entry {name!r} has a backslash in its name, which separates directories on Windows")
    if name.startswith("/") or has_drive(parts):
        raise FaultError(f"its entry `{name}` has an absolute path")
    if ".." in parts:
        raise FaultError(f"its entry `{name}` leads out of the directory it is unpacked to")
    if "" in parts or "." in parts:
        raise FaultError(f"its entry `{name}` has an empty part in its path")
    if _UNICODE_PATH in dict(_extra_fields(entry.extra)):
        raise FaultError(f"its entry `{name}` has a second name")


def has_drive(parts: list[str]) -> bool:
    """Whether Windows would consider a path absolute, without its scheme."""
    return any(re.match(r"[A-Za-z]:", part) for part in (parts[0], *(parts[2:3] if parts[0].endswith(".data") else ())))


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= _EXTRA_HEADER.size:
        kind, size = _EXTRA_HEADER.unpack_from(extra)
        yield kind, extra[_EXTRA_HEADER.size : _EXTRA_HEADER.size + size]
        extra = extra[_EXTRA_HEADER.size + size :]


_EXTRA_HEADER = struct.Struct("<HH")


# --- Kinds of entries, and what they say of their sizes ---

# APPNOTE 4.4.4: encrypted, strongly encrypted, with masked headers
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DATA_DESCRIPTOR = 0x8
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


def _check_kinds(entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
        if kind in _KINDS:
            raise FaultError(f"its entry `{name}` is {_KINDS[kind]}")
        if kind == stat.S_IFDIR and not entry.is_dir():
            raise FaultError(f"its entry `{name}` is a directory by its mode and a file by its name")
        if entry.flag_bits & _ENCRYPTED:
            raise FaultError(f"its entry `{name}` is encrypted")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise FaultError(
                f"its entry `{name}` is compressed by method {entry.compress_type}, neither stored nor deflated"
            )


# Deflate cannot do better (https://zlib.net/zlib_tech.html, "Maximum Compression Factor").
_BEST_DEFLATE = 1032
# Native code is deflated to a third or fourth of its size, data seldom to a twentieth; tables of zeros to much less.
_ABSURD_RATIO = 200
_ABSURD_FROM = 64 * 1024 * 1024


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        name = entry.orig_filename
        if entry.is_dir() and entry.file_size:
            raise FaultError(f"its entry `{name}` is a directory that has content")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise FaultError(f"its entry `{name}` is stored, but its two sizes differ")
        if entry.file_size > _BEST_DEFLATE * entry.compress_size + PIECE:
            raise FaultError(f"its entry `{name}` declares a size that its data cannot unpack to")
        if entry.file_size > max(_ABSURD_FROM, _ABSURD_RATIO * entry.compress_size):
            raise FaultError(f"its entry `{name}` unpacks to more than {_ABSURD_RATIO} times its size")
    if (total := sum(entry.file_size for entry in entries)) > _MOST_UNPACKED:
        raise FaultError(f"it unpacks to {total:,} bytes, and Lambda takes {UNZIPPED_LIMIT:,} in all")


# --- The archive ---

_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_IN_ZIP64 = 0xFFFFFFFF
_MANY_ENTRIES = 0xFFFF


def _check_layout(file: Reader, size: int, archive: zipfile.ZipFile) -> None:
    """The file must be all entries, the directory, the end, and nothing before, between or after them.

    Otherwise a tool that reads from the front finds another archive than one that reads from the end
    (https://blog.pypi.org/posts/2025-08-07-wheel-archive-confusion-attacks/).
    """
    _check_end(file, size, archive)
    position = 0
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if entry.header_offset < position:
            raise FaultError(f"its entry `{entry.orig_filename}` overlaps with another")
        if entry.header_offset > position:
            raise FaultError(f"there is hidden data before its entry `{entry.orig_filename}`")
        end = _start_of_data(file, entry) + entry.compress_size
        position = end + _descriptor_size(file, entry, end)
    if position > archive.start_dir:
        raise FaultError("its last entry overlaps with its directory")
    if position < archive.start_dir:
        raise FaultError("there is hidden data between its entries and its directory")


def _check_end(file: Reader, size: int, archive: zipfile.ZipFile) -> None:
    def read(offset: int, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(file.at(max(offset, 0), layout.size))

    end = size - _END.size - len(archive.comment)
    signature, *_disks, count, size, start, comment_size = read(end, _END)
    if signature != b"PK\x05\x06" or comment_size != len(archive.comment):
        raise FaultError("there is data after the end of its archive")
    if _IN_ZIP64 in {size, start} or count == _MANY_ENTRIES:
        locator, _disk, end_64, _disks = read(end - _LOCATOR_64.size, _LOCATOR_64)
        signature, record_size, *_versions_and_disks, count, size, start = read(end_64, _END_64)
        known = (b"PK\x06\x07", b"PK\x06\x06")
        if (locator, signature) != known or end_64 + 12 + record_size != end - _LOCATOR_64.size:
            raise FaultError("the Zip64 record at its end contradicts itself")
        end = end_64
    if start != archive.start_dir or start + size != end:
        raise FaultError("there is data before its archive, or between its directory and its end")
    if count != len(archive.infolist()):
        raise FaultError(f"its directory has {len(archive.infolist())} entries, and says it has {count}")


def _start_of_data(file: Reader, entry: zipfile.ZipInfo) -> int:
    """Check the header before an entry's data."""
    # One read suffices for most: name and extra field are seldom longer than in the directory.
    expected = len(entry.orig_filename) + USUAL_EXTRA
    header = file.at(entry.header_offset, LOCAL_HEADER.size + expected)
    signature, _version, flags, method, _time, _date, crc, packed, unpacked, name_size, extra_size = (
        LOCAL_HEADER.unpack(header[: LOCAL_HEADER.size])
    )
    start: int = entry.header_offset + LOCAL_HEADER.size + name_size + extra_size
    if name_size + extra_size > expected:
        header = file.at(entry.header_offset, start - entry.header_offset)
    name = header[LOCAL_HEADER.size :][:name_size]
    extra = dict(_extra_fields(header[LOCAL_HEADER.size + name_size :][:extra_size]))
    if signature != b"PK\x03\x04":
        raise FaultError(f"its entry `{entry.orig_filename}` has no header")
    if name != entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437"):
        raise FaultError(f"its entry `{entry.orig_filename}` has another name in its header: {name!r}")
    if _UNICODE_PATH in extra:
        raise FaultError(f"its entry `{entry.orig_filename}` has a second name")
    if (flags, method) != (entry.flag_bits, entry.compress_type):
        raise FaultError(
            f"its entry `{entry.orig_filename}` has another compression method or other flags in its header"
        )
    if _IN_ZIP64 in {packed, unpacked} and len(extra.get(_ZIP64, b"")) >= 16:  # noqa: PLR2004 - two numbers of 8
        unpacked, packed = struct.unpack_from("<2Q", extra[_ZIP64])
    told = (crc, packed, unpacked)
    # With a data descriptor, they are 0 here.
    unknown = entry.flag_bits & _DATA_DESCRIPTOR and not any(told)
    if not unknown and told != (entry.CRC, entry.compress_size, entry.file_size):
        raise FaultError(f"its entry `{entry.orig_filename}` has another size or CRC in its header")
    return start


def _descriptor_size(file: Reader, entry: zipfile.ZipInfo, end: int) -> int:
    """The length of the data descriptor: sizes and CRC after the data, unknown when the header was written.

    The signature is optional, and sizes have 8 bytes with Zip64 (APPNOTE 4.3.9).
    """
    if not entry.flag_bits & _DATA_DESCRIPTOR:
        return 0
    found = file.at(end, 24)
    for layout in ("<3I", "<I2Q"):
        descriptor = struct.pack(layout, entry.CRC, entry.compress_size, entry.file_size)
        for expected in (b"PK\x07\x08" + descriptor, descriptor):
            if found.startswith(expected):
                return len(expected)
    raise FaultError(f"its entry `{entry.orig_filename}` has another size or CRC in its data descriptor")
