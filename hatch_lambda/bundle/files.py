"""The bundle: files as Lambda imports them, with paths, modes and sources; `layout` makes such lists of wheels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.resolve.closure import Origins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import StoredWheel


class LeftOut(NamedTuple):
    """Files that a setting kept out of a bundle: how many, and their bytes, unzipped."""

    files: int
    size: int


@dataclass(frozen=True)
class Bundle:
    """What stage 8 leaves: everything that the project needs at run time.

    `directory`: where it is laid out. `files`: the same by their sources.
    """

    directory: Path
    files: tuple[BundleFile, ...]
    wheels: tuple[StoredWheel, ...]
    """Sorted by distribution."""
    key: str = field(default="", compare=False)
    """A hash of all that decides on the files; none where that is not known."""
    origins: Origins = field(default_factory=Origins, compare=False)
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    """What was kept out of it, by the setting or the named set that did so."""
    compiled: str = field(default="", compare=False)
    """What was compiled for it, in words."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """`name version`, sorted."""
        return tuple(wheel.distribution for wheel in self.wheels)


def union(layouts: Iterable[tuple[BundleFile, ...]]) -> tuple[BundleFile, ...]:
    """All files of several layouts, sorted by path.

    Raises `ConflictingFilesError` where two have a file of the same path, unless it makes no difference which is taken.
    """
    files: dict[str, BundleFile] = {}
    for layout in layouts:
        for file in layout:
            other = files.setdefault(file.path, file)
            if other is not file and not _interchangeable(other, file):
                raise _conflict(other, file, f"both have a file `{file.path}`, with different content")
    folders: set[str] = set()
    for file in files.values():
        for parent in parents(file.path):
            if parent in folders:
                break  # and so are those above it
            if parent in files:
                raise _conflict(files[parent], file, f"have `{parent}`, one as a file and one as a folder")
            folders.add(parent)
    return tuple(files[path] for path in sorted(files))


def parents(path: str) -> Iterator[str]:
    while (slash := path.rfind("/")) > 0:
        path = path[:slash]
        yield path


def _conflict(one: BundleFile, other: BundleFile, what: str) -> ConflictingFilesError:
    return ConflictingFilesError(
        f"{one.owner} and {other.owner} {what}.\n"
        f'One would overwrite the other. If Lambda needs neither, leave them out: `exclude = ["/{other.path}"]`; else '
        "depend on one of the two, or on versions that do not collide."
    )


# The two ways before PEP 420 to say that a package is shared among distributions
# (https://packaging.python.org/guides/packaging-namespace-packages/).
_SHARED_PACKAGE = re.compile(rb"\bextend_path\s*\(|\bdeclare_namespace\s*\(")


def is_shared_init(content: bytes) -> bool:
    """Whether an `__init__.py` says that other folders have modules of its package, too."""
    return bool(_SHARED_PACKAGE.search(content))


def _interchangeable(one: BundleFile, other: BundleFile) -> bool:
    first, second = one.source.read(), other.source.read()
    if first == second:
        return True
    is_init = PurePosixPath(one.path).name == "__init__.py"
    return is_init and is_shared_init(first) and is_shared_init(second)
