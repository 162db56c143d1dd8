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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hatch_lambda.bundle import DEFLATED, Bundle, BundleFile, Member, raw_pieces, union
from hatch_lambda.errors import BrokenWheelError, naming
from hatch_lambda.layout import lay_out
from hatch_lambda.litter import remove
from hatch_lambda.store import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_lambda.settings import Settings
    from hatch_lambda.store import StoredWheel

MANIFEST_NAME = "bundle.json"

_FOLDER_MODE = 0o755
_LARGE = 256 * 1024
_PIECE = 1024 * 1024


class _OnDisk(NamedTuple):
    """How a file of the bundle looks from outside. `origin`: the hash of the wheel that it came from."""

    origin: str
    size: int
    mtime_ns: int
    mode: int


def unpack(wheels: tuple[StoredWheel, ...], settings: Settings, directory: Path, state: Path | None) -> Bundle:
    """Fill a new folder and put it in the place of the former bundle, of which nothing is left.

    With a state folder, a manifest of what was laid out is kept there. What it says of a file that has not been touched
    since need not be done again; and where that is so for all of them, nothing is done.
    """
    layouts = [lay_out(wheel.path, settings.target, settings.is_excluded) for wheel in wheels]
    files = union(layouts)
    origins = _origins(files, {wheel.path: wheel.sha256 for wheel in wheels})
    bundle = Bundle(directory, files, wheels)
    manifest = state / MANIFEST_NAME if state else None
    noted = _read_manifest(manifest) if manifest else {}
    seen = _look(directory, {path: facts.origin for path, facts in noted.items()}) if noted else {}
    untouched = {path for path, facts in seen.items() if noted.get(path) == facts and origins.get(path) == facts.origin}
    if noted and untouched == seen.keys() == origins.keys() and _folders_are_as_they_should(directory, files):
        return bundle
    directory.parent.mkdir(parents=True, exist_ok=True)
    for left in directory.parent.glob(".bundle-*"):  # by builds that were killed, as this one is alone here
        remove(left)
    fresh = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        _make_folders(fresh, files)
        _fill(fresh, files, {path for path in untouched if _taken_over(directory / path, fresh / path)})
        if manifest:
            manifest.unlink(missing_ok=True)
        _put_in_place(fresh, directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if manifest:
        write_whole(manifest, json.dumps(_look(directory, origins)).encode("utf-8"))
    return bundle


def _origins(files: Sequence[BundleFile], hashes: Mapping[Path, str]) -> dict[str, str]:
    """What each file is made from: a wheel, by its hash, or a text that was made here, by its own."""
    return {
        file.path: hashes[file.source.wheel]
        if isinstance(file.source, Member)
        else hashlib.sha256(file.source.content).hexdigest()
        for file in files
    }


def _read_manifest(manifest: Path) -> dict[str, _OnDisk]:
    """What an earlier build noted of each file that it laid out."""
    try:
        return {path: _OnDisk(*facts) for path, facts in json.loads(manifest.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _look(directory: Path, origins: Mapping[str, str]) -> dict[str, _OnDisk]:
    """What is on disk below a folder; for files of which no origin is known it is empty."""
    found = {}
    for path, entry in _walk(str(directory), ""):
        status = entry.stat(follow_symlinks=False)
        found[path] = _OnDisk(origins.get(path, ""), status.st_size, status.st_mtime_ns, status.st_mode)
    return found


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", entry


def _taken_over(former: Path, path: Path) -> bool:
    """Give a file of the former bundle to the new one; not all file systems can."""
    with contextlib.suppress(OSError):
        path.hardlink_to(former)
        return True
    return False


def _folders_of(files: Sequence[BundleFile]) -> set[str]:
    return {str(parent) for file in files for parent in PurePosixPath(file.path).parents}


def _folders_are_as_they_should(root: Path, files: Sequence[BundleFile]) -> bool:
    seen = {os.path.relpath(folder, root).replace(os.sep, "/") for folder, _, _ in os.walk(root)}
    if seen != _folders_of(files):
        return False
    return os.name == "nt" or all(stat.S_IMODE((root / folder).stat().st_mode) == _FOLDER_MODE for folder in seen)


def _make_folders(root: Path, files: Sequence[BundleFile]) -> None:
    for folder in sorted(_folders_of(files)):  # a folder before what is in it
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(_FOLDER_MODE)  # whatever the umask


def _fill(root: Path, files: Sequence[BundleFile], there: set[str]) -> None:
    """Write what is not there yet, large files on all cores: inflating lets other threads run, opening does not."""
    wanted = [file for file in files if file.path not in there]
    large = [file for file in wanted if file.source.size >= _LARGE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [pool.submit(_write, root, [file]) for file in large]
        _write(root, [file for file in wanted if file.source.size < _LARGE])
        for done in pending:
            done.result()


def _write(folder: Path, files: Sequence[BundleFile]) -> None:
    with contextlib.ExitStack() as open_files:
        wheels = {
            wheel: open_files.enter_context(wheel.open("rb"))
            for wheel in {file.source.wheel for file in files if isinstance(file.source, Member)}
        }
        for file in files:
            with naming(folder / file.path), open(folder / file.path, "wb") as target:  # noqa: PTH123
                if isinstance(file.source, Member):
                    target.writelines(_inflated(file.source, wheels[file.source.wheel]))
                else:
                    target.write(file.source.read())
                os.chmod(target.fileno() if os.chmod in os.supports_fd else target.name, file.mode)  # noqa: PTH101


def _inflated(member: Member, wheel: BinaryIO) -> Iterator[bytes]:
    """The content of a wheel's entry, piece by piece. Raises `BrokenWheelError`."""
    crc = 0
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
    try:
        for raw in raw_pieces(wheel, member):
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
