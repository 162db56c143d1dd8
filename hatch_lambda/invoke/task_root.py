"""Zips and layers, unpacked as Lambda does it: read-only, with the permissions of another user."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hatch_lambda.common.files import walk
from hatch_lambda.wheels.archive import ZIP_ERRORS
from hatch_lambda.zip.reader import ContentsError, open_zip

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping, Sequence

_UNIX = 3  # APPNOTE.TXT, 4.4.2: the entry's maker is a Unix, so the entry has a mode
_READ_AND_EXECUTE = stat.S_IROTH | stat.S_IXOTH
_FOR_ALL = 0o111


@dataclass(frozen=True)
class Unpacked:
    """`modes`: for `protect`. `entries`: what tells the content of a file from another, by path in the zips.

    `changed`: the paths of the files that are not those of the former one.
    """

    folder: Path
    modes: dict[Path, int] = field(default_factory=dict)
    entries: dict[str, tuple[int, ...]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)


def unpack(sources: Sequence[Path], folder: Path, former: Unpacked | None = None) -> Unpacked:
    """Unpack zips, or copy directories, one over the other, as Lambda does with layers.

    `former`: what files that are equal are hard links to, as there may be many. Raises `ContentsError`.
    """
    folder.mkdir()
    unpacked = Unpacked(folder)
    for source in sources:
        modes = _copied(source, folder) if source.is_dir() else _unzipped(source, unpacked, former)
        unpacked.modes.update(modes)
    return unpacked


def protect(folder: Path, modes: Mapping[Path, int]) -> None:
    """Give everybody the permissions of others without writing: in Lambda, a function's user owns none of its files.

    A file that only its owner may read is as unreadable as in Lambda.
    """
    for parent, folders, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*names, *folders)):
            if not path.is_symlink():
                path.chmod((modes.get(path, 0o755) & _READ_AND_EXECUTE) * _FOR_ALL)
    folder.chmod(0o555)


def _unzipped(source: Path, unpacked: Unpacked, former: Unpacked | None) -> Iterator[tuple[Path, int]]:
    folder = unpacked.folder
    try:
        with open_zip(source) as archive:
            links: list[tuple[zipfile.ZipInfo, Path]] = []
            for entry in archive.infolist():
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or ".." in name.parts:
                    problem = f"its entry {entry.filename!r} has a path outside the directory"
                    raise ContentsError(f"{source} cannot be unpacked: {problem}")
                path = folder / name
                mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
                if stat.S_ISLNK(mode):
                    links.append((entry, path))
                elif entry.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    yield path, mode or 0o755
                else:
                    key = (entry.CRC, entry.file_size, mode)
                    unpacked.entries[entry.filename] = key
                    unpacked.changed.discard(entry.filename)
                    is_same = former is not None and former.entries.get(entry.filename) == key
                    if not former or not is_same or not _linked(former.folder / name, _make_room(path)):
                        unpacked.changed.add(entry.filename)
                        with archive.open(entry) as content, _make_room(path).open("wb") as file:
                            shutil.copyfileobj(content, file, 1024 * 1024)
                    yield path, mode or 0o644
            # Last: no other entry may be written through a link.
            for entry, path in links:
                _make_room(path).symlink_to(os.fsdecode(archive.read(entry)))
    except ZIP_ERRORS as error:
        raise ContentsError(f"{source} cannot be unpacked: {error}") from None


def _linked(former: Path, path: Path) -> bool:
    """Make a hard link, if the file system has them."""
    try:
        os.link(former, path, follow_symlinks=False)
    except OSError:
        return False
    return True


def _copied(source: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, folders, names in walk(source):
        here = folder / Path(parent).relative_to(source)
        for name in folders:
            if not Path(parent, name).is_symlink():
                here.joinpath(name).mkdir(exist_ok=True)
                yield here / name, Path(parent, name).stat().st_mode
        for name in (*names, *(name for name in folders if Path(parent, name).is_symlink())):
            original, path = Path(parent, name), _make_room(here / name)
            if not original.is_file() and not original.is_symlink():  # reading a FIFO or a device may take forever
                raise ContentsError(f"{original} is neither a file nor a directory.")
            shutil.copyfile(original, path, follow_symlinks=False)
            if not path.is_symlink():
                yield path, original.stat().st_mode


def _make_room(path: Path) -> Path:
    """Make room for a file, which an earlier layer may have, too. Returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path
