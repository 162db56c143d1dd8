"""The setting `files` of a layer: files of the project at the layer's root, below /opt in Lambda."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import folders_of
from hatch_lambda.common.errors import ConfigurationError, ConflictingFilesError
from hatch_lambda.common.files import walk
from hatch_lambda.common.system_libraries import SEARCHED
from hatch_lambda.wheels.members import EXECUTABLE_MODE, FILE_MODE, BundleFile, Generated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.config.settings import Settings


_LITTER = frozenset({"__pycache__", ".DS_Store"})
"""What systems and Python leave in any directory."""


def check_sources(layers: Iterable[Settings]) -> None:
    """Raise `ConfigurationError` with all faults of what `files` name in several tables."""
    if faults := [fault for settings in layers for fault in _sources(settings)[1]]:
        raise ConfigurationError(faults)


def sources(settings: Settings) -> dict[str, Path]:
    """The files that `files` names, by their paths in the layer. Raises `ConfigurationError`."""
    found, faults = _sources(settings)
    if faults:
        raise ConfigurationError(faults)
    return found


def _sources(settings: Settings) -> tuple[dict[str, Path], list[str]]:
    """With the faults."""
    found: dict[str, Path] = {}
    faults = []
    for source, destination in settings.files:
        label, place = f"Field `{settings.table}.files` names `{source}`", posixpath.normpath(destination)
        if place.startswith(("/", "../")) or place == ".." or "\\" in place:
            faults.append(
                f"{label} for `{destination}`, which must be a path in the layer, as in `bin/{Path(source).name}`"
            )
            continue
        if (settings.root / source).is_file() and (destination.endswith("/") or place == "."):
            place = f"{place}/{Path(source).name}"
        for name, path in _files_of(settings.root / source):
            inner = posixpath.normpath(f"{place}/{name}")
            if fault := _fault(path, settings.root):
                faults.append(f"{label}, {fault}")
            elif found.setdefault(inner, path) != path:
                faults.append(f"{label}, which would be at `{inner}`, as another file is")
    faults += [
        f"Field `{settings.table}.files` has `{each}` as a file and as a directory of the layer"
        for each in sorted(folders_of(found) & found.keys())
    ]
    return found, [*dict.fromkeys(faults)]


def _files_of(path: Path) -> Iterator[tuple[str, Path]]:
    """The files at a path, each with its path below it; a directory brings all that is in it."""
    if not path.is_dir():
        yield "", path
        return
    for parent, folders, names in walk(path):
        folders[:] = [name for name in folders if name not in _LITTER]
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted({*names, *linked} - _LITTER):
            yield Path(parent, name).relative_to(path).as_posix(), Path(parent, name)


def _fault(path: Path, root: Path) -> str | None:
    """Why a file cannot be packaged, as a clause."""
    if not path.exists():
        return f"but no such file exists: {path}"
    if not path.resolve().is_relative_to(root.resolve()):
        return f"which leads out of the project: {path.resolve()}"
    if not path.is_file() or not os.access(path, os.R_OK):
        return f"which is not a regular file that can be read: {path}"
    if re.search("[\ud800-\udfff]", str(path)):
        return f"whose name is not valid UTF-8: {path}"
    return None


def placed(settings: Settings) -> tuple[BundleFile, ...]:
    """The files, with their executable bits. Raises `ConfigurationError`."""
    return tuple(
        BundleFile(
            place,
            EXECUTABLE_MODE if path.stat().st_mode & stat.S_IXUSR else FILE_MODE,
            Generated(path.read_bytes()),
            f"files-of-{settings.variant}",
        )
        for place, path in sorted(sources(settings).items())
    )


def libraries(settings: Settings) -> dict[str, Path]:
    """Those that Lambda's loader finds in a layer, by their paths: it searches /opt/lib."""
    return {
        place: path
        for place, path in sources(settings).items()
        if place.startswith("lib/") and SEARCHED.fullmatch(place)
    }


def with_placed(files: Sequence[BundleFile], more: Sequence[BundleFile], settings: Settings) -> tuple[BundleFile, ...]:
    """The files of a layer together. `more`: the placed ones. Raises `ConflictingFilesError`."""
    taken = {file.path: file for file in files}
    folders = folders_of(taken)
    for file in more:
        place = next((path for path in (file.path, *_above(file.path)) if path in taken), None)
        if place or file.path in folders:
            there = f"which {taken[place].owner} has as a file" if place else "which is a directory of the layer"
            raise ConflictingFilesError(
                f"Field `{settings.table}.files` puts a file at `{file.path}`, {there}.\n"
                "What you can do: put it elsewhere in the layer."
            )
    return (*files, *more)


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
