"""Stage 8: unpack the wheels into the bundle directory, all or nothing, and only what has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.files import folders_of
from hatch_lambda.common.files import put_in_place, read_regular, write_cache
from hatch_lambda.common.hashing import cores
from hatch_lambda.common.tempfiles import remove
from hatch_lambda.wheels.members import BundleFile, Member, OpenWheels, inflated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.bundle.files import Bundle


MANIFEST_NAME = "bundle.json"

_FOLDER_MODE = 0o755
_LARGE = 256 * 1024
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def unpack(bundle: Bundle, state: Path | None) -> Bundle:
    """Fill a new folder and replace the former bundle with it, of which nothing is left.

    A manifest in `state` says what was unpacked and how it looked. Files that still look so are kept, by hard links;
    if all do, nothing is written.
    """
    directory, files = bundle.directory, bundle.files
    manifest = state / MANIFEST_NAME if state else None
    former = _Manifest.read(manifest)
    looks = _looks_of(directory) if former.looks else ""
    is_untouched = bool(looks) and looks == former.looks
    if is_untouched and bundle.key and bundle.key == former.key:
        return bundle
    origins = _origins(bundle)
    if manifest and is_untouched and json.dumps(origins) == former.origins:
        former._replace(key=bundle.key).write(manifest)
        return bundle
    directory.parent.mkdir(parents=True, exist_ok=True)
    for leftover in directory.parent.glob(".bundle-*"):  # of killed builds, as this one holds the lock
        remove(leftover)
    fresh = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        make_folders(fresh, files)
        kept = set()
        for path in _unchanged(former, looks, origins):
            with contextlib.suppress(OSError):  # not all file systems have hard links
                (fresh / path).hardlink_to(directory / path)
                kept.add(path)
        write_all(fresh, [file for file in files if file.path not in kept])
        looks = _looks_of(fresh) if manifest else ""  # before others can write to it
        if manifest:
            remove(manifest)
        put_in_place(fresh, directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if manifest:
        _Manifest(bundle.key, json.dumps(origins), looks).write(manifest)
    return bundle


class _Manifest(NamedTuple):
    """What an earlier build unpacked, as three lines of text, which usually need only be compared.

    `key`: the bundle's. `origins`: of each file by its path (`_origins`), as JSON. `looks`: see `_looks_of`.
    """

    key: str = ""
    origins: str = "{}"
    looks: str = ""

    @classmethod
    def read(cls, path: Path | None) -> _Manifest:
        """An empty one if there is none, or it is damaged."""
        try:
            return cls(*read_regular(path).decode("utf-8", "surrogatepass").split("\n", 2)) if path else cls()
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        write_cache(path, "\n".join(self).encode("utf-8", "surrogatepass"))


def _origins(bundle: Bundle) -> dict[str, str]:
    """By path, the hash of the wheel that a file is from, or that of its generated content."""
    hashes = {wheel.path: wheel.sha256 for wheel in bundle.wheels}
    return {
        file.path: hashes.get(file.source.wheel, f"{file.source.crc:08x} {file.source.size}")
        if isinstance(file.source, Member)
        else hashlib.sha256(file.source.content).hexdigest()
        for file in bundle.files
    }


def _looks_of(directory: Path) -> str:
    """Size, mtime in nanoseconds and mode of all below a folder, as one text; each build compares thousands of files.

    The files of a folder follow its path, between slashes, and its mode. Names have no slash and no NUL, so equal texts
    mean equal folders.
    """
    looks = []
    waiting = [(str(directory), "/")]
    while waiting:
        folder, path = waiting.pop()
        try:
            entries = os.scandir(folder)
            mode = _FOLDER_MODE if os.name == "nt" else stat.S_IMODE(os.stat(folder).st_mode)  # noqa: PTH116 - speed
        except (FileNotFoundError, NotADirectoryError):
            continue
        looks.append(f"{path}/{mode}")
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{path}{entry.name}/"))
                    continue
                status = entry.stat(follow_symlinks=False)
                looks.append(f"{entry.name}/{status.st_size}/{status.st_mtime_ns}/{status.st_mode}")
    return "\0".join(looks)


def _unchanged(former: _Manifest, looks: str, origins: Mapping[str, str]) -> list[str]:
    """The files that look as they did when they were written, and are from the same wheel as now."""

    def by_path(looks: str) -> dict[str, str]:
        found, folder = {}, ""
        for look in looks.split("\0"):
            if look.startswith("/"):
                folder = look[1:].rpartition("/")[0]
            else:
                name, _, facts = look.partition("/")
                found[f"{folder}{name}"] = facts
        return found

    try:
        origins_before = dict(json.loads(former.origins))
    except (ValueError, TypeError):
        return []
    before = by_path(former.looks)
    unchanged = (path for path, look in by_path(looks).items() if path in origins and before.get(path) == look)
    return [path for path in unchanged if origins_before.get(path) == origins[path]]


def make_folders(root: Path, files: Iterable[BundleFile]) -> None:
    """Make the directories of files below an empty one, with Lambda's modes, whatever the umask."""
    root.chmod(_FOLDER_MODE)
    for folder in sorted(folders_of(file.path for file in files)):
        os.mkdir(f"{root}/{folder}")  # noqa: PTH102 - speed
        os.chmod(f"{root}/{folder}", _FOLDER_MODE)  # noqa: PTH101


def write_all(root: Path, files: Sequence[BundleFile]) -> None:
    """Write files, large ones on all cores: zlib releases the GIL; creating small files gains nothing from it."""
    large = [file for file in files if file.source.size >= _LARGE]
    with ThreadPoolExecutor(cores()) as pool:
        pending = [pool.submit(_write, root, [file]) for file in large]
        _write(root, [file for file in files if file.source.size < _LARGE])
        for done in pending:
            done.result()


def _write(root: Path, files: Iterable[BundleFile]) -> None:
    """Write files with few system calls, as most are small."""
    with OpenWheels() as wheels:
        for file in files:
            path, source = f"{root}/{file.path}", file.source
            descriptor = os.open(path, _NEW_FILE, file.mode)
            try:
                os.chmod(descriptor if os.chmod in os.supports_fd else path, file.mode)  # noqa: PTH101
                for piece in inflated(wheels, source) if isinstance(source, Member) else [source.content]:
                    left = piece
                    while left:
                        left = left[os.write(descriptor, left) :]
            except OSError as error:
                error.filename = error.filename or path  # writing to an open file does not say
                raise
            finally:
                os.close(descriptor)
