"""The files of a zip or a directory, read without unpacking anything to disk."""

from __future__ import annotations

import os
import zipfile
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.wheels.archive import ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# The size limit of a container image, the largest deployment that Lambda accepts:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_UNPACKED = 10 * 1024**3
# zlib's manual: deflate never does better than 1032:1.
_BEST_RATIO = 1032
_MADE_ON_UNIX = (3, 19)  # APPNOTE 4.4.2: Unix and macOS
_CHUNK = 1024 * 1024


class ContentsError(LambdaBuildError):
    """Not a zip file, or one that Lambda could not unpack."""


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


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise `ContentsError` with the name of the file where reading fails."""
    try:
        yield
    except OSError as error:
        raise ContentsError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from None
    except ZIP_ERRORS as error:
        raise ContentsError(f"{path} is corrupt: {error}. Build or download it again.") from None


def source_of(path: Path) -> Source:
    """Raises `ContentsError`, `OSError` or one of `ZIP_ERRORS`: see `readable`."""
    return _Directory(path) if path.is_dir() else _Zip(path)


class _Zip:
    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ContentsError(f"{path} is neither a file nor a directory.")
        self.zipped: int | None = path.stat().st_size
        try:
            self.archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            with path.open("rb") as file:
                is_truncated = file.read(4) == b"PK\3\4"
            raise ContentsError(
                f"{path} is truncated: its central directory is missing. Build or download it again."
                if is_truncated
                else f"{path} is not a zip file."
            ) from None
        members = [member for member in self.archive.infolist() if not member.is_dir()]
        for member in members:
            if fault := _fault_of(member):
                raise ContentsError(f"{path} cannot be read: its entry `{member.filename}` {fault}.")
        if sum(member.compress_size for member in members) > self.zipped:
            raise ContentsError(f"{path} cannot be read: its entries overlap.")
        if (total := sum(member.file_size for member in members)) > _MAX_UNPACKED:
            raise ContentsError(f"{path} cannot be read: it claims to unpack to {total:,} bytes.")
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


def _fault_of(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return "is encrypted, and Lambda has no password"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return f"uses compression method {member.compress_type}; Lambda supports only deflated and stored entries"
    if member.file_size > (member.compress_size + 1) * _BEST_RATIO:
        return f"claims to unpack from {member.compress_size:,} to {member.file_size:,} bytes, which is impossible"
    return None


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
