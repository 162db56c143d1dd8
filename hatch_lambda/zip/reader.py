"""Opening a zip that was built by whatever tool. What Lambda could not unpack is refused."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.wheels.archive import ZIP_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The size limit of a container image, the largest deployment that Lambda accepts:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAX_UNPACKED = 10 * 1024**3
# zlib's manual: deflate never does better than 1032:1.
_BEST_RATIO = 1032


class ContentsError(LambdaBuildError):
    """Not a zip file, or one that Lambda could not unpack."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise `ContentsError` with the name of the file where reading fails."""
    try:
        yield
    except OSError as error:
        raise ContentsError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from None
    except ZIP_ERRORS as error:
        raise ContentsError(f"{path} is corrupt: {error}. Build or download it again.") from None


def open_zip(path: Path) -> zipfile.ZipFile:
    """Raises `ContentsError`."""
    with readable(path):
        if not path.is_file():  # opening a FIFO would block
            raise ContentsError(f"{path} is neither a file nor a directory.")
        try:
            archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            with path.open("rb") as file:
                is_truncated = file.read(4) == b"PK\3\4"
            raise ContentsError(
                f"{path} is truncated: its central directory is missing. Build or download it again."
                if is_truncated
                else f"{path} is not a zip file."
            ) from None
    if fault := _fault_of(archive, path.stat().st_size):
        archive.close()
        raise ContentsError(f"{path} cannot be read: {fault}.")
    return archive


def _fault_of(archive: zipfile.ZipFile, size: int) -> str | None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    for member in members:
        if fault := _fault_of_member(member):
            return f"its entry `{member.filename}` {fault}"
    if sum(member.compress_size for member in members) > size:
        return "its entries overlap"
    if (total := sum(member.file_size for member in members)) > _MAX_UNPACKED:
        return f"it claims to unpack to {total:,} bytes"
    return None


def _fault_of_member(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return "is encrypted, and Lambda has no password"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return f"uses compression method {member.compress_type}; Lambda supports only deflated and stored entries"
    if member.file_size > (member.compress_size + 1) * _BEST_RATIO:
        return f"claims to unpack from {member.compress_size:,} to {member.file_size:,} bytes, which is impossible"
    return None
