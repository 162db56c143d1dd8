"""Stage 8: lay the wheels out in the bundle directory, all or nothing, and only what has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle import DEFLATED, Bundle, BundleFile, Member
from hatch_lambda.errors import BrokenWheelError, naming
from hatch_lambda.litter import remove
from hatch_lambda.store import write_whole
from hatch_lambda.wheel_reader import OpenWheels, raw_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_lambda.shelf import Shelf


MANIFEST_NAME = "bundle.json"

_FOLDER_MODE = 0o755
_LARGE = 256 * 1024
_PIECE = 1024 * 1024


# How a file of the bundle looks from outside: the hash of what it came from, size, time of the last change in
# nanoseconds, mode. A plain tuple, as a bundle has thousands of them, and each build looks at all.
_OnDisk = tuple[str, int, int, int]


def unpack(bundle: Bundle, state: Path | None, shelf: Shelf | None = None) -> Bundle:
    """Fill a new folder and put it in the place of the former bundle, of which nothing is left.

    With a state folder, a manifest of what was laid out is kept there. What it says of a file that has not been touched
    since need not be done again; and where that is so for all of them, nothing is done. What was unpacked for another
    bundle comes from the shelf.
    """
    directory, files = bundle.directory, bundle.files
    origins = _origins(files, {wheel.path: wheel.sha256 for wheel in bundle.wheels})
    manifest = state / MANIFEST_NAME if state else None
    noted = _read(manifest) if manifest else ""
    seen = _look(directory, origins) if noted else _Seen({}, {})
    if _as_manifest(seen) == noted and seen.files.keys() == origins.keys() and seen.folders == _wanted_folders(files):
        return bundle
    former = _files_of(noted)
    untouched = {path for path, facts in seen.files.items() if path in origins and former.get(path) == facts}
    directory.parent.mkdir(parents=True, exist_ok=True)
    for left in directory.parent.glob(".bundle-*"):  # by builds that were killed, as this one is alone here
        remove(left)
    fresh = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        _make_folders(fresh, files)
        there = {path for path in untouched if _taken_over(directory / path, fresh / path)}
        _fill(fresh, [file for file in files if file.path not in there], shelf)
        if manifest:
            manifest.unlink(missing_ok=True)
        _put_in_place(fresh, directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if manifest:
        write_whole(manifest, _as_manifest(_look(directory, origins)).encode("utf-8"))
    return bundle


def _origins(files: Sequence[BundleFile], hashes: Mapping[Path, str]) -> dict[str, str]:
    """What each file is made from: a wheel, by its hash, or what was made here, by its own."""
    return {
        file.path: hashes.get(file.source.wheel, f"{file.source.crc:08x} {file.source.size}")
        if isinstance(file.source, Member)
        else hashlib.sha256(file.source.content).hexdigest()
        for file in files
    }


def _read(manifest: Path) -> str:
    try:
        return manifest.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _as_manifest(seen: _Seen) -> str:
    return json.dumps(seen.files)


def _files_of(manifest: str) -> dict[str, _OnDisk]:
    """What an earlier build noted of each file that it laid out."""
    try:
        return {path: tuple(facts) for path, facts in json.loads(manifest).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


class _Seen(NamedTuple):
    """What is below a folder. `folders`: with their modes, the folder itself as the empty path."""

    files: dict[str, _OnDisk]
    folders: dict[str, int]


def _look(directory: Path, origins: Mapping[str, str]) -> _Seen:
    """What is on disk below a folder, taken to come from where it ought to; what is not wanted comes from nowhere."""
    files: dict[str, _OnDisk] = {}
    folders: dict[str, int] = {}
    waiting = [(str(directory), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            entries = os.scandir(folder)
            folders[prefix] = _mode_of_folder(os.stat(folder).st_mode)  # noqa: PTH116 - thousands of them
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, f"{path}/"))
                    continue
                status = entry.stat(follow_symlinks=False)
                files[path] = (origins.get(path, ""), status.st_size, status.st_mtime_ns, status.st_mode)
    return _Seen(files, folders)


def _mode_of_folder(mode: int) -> int:
    """What of a folder's mode is ours to set; Windows has nothing to say of it."""
    return _FOLDER_MODE if os.name == "nt" else stat.S_IMODE(mode)


def _wanted_folders(files: Sequence[BundleFile]) -> dict[str, int]:
    found = {"": _FOLDER_MODE}
    for file in files:
        path = file.path
        while (slash := path.rfind("/")) > 0 and (folder := path[: slash + 1]) not in found:
            found[folder] = _FOLDER_MODE
            path = path[:slash]
    return found


def _taken_over(former: Path, path: Path) -> bool:
    """Give a file of the former bundle to the new one; not all file systems can."""
    with contextlib.suppress(OSError):
        path.hardlink_to(former)
        return True
    return False


def _make_folders(root: Path, files: Sequence[BundleFile]) -> None:
    for folder in sorted(_wanted_folders(files)):  # a folder before what is in it
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(_FOLDER_MODE)  # whatever the umask


def _fill(root: Path, files: Sequence[BundleFile], shelf: Shelf | None) -> None:
    """Write files, large ones on all cores: inflating lets other threads run, opening does not."""
    from concurrent.futures import ThreadPoolExecutor

    large = [file for file in files if file.source.size >= _LARGE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [pool.submit(_write, root, [file], shelf) for file in large]
        _write(root, [file for file in files if file.source.size < _LARGE], shelf)
        for done in pending:
            done.result()


def _write(folder: Path, files: Sequence[BundleFile], shelf: Shelf | None) -> None:
    with OpenWheels() as wheels:
        for file in files:
            path = f"{folder}/{file.path}"
            if shelf and shelf.take(file, path):
                continue
            with naming(folder / file.path), open(path, "wb") as target:  # noqa: PTH123
                if isinstance(file.source, Member):
                    target.writelines(_inflated(file.source, wheels))
                else:
                    target.write(file.source.read())
                os.chmod(target.fileno() if os.chmod in os.supports_fd else target.name, file.mode)  # noqa: PTH101
            if shelf:
                shelf.put(file, path)


def _inflated(member: Member, wheels: OpenWheels) -> Iterator[bytes]:
    """The content of a wheel's entry, piece by piece. Raises `BrokenWheelError`."""
    crc = 0
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
    try:
        for raw in raw_pieces(wheels, member):
            for piece in _pieces(raw, inflate):
                crc = zlib.crc32(piece, crc)
                yield piece
    except zlib.error as error:
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} cannot be inflated: {error}") from None
    if crc != member.crc:
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is not what its checksum says")


def _pieces(raw: bytes, inflate: zlib._Decompress | None) -> Iterator[bytes]:
    """What a piece of a wheel's entry unpacks to, not more at once than a file of any size needs."""
    if inflate is None:
        yield raw
        return
    while raw and not inflate.eof:
        yield inflate.decompress(raw, _PIECE)
        raw = inflate.unconsumed_tail
    while piece := inflate.decompress(b"", _PIECE):
        yield piece


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
