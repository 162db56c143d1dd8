"""Whether a wheel is what it says: its archive, its names and its RECORD, before anything of it is used.

A zip archive tells of its content three times: in a directory at its end, in a header before each entry, and by what
the entry unpacks to; a wheel tells once more in RECORD. Tools differ in whom they believe, so all have to agree
(https://packaging.python.org/specifications/binary-distribution-format, PKWARE's APPNOTE.TXT).
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import cores
from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.wheels.members import LOCAL_HEADER, PIECE, USUAL_EXTRA, CorruptEntryError, Reader, inflate
from hatch_lambda.wheels.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from packaging.utils import NormalizedName

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: what a function may weigh unzipped. A wheel
# that is some way beyond may still fit, once what Lambda does not need is left out.
_MOST_UNPACKED = 4 * UNZIPPED_LIMIT
# RECORD and METADATA are read as a whole.
_MOST_METADATA = 64 * 1024 * 1024
_LARGE = 256 * 1024  # worth a thread of its own


Watch = Callable[[str, Iterator[bytes]], Iterable[bytes]]
"""Takes a file's name and its content in pieces, and gives the same pieces."""


def check_wheel(path: Path, watch: Watch = lambda _name, content: content) -> None:
    """Refuse a wheel that is damaged, contradicts itself, or would do harm where it is unpacked.

    That takes inflating every file. `watch` sees each file's content as it comes; large files come from other threads.

    Raises `BrokenWheelError`, which names the entry that is at fault.
    """
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise BrokenWheelError(path.name, str(error)) from None
    try:
        with path.open("rb", buffering=0) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_names(entries)
            _check_kinds(entries)
            _check_sizes(entries)
            contents = tuple(_Archive(file, archive).contents())
            dist_info = _dist_info(entries, name, version)
            by_name = {content.name: content for content in contents}
            _check_metadata(by_name, dist_info, name, version)
            _check_content(path, by_name, dist_info, watch)
    except _FaultError as fault:
        raise BrokenWheelError(path.name, str(fault)) from None
    except ZIP_ERRORS as error:
        raise BrokenWheelError(path.name, f"it is damaged or cut short: {error}") from None


class _FaultError(Exception):
    """What is wrong with a wheel, as the reason of a `BrokenWheelError`."""


# What `zipfile` raises for archives that it cannot read: not all of it is `BadZipFile`. `NotImplementedError` is its
# word for a version of the format or a method of compression that it does not know; no wheel has these.
ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OverflowError, ValueError, struct.error, zlib.error)


# --- Names ---


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    seen: dict[str, str] = {}
    for entry in entries:
        _check_name(entry)
        name = entry.orig_filename.rstrip("/")
        # A file system that does not tell case (or composed from decomposed letters) would keep one of the two.
        other = seen.setdefault(_folded(name), name)
        if other is not name:
            if other == name:
                raise _FaultError(f"it has two entries `{name}`")
            raise _FaultError(f"its entries `{other}` and `{name}` differ only in case")
    folders = {_folded(folder) for entry in entries for folder in _folders(entry.orig_filename)}
    for entry in entries:
        if not entry.is_dir() and _folded(entry.orig_filename) in folders:
            raise _FaultError(f"its entry `{entry.orig_filename}` is a file, and a folder of other entries too")


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _folders(name: str) -> Iterator[str]:
    end = name.rstrip("/").rfind("/")
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 0, end)


# Info-ZIP's Unicode Path: a second name, which some tools prefer and others do not know.
_UNICODE_PATH = 0x7075
_ZIP64 = 1


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # `filename` is what is left of it after zipfile's own repairs
    parts = name.removesuffix("/").split("/")
    if "\0" in name:
        raise _FaultError(f"its entry {name!r} has a NUL in its name")
    if "\\" in name:
        raise _FaultError(f"its entry {name!r} has a backslash in its name, which is a folder's end on Windows")
    if name.startswith("/") or _has_drive(parts):
        raise _FaultError(f"its entry `{name}` has an absolute path")
    if ".." in parts:
        raise _FaultError(f"its entry `{name}` leads out of the folder that it is unpacked to")
    if "" in parts or "." in parts:
        raise _FaultError(f"its entry `{name}` has an empty part in its path")
    if _UNICODE_PATH in dict(_extra_fields(entry.extra)):
        raise _FaultError(f"its entry `{name}` has a second name")


def _has_drive(parts: list[str]) -> bool:
    """Whether Windows would take a path for an absolute one, once the scheme is taken off it."""
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
            raise _FaultError(f"its entry `{name}` is {_KINDS[kind]}")
        if kind == stat.S_IFDIR and not entry.is_dir():
            raise _FaultError(f"its entry `{name}` is a folder by its mode and a file by its name")
        if entry.flag_bits & _ENCRYPTED:
            raise _FaultError(f"its entry `{name}` is encrypted")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise _FaultError(
                f"its entry `{name}` is compressed by method {entry.compress_type}, neither stored nor deflated"
            )


# Deflate cannot do better (https://zlib.net/zlib_tech.html, "Maximum Compression Factor").
_BEST_DEFLATE = 1032
# A wheel of native code unpacks to 3 or 4 times its size, one of data seldom to 20 times; tables of zeros may be dense.
_ABSURD_RATIO = 200
_ABSURD_FROM = 64 * 1024 * 1024


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        name = entry.orig_filename
        if entry.is_dir() and entry.file_size:
            raise _FaultError(f"its entry `{name}` is a folder that has content")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise _FaultError(f"its entry `{name}` is stored, yet has two sizes")
        if entry.file_size > _BEST_DEFLATE * entry.compress_size + PIECE:
            raise _FaultError(f"its entry `{name}` says that it unpacks to more than its data can hold")
        if entry.file_size > max(_ABSURD_FROM, _ABSURD_RATIO * entry.compress_size):
            raise _FaultError(f"its entry `{name}` unpacks to more than {_ABSURD_RATIO} times its size")
    if (total := sum(entry.file_size for entry in entries)) > _MOST_UNPACKED:
        raise _FaultError(f"it unpacks to {total:,} bytes, and Lambda takes {UNZIPPED_LIMIT:,} in all")


# --- The archive ---

_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_IN_ZIP64 = 0xFFFFFFFF
_MANY_ENTRIES = 0xFFFF


@dataclass(frozen=True)
class _Content:
    """An entry of which the headers have been found to agree."""

    file: Reader
    entry: zipfile.ZipInfo
    start: int

    @property
    def name(self) -> str:
        return self.entry.orig_filename

    @property
    def end(self) -> int:
        return self.start + self.entry.compress_size

    def chunks(self) -> Iterator[bytes]:
        """The content, checked against the headers."""
        entry = self.entry
        try:
            yield from inflate(self._packed(), entry.compress_type, entry.file_size, entry.CRC)
        except CorruptEntryError as error:
            raise _FaultError(f"its entry `{self.name}` {error}") from None

    def _packed(self) -> Iterator[bytes]:
        # The place is kept here, not in the file: another entry may be read between two chunks of this one.
        position = self.start
        while position < self.end:
            data = self.file.at(position, min(PIECE, self.end - position))
            if not data:
                raise _FaultError(f"its entry `{self.name}` is cut short")
            position += len(data)
            yield data

    def read(self) -> bytes:
        if self.entry.file_size > _MOST_METADATA:
            raise _FaultError(f"its entry `{self.name}` is too large for what it is")
        return b"".join(self.chunks())


class _Archive:
    """The layout of the file: entry upon entry, the directory, the end, and nothing between, before or behind.

    Else a tool that reads from the front finds another archive than one that reads from the end
    (https://blog.pypi.org/posts/2025-08-07-wheel-archive-confusion-attacks/).
    """

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile) -> None:
        self.file = Reader(file)
        self.size = file.seek(0, io.SEEK_END)
        self.entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        self.directory = archive.start_dir
        self._check_end(len(archive.comment))

    def _read(self, offset: int, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self.file.at(max(offset, 0), layout.size))

    def _check_end(self, comment: int) -> None:
        end = self.size - _END.size - comment
        signature, *_disks, count, size, offset, comment_size = self._read(end, _END)
        if signature != b"PK\x05\x06" or comment_size != comment:
            raise _FaultError("there is something behind the end of its archive")
        if _IN_ZIP64 in {size, offset} or count == _MANY_ENTRIES:
            end, count, size, offset = self._end_64(end)
        if offset != self.directory or offset + size != end:
            raise _FaultError("there is something before its archive, or between its directory and its end")
        if count != len(self.entries):
            raise _FaultError(f"its directory has {len(self.entries)} entries, and says it has {count}")

    def _end_64(self, end: int) -> tuple[int, int, int, int]:
        locator, _disk, start, _disks = self._read(end - _LOCATOR_64.size, _LOCATOR_64)
        signature, record_size, *_versions_and_disks, count, size, offset = self._read(start, _END_64)
        known = (b"PK\x06\x07", b"PK\x06\x06")
        if (locator, signature) != known or start + 12 + record_size != end - _LOCATOR_64.size:
            raise _FaultError("the Zip64 record at its end contradicts itself")
        return start, count, size, offset

    def contents(self) -> Iterator[_Content]:
        position = 0
        for entry in self.entries:
            if entry.header_offset < position:
                raise _FaultError(f"its entry `{entry.orig_filename}` overlaps with another")
            if entry.header_offset > position:
                raise _FaultError(f"there is something hidden before its entry `{entry.orig_filename}`")
            content = self._content(entry)
            position = content.end + self._descriptor_size(content)
            yield content
        if position > self.directory:
            raise _FaultError("its last entry overlaps with its directory")
        if position < self.directory:
            raise _FaultError("there is something hidden between its entries and its directory")

    def _content(self, entry: zipfile.ZipInfo) -> _Content:
        # Most headers are read at once: name and extra field are seldom longer than the directory has them.
        expected = len(entry.orig_filename) + USUAL_EXTRA
        header = self.file.at(entry.header_offset, LOCAL_HEADER.size + expected)
        signature, _version, flags, method, _time, _date, crc, packed, unpacked, name_size, extra_size = (
            LOCAL_HEADER.unpack(header[: LOCAL_HEADER.size])
        )
        start = entry.header_offset + LOCAL_HEADER.size + name_size + extra_size
        if name_size + extra_size > expected:
            header = self.file.at(entry.header_offset, start - entry.header_offset)
        name = header[LOCAL_HEADER.size :][:name_size]
        extra = dict(_extra_fields(header[LOCAL_HEADER.size + name_size :][:extra_size]))
        if signature != b"PK\x03\x04":
            raise _FaultError(f"its entry `{entry.orig_filename}` has no header")
        if name != entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437"):
            raise _FaultError(f"its entry `{entry.orig_filename}` has another name in its header: {name!r}")
        if _UNICODE_PATH in extra:
            raise _FaultError(f"its entry `{entry.orig_filename}` has a second name")
        if (flags, method) != (entry.flag_bits, entry.compress_type):
            raise _FaultError(f"its entry `{entry.orig_filename}` is packed in another way by its header")
        if _IN_ZIP64 in {packed, unpacked} and len(extra.get(_ZIP64, b"")) >= 16:  # noqa: PLR2004 - two numbers of 8
            unpacked, packed = struct.unpack_from("<2Q", extra[_ZIP64])
        told = (crc, packed, unpacked)
        # What is not known yet when the header is written comes behind the data, and stands as 0 here.
        unknown = entry.flag_bits & _DATA_DESCRIPTOR and not any(told)
        if not unknown and told != (entry.CRC, entry.compress_size, entry.file_size):
            raise _FaultError(f"its entry `{entry.orig_filename}` has another size or CRC in its header")
        return _Content(self.file, entry, start)

    def _descriptor_size(self, content: _Content) -> int:
        """The length of what follows the data of an entry whose header was written before its sizes were known.

        The signature is optional, and sizes have 8 bytes with Zip64 (APPNOTE 4.3.9).
        """
        entry = content.entry
        if not entry.flag_bits & _DATA_DESCRIPTOR:
            return 0
        found = self.file.at(content.end, 24)
        for layout in ("<3I", "<I2Q"):
            descriptor = struct.pack(layout, entry.CRC, entry.compress_size, entry.file_size)
            for expected in (b"PK\x07\x08" + descriptor, descriptor):
                if found.startswith(expected):
                    return len(expected)
        raise _FaultError(f"its entry `{entry.orig_filename}` has another size or CRC behind its data")


# --- .dist-info ---


def _dist_info(entries: list[zipfile.ZipInfo], name: NormalizedName, version: Version) -> str:
    folders = {entry.orig_filename.partition("/")[0] for entry in entries if "/" in entry.orig_filename}
    found = sorted(folder for folder in folders if folder.lower().endswith(".dist-info"))
    if not found:
        raise _FaultError("it has no .dist-info folder")
    if len(found) > 1:
        raise _FaultError(f"it has more than one .dist-info folder: {', '.join(found)}")
    its_name, _, its_version = found[0][: -len(".dist-info")].partition("-")
    if canonicalize_name(its_name) != name or _version(its_version) != version:
        raise _FaultError(f"its file name says {name} {version}, its folder is `{found[0]}`")
    return found[0]


def _version(text: str) -> Version | None:
    try:
        # PEP 427 writes `_` for what a file name cannot have.
        return Version(text.replace("_", "-"))
    except InvalidVersion:
        return None


def _check_metadata(contents: dict[str, _Content], dist_info: str, name: NormalizedName, version: Version) -> None:
    for filename in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{filename}" not in contents:
            raise _FaultError(f"it has no `{dist_info}/{filename}`")
    metadata = Metadata(contents[f"{dist_info}/METADATA"].read().decode("utf-8", "replace"))
    its_name, its_version = _header(metadata, "Name", "METADATA"), _header(metadata, "Version", "METADATA")
    if canonicalize_name(its_name) != name or _version(its_version) != version:
        raise _FaultError(f"its file name says {name} {version}, its METADATA {its_name} {its_version}")
    wheel_version = _header(
        Metadata(contents[f"{dist_info}/WHEEL"].read().decode("utf-8", "replace")), "Wheel-Version", "WHEEL"
    )
    if wheel_version.partition(".")[0] != "1":
        raise _FaultError(f"its format is version {wheel_version}, only 1 is known")


def _header(metadata: Metadata, key: str, filename: str) -> str:
    values = metadata.all(key)
    if len(values) != 1:
        raise _FaultError(f"its {filename} has {len(values)} fields `{key}`, not one")
    return values[0]


# --- RECORD ---

# The specification asks for sha256 or better and names md5 and sha1 as not permitted.
_STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})
# RECORD cannot hold its own hash, and signatures of RECORD are made after it.
_UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def _check_content(path: Path, contents: dict[str, _Content], dist_info: str, watch: Watch) -> None:
    exempt = frozenset(f"{dist_info}/{filename}" for filename in _UNRECORDED)
    record = _record(contents[f"{dist_info}/RECORD"])
    files = {name: content for name, content in contents.items() if not content.entry.is_dir()}
    for name in record:
        if name not in files and name not in exempt and not name.endswith("/"):
            raise _FaultError(f"its RECORD lists `{name}`, which it does not have")
    for name in files:
        if name not in exempt and name not in record:
            raise _FaultError(f"it has `{name}`, which its RECORD does not list")

    def check(content: _Content) -> None:
        pieces = watch(content.name, content.chunks())
        if content.name in exempt:
            for _piece in pieces:
                pass
        else:
            _check_hash(content, *record[content.name], pieces)

    _do_with_each([*files.values()], path, check)


def _do_with_each(contents: Sequence[_Content], path: Path, work: Callable[[_Content], None]) -> None:
    """Large ones on other cores, as zlib and hashlib work without Python's lock; small ones would wait for it."""

    def work_beside(content: _Content) -> None:
        with path.open("rb", buffering=0) as file:
            work(dataclasses.replace(content, file=Reader(file)))

    pool = ThreadPoolExecutor(max(cores() - 1, 1))
    try:
        large = [content for content in contents if content.entry.file_size >= _LARGE]
        small = [content for content in contents if content.entry.file_size < _LARGE]
        pending = [pool.submit(work_beside, content) for content in large]
        for content in small:
            work(content)
        for done in pending:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _record(content: _Content) -> dict[str, tuple[str, str]]:
    """The hash and the size of each file, as text."""
    try:
        rows = list(csv.reader(io.StringIO(content.read().decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _FaultError(f"its RECORD cannot be read: {error}") from None
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in filter(None, rows):
        if len(row) != 3:  # noqa: PLR2004 - path, hash, size
            raise _FaultError(f"its RECORD has a line of {len(row)} fields, not 3: {','.join(row)}")
        path, digest, size = row
        found[path].add((digest, size))
        if len(found[path]) > 1:
            raise _FaultError(f"its RECORD lists `{path}` twice, and differently")
    return {path: next(iter(rows)) for path, rows in found.items()}


def _check_hash(content: _Content, expected: str, size: str, pieces: Iterable[bytes]) -> None:
    algorithm, _, digest = expected.partition("=")
    if not expected:
        raise _FaultError(f"its RECORD has no hash of `{content.name}`")
    if algorithm not in _STRONG:
        raise _FaultError(f"its RECORD has a hash of `{content.name}` by {algorithm}, and sha256 is the least allowed")
    if size and size != str(content.entry.file_size):
        raise _FaultError(f"`{content.name}` has {content.entry.file_size} bytes, and {size} by its RECORD")
    found = hashlib.new(algorithm)
    for piece in pieces:
        found.update(piece)
    if base64.urlsafe_b64encode(found.digest()).rstrip(b"=").decode("ascii") != digest.rstrip("="):
        raise _FaultError(f"`{content.name}` is not what its RECORD says: its {algorithm} differs")
