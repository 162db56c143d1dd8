"""What a lock file has for the target."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
)

from hatch_lambda.common.ui import shortened
from hatch_lambda.resolve.curated import is_listed_as_compatible
from hatch_lambda.resolve.lock.read import TOOL, LockFile, LockFileError
from hatch_lambda.wheels.compatibility import compressed_tags, fits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.markers import Environment, Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Distribution

    File = PackageWheel | PackageSdist | PackageArchive
    Source: TypeAlias = "File | AnyFile | PackageDirectory | PackageVcs"

_SHOWN_FILES = 8
# What pip can take from version control, and the names of revisions that no one can move. As an argument of these
# programs, other text may be an option (CVE-2023-5752).
_COMMIT_IDS = {
    "git": re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}"),
    "hg": re.compile(r"[0-9a-f]{40}"),
    "bzr": re.compile(r"\w[\w.@:+-]*"),
    "svn": re.compile(r"[0-9]+"),
}


@dataclass(frozen=True)
class AnyFile:
    """Whichever file an index has that has one of these hashes (`sha256:…`): some lock files do not say more."""

    hashes: tuple[str, ...]

    def as_tool_table(self) -> Mapping[str, Any]:
        """As the table `[tool]` of a package, which has no other place for it."""
        return {TOOL: {"hashes": self.hashes}}


@dataclass(frozen=True)
class Locked:
    """What a lock file has for one distribution on the target."""

    package: Package
    source: Source
    extras: frozenset[str] | None
    """The extras that it was locked with; None if the lock file does not say. Ours do."""
    version: Version | None
    requires: tuple[Requirement, ...] | None = None
    """None as long as its metadata is not at hand."""

    @property
    def name(self) -> NormalizedName:
        return self.package.name

    @property
    def file(self) -> File | None:
        """The source, if it is a single file that is known: these have hashes."""
        return None if isinstance(self.source, (PackageVcs, PackageDirectory, AnyFile)) else self.source

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of the file that it is, or of those that it may be: `sha256:…`."""
        if isinstance(self.source, AnyFile):
            return self.source.hashes
        return tuple(f"{name}:{value.lower()}" for name, value in self.file.hashes.items()) if self.file else ()

    @property
    def is_direct(self) -> bool:
        """Whether it is not from an index."""
        return isinstance(self.source, (PackageVcs, PackageDirectory, PackageArchive))

    def as_found(self, found: Distribution | None) -> Locked:
        """With the metadata of the distribution itself, if it is at hand."""
        return dataclasses.replace(self, version=found.version, requires=found.requires) if found else self

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


def select(lock: LockFile) -> tuple[Locked, ...]:
    """Select what the lock file has for the target, sorted by name, without the project itself: it is built.

    Raises `LockFileError` with everything that does not match the target.
    """
    target, content = lock.settings.target, lock.content
    faults = []
    if content.requires_python is not None and not content.requires_python.contains(
        target.python_full_version, prereleases=True
    ):
        faults.append(f"it is for Python {content.requires_python}, but the runtime has {target.runtime.full_version}")
    if content.environments is not None and not any(
        _is_met(marker, {**target.marker_environment}, lock) for marker in content.environments
    ):
        others = " or ".join(f"`{marker}`" for marker in content.environments)
        faults.append(f"it is for other environments: {others or 'its list of environments is empty'}")
    found: dict[NormalizedName, Locked] = {}
    for package in packages_for(lock):
        if package.name in found:
            faults.append(f"two entries for one name match the target: {found[package.name]} and {_name(package)}")
            continue
        try:
            source, extras = _source(package, lock), None
            if content.created_by == TOOL:
                own = _own_table(package).get("extras")
                extras = frozenset(map(str, own)) if isinstance(own, list) else frozenset()
            found[package.name] = Locked(package, source, extras, package.version)
        except LockFileError as error:
            faults.append(str(error))
    if faults:
        listed = "\n".join(f"- {fault}" for fault in faults)
        raise lock.error(f"does not match {target.description}:\n\n{listed}")
    return tuple(sorted(found.values(), key=lambda locked: locked.name))


def packages_for(lock: LockFile) -> tuple[Package, ...]:
    """The entries whose markers match the target, whether or not it can use their files."""
    settings = lock.settings
    # The default groups stand for the project's own dependencies.
    groups = {*(lock.content.default_groups or ()), *settings.dependency_groups}
    environment: dict[str, Any] = {
        **settings.target.marker_environment,
        "extras": frozenset(settings.extras),
        "dependency_groups": frozenset(groups),
    }
    root = settings.root.resolve()

    def is_project(package: Package) -> bool:
        place = package.directory
        return place is not None and (lock.place(place.path) / (place.subdirectory or "")).resolve() == root

    return tuple(
        package
        for package in lock.content.packages
        if (package.marker is None or _is_met(package.marker, environment, lock, package)) and not is_project(package)
    )


def _is_met(marker: Marker, environment: dict[str, Any], lock: LockFile, package: Package | None = None) -> bool:
    """Evaluate a marker of a lock file. Raises `LockFileError`."""
    try:
        return marker.evaluate(environment, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        reason = f"there is no {error} in lock files" if isinstance(error, UndefinedEnvironmentName) else str(error)
        of = f" of {_name(package)}" if package else ""
        raise lock.error(f"cannot be used: the marker `{marker}`{of} cannot be evaluated: {reason}") from None


def versions(lock: LockFile) -> dict[NormalizedName, Version]:
    """The locked versions of what comes from an index."""
    return {
        package.name: package.version
        for package in packages_for(lock)
        if package.version is not None and not package.is_direct
    }


def _source(package: Package, lock: LockFile) -> Source:
    """Select one of a package's sources for the target. Raises `LockFileError` with a single clause."""
    target = lock.settings.target
    if not any((package.vcs, package.directory, package.archive, package.sdist, package.wheels)):
        if package.version is None:
            raise LockFileError(
                f"{package.name} has no version, since the machine on which Pipenv locked does not need it: lock on "
                "one like the target or, if that does not need it either, give it `markers` in the Pipfile"
            )
        return AnyFile(_own_table(package)["hashes"])
    # Its marker is known to match; only the whole lock file declares the extras and groups that it may depend on.
    alone = Pylock(
        lock_version=lock.content.lock_version,
        created_by=lock.content.created_by,
        packages=[dataclasses.replace(package, marker=None)],
    )
    try:
        selected = alone.select(environment=cast("Environment", {**target.marker_environment}), tags=target.tags)
        _package, source = next(selected)
    except PylockSelectError:
        wanted = package.requires_python
        if wanted is not None and not wanted.contains(target.python_full_version, prereleases=True):
            reason = f"requires Python {wanted}, but the runtime has {target.runtime.full_version}"
            raise LockFileError(f"{_name(package)} {reason}") from None
        source = _wheel_despite_tags(package, lock.settings)
    if isinstance(source, PackageArchive) and (name := filename(source)).endswith(".whl") and not fits(name, target):
        raise LockFileError(f"{_name(package)} is the wheel {name}, which is tagged {compressed_tags(name)}")
    _refuse_unsafe(package, source)
    return source


def _refuse_unsafe(package: Package, source: Source) -> None:
    """Check what becomes a part of pip's requirements: lock files may come from strangers.

    Raises `LockFileError` with a single clause.
    """
    if isinstance(source, PackageVcs):
        if source.type not in _COMMIT_IDS:
            supported = ", ".join(_COMMIT_IDS)
            raise LockFileError(f"{_name(package)} has the vcs type {source.type!r}; supported are {supported}")
        if not _COMMIT_IDS[source.type].fullmatch(source.commit_id):
            raise LockFileError(f"{_name(package)} is not pinned to a commit: its commit-id is {source.commit_id!r}")
    elif not isinstance(source, (PackageDirectory, AnyFile)):
        for algorithm, value in source.hashes.items():
            size = _digest_size(algorithm)
            if size and not re.fullmatch(f"[0-9a-fA-F]{{{2 * size}}}", value):
                raise LockFileError(
                    f"{_name(package)} has {value!r} as its {algorithm}, which is not a valid {algorithm}"
                )
    subdirectory = getattr(source, "subdirectory", None)
    if subdirectory is not None:
        windows = PureWindowsPath(subdirectory)
        if windows.drive or windows.root or PurePosixPath(subdirectory).is_absolute() or ".." in windows.parts:
            raise LockFileError(f"{_name(package)} has the subdirectory {subdirectory!r}, which is outside its source")


def _digest_size(algorithm: str) -> int:
    """In bytes; 0 for algorithms that nothing is checked with."""
    try:
        return hashlib.new(algorithm.lower(), usedforsecurity=False).digest_size
    except ValueError:
        return 0


def _name(package: Package) -> str:
    return f"{package.name} {package.version}" if package.version else package.name


def _wheel_despite_tags(package: Package, settings: Settings) -> PackageWheel:
    """A wheel for stage 6 to check: listed as compatible, or found to be so when it was locked."""
    wheels = list(package.wheels or ())
    if not is_listed_as_compatible(package.name, settings) and _own_table(package).get("despite-tags") is not True:
        names = sorted(wheel.filename for wheel in wheels)
        lines = shortened([f"{name}, which is tagged {compressed_tags(name)}" for name in names], _SHOWN_FILES)
        files = "\n".join(f"    {line}" for line in lines)
        raise LockFileError(f"{_name(package)} has no compatible wheel and no sdist, only\n{files}")
    machine = settings.target.architecture.machine
    return min(wheels, key=lambda wheel: ("linux" not in wheel.filename, machine not in wheel.filename, wheel.filename))


def filename(file: File) -> str:
    """The name of a locked file."""
    if not isinstance(file, PackageArchive):
        return file.filename
    if file.path:
        return file.path.replace("\\", "/").rpartition("/")[2]
    return unquote(urlsplit(file.url or "").path.rpartition("/")[2])


def _own_table(package: Package) -> Mapping[str, Any]:
    table = (package.tool or {}).get(TOOL)
    return table if isinstance(table, dict) else {}
