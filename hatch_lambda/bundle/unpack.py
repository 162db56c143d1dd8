"""Stage 8: lay the wheels out in the bundle directory, all or nothing, and only what has changed."""

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

from hatch_lambda.common.errors import naming
from hatch_lambda.common.files import write_atomically
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
    """Fill a new folder and put it in the place of the former bundle, of which nothing is left.

    With a state folder, a manifest of what was laid out is kept there. What it says of a file that has not been touched
    since need not be done again; and where that is so for all of them, nothing is done.
    """
    directory, files = bundle.directory, bundle.files
    manifest = state / MANIFEST_NAME if state else None
    noted = _Manifest.read(manifest) if manifest else _NO_MANIFEST
    seen = _look(directory) if noted.seen else ""
    is_as_it_was = bool(seen) and seen == noted.seen
    if is_as_it_was and bundle.key and bundle.key == noted.key:
        return bundle
    origins = _origins(bundle)
    if manifest and is_as_it_was and origins == noted.origins():
        if bundle.key != noted.key:
            write_atomically(manifest, noted._replace(key=bundle.key).as_bytes())
        return bundle
    untouched = _untouched(noted, seen, origins)
    directory.parent.mkdir(parents=True, exist_ok=True)
    for left in directory.parent.glob(".bundle-*"):  # by builds that were killed, as this one is alone here
        remove(left)
    fresh = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        for folder in sorted(_folders_of(files)):  # a folder before what is in it
            (fresh / folder).mkdir(exist_ok=True)
            (fresh / folder).chmod(_FOLDER_MODE)  # whatever the umask
        there = {path for path in untouched if _taken_over(directory / path, fresh / path)}
        _fill(fresh, [file for file in files if file.path not in there])
        looks = _look(fresh) if manifest else ""  # as long as nobody else knows of it, who might write to it
        if manifest:
            manifest.unlink(missing_ok=True)
        _put_in_place(fresh, directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if manifest:
        write_atomically(manifest, _Manifest(bundle.key, json.dumps(origins), looks).as_bytes())
    return bundle


class _Manifest(NamedTuple):
    """What an earlier build laid out, as three lines of text; mostly these need only be compared.

    `key`: the bundle's. `made_from`: the origin of each file by its path, as JSON. `seen`: how they looked (`_look`).
    """

    key: str
    made_from: str
    seen: str

    @classmethod
    def read(cls, path: Path) -> _Manifest:
        try:
            return cls(*path.read_bytes().decode("utf-8", "surrogatepass").split("\n", 2))
        except (OSError, ValueError, TypeError):
            return _NO_MANIFEST

    def as_bytes(self) -> bytes:
        return "\n".join(self).encode("utf-8", "surrogatepass")

    def origins(self) -> dict[str, str]:
        try:
            origins = json.loads(self.made_from)
        except ValueError:
            return {}
        return origins if isinstance(origins, dict) else {}


_NO_MANIFEST = _Manifest("", "", "")


def _origins(bundle: Bundle) -> dict[str, str]:
    """What each file is made from: a wheel, by its hash, or what was made here, by its own."""
    hashes = {wheel.path: wheel.sha256 for wheel in bundle.wheels}
    return {
        file.path: hashes.get(file.source.wheel, f"{file.source.crc:08x} {file.source.size}")
        if isinstance(file.source, Member)
        else hashlib.sha256(file.source.content).hexdigest()
        for file in bundle.files
    }


def _untouched(noted: _Manifest, seen: str, origins: Mapping[str, str]) -> list[str]:
    """The files that look as they did when they were made from what they are to be made from."""
    former, made_from = _by_path(noted.seen), noted.origins()
    return [
        path
        for path, look in _by_path(seen).items()
        if path in origins and former.get(path) == look and made_from.get(path) == origins[path]
    ]


def _look(directory: Path) -> str:
    """How all below a folder looks from outside, in one text, since each build looks at thousands of files.

    A file has its size, the time of its last change in nanoseconds and its mode; before the files of a folder come its
    path, between slashes, and its mode. No name has a slash or a NUL, so that same texts mean the same.
    """
    looks = []
    waiting = [(str(directory), "/")]
    while waiting:
        folder, path = waiting.pop()
        try:
            entries = os.scandir(folder)
            looks.append(f"{path}/{_mode_of_folder(os.stat(folder).st_mode)}")  # noqa: PTH116 - thousands of them
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{path}{entry.name}/"))
                    continue
                status = entry.stat(follow_symlinks=False)
                looks.append(f"{entry.name}/{status.st_size}/{status.st_mtime_ns}/{status.st_mode}")
    return "\0".join(looks)


def _by_path(seen: str) -> dict[str, str]:
    """How each file looked."""
    found, folder = {}, ""
    for look in seen.split("\0"):
        if look.startswith("/"):
            folder = look[1:].rpartition("/")[0]
            continue
        name, _, rest = look.partition("/")
        found[f"{folder}{name}"] = rest
    return found


def _mode_of_folder(mode: int) -> int:
    """What of a folder's mode is ours to set; Windows has nothing to say of it."""
    return _FOLDER_MODE if os.name == "nt" else stat.S_IMODE(mode)


def _folders_of(files: Sequence[BundleFile]) -> set[str]:
    found = {""}
    for file in files:
        path = file.path
        while (slash := path.rfind("/")) > 0 and (folder := path[: slash + 1]) not in found:
            found.add(folder)
            path = path[:slash]
    return found


def _taken_over(former: Path, path: Path) -> bool:
    """Give a file of the former bundle to the new one; not all file systems can."""
    with contextlib.suppress(OSError):
        path.hardlink_to(former)
        return True
    return False


def _fill(root: Path, files: Sequence[BundleFile]) -> None:
    """Write files, large ones on all cores: inflating lets other threads run, opening does not."""
    large = [file for file in files if file.source.size >= _LARGE]
    with ThreadPoolExecutor(cores()) as pool:
        pending = [pool.submit(_write, root, [file]) for file in large]
        _write(root, [file for file in files if file.source.size < _LARGE])
        for done in pending:
            done.result()


def _write(root: Path, files: Iterable[BundleFile]) -> None:
    """With few system calls: most files are small, and there are thousands."""
    modes_kept: dict[int, bool] = {}  # whether the umask leaves a mode as it is
    with OpenWheels() as wheels:
        for file in files:
            path, mode = f"{root}/{file.path}", file.mode
            with naming(root / file.path):
                descriptor = os.open(path, _NEW_FILE, mode)
                try:
                    if mode not in modes_kept:
                        modes_kept[mode] = stat.S_IMODE(os.fstat(descriptor).st_mode) == mode
                    if not modes_kept[mode]:
                        os.chmod(descriptor if os.chmod in os.supports_fd else path, mode)  # noqa: PTH101
                    source = file.source
                    for piece in inflated(wheels, source) if isinstance(source, Member) else [source.content]:
                        left = piece
                        while left:
                            left = left[os.write(descriptor, left) :]
                finally:
                    os.close(descriptor)


def _put_in_place(fresh: Path, directory: Path) -> None:
    """Swap the folders; in between the former one waits beside, lest a failure leave none."""
    former = fresh.with_name(f"{fresh.name}-former")
    with contextlib.suppress(FileNotFoundError):
        directory.rename(former)
    try:
        fresh.rename(directory)
    except BaseException:
        if former.is_symlink() or former.exists():
            former.rename(directory)
        raise
    remove(former)
