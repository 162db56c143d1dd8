"""Which distribution each file belongs to (https://packaging.python.org/specifications/recording-installed-packages).

Metadata may be in any directory: Lambda layers, `vendor` directories and the like each have their own.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.inspect.sources import Entry, Portion, grouped, portion
from hatch_lambda.wheels.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from packaging.utils import NormalizedName


@dataclass(frozen=True)
class Installed:
    """An installed distribution.

    `root`: the directory it is installed to, as a path prefix. `dist_info`: its metadata directory or file.
    """

    name: str
    version: str
    root: str
    dist_info: str
    metadata: Metadata = field(compare=False, repr=False)
    entries: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def normalized_name(self) -> NormalizedName:
        return canonicalize_name(self.name)

    @cached_property
    def portion(self) -> Portion:
        return portion(str(self), self.entries)


def assign(entries: Sequence[Entry], text_of: Callable[[str], str]) -> tuple[tuple[Installed, ...], tuple[Entry, ...]]:
    """The distributions with their files, and the files of none. `text_of`: returns the content of a file."""
    census = _Census([entry.path for entry in entries], text_of)
    installed = sorted(census.take(), key=lambda one: (one.normalized_name, one.dist_info))
    found = grouped(entries, lambda entry: census.owner.get(entry.path))
    return tuple(replace(one, entries=tuple(found[one.dist_info])) for one in installed), tuple(found[None])


# The metadata of wheels, of setuptools' eggs, and the single file of distutils
_METADATA = re.compile(
    r"(?P<dist_info>(?P<root>(?:.*/)?)[^/]+\.(?:dist-info(?=/METADATA\Z)|egg-info(?=(?:/PKG-INFO)?\Z)))"
)
_BYTECODE = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<module>[^/]+?)\.[a-z]+-?\d+(?:\.opt-\d)?\.pyc")
_TO_PARENT = re.compile(r"(?:\.\./)+")


class _Census:
    """`owner`: the `dist_info` of the distribution that a path belongs to, for paths that have one."""

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

    def take(self) -> list[Installed]:
        found: list[Installed] = []
        matches = [match for path in sorted(self.paths) if (match := _METADATA.match(path))]
        matches.sort(key=_depth)
        for _, level in groupby(matches, _depth):
            # What an outer distribution lists is its own, metadata of what it vendors included.
            here = []
            for match in [match for match in level if match.string not in self.owner]:
                metadata = Metadata(self.text_of(match.string))
                name, version = map(metadata.get, ("Name", "Version"))
                if name and version:
                    here.append(Installed(name, version, match["root"], match["dist_info"], metadata))
            for one in here:
                self._claim(one, [one.dist_info, *self.below[one.dist_info]])
            unlisted = [one for one in here if not self._claim_listed(one)]
            for one in unlisted:
                self._claim_by_name(one)
            found += here
        for path in self.paths - self.owner.keys():
            if path.endswith(".pyc"):
                bytecode = _BYTECODE.fullmatch(path)
                source = f"{bytecode['folder']}{bytecode['module']}.py" if bytecode else path.removesuffix("c")
                if owner := self.owner.get(source) or self.recorded.get(source):
                    self.owner[path] = owner
        return found

    def _claim(self, one: Installed, paths: Iterable[str]) -> int:
        claimed = [path for path in paths if path in self.paths and path not in self.owner]
        self.owner.update(dict.fromkeys(claimed, one.dist_info))
        return len(claimed)

    def _claim_listed(self, one: Installed) -> int:
        """Claim the files that the installer has recorded; returns how many are new."""
        listed: list[str] = []
        for name, directory in (("RECORD", one.root), ("installed-files.txt", f"{one.dist_info}/")):
            file = f"{one.dist_info}/{name}"
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
                    listed.append(one.root + _TO_PARENT.sub("", row))
        for path in listed:
            self.recorded.setdefault(path, one.dist_info)
        return self._claim(one, listed)

    def _claim_by_name(self, one: Installed) -> None:
        top_level = f"{one.dist_info}/top_level.txt"
        if top_level in self.paths:
            modules = set(self.text_of(top_level).split())
        else:
            paths = (path for path in self.below[one.root.rstrip("/")] if path.startswith(one.root))
            tops = {path[len(one.root) :].partition("/")[0].removesuffix(".py").removesuffix(".pyc") for path in paths}
            modules = {top for top in tops if canonicalize_name(top) == one.normalized_name}
        for module in sorted(modules):
            stem = one.root + module
            self._claim(one, [f"{stem}.py", f"{stem}.pyc", *self.below[stem]])


def _depth(match: re.Match[str]) -> int:
    return match["root"].count("/")
