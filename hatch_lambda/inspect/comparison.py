"""What changed from one zip to another: distributions, files, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.inspect.contents import OWN
from hatch_lambda.inspect.sources import Portion, grouped, portion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.sources import Entry

ADDED, REMOVED, CHANGED = "added", "removed", "changed"


def _how(old: object, new: object) -> str:
    return ADDED if old is None else REMOVED if new is None else CHANGED


class FileChange(NamedTuple):
    """`owner`: the normalized name of a distribution, or `OWN`. Sizes are None where the file is missing."""

    path: str
    owner: str
    old_size: int | None
    new_size: int | None

    @property
    def how(self) -> str:
        """Added, removed or changed."""
        return _how(self.old_size, self.new_size)

    @property
    def size(self) -> int:
        return (self.new_size or 0) - (self.old_size or 0)


class Side(NamedTuple):
    """A distribution on one side. `version`: empty for own code, None where it is missing."""

    version: str | None
    portion: Portion


_MISSING = Side(None, portion("", ()))


@dataclass(frozen=True)
class PartChange:
    """A distribution, or the own code, that changed."""

    name: str
    old: Side
    new: Side
    files: tuple[FileChange, ...]

    @property
    def how(self) -> str:
        return _how(self.old.version, self.new.version)

    @property
    def is_rebuilt(self) -> bool:
        """Whether the files differ under the same version: for another target, say."""
        return self.old.version == self.new.version

    @property
    def size(self) -> int:
        return self.new.portion.size - self.old.portion.size

    @property
    def compressed(self) -> int:
        return self.new.portion.compressed - self.old.portion.compressed


@dataclass(frozen=True)
class Comparison:
    """False if both sides are equal."""

    old: Contents
    new: Contents

    def __bool__(self) -> bool:
        return bool(self.files)

    @cached_property
    def files(self) -> tuple[FileChange, ...]:
        """Every file that differs, sorted by path."""
        before, after = self.old.by_path, self.new.by_path
        owners = {**self.old.owners, **self.new.owners}
        found = []
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            if not (old and new and self._are_equal(old, new)):
                owner = owners[path].normalized_name if path in owners else OWN
                found.append(FileChange(path, owner, old and old.size, new and new.size))
        return tuple(found)

    def _are_equal(self, old: Entry, new: Entry) -> bool:
        if old.size != new.size:
            return False
        # Lambda only sees the bits for others; a zip may have been made without modes.
        if old.mode & 0o777 and new.mode & 0o777 and (old.mode ^ new.mode) & 0o005:
            return False
        return self.old.checksum(old.path) == self.new.checksum(new.path)

    @cached_property
    def _sides(self) -> tuple[Mapping[str, Side], Mapping[str, Side]]:
        return _sides(self.old), _sides(self.new)

    @cached_property
    def parts(self) -> tuple[PartChange, ...]:
        """Every distribution that differs, sorted by name, after the own code if that differs."""
        before, after = self._sides
        files = grouped(self.files, lambda change: change.owner)
        parts = (
            PartChange(name, before.get(name, _MISSING), after.get(name, _MISSING), tuple(files[name]))
            for name in sorted(before.keys() | after.keys(), key=lambda name: (name != OWN, name))
        )
        return tuple(part for part in parts if part.files or not part.is_rebuilt)

    @property
    def are_zips(self) -> bool:
        """Whether the zipped size of both sides is known."""
        return self.old.zipped is not None and self.new.zipped is not None

    @property
    def counts(self) -> dict[str, int]:
        """The number of added, removed and changed files."""
        found = [change.how for change in self.files]
        return {how: found.count(how) for how in (ADDED, REMOVED, CHANGED)}

    @cached_property
    def unchanged(self) -> int:
        """The number of distributions that are equal on both sides."""
        before, after = self._sides
        return len((before.keys() & after.keys()) - {part.name for part in self.parts} - {OWN})

    @cached_property
    def own(self) -> frozenset[str]:
        """The names of the function's own parts: loose modules and the project's distribution."""
        projects = (self.old.project, self.new.project)
        return frozenset({OWN, *(project.normalized_name for project in projects if project)})

    @property
    def own_sizes(self) -> tuple[int, int]:
        """Bytes of the function's own parts, old and new, unzipped."""
        old, new = (sum(side.portion.size for name, side in sides.items() if name in self.own) for sides in self._sides)
        return old, new


def _sides(contents: Contents) -> dict[str, Side]:
    """By normalized name; a distribution that is installed more than once is added up."""
    sides = {OWN: Side("", portion(OWN, contents.unclaimed))} if contents.unclaimed else {}
    for name, found in grouped(contents.installed, lambda one: one.normalized_name).items():
        versions = sorted({one.version for one in found})
        sides[name] = Side(", ".join(versions), portion(name, (entry for one in found for entry in one.entries)))
    return sides
