"""Paths, and writing files atomically."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import naming
from hatch_lambda.common.tempfiles import PART, marked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def regular(path: Path) -> Path:
    """The path. Raises `OSError` for what is neither a regular file nor a directory: to open a FIFO would block."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path


def read_regular(path: Path) -> bytes:
    """The content of a file. Raises `OSError`, also for what is not `regular`."""
    return regular(path).read_bytes()


def looks_of(path: Path) -> list[int]:
    """What changes whenever a file is written, replaced or given other times; empty if nothing here does.

    The time of the last change (ctime), unlike that of the last modification, cannot be set. On Windows, Python gives
    the time of creation in its place.
    """
    try:
        status = path.lstat()
    except OSError:
        return []
    if os.name == "nt" or not stat.S_ISREG(status.st_mode):
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode]


def looks_below(directory: Path) -> list[str]:
    """The `looks_of` all in a directory, as one hash; empty if there is no such directory, or they say nothing here."""
    if os.name == "nt" or directory.is_symlink() or not directory.is_dir():
        return []
    looks = []
    for parent, folders, names in walk(directory):
        folders.sort()
        for path in [parent, *(os.path.join(parent, name) for name in sorted(names))]:  # noqa: PTH118 - many of them
            of = os.lstat(path)
            looks.append(
                (os.path.relpath(path, directory), of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino, of.st_mode)
            )
    return [hashlib.sha256(repr(looks).encode("utf-8", "surrogatepass")).hexdigest()]


def write_atomically(
    path: Path, content: bytes, *, aside: Path | None = None, durable: bool = False, parents: bool = True
) -> None:
    """Write a file; on failure, the previous one stays. Raises `OSError`.

    `aside`: where to write before the move, on the same file system. `parents`: create missing directories. `durable`:
    it survives a power cut; caches, which are checked when they are read, need not.
    """
    with naming(path), replacing(path, aside=aside, parents=parents) as temporary, temporary.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def write_cache(path: Path, content: bytes) -> None:
    """`write_atomically`, in place of whatever is at the path: nobody else's files belong there."""
    if path.is_dir():
        tempfiles.remove(path)
    write_atomically(path, content)


def make_directory(path: Path, *, below: Path) -> None:
    """Create a directory in place of whatever else is at its path, and at those between it and `below`, which stays."""
    for folder in reversed([path, *path.parents][: len(path.parts) - len(below.parts)]):
        if not folder.is_dir():
            tempfiles.remove(folder)
        folder.mkdir(parents=True, exist_ok=True)


def put_in_place(fresh: Path, directory: Path) -> None:
    """Replace whatever is at the path of a directory by a fresh one next to it, in one step if the system can do that.

    Where it cannot, the former one is removed last, as a failure must not leave none.
    """
    from hatch_lambda.common.exchange import exchange  # `ctypes` takes its time, and most builds replace nothing

    former = fresh
    if not exchange(fresh, directory):
        former = fresh.with_name(f"{fresh.name}-former")
        with suppress(FileNotFoundError):
            directory.rename(former)
        try:
            fresh.rename(directory)
        except BaseException:
            if os.path.lexists(former):
                former.rename(directory)
            raise
    tempfiles.remove(former)


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk`, which by itself skips directories that it cannot list. Raises `OSError` for them."""

    def fail(error: OSError) -> None:
        raise error

    return os.walk(folder, onerror=fail)


@contextmanager
def replacing(
    path: Path, *, aside: Path | None = None, prefix: str = PART, mode: int | None = 0o644, parents: bool = True
) -> Iterator[Path]:
    """Give an empty temporary file that replaces `path` at the end, unless an error is raised.

    `prefix`: by which `tempfiles.sweep` finds what killed processes leave. `mode`: None for what the umask gives.
    """
    folder = aside or path.parent
    if parents:
        for each in (path.parent, folder):
            each.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{marked(prefix)}{secrets.token_hex(8)}"
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def local_path(url: str) -> Path | None:
    """The path of a `file:` URL; None for anything else, also for an invalid one, such as `file://[`."""
    try:
        path = urlsplit(url).path if url.startswith("file:") else None
    except ValueError:
        path = None
    if path is None:
        return None
    if os.name == "nt":
        from urllib.request import url2pathname  # elsewhere it does the same as below, and imports HTTP

        return Path(url2pathname(path))
    return Path(unquote(path))


def bytes_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Up to `size` bytes of a seekable file."""
    # Offsets in broken files may be larger than `seek` accepts, for each kind of file another limit.
    file.seek(0, os.SEEK_END)
    if offset >= file.tell():
        return b""
    file.seek(offset)
    return file.read(size)
