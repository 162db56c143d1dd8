"""The bundle as a list of files, with the paths and modes that Lambda sees, and their sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.resolve.origins import Origins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import StoredWheel


class LeftOut(NamedTuple):
    """Files that a setting left out of a bundle: their number and their size in bytes, unzipped."""

    files: int
    size: int


@dataclass(frozen=True)
class Bundle:
    """Everything that the project needs at run time. `directory`: where it is unpacked."""

    directory: Path
    files: tuple[BundleFile, ...]
    wheels: tuple[StoredWheel, ...]
    """Sorted by distribution."""
    key: str = field(default="", compare=False)
    """A hash of all that the files depend on, and one of their list; empty if unknown."""
    origins: Origins = field(default_factory=Origins, compare=False)
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    """By `exclude` or the set of `prune`."""
    kept: tuple[str, ...] = ()
    """Lines on what else is in a set of `prune`, and why it stays."""
    unused: tuple[str, ...] = ()
    """The patterns of `exclude` that match no file of the wheels."""
    compiled: str = field(default="", compare=False)
    """A line on the bytecode."""
    sources: tuple[BundleFile, ...] = ()
    """Modules that only their bytecode is packaged of."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """`name version`, sorted."""
        return tuple(wheel.distribution for wheel in self.wheels)


def union(layouts: Iterable[tuple[BundleFile, ...]]) -> tuple[BundleFile, ...]:
    """All files of several layouts, sorted by path.

    Raises `ConflictingFilesError` for two different files of the same path, unless they are interchangeable.
    """
    files: dict[str, BundleFile] = {}
    for layout in layouts:
        for file in layout:
            other = files.setdefault(file.path, file)
            if other is not file and not _interchangeable(other, file):
                raise _conflict(other, file, f"both have a file `{file.path}`, with different content")
    for folder in sorted(folders_of(files) & files.keys()):
        below = next(file for path, file in files.items() if path.startswith(f"{folder}/"))
        raise _conflict(files[folder], below, f"have `{folder}`, one as a file and one as a folder")
    return tuple(files[path] for path in sorted(files))


def parents(path: str) -> Iterator[str]:
    while (slash := path.rfind("/")) > 0:
        path = path[:slash]
        yield path


def folders_of(paths: Iterable[str]) -> set[str]:
    """All directories that files are in."""
    found: set[str] = set()
    for path in paths:
        folder = path
        while (slash := folder.rfind("/")) > 0 and (folder := folder[:slash]) not in found:
            found.add(folder)  # those above one that is known are known, too
    return found


def _conflict(one: BundleFile, other: BundleFile, what: str) -> ConflictingFilesError:
    return ConflictingFilesError(
        f"{one.owner} and {other.owner} {what}.\n"
        "One would overwrite the other.\n"
        f'What you can do: exclude both if Lambda needs neither (`exclude = ["/{other.path}"]`); else depend on one of '
        "the two only, or on versions without this conflict."
    )


# The two ways before PEP 420 to share a package among distributions
# (https://packaging.python.org/guides/packaging-namespace-packages/).
_SHARED_PACKAGE = re.compile(rb"\bextend_path\s*\(|\bdeclare_namespace\s*\(")


def is_shared_init(content: bytes) -> bool:
    """Whether an `__init__.py` declares that other directories have modules of its package, too."""
    return bool(_SHARED_PACKAGE.search(content))


def _interchangeable(one: BundleFile, other: BundleFile) -> bool:
    first, second = one.source.read(), other.source.read()
    if first == second:
        return True
    is_init = PurePosixPath(one.path).name == "__init__.py"
    return is_init and is_shared_init(first) and is_shared_init(second)
