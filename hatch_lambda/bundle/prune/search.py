"""What the sets search, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda.wheels.members import BundleFile, Member, OpenWheels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_lambda.common.target import Target


class Found(NamedTuple):
    """The paths of a set's files. `kept`: lines on what else is in the set, and why it stays."""

    paths: set[str]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """The files in which a set is searched: all except `.dist-info`, which stays.

    `also`: sources of the project.
    """

    files: Mapping[str, BundleFile]
    entry_points: Mapping[str, BundleFile]
    target: Target
    contents: Contents
    also: tuple[bytes, ...]

    @classmethod
    def over(
        cls, files: Mapping[str, BundleFile], target: Target, contents: Contents, also: tuple[bytes, ...]
    ) -> Search:
        metadata = {path: file for path, file in files.items() if path.partition("/")[0].endswith(".dist-info")}
        return cls(
            {path: file for path, file in files.items() if path not in metadata},
            {path: file for path, file in metadata.items() if path.endswith("/entry_points.txt")},
            target,
            contents,
            also,
        )

    @property
    def distributions(self) -> list[str]:
        """Normalized names."""
        return sorted({canonicalize_name(file.owner.partition(" ")[0]) for file in self.files.values()})

    def read(self, path: str) -> bytes:
        return self.contents.of(self.files[path])

    def sources(self, owners: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        """The Python sources of some distributions."""
        for path, file in self.files.items():
            if path.endswith(".py") and file.owner in owners:
                yield path, self.contents.of(file)


class Contents(OpenWheels):
    """Reads files of many wheels, and caches sources, which are small."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, bytes] = {}

    def of(self, file: BundleFile) -> bytes:
        if file.path in self._sources:
            return self._sources[file.path]
        content = self.read(file.source) if isinstance(file.source, Member) else file.source.content
        if file.path.endswith(".py"):
            self._sources[file.path] = content
        return content


def is_module(path: str) -> bool:
    return path.endswith((".py", ".so", ".pyc"))
