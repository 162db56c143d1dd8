"""What the sets search, and what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.wheels.members import Member, OpenWheels, inflated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile


class Found(NamedTuple):
    """The paths of a set's files. `kept`: lines on what else is in the set, and why it stays."""

    paths: set[str]
    kept: tuple[str, ...] = ()


class Search:
    """The files in which a set is searched: all except `.dist-info`, which stays. `also`: sources of the project."""

    def __init__(
        self, files: Mapping[str, BundleFile], target: Target, contents: Contents, also: Iterable[bytes]
    ) -> None:
        self.files: dict[str, BundleFile] = {}
        self.entry_points: dict[str, BundleFile] = {}
        for path, file in files.items():
            if not path.partition("/")[0].endswith(".dist-info"):
                self.files[path] = file
            elif path.endswith("/entry_points.txt"):
                self.entry_points[path] = file
        self.target = target
        self.also = tuple(also)
        self._contents = contents

    def read(self, path: str) -> bytes:
        return self._contents.of(self.files[path])

    def start(self, path: str) -> bytes:
        """The first bytes of a file, enough for its headers."""
        source = self.files[path].source
        return next(inflated(self._contents, source), b"") if isinstance(source, Member) else source.content


class Contents(OpenWheels):
    """Reads files of many wheels, and caches sources, which are small."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, bytes] = {}

    def of(self, file: BundleFile) -> bytes:
        if file.path in self._sources:
            return self._sources[file.path]
        content = self.read(file.source)
        if file.path.endswith(".py"):
            self._sources[file.path] = content
        return content


def is_module(path: str) -> bool:
    return path.endswith((".py", ".so", ".pyc"))
