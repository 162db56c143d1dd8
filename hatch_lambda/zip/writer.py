"""Write the zip: the same bytes for the same files, atomically, and without compressing anything twice.

Wheels and Lambda's zips both contain deflated files. A wheel's file is copied as the compressed bytes that it already
is, with a new header. `zipfile` cannot do that, so the few structures of such a zip are written here, by PKWARE's
APPNOTE 6.3.3, whose sections the comments name.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import tempfile
import time
import zlib
from contextlib import suppress
from operator import attrgetter
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hatch_lambda.common.errors import ConfigurationError, LambdaBuildError, naming
from hatch_lambda.common.files import replacing
from hatch_lambda.common.tempfiles import sweep
from hatch_lambda.config.settings import COMPRESSION_LEVEL
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.wheels.members import DEFLATED, STORED, BundleFile, Member, OpenWheels, inflated, raw_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from typing_extensions import Self

EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
# Hatch's default for reproducible builds, 2020-02-02, so that wheel and zip agree.
_DEFAULT_EPOCH = 1_580_601_600
# The range of MS-DOS dates, which have steps of two seconds (4.4.6).
_OLDEST, _NEWEST = 315_532_800, 4_354_819_198

_MADE_ON_UNIX = 3 << 8 | 20  # 4.4.2: the system, and version 2.0 of the format
_NEEDED = 20  # 4.4.3: version 2.0 knows deflate
_UTF8_NAME = 1 << 11  # 4.4.4

_LOCAL_HEADER = b"PK\3\4" + struct.pack("<H", _NEEDED)  # 4.3.7
_CENTRAL_HEADER = b"PK\1\2" + struct.pack("<HH", _MADE_ON_UNIX, _NEEDED)  # 4.3.12
_FACTS = struct.Struct("<HHHHIIIHH")  # then, in both: flags, method, time, date, CRC, sizes, lengths
_PLACE = struct.Struct("<HHHII")  # then, in the central one: comment, disk, attributes, position
_MOST = 0xFFFFFFFF  # 4 GiB, far beyond Lambda's limit; larger files would need Zip64
_ZIP64_END = struct.Struct("<4sQHHIIQQQQ")  # 4.3.14
_ZIP64_LOCATOR = struct.Struct("<4sIQI")  # 4.3.15
_END = struct.Struct("<4sHHHHIIH")  # 4.3.16

_BUFFER = 1024 * 1024
_LARGE = 64 * 1024  # worth a separate system call


class Archive(NamedTuple):
    """A zip. Sizes in bytes."""

    path: Path
    zipped: int
    unzipped: int

    @classmethod
    def of(cls, path: Path, files: Iterable[BundleFile]) -> Archive:
        """`files`: those that it was written from."""
        return cls(path, path.stat().st_size, sum(file.source.size for file in files))


def write(  # noqa: PLR0913 - the zip's facts
    path: Path,
    files: Iterable[BundleFile],
    *,
    level: int = COMPRESSION_LEVEL,
    wheels: Collection[Path] = (),
    when_read: Callable[[], object] = lambda: None,
    modified: int | None = None,
) -> Archive:
    """Write files into a zip: names sorted, one timestamp, deflated. A failure leaves the former zip.

    `level`: zlib's; files that are deflated already are copied as they are, at another level than the default only
    those of `wheels`. `when_read`: called as soon as the sources are not needed any more: removing them before the
    former zip is replaced spares waiting for the file system to free that. `modified`: the zip's modification time, in
    nanoseconds, where the file system has such.
    Raises `ConfigurationError` for an invalid `SOURCE_DATE_EPOCH`.
    """
    date, moment = _dos_date_time()
    files = sorted(files, key=attrgetter("path"))
    sweep(path.parent, f".{path.name}-")
    former = _open(path)
    try:
        with replacing(path, prefix=f".{path.name}-", mode=None) as temporary:
            with naming(path), temporary.open("wb") as raw, _Writer(raw, date, moment, level, wheels) as writer:
                for file in files:
                    writer.add(file)
                writer.finish()
            if modified is not None:
                with suppress(OSError):
                    os.utime(temporary, ns=(modified, modified))
            when_read()
    finally:
        if former is not None:
            try:  # in a thread, as some file systems take long to free a file
                Thread(target=os.close, args=(former,), daemon=True).start()
            except RuntimeError:  # too many threads
                os.close(former)
    return Archive.of(path, files)


def key_of(own: Iterable[BundleFile], bundle: str, *facts: object) -> str:
    """A hash of everything that the bytes of a zip depend on. `facts`: what more has an effect, or may have.

    `own`: the project's files, whose wheel is new in each build; so they count by their content as it is there,
    compressed. `bundle`: the key of all other files. Raises `ConfigurationError` for an invalid `SOURCE_DATE_EPOCH`.
    """
    # Releases of zlib may compress to different bytes.
    surroundings = [bundle, _dos_date_time(), installed_version("hatch-lambda"), zlib.ZLIB_RUNTIME_VERSION, *facts]
    digest = hashlib.sha256(json.dumps(surroundings).encode("utf-8"))
    with OpenWheels() as opened:
        for path, mode, source, _owner in own:
            content = hashlib.sha256()
            for piece in raw_pieces(opened, source) if isinstance(source, Member) else [source.content]:
                content.update(piece)
            how = (source.method, source.crc, source.size) if isinstance(source, Member) else ()
            digest.update(repr((path, mode, content.digest(), how)).encode("utf-8"))
    return digest.hexdigest()


class _Writer:
    """A zip that is being written, and the open wheels that it copies from."""

    def __init__(self, raw: BinaryIO, date: int, moment: int, level: int, copied: Collection[Path]) -> None:
        self.raw = raw
        self.date = date
        self.moment = moment
        self.level = level
        self.copied = copied
        self.position = 0
        self.waiting: list[bytes] = []
        self.passed_on = 0
        self.directory: list[bytes] = []
        self.wheels = OpenWheels()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wheels.close()

    def add(self, file: BundleFile) -> None:
        source = file.source
        if not isinstance(source, Member):
            content = source.read()
            self._write_content(file, [content], zlib.crc32(content))
        elif source.method == DEFLATED and (self.level == COMPRESSION_LEVEL or source.wheel in self.copied):
            pieces = raw_pieces(self.wheels, source)
            self._put_header(file, DEFLATED, source.crc, source.compressed_size, source.size)
            for piece in pieces:
                self._put(piece)
        else:  # also of other methods, of which Lambda supports none
            self._write_content(file, inflated(self.wheels, source), source.crc)

    def finish(self) -> None:
        """Write the central directory and its end (4.3.6)."""
        directory, count, start = b"".join(self.directory), len(self.directory), self.position
        size = len(directory)
        self._put(directory)
        if count > 0xFFFF or start + size > 0xFFFFFFFF:  # noqa: PLR2004 - the limits of the plain end
            end = self.position
            self._put(_ZIP64_END.pack(b"PK\6\6", 44, _MADE_ON_UNIX, 45, 0, 0, count, count, size, start))
            self._put(_ZIP64_LOCATOR.pack(b"PK\6\7", 0, end, 1))
        plain_count, plain_start = min(count, 0xFFFF), min(start, 0xFFFFFFFF)
        self._put(_END.pack(b"PK\5\6", 0, 0, plain_count, plain_count, min(size, 0xFFFFFFFF), plain_start, 0))
        self._pass_on()

    def _write_content(self, file: BundleFile, pieces: Iterable[bytes], crc: int) -> None:
        """Deflate content, or store it if that is smaller."""
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, -zlib.MAX_WBITS)
        size = 0
        with tempfile.SpooledTemporaryFile(_BUFFER) as content, tempfile.SpooledTemporaryFile(_BUFFER) as deflated:
            for piece in pieces:
                size += len(piece)
                content.write(piece)
                deflated.write(compressor.compress(piece))
            deflated.write(compressor.flush())
            shrunk = deflated.tell() < size
            data, method = (deflated, DEFLATED) if shrunk else (content, STORED)
            self._put_header(file, method, crc, data.tell(), size)
            data.seek(0)
            while piece := data.read(_BUFFER):
                self._put(piece)

    def _put_header(self, file: BundleFile, method: int, crc: int, compressed_size: int, size: int) -> None:
        position = self.position
        if size > _MOST or compressed_size > _MOST or position > _MOST:
            raise LambdaBuildError(f"{file.path} would make the zip larger than 4 GiB, which Lambda does not accept")
        name = file.path.encode("utf-8")
        flags = 0 if file.path.isascii() else _UTF8_NAME
        facts = _FACTS.pack(flags, method, self.moment, self.date, crc, compressed_size, size, len(name), 0)
        place = _PLACE.pack(0, 0, 0, (stat.S_IFREG | file.mode) << 16, position)
        self.directory.append(_CENTRAL_HEADER + facts + place + name)
        self._put(_LOCAL_HEADER + facts + name)

    def _put(self, data: bytes) -> None:
        """Collect thousands of small pieces into few system calls."""
        self.position += len(data)
        if len(data) >= _LARGE:
            self._pass_on()
            self.raw.write(data)
            self.passed_on = self.position
            return
        self.waiting.append(data)
        if self.position > self.passed_on + _BUFFER:
            self._pass_on()

    def _pass_on(self) -> None:
        self.raw.write(b"".join(self.waiting))
        self.waiting.clear()
        self.passed_on = self.position


def _open(path: Path) -> int | None:
    """Hold a file that is about to be replaced, so that replacing it need not wait until it is freed."""
    if hasattr(os, "O_NONBLOCK"):  # not on Windows, where an open file cannot be replaced
        with suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return None


def source_date_epoch() -> int:
    """`SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/), clamped to a zip's range.

    Raises `ConfigurationError`.
    """
    text = os.environ.get(EPOCH_VARIABLE, str(_DEFAULT_EPOCH))
    try:
        return min(max(int(text), _OLDEST), _NEWEST)
    except ValueError:
        raise ConfigurationError(
            [f"Environment variable `{EPOCH_VARIABLE}` must be a number of seconds, not {text!r}"]
        ) from None


def _dos_date_time() -> tuple[int, int]:
    """The date and the time of every entry in MS-DOS format (4.4.6)."""
    moment = time.gmtime(source_date_epoch())
    date = (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return date, moment.tm_hour << 11 | moment.tm_min << 5 | min(moment.tm_sec, 59) // 2
