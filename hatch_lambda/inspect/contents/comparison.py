"""What changed from one zip to another: distributions, files, bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_lambda.inspect.contents import Contents, Entry, Installed

OWN = "own code"
"""The name of what no distribution brings; names of distributions have no spaces."""

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


class FileChange(NamedTuple):
    """`how`: added, removed or changed. `owner`: the name of a distribution, or `OWN`."""

    path: str
    how: str
    owner: str
    old_size: int
    new_size: int

    @property
    def size(self) -> int:
        return self.new_size - self.old_size


class Side(NamedTuple):
    """A distribution as it is in one of two zips. `version`: empty for own code."""

    version: str
    size: int
    compressed: int


@dataclass(frozen=True)
class PartChange:
    """A distribution, or the own code, of which something changed. `old`, `new`: None where it is not there."""

    name: str
    old: Side | None
    new: Side | None
    files: tuple[FileChange, ...]

    @property
    def how(self) -> str:
        return ADDED if self.old is None else REMOVED if self.new is None else CHANGED

    @property
    def is_rebuilt(self) -> bool:
        """Whether other files came under the same version: for another target, say."""
        return bool(self.old and self.new and self.old.version == self.new.version)

    @property
    def size(self) -> int:
        return (self.new.size if self.new else 0) - (self.old.size if self.old else 0)

    @property
    def compressed(self) -> int:
        return (self.new.compressed if self.new else 0) - (self.old.compressed if self.old else 0)


@dataclass(frozen=True)
class Comparison:
    old: Contents
    new: Contents

    @cached_property
    def files(self) -> tuple[FileChange, ...]:
        """Every file that is not the same on both sides, sorted by path."""
        before, after = _by_path(self.old), _by_path(self.new)
        owners = {**_owners(self.old), **_owners(self.new)}
        changes = (
            (path, _how(path, before, after, self.old, self.new)) for path in sorted(before.keys() | after.keys())
        )
        return tuple(
            FileChange(
                path,
                how,
                owners.get(path, OWN),
                before[path].size if path in before else 0,
                after[path].size if path in after else 0,
            )
            for path, how in changes
            if how
        )

    @cached_property
    def parts(self) -> tuple[PartChange, ...]:
        """Every distribution that is not the same on both sides, and the own code if it is not; sorted by name."""
        before, after = _sides(self.old), _sides(self.new)
        files: defaultdict[str, list[FileChange]] = defaultdict(list)
        for change in self.files:
            files[change.owner].append(change)
        return tuple(
            PartChange(name, before.get(name), after.get(name), tuple(files[name]))
            for name in sorted(before.keys() | after.keys(), key=lambda name: (name != OWN, name))
            if files[name] or _version(before.get(name)) != _version(after.get(name))
        )

    @property
    def are_zips(self) -> bool:
        """Whether it is known of both sides how large they are zipped."""
        return all(side.zipped is not None for side in self._both)

    @property
    def counts(self) -> dict[str, int]:
        """How many files were added, removed and changed."""
        found = Counter(change.how for change in self.files)
        return {how: found[how] for how in (ADDED, REMOVED, CHANGED)}

    @cached_property
    def unchanged(self) -> int:
        """The number of distributions that are the same on both sides."""
        changed = {part.name for part in self.parts}
        return len((_sides(self.old).keys() & _sides(self.new).keys()) - changed - {OWN})

    @cached_property
    def own(self) -> frozenset[str]:
        """The names of what is the function's own: loose modules, and the project that a zip is made for."""
        return frozenset({OWN, *(canonicalize_name(side.project.name) for side in self._both if side.project)})

    @property
    def own_sizes(self) -> tuple[int, int]:
        """Bytes of the function's own, old and new, unzipped."""
        old, new = (
            sum(side.size for name, side in _sides(contents).items() if name in self.own) for contents in self._both
        )
        return old, new

    @property
    def _both(self) -> tuple[Contents, Contents]:
        return self.old, self.new

    def __bool__(self) -> bool:
        return bool(self.files)


def _version(side: Side | None) -> str | None:
    return side.version if side else None


def _by_path(contents: Contents) -> dict[str, Entry]:
    return {entry.path: entry for entry in contents.entries}


def _owners(contents: Contents) -> dict[str, str]:
    return {entry.path: canonicalize_name(one.name) for one in contents.installed for entry in one.entries}


def _sides(contents: Contents) -> dict[str, Side]:
    """By normalised name; what is in there more than once counts together."""
    groups: defaultdict[str, list[Installed]] = defaultdict(list)
    for one in contents.installed:
        groups[canonicalize_name(one.name)].append(one)
    sides = {
        name: Side(
            ", ".join(sorted({one.version for one in group})),
            sum(one.size for one in group),
            sum(one.compressed for one in group),
        )
        for name, group in groups.items()
    }
    if contents.unclaimed:
        sides[OWN] = Side("", _sum(contents.unclaimed, "size"), _sum(contents.unclaimed, "compressed"))
    return sides


def _sum(entries: Iterable[Entry], field: str) -> int:
    return sum(getattr(entry, field) for entry in entries)


def _how(path: str, before: Mapping[str, Entry], after: Mapping[str, Entry], old: Contents, new: Contents) -> str:
    if path not in before:
        return ADDED
    if path not in after:
        return REMOVED
    if before[path].size != after[path].size or _modes_differ(before[path], after[path]):
        return CHANGED
    return CHANGED if old.checksum(path) != new.checksum(path) else ""


def _modes_differ(one: Entry, other: Entry) -> bool:
    """Whether Lambda would see it: who else than others may read a file is all the same there."""
    if not (one.mode & 0o777 and other.mode & 0o777):
        return False  # at least one zip was made without modes
    return (one.mode ^ other.mode) & 0o005 != 0
