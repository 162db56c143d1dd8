"""The files of a project that the target could use, in the order in which pip prefers them."""

from __future__ import annotations

import contextlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_lambda.resolve.finder import LeftToPip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.specifiers import SpecifierSet
    from packaging.utils import BuildTag, NormalizedName

    from hatch_lambda.common.target import Target

# What pip can unpack (`pip._internal.utils.filetypes`); it takes other files for no sdists.
_SDIST = re.compile(r"(.+?)\.(?:tar\.gz|tgz|tar|tar\.bz2|tbz|zip|tar\.xz|txz|tlz|tar\.lz|tar\.lzma)", re.IGNORECASE)
_METADATA_KEYS = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")  # PEP 714, and before it
_OF_NO_USE = object()
_PYTHON_IN_NAME = re.compile(r"-py([123]\.?[0-9]?)$")


class File(NamedTuple):
    """A file on an index. `rank`: the place of its best tag among the target's; None for an sdist.

    `version_text` and `link`, which may be relative to the URL of its page, are as they stand there, since most of them
    are never needed. `sha256`: empty if the index does not state it. `size`: in bytes. `metadata`: whether the index
    has its METADATA beside it (PEP 658), and with which SHA-256, if it says so.
    """

    name: NormalizedName
    version_text: str
    filename: str
    link: str
    sha256: str
    size: int | None
    yanked: bool
    rank: int | None
    build: tuple[()] | tuple[int, str]
    metadata: bool | str
    page: str = ""

    @property
    def version(self) -> Version:
        return version_of(self.version_text)

    def __str__(self) -> str:
        return f"{self.name} {self.version_text}"


@lru_cache(maxsize=1 << 15)
def version_of(text: str) -> Version:
    return Version(text)


def _is_version(text: str) -> bool:
    try:
        version_of(text)
    except InvalidVersion:
        return False
    return True


class _Ranks(dict[str, "int | None"]):
    """The place of the best tag among the target's by the end of a wheel's name, from the tags or the build on."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._places = {tag: place for place, tag in enumerate(target.tags_as_pip_prefers_them)}
        self._platforms = frozenset(tag.platform for tag in target.tags)
        self.worst = len(target.tags)

    def __missing__(self, end: str) -> int | None:
        tags = "-".join(end.removesuffix(".whl").split("-")[-3:])
        self[end] = None
        if not self._platforms.isdisjoint(tags.rpartition("-")[2].split(".")):
            with contextlib.suppress(ValueError):  # `py36+-none-any`
                self[end] = min((self._places[tag] for tag in parse_tag(tags) if tag in self._places), default=None)
        return self[end]


class Preference:
    """pip's rules for one target: which files are candidates, and which of them are better.

    They follow `LinkEvaluator.evaluate_link`, `CandidateEvaluator` and `Factory` of pip 26.1.
    """

    def __init__(self, target: Target, *, prefer_binary: bool) -> None:
        self._target = target
        self._prefer_binary = prefer_binary
        self._ranks = _Ranks(target)
        self._serves: dict[str, bool] = {}

    @property
    def facts(self) -> list[object]:
        """What the order depends on."""
        return [str(self._target), self._target.runtime.full_version, list(self._target.platforms), self._prefer_binary]

    def candidates(self, name: NormalizedName, page: bytes) -> list[File]:
        """The usable ones of a page's files (PEP 691), the best last; their `page` is not set.

        Raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` if it is no such page.
        """

        def judged(entry: dict[str, Any]) -> object:
            """In place of each object as it is parsed: of thousands of files few are of use, and all take memory."""
            return self._candidate(name, entry) or _OF_NO_USE if "filename" in entry else entry

        found = [file for file in json.loads(page, object_hook=judged)["files"] if file is not _OF_NO_USE]
        if not all(isinstance(file, File) for file in found):
            raise TypeError
        if not self._prefer_binary:
            found = [file for file in found if file.rank is not None or _is_version(file.version_text)]
        return sorted(found, key=self._key)

    def merged(self, pages: Sequence[Sequence[File]]) -> Sequence[File]:
        """The candidates of several indexes as one list: the best of all count, wherever they are."""
        if len(pages) == 1:
            return pages[0]
        return sorted((file for page in pages for file in page), key=self._key)

    def _key(self, file: File) -> tuple[object, ...]:
        is_wheel = file.rank is not None
        rank = self._ranks.worst if file.rank is None else file.rank
        if self._prefer_binary and not is_wheel:
            return (not file.yanked, False)  # which of them does not matter: pip builds them
        return (not file.yanked, is_wheel and self._prefer_binary, file.version, -rank, file.build)

    def _candidate(self, name: NormalizedName, entry: Mapping[str, Any]) -> File | None:
        filename, link = entry["filename"], entry["url"]
        rank: int | None = None
        build: BuildTag = ()
        version: str | None
        if filename.endswith(".whl"):
            rank = self._ranks[filename.split("-", 2)[-1]]  # by the end of the name alone
            if rank is None:
                return None
            try:
                of_project, parsed, build, _tags = parse_wheel_filename(filename)
            except InvalidWheelFilename:
                return None
            version = str(parsed)
            if of_project != name:
                return None
        elif (version := self._sdist_version(name, filename)) is None:
            return None
        if not self.serves(entry.get("requires-python") or ""):
            return None
        if not isinstance(link, str):
            raise TypeError
        address, _, fragment = link.partition("#")
        if unquote(address.rpartition("/")[2]) != filename or "egg=" in fragment:  # pip goes by the URL
            raise LeftToPip(f"the URL of {filename} ends otherwise")
        metadata = next((entry[key] for key in _METADATA_KEYS if entry.get(key) is not None), False)
        return File(
            *(name, version, filename, link),
            sha256=(entry["hashes"].get("sha256") or "").lower(),
            size=size if isinstance(size := entry.get("size"), int) else None,
            yanked=bool(entry.get("yanked")),
            rank=rank,
            build=build,
            metadata=str(metadata.get("sha256") or "").lower() or True
            if isinstance(metadata, dict)
            else bool(metadata),
        )

    def _sdist_version(self, name: NormalizedName, filename: str) -> str | None:
        match = _SDIST.fullmatch(filename)
        if not match or ("macosx10" in filename and filename.endswith(".zip")):
            return None
        stem = match[1]
        ends = (place for place, character in enumerate(stem) if character == "-")
        version = next((stem[end + 1 :] for end in ends if canonicalize_name(stem[:end]) == name), "")
        if python := _PYTHON_IN_NAME.search(version):
            if python[1] != "{}.{}".format(*self._target.runtime.python):
                return None
            version = version[: python.start()]
        return version

    def serves(self, requires_python: str) -> bool:
        if requires_python not in self._serves:
            self._serves[requires_python] = not requires_python or self._target.serves(requires_python)
        return self._serves[requires_python]


def matching(files: Sequence[File], specifier: SpecifierSet) -> Iterator[File]:
    """The files that a specifier accepts, the best first, by the rules on pre-releases (PEP 440) and yanked files.

    Raises `LeftToPip` where only a yanked file is left and the specifier pins it: pip warns.
    """
    found = _accepted(files, specifier)
    first = next(found, None)
    if first is None:
        return
    if first.yanked:  # these come last, so all are
        if any(part.operator == "===" or (part.operator == "==" and "*" not in part.version) for part in specifier):
            raise LeftToPip(f"{first} was yanked")
        return
    yield first
    yield from (file for file in found if not file.yanked)


def _accepted(files: Sequence[File], specifier: SpecifierSet) -> Iterator[File]:
    """Pre-releases only where the specifier names one, or no final release is accepted."""
    verdicts: dict[str, bool] = {}  # a version has several files, a project thousands
    with_prereleases, accepts = bool(specifier.prereleases), specifier.contains
    prereleases = []
    has_finals = False
    for file in reversed(files):
        try:
            version = file.version
        except InvalidVersion:  # of an sdist
            continue
        if version.is_prerelease and not with_prereleases:
            prereleases.append(file)
            continue
        accepted = verdicts.get(file.version_text)
        if accepted is None:
            accepted = verdicts[file.version_text] = accepts(version, prereleases=True)
        if accepted:
            has_finals = True
            yield file
    if not has_finals:
        yield from (file for file in prereleases if accepts(file.version, prereleases=True))
