"""Requirements that a lock file's tool has exported, as a lock file."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.markers import Marker
from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, Pylock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from hatch_lambda.common.files import local_path
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.config.requirements_files import lines_of, values_of
from hatch_lambda.resolve.lock.read import LockFile
from hatch_lambda.resolve.lock.select import AnyFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from packaging.utils import NormalizedName

    from hatch_lambda.config.requirements_files import Line
    from hatch_lambda.config.settings import Settings


def lock_of_requirements(exported: str, content: str, path: Path, settings: Settings) -> LockFile:
    """A lock file with the `content`, from which its tool has exported requirements.

    Raises `ValueError`, `LookupError`, `TypeError` or `AttributeError` for what is not as expected.
    """
    known = _known(content, path)
    packages: dict[str, Package] = {}
    options: list[str] = []
    # That something is editable has no meaning here, and would have pip ignore its marker. `==*` is what older Pipenv
    # writes for what it has not locked.
    for line in lines_of(re.sub(r"(?m)^(?:-e|--editable)[ =]|==\*", "", exported)):
        if line.requirement:
            package = _package(line, known)
            key = repr(dataclasses.replace(package, marker=None))
            former = packages.get(key)
            if former:  # once with extras and once without
                either = former.marker and package.marker and former.marker | package.marker
                package = dataclasses.replace(package, marker=either)
            packages[key] = package
        for names in (("-i", "--index-url"), ("--extra-index-url",), ("--trusted-host",)):
            values = [value for value in values_of(names, line.options) if urlsplit(value).hostname != "pypi.org"]
            options += [f"{names[-1]} {value}" for value in values]
    lock = Pylock(lock_version=Version("1.0"), created_by=LOCK_TOOLS[path.name].name, packages=list(packages.values()))
    return LockFile(path, lock, settings, tuple(options))


class _Known(NamedTuple):
    """What a lock file says and its export does not, by name.

    `files`: hashes by file name, by name and version. `places`: the path or URL of what does not come from an index,
    and `hashes` of it. `markers`: of a Pipfile.lock.
    """

    folder: Path
    files: dict[tuple[NormalizedName, Version], dict[str, str]]
    places: dict[NormalizedName, str]
    hashes: dict[NormalizedName, list[str]]
    markers: dict[NormalizedName, str]


def _known(content: str, path: Path) -> _Known:
    known = _Known(path.parent, {}, {}, {}, {})
    if path.name == "Pipfile.lock":
        sections = [section for key, section in json.loads(content).items() if key != "_meta"]
        entries = [entry for section in sections for entry in section.items()]
        known.markers.update(
            {canonicalize_name(name): entry["markers"] for name, entry in entries if "markers" in entry}
        )
    else:
        entries = [(entry["name"], entry) for entry in tomllib.loads(content).get("package", ())]
    for raw_name, entry in entries:
        name, source = canonicalize_name(raw_name), entry.get("source", {})
        of_poetry = source.get("url") if source.get("type") in {"directory", "file", "url"} else None
        files = {file.get("file") or _last_part(file["url"]): file["hash"] for file in entry.get("files", ())}
        if place := entry.get("path") or entry.get("file") or entry.get("url") or of_poetry:
            known.places[name] = _place(place, path.parent)
            known.hashes[name] = [*files.values(), *entry.get("hashes", ())]
        elif files:
            known.files[name, Version(entry["version"])] = files
    return known


def _last_part(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _place(place: str, folder: Path) -> str:
    """A URL, or the absolute path of what is local."""
    local = local_path(place)
    return place if local is None and "://" in place else str((folder / (local or place)).resolve())


def _package(line: Line, known: _Known) -> Package:
    text, _, marker = (part.strip() for part in line.requirement.partition(";"))
    place = _place(text.partition("#")[0], known.folder)
    if name := next((name for name, its_place in known.places.items() if its_place == place), None):
        return Package(name=name, marker=_marker(marker), **_direct(text, known.hashes[name], known))
    try:
        requirement = Requirement(line.requirement)
    except InvalidRequirement:  # an editable repository
        egg = parse_qs(urlsplit(text).fragment)["egg"][0].partition("[")[0]
        requirement = Requirement(f"{egg} @ {text}" + (f" ; {marker}" if marker else ""))
    name = canonicalize_name(requirement.name)
    if requirement.url:
        reference = known.places.get(name, requirement.url)  # PDM exports from a copy
        its_marker = requirement.marker or _marker(known.markers.get(name, ""))
        return Package(name=name, marker=its_marker, **_direct(reference, known.hashes.get(name, ()), known))
    pins = [pin.version for pin in requirement.specifier if pin.operator in {"==", "==="}]
    version = Version(pins[0]) if pins else None  # Pipenv does not lock what the machine that it runs on does not need
    files = known.files.get((name, version)) if version else None
    sources = _files(files) if files else {"tool": AnyFile(tuple(values_of(("--hash",), line.options))).as_tool_table()}
    return Package(name=name, version=version, marker=requirement.marker, **sources)


def _marker(text: str) -> Marker | None:
    return Marker(text) if text else None


def _direct(reference: str, hashes: Sequence[str], known: _Known) -> dict[str, Any]:
    """What does not come from an index, as a key of `[[packages]]`."""
    place, _, fragment = reference.partition("#")
    subdirectory = parse_qs(fragment).get("subdirectory", [None])[0]
    kind, plus, repository = place.partition("+")
    if plus and kind in {"git", "hg", "svn", "bzr"}:
        repository, _, commit = repository.rpartition("@")
        return {"vcs": PackageVcs(type=kind, url=repository, commit_id=commit, subdirectory=subdirectory)}
    where = _place(place, known.folder)
    if "://" not in where and not where.endswith((".whl", ".gz", ".zip", ".bz2")):  # which need not exist
        return {"directory": PackageDirectory(path=where, subdirectory=subdirectory)}
    url, path = (where, None) if "://" in where else (None, where)
    archive = PackageArchive(url=url, path=path, hashes=_by_algorithm(hashes), subdirectory=subdirectory)
    return {"archive": archive}


def _files(files: Mapping[str, str]) -> dict[str, Any]:
    """Files of an index, by name with their hashes, as keys of `[[packages]]`."""
    hashes = {name: _by_algorithm([value]) for name, value in files.items()}
    wheels = [PackageWheel(name=name, hashes=hashes[name]) for name in files if _is_wheel(name)]
    sdists = [PackageSdist(name=name, hashes=hashes[name]) for name in files if name.endswith((".tar.gz", ".zip"))]
    return {"wheels": wheels or None, "sdist": next(iter(sdists), None)}


def _is_wheel(name: str) -> bool:
    try:
        return name.endswith(".whl") and bool(parse_wheel_filename(name))
    except InvalidWheelFilename:  # of long ago
        return False


def _by_algorithm(hashes: Sequence[str]) -> dict[str, str]:
    return dict(value.split(":", 1) for value in hashes)
