"""Stage 8: lay the wheels out in the bundle directory, all or nothing, and only what has changed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hatch_lambda.bundle import DEFLATED, Bundle, BundleFile, Member, lay_out, raw_pieces, union
from hatch_lambda.errors import BrokenWheelError, naming
from hatch_lambda.store import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_lambda.settings import Settings
    from hatch_lambda.store import StoredWheel

MANIFEST_NAME = "bundle.json"

_FILES_AT_ONCE = 64


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
    origins = {file.path: wheel.sha256 for wheel, layout in zip(wheels, layouts, strict=True) for file in layout}
    bundle = Bundle(directory, files, wheels)
    manifest = state / MANIFEST_NAME if state else None
    noted = _read_manifest(manifest) if manifest else {}
    seen = _look(directory, {path: facts.origin for path, facts in noted.items()}) if noted else {}
    untouched = {path for path, facts in seen.items() if noted.get(path) == facts and origins.get(path) == facts.origin}
    if noted and untouched == seen.keys() == origins.keys():
        return bundle
    directory.parent.mkdir(parents=True, exist_ok=True)
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
    except FileNotFoundError:
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


def _make_folders(root: Path, files: Sequence[BundleFile]) -> None:
    folders = {parent for file in files for parent in PurePosixPath(file.path).parents}
    for folder in sorted(folders):  # a folder before what is in it
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(0o755)  # whatever the umask


def _fill(folder: Path, files: Sequence[BundleFile], there: set[str]) -> None:
    """Write what is not there yet, on all cores: inflating is the cost, and it lets other threads run."""
    wanted = [file for file in files if file.path not in there]
    portions = [wanted[start : start + _FILES_AT_ONCE] for start in range(0, len(wanted), _FILES_AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda portion: _write(folder, portion), portions):
            pass


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
            piece = inflate.decompress(raw) if inflate else raw
            crc = zlib.crc32(piece, crc)
            yield piece
    except zlib.error as error:
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} cannot be inflated: {error}") from None
    if crc != member.crc:
        raise BrokenWheelError(member.wheel.name, f"its entry {member.name!r} is not what its checksum says")


def _put_in_place(fresh: Path, directory: Path) -> None:
    """Swap the folders; in between the former one waits beside, lest a failure leave none."""
    former = fresh.with_name(f"{fresh.name}-former")
    with contextlib.suppress(FileNotFoundError):
        directory.rename(former)
    try:
        fresh.rename(directory)
    except BaseException:
        if former.exists():
            former.rename(directory)
        raise
    shutil.rmtree(former, ignore_errors=True)
