"""Directories of local projects: which files are their sources, and building them without a trace.

They are built where they are, not from copies: backends look for the repository (setuptools-scm, hatch-vcs), and for
files next to the directory (`force-include`), and package files that version control ignores (generated modules).
"""

from __future__ import annotations

import configparser
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Directories that are not sources: what builds and tools leave there.
_NOT_SOURCES_ANYWHERE = frozenset({"__pycache__", ".git", ".hg"})
_LEFT_BY_BUILDS = frozenset({"build", "_skbuild", ".eggs", ".pdm-build"})
_NOT_SOURCES_AT_THE_TOP = _LEFT_BY_BUILDS | {
    *("dist", ".hatch", ".venv", "venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules")
}


def is_no_source(name: str, *, at_the_top: bool) -> bool:
    """Whether a directory of a source tree is not part of the sources; `build` below the top may be a package."""
    if name in _NOT_SOURCES_ANYWHERE or name.endswith(".egg-info"):
        return True
    return at_the_top and name in _NOT_SOURCES_AT_THE_TOP


def is_unpacked_zip(folder: Path) -> bool:
    """Whether a directory has what a zip next to it has, as `unpacked` leaves it: no sources, whatever it is called."""
    return Path(f"{folder}.zip").is_file() and any(any(folder.glob(f"{top}*.dist-info")) for top in ("", "python/"))


def entries(root: Path, skip: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """The files of a source tree, and its links to directories: they are followed, but to each directory once.

    `skip`: further directories to leave out. Of the files, some may be dangling links, FIFOs or devices.
    """
    seen = {_identity(root)}
    for parent, names, files in os.walk(root, followlinks=True):
        folder = Path(parent)
        kept = [name for name in sorted(names) if not is_no_source(name, at_the_top=folder == root)]
        folders = [path for name in kept if not skip(path := folder / name)]
        names.clear()
        for path in folders:
            if (identity := _identity(path)) not in seen:
                seen.add(identity)
                names.append(path.name)
        yield from (folder / name for name in sorted(files))
        yield from (path for path in folders if path.is_symlink())


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def unlittered(root: Path) -> Iterator[None]:
    """Remove at the end what builds have added to a source tree: modules that were renamed would come back from it."""
    before = set(_litter(root))
    try:
        yield
    finally:
        for path in set(_litter(root)) - before:
            tempfiles.remove(path)


def _litter(root: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(root):
        folder = Path(parent)
        if folder.name == "__pycache__":
            yield from (folder, *(folder / name for name in files))
        at_the_top = folder == root
        yield from (
            folder / name for name in names if name.endswith(".egg-info") or (at_the_top and name in _LEFT_BY_BUILDS)
        )
        names[:] = [name for name in names if name == "__pycache__" or not is_no_source(name, at_the_top=at_the_top)]


def setuptools_aside(folder: Path) -> dict[str, str]:
    """A variable by which setuptools (from 65 on) writes `*.egg-info` to `folder`, which exists, not into source trees.

    https://setuptools.pypa.io/en/latest/deprecated/distutils/configfile.html
    """
    name, path = "DIST_EXTRA_CONFIG", folder / "setuptools.cfg"
    config = configparser.RawConfigParser()
    with suppress(configparser.Error):
        config.read(os.environ.get(name, ""), encoding="utf-8")
    config.read_dict({"egg_info": {"egg_base": str(folder)}})
    with path.open("w", encoding="utf-8") as file:
        config.write(file)
    return {name: str(path)}
