"""Which distribution each file belongs to (https://packaging.python.org/specifications/recording-installed-packages).

Metadata may be in any directory: Lambda layers, `vendor` directories and the like each have their own.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.wheels.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Claim:
    """A distribution by its metadata.

    `root`: the directory it is installed to, as a path prefix. `dist_info`: its metadata directory or file.
    """

    name: str
    version: str
    root: str
    dist_info: str
    metadata: Metadata


@dataclass(frozen=True)
class Claims:
    """`owner`: the `dist_info` of the distribution that a path belongs to, for paths that have one."""

    distributions: tuple[Claim, ...]
    owner: dict[str, str]


def claims(paths: Sequence[str], text_of: Callable[[str], str]) -> Claims:
    """Assign files to distributions. `text_of`: returns the content of a file, by its path."""
    return _Census(paths, text_of).take()


# The metadata of wheels, of setuptools' eggs, and the single file of distutils
_METADATA = re.compile(
    r"(?P<root>(?:.*/)?)(?P<folder>[^/]+\.dist-info)/METADATA"
    r"|(?P<egg_root>(?:.*/)?)(?P<egg>[^/]+\.egg-info)(?:/PKG-INFO)?"
)
_BYTECODE = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<module>[^/]+?)\.[a-z]+-?\d+(?:\.opt-\d)?\.pyc")
_TO_PARENT = re.compile(r"(?:\.\./)+")


class _Census:
    def __init__(self, paths: Sequence[str], text_of: Callable[[str], str]) -> None:
        self.text_of = text_of
        self.paths = frozenset(paths)
        self.owner: dict[str, str] = {}
        # What RECORD lists, present or not: bytecode goes with its source, which may have been left out.
        self.recorded: dict[str, str] = {}
        self.below: defaultdict[str, list[str]] = defaultdict(list)
        for path in paths:
            self.below[""].append(path)
            slash = path.find("/")
            while slash > 0:
                self.below[path[:slash]].append(path)
                slash = path.find("/", slash + 1)

    def take(self) -> Claims:
        found: list[Claim] = []
        for metadata_files in self._metadata_by_depth():
            # What an outer distribution lists is its own, metadata of what it vendors included.
            here = [
                claim
                for path, root, dist_info in metadata_files
                if path not in self.owner and (claim := self._read_metadata(path, root, dist_info))
            ]
            for claim in here:
                self._claim(claim, [claim.dist_info, *self.below[claim.dist_info]])
            unlisted = [claim for claim in here if not self._claim_listed(claim)]
            for claim in unlisted:
                self._claim_by_name(claim)
            found += here
        self._claim_bytecode()
        return Claims(
            tuple(sorted(found, key=lambda claim: (canonicalize_name(claim.name), claim.dist_info))), self.owner
        )

    def _metadata_by_depth(self) -> Iterator[list[tuple[str, str, str]]]:
        """Metadata files as (path, root, dist_info), the outermost directories first."""
        levels: defaultdict[int, list[tuple[str, str, str]]] = defaultdict(list)
        for path in sorted(self.paths):
            if match := _METADATA.fullmatch(path):
                root = match["root"] or match["egg_root"] or ""
                levels[root.count("/")].append((path, root, root + (match["folder"] or match["egg"])))
        for level in sorted(levels):
            yield levels[level]

    def _read_metadata(self, path: str, root: str, dist_info: str) -> Claim | None:
        metadata = Metadata(self.text_of(path))
        name, version = map(metadata.get, ("Name", "Version"))
        return Claim(name, version, root, dist_info, metadata) if name and version else None

    def _claim(self, claim: Claim, paths: Iterable[str]) -> int:
        claimed = [path for path in paths if path in self.paths and path not in self.owner]
        self.owner.update(dict.fromkeys(claimed, claim.dist_info))
        return len(claimed)

    def _claim_listed(self, claim: Claim) -> int:
        """Claim the files that the installer has recorded; returns how many are new."""
        listed: list[str] = []
        for name, directory in (("RECORD", claim.root), ("installed-files.txt", f"{claim.dist_info}/")):
            file = f"{claim.dist_info}/{name}"
            if file not in self.paths:
                continue
            try:
                rows = [row[0] for row in csv.reader(self.text_of(file).splitlines()) if row and row[0]]
            except csv.Error:
                continue
            for row in rows:
                path = posixpath.normpath(directory + row)
                listed.append(path)
                # `pip install --target` moves scripts and data into the directory and leaves RECORD as it was.
                if row.startswith("../") and path not in self.paths:
                    listed.append(claim.root + _TO_PARENT.sub("", row))
        for path in listed:
            self.recorded.setdefault(path, claim.dist_info)
        return self._claim(claim, listed)

    def _claim_by_name(self, claim: Claim) -> None:
        top_level = f"{claim.dist_info}/top_level.txt"
        if top_level in self.paths:
            modules = set(self.text_of(top_level).split())
        else:
            root, name = claim.root, canonicalize_name(claim.name)
            paths = (path for path in self.below[root.rstrip("/")] if path.startswith(root))
            tops = {path[len(root) :].partition("/")[0].removesuffix(".py").removesuffix(".pyc") for path in paths}
            modules = {top for top in tops if canonicalize_name(top) == name}
        for module in sorted(modules):
            stem = claim.root + module
            self._claim(claim, [f"{stem}.py", f"{stem}.pyc", *self.below[stem]])

    def _claim_bytecode(self) -> None:
        for path in self.paths:
            if path in self.owner or not path.endswith(".pyc"):
                continue
            match = _BYTECODE.fullmatch(path)
            source = f"{match['folder']}{match['module']}.py" if match else path.removesuffix("c")
            if owner := self.owner.get(source) or self.recorded.get(source):
                self.owner[path] = owner
