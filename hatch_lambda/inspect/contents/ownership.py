"""Whose the files of an installation are (https://packaging.python.org/specifications/recording-installed-packages).

Metadata is found below any folder: Lambda's layers, `vendor` and the like each have their own.
"""

from __future__ import annotations

import csv
import email
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from email.message import Message


@dataclass(frozen=True)
class Distribution:
    """`dist_info`: its folder or file of metadata; `root`: the folder that it was installed to, as it begins a path."""

    name: str
    version: str
    root: str
    dist_info: str
    metadata: Message


@dataclass(frozen=True)
class Claims:
    """`owner`: the `dist_info` of the distribution that a path belongs to, for those that have one."""

    distributions: tuple[Distribution, ...]
    owner: dict[str, str]


def claims(paths: Sequence[str], text_of: Callable[[str], str]) -> Claims:
    """Find out whose the files are. `text_of`: the content of one of them."""
    return _Census(paths, text_of).taken()


# A folder of metadata as wheels have it, one as setuptools made it, and the lone file of distutils
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
        # What RECORD lists, there or not: bytecode goes with its source, which may have been left out.
        self.recorded: dict[str, str] = {}
        self.below: defaultdict[str, list[str]] = defaultdict(list)
        for path in paths:
            for folder in _folders(path):
                self.below[folder].append(path)

    def taken(self) -> Claims:
        found: list[Distribution] = []
        for metadata_files in self._metadata_by_depth():
            # What lies deeper and is claimed already is vendored: a part of what claims it.
            here = [
                distribution
                for path, root, dist_info in metadata_files
                if path not in self.owner and (distribution := self._distribution(path, root, dist_info))
            ]
            for distribution in here:
                self._claim(distribution, [distribution.dist_info, *self.below[distribution.dist_info]])
            silent = [distribution for distribution in here if not self._claim_listed(distribution)]
            for distribution in silent:
                self._claim_by_name(distribution)
            found += here
        self._claim_bytecode()
        by_name = sorted(found, key=lambda distribution: (canonicalize_name(distribution.name), distribution.dist_info))
        return Claims(tuple(by_name), self.owner)

    def _metadata_by_depth(self) -> Iterator[list[tuple[str, str, str]]]:
        """Files of metadata with what is above them, those in the outer folders first."""
        levels: defaultdict[int, list[tuple[str, str, str]]] = defaultdict(list)
        for path in sorted(self.paths):
            if match := _METADATA.fullmatch(path):
                root = match["root"] or match["egg_root"] or ""
                levels[root.count("/")].append((path, root, root + (match["folder"] or match["egg"])))
        for level in sorted(levels):
            yield levels[level]

    def _distribution(self, path: str, root: str, dist_info: str) -> Distribution | None:
        metadata = email.message_from_string(self.text_of(path))
        name, version = (str(metadata.get(key, "")).strip() for key in ("Name", "Version"))
        return Distribution(name, version, root, dist_info, metadata) if name and version else None

    def _claim(self, distribution: Distribution, paths: Iterable[str]) -> int:
        claimed = [path for path in paths if path in self.paths and path not in self.owner]
        self.owner.update(dict.fromkeys(claimed, distribution.dist_info))
        return len(claimed)

    def _claim_listed(self, distribution: Distribution) -> int:
        """Claim what the installer has listed; how many files that were, metadata aside."""
        listed = list(self._listed(distribution))
        for path in listed:
            self.recorded.setdefault(path, distribution.dist_info)
        return self._claim(distribution, listed)

    def _listed(self, distribution: Distribution) -> Iterator[str]:
        for name, folder in (("RECORD", distribution.root), ("installed-files.txt", f"{distribution.dist_info}/")):
            for row in self._rows(f"{distribution.dist_info}/{name}"):
                path = posixpath.normpath(folder + row)
                yield path
                # `pip install --target` moves scripts and data below the folder, and has them in RECORD as before.
                if row.startswith("../") and path not in self.paths:
                    yield distribution.root + _TO_PARENT.sub("", row)

    def _rows(self, path: str) -> list[str]:
        if path not in self.paths:
            return []
        try:
            return [row[0] for row in csv.reader(self.text_of(path).splitlines()) if row and row[0]]
        except csv.Error:
            return []

    def _claim_by_name(self, distribution: Distribution) -> None:
        top_level = f"{distribution.dist_info}/top_level.txt"
        if top_level in self.paths:
            modules = set(self.text_of(top_level).split())
        else:
            name = canonicalize_name(distribution.name)
            modules = {module for module in self._modules(distribution.root) if canonicalize_name(module) == name}
        for module in sorted(modules):
            stem = distribution.root + module
            self._claim(distribution, [f"{stem}.py", f"{stem}.pyc", *self.below[stem]])

    def _modules(self, root: str) -> set[str]:
        """The names that can be imported from a folder."""
        tops = {path[len(root) :].partition("/")[0] for path in self.below[root.rstrip("/")] if path.startswith(root)}
        return {top.removesuffix(".py").removesuffix(".pyc") for top in tops}

    def _claim_bytecode(self) -> None:
        for path in self.paths:
            if path in self.owner or not path.endswith(".pyc"):
                continue
            match = _BYTECODE.fullmatch(path)
            source = f"{match['folder']}{match['module']}.py" if match else path.removesuffix("c")
            owner = self.owner.get(source) or self.recorded.get(source)
            if owner:
                self.owner[path] = owner


def _folders(path: str) -> Iterator[str]:
    yield ""
    slash = path.find("/")
    while slash > 0:
        yield path[:slash]
        slash = path.find("/", slash + 1)
