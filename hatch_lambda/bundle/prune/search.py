"""Where the sets look for their files, and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda.wheels.members import BundleFile, Member, OpenWheels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Found(NamedTuple):
    """What a set may take away. `spared`: what else it would, and what that is needed by."""

    paths: set[str]
    spared: dict[str, str]


@dataclass(frozen=True)
class Search:
    """Where a set looks for its files: not in `.dist-info`, which stays."""

    files: Mapping[str, BundleFile]
    entry_points: Mapping[str, BundleFile]
    contents: Contents
    also: tuple[bytes, ...]

    @classmethod
    def over(cls, files: Mapping[str, BundleFile], contents: Contents, also: tuple[bytes, ...]) -> Search:
        metadata = {path: file for path, file in files.items() if path.partition("/")[0].endswith(".dist-info")}
        return cls(
            {path: file for path, file in files.items() if path not in metadata},
            {path: file for path, file in metadata.items() if path.endswith("/entry_points.txt")},
            contents,
            also,
        )

    @property
    def distributions(self) -> list[str]:
        """Their names, normalised."""
        return sorted({canonicalize_name(file.owner.partition(" ")[0]) for file in self.files.values()})

    def read(self, path: str) -> bytes:
        return self.contents.of(self.files[path])

    def sources(self, owners: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        """Python's, of some distributions."""
        for path, file in self.files.items():
            if path.endswith(".py") and file.owner in owners:
                yield path, self.contents.of(file)


class Contents(OpenWheels):
    """Reads files of many wheels; what is read more than once is small."""

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
