"""Lock files (PEP 751): what one has for a target, whoever wrote it, and one written for a target.

https://packaging.python.org/en/latest/specifications/pylock-toml/
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.redact import redact, without_credentials
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.resolve.closure import Sdist, SourceTree
from hatch_lambda.resolve.curated import COMPATIBLE
from hatch_lambda.resolve.graph import required_names
from hatch_lambda.wheels.compatibility import compressed_tags, wheel_tags
from hatch_lambda.wheels.store import write_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.markers import Environment, Marker
    from packaging.pylock import (
        Package,
        PackageArchive,
        PackageDirectory,
        PackageSdist,
        PackageVcs,
        PackageWheel,
        Pylock,
    )
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure, Distribution

    File = PackageWheel | PackageSdist | PackageArchive
    Source = File | PackageDirectory | PackageVcs

_TOOL = "hatch-lambda"
_SHOWN_FILES = 8
_CHOOSING_THE_TARGET = tuple(ENVIRONMENT_VARIABLES[key] for key in ("runtime", "architecture"))


class LockFileError(LambdaBuildError):
    """A lock file that cannot be read, or does not serve the target, or not the project."""


@dataclass(frozen=True)
class LockFile:
    """A lock file that was read. `folder`: what its relative paths start from."""

    path: Path
    content: Pylock

    @property
    def folder(self) -> Path:
        return self.path.parent


@dataclass(frozen=True)
class Locked:
    """What a lock file has for one distribution on the target."""

    package: Package
    source: Source
    extras: frozenset[str] | None = None
    """Those that it is locked with; none where the lock does not tell. Ours do."""

    @property
    def name(self) -> NormalizedName:
        return self.package.name

    def __str__(self) -> str:
        return _name(self.package)


def read(path: Path, settings: Settings) -> LockFile:
    """Read and check a lock file. Raises `LockFileError`."""
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    shown = label(path, settings)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return LockFile(path, Pylock.from_dict(table))
    except FileNotFoundError:
        raise LockFileError(
            f"There is no lock file {shown}, which `lock-file` names.\n\n{how_to_lock(settings)}"
        ) from None
    except PylockUnsupportedVersionError:
        version = table.get("lock-version")
        raise LockFileError(
            f"{shown} is a lock file of version {version}; only versions 1.x are known.\n\n{how_to_lock(settings)}"
        ) from None
    except (PylockValidationError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockFileError(
            f"{shown} is not a valid lock file (PEP 751): {redact(str(error))}\n\n{how_to_lock(settings)}"
        ) from None


def label(path: Path, settings: Settings) -> str:
    """A path as its user would write it."""
    return os.path.relpath(path, settings.root) if path.is_relative_to(settings.root) else str(path)


def how_to_lock(settings: Settings, created_by: str | None = None) -> str:
    """Commands that make the lock file anew: ours, and that of the tool that made it."""
    path = shlex.quote(label(settings.lock_file, settings)) if settings.lock_file else ""
    # What chose the target goes with the command, so that it works in another terminal.
    chosen_by = [f"{name}={os.environ[name]} " for name in _CHOOSING_THE_TARGET if os.environ.get(name)]
    lines = [f"To lock for {settings.target.description}:", f"  {''.join(chosen_by)}hatch-lambda lock"]
    if created_by in {None, "uv"}:
        chosen = [f" --extra {name}" for name in sorted(settings.extras)]
        chosen += [f" --group {name}" for name in sorted(settings.dependency_groups)]
        command = f"uv export --format pylock.toml --no-dev --no-emit-project{''.join(chosen)} --output-file {path}"
        lines.append(f"  {command}")
    if created_by == "pip":
        minor = settings.target.runtime.name
        lines.append(
            f"`pip lock` locks for the machine that it runs on: it serves where that is Linux on "
            f"{settings.target.architecture.machine} with {minor}."
        )
    if created_by == "pdm":
        lines.append(f"  pdm export --format pylock --prod --output {path}")
    return "\n".join(lines)


def select(lock: LockFile, settings: Settings) -> tuple[Locked, ...]:
    """What the lock has for the target, sorted by name; the project itself is left out, for it is built.

    Raises `LockFileError` with everything that keeps the lock from serving the target.
    """
    found: dict[NormalizedName, Locked] = {}
    faults = list(_faults_of_head(lock, settings.target))
    for package in packages_for(lock, settings):
        if package.name in found:
            faults.append(f"two entries of one name hold for the target: {found[package.name]} and {_name(package)}")
            continue
        try:
            found[package.name] = Locked(package, _source(package, lock, settings), _extras(package, lock))
        except LockFileError as error:
            faults.append(str(error))
    if faults:
        told = "\n".join(f"- {fault}" for fault in faults)
        raise LockFileError(
            f"{label(lock.path, settings)} does not serve {settings.target.description}:\n\n{told}\n\n"
            f"{how_to_lock(settings, lock.content.created_by)}"
        )
    return tuple(sorted(found.values(), key=lambda locked: locked.name))


def packages_for(lock: LockFile, settings: Settings) -> tuple[Package, ...]:
    """The entries of a lock that hold for the target, whether the target can use them or not."""
    return tuple(
        package
        for package in lock.content.packages
        if _holds(package, lock, settings) and not _is_project_itself(package, lock, settings)
    )


def versions(lock: LockFile, settings: Settings) -> dict[NormalizedName, Version]:
    """The versions that a lock has from an index."""
    return {
        package.name: package.version
        for package in packages_for(lock, settings)
        if package.version is not None and not package.is_direct
    }


def _faults_of_head(lock: LockFile, target: Target) -> Iterator[str]:
    wanted, environments = lock.content.requires_python, lock.content.environments
    if wanted is not None and not wanted.contains(target.python_full_version, prereleases=True):
        yield f"it is for Python {wanted}, the runtime has {target.runtime.full_version}"
    if environments and not any(
        marker.evaluate(target.marker_environment, context="requirement") for marker in environments
    ):
        told = " or ".join(f"`{marker}`" for marker in environments)
        yield f"it is for another environment: {told}"


def _holds(package: Package, lock: LockFile, settings: Settings) -> bool:
    if package.marker is None:
        return True
    # `default-groups` stand for the project's own dependencies, so they are always in.
    groups = {*(lock.content.default_groups or ()), *settings.dependency_groups}
    environment: dict[str, Any] = {
        **settings.target.marker_environment,
        "extras": frozenset(settings.extras),
        "dependency_groups": frozenset(groups),
    }
    return package.marker.evaluate(environment, context="lock_file")


def _is_project_itself(package: Package, lock: LockFile, settings: Settings) -> bool:
    if package.directory is None:
        return False
    folder = lock.folder / package.directory.path / (package.directory.subdirectory or "")
    return folder.resolve() == settings.root.resolve()


def _source(package: Package, lock: LockFile, settings: Settings) -> Source:
    """The one of a package's sources that the target takes. Raises `LockFileError`, one sentence."""
    from packaging.pylock import Pylock, PylockSelectError

    target = settings.target
    # Its marker is known to hold; the extras and groups that this depends on are declared in the whole lock alone.
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
            reason = f"needs Python {wanted}, the runtime has {target.runtime.full_version}"
            raise LockFileError(f"{_name(package)} {reason}") from None
        source = _let_through(package, settings)
    if package.archive is not None and source is package.archive:
        _check_archive(package, package.archive, target)
    return source


def _name(package: Package) -> str:
    return f"{package.name} {package.version}" if package.version else package.name


def _let_through(package: Package, settings: Settings) -> PackageWheel:
    """A wheel that may work despite its tags, for stage 6 to look at: listed, or found so when it was locked."""
    wheels = list(package.wheels or ())
    listed = package.name in COMPATIBLE or package.name in settings.compatible
    if not listed and _own_table(package).get("despite-tags") is not True:
        names = sorted(wheel.filename for wheel in wheels)
        more = [f"and {len(names) - _SHOWN_FILES} more"] if len(names) > _SHOWN_FILES else []
        told = [f"{name}, which is tagged {compressed_tags(name)}" for name in names[:_SHOWN_FILES]]
        files = "\n".join(f"    {line}" for line in [*told, *more])
        raise LockFileError(f"{_name(package)} has no file that fits and no sdist; it has\n{files}")
    machine = settings.target.architecture.machine
    return min(wheels, key=lambda wheel: ("linux" not in wheel.filename, machine not in wheel.filename, wheel.filename))


def _check_archive(package: Package, archive: PackageArchive, target: Target) -> None:
    name = filename(archive)
    if name.endswith(".whl") and not fits(name, target):
        raise LockFileError(f"{_name(package)} is the wheel {name}, which is tagged {compressed_tags(name)}")


def filename(file: File) -> str:
    """What a file of a lock is called."""
    from packaging.pylock import PackageArchive

    if not isinstance(file, PackageArchive):
        return file.filename
    if file.path:
        return file.path.replace("\\", "/").rpartition("/")[2]
    return unquote(urlsplit(file.url or "").path.rpartition("/")[2])


def fits(wheel: str, target: Target) -> bool:
    """Whether a wheel's tags, by its file name, are among the target's."""
    return bool(wheel_tags(wheel) & target.tag_set)


def _extras(package: Package, lock: LockFile) -> frozenset[str] | None:
    if lock.content.created_by != _TOOL:
        return None
    told = _own_table(package).get("extras")
    return frozenset(map(str, told)) if isinstance(told, list) else frozenset()


def _own_table(package: Package) -> Mapping[str, Any]:
    table = (package.tool or {}).get(_TOOL)
    return table if isinstance(table, dict) else {}


def write(path: Path, closure: Closure, target: Target) -> None:
    """Write what was resolved for a target, to be committed: same closure, same bytes. Paths are relative to the file.

    Raises `LockFileError` for what nobody else could come by.
    """
    content = as_text(closure, target, path.parent).encode("utf-8")
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content, is_kept_for_good=True)


def as_text(closure: Closure, target: Target, folder: Path) -> str:
    """A lock file as it would stand in a folder. Raises `LockFileError`."""
    import tomli_w
    from packaging.pylock import Pylock
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    lock = Pylock(
        lock_version=Version("1.0"),
        environments=[environment_of(target)],
        requires_python=SpecifierSet(">={}.{}".format(*target.runtime.python)),
        created_by=_TOOL,
        packages=[_package(found, closure, target, folder) for found in closure.distributions],
    )
    lock.validate()
    where = f"{target.runtime.name} on {target.architecture.name}"
    head = f"# For {where} only. Made by `hatch-lambda lock`, which also renews it.\n"
    return head + tomli_w.dumps(dict(lock.to_dict()))


def environment_of(target: Target) -> Marker:
    """A marker that holds for the target."""
    from packaging.markers import Marker

    facts = target.marker_environment
    told = ("implementation_name", "platform_machine", "python_version", "sys_platform")
    return Marker(" and ".join(f"{name} == '{facts[name]}'" for name in told))


def machine_bound(closure: Closure, root: Path) -> tuple[str, ...]:
    """`name version` of what is a file or repository of this machine, and not below a folder.

    Source folders are not meant: whoever requires one knows where it is.
    """
    return tuple(
        str(found)
        for found in closure.distributions
        if (place := _local_place(found)) is not None and not place.is_relative_to(root)
    )


def _local_place(found: Distribution) -> Path | None:
    source, wheel = found.source, found.wheel
    if isinstance(source, SourceTree):
        return None if source.folder else _as_path(_repository(source)[1])
    if wheel is not None and wheel.url:
        return _as_path(wheel.url)
    return _as_path(source.url) if source else None


def _as_path(url: str) -> Path | None:
    return Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None


def _package(found: Distribution, closure: Closure, target: Target, folder: Path) -> Package:
    from packaging.pylock import Package

    required = required_names(found.requires, found.extras, target)
    names = sorted(required & {other.name for other in closure.distributions} - {found.name})
    own: dict[str, Any] = {"extras": sorted(found.extras)} if found.extras else {}
    if found.wheel and found.wheel.url and not fits(found.wheel.path.name, target):
        own["despite-tags"] = True
    is_folder = isinstance(found.source, SourceTree) and found.source.folder is not None
    return Package(
        name=found.name,
        version=None if is_folder else found.version,  # a folder goes on changing, and PEP 751 wants certainty
        dependencies=[{"name": name} for name in names] or None,
        tool={_TOOL: own} if own else None,
        **_origin(found, folder),
    )


def _origin(found: Distribution, folder: Path) -> dict[str, Any]:
    """Where a distribution comes from, by the keys of `[[packages]]`."""
    source, wheel = found.source, found.wheel
    if isinstance(source, SourceTree):
        return _tree(found, source, folder)
    from packaging.pylock import PackageArchive, PackageSdist, PackageWheel

    if isinstance(source, Sdist) and not (wheel and wheel.url):
        file = _file(source.path, source.url, folder)
        if found.direct:
            return {"archive": PackageArchive(**file, subdirectory=source.subdirectory)}
        return {"sdist": PackageSdist(name=source.path.name, **file)}
    if wheel is None or wheel.url is None:
        raise LockFileError(f"{found} cannot be locked: there is no wheel of it, nor sources.")
    file = _file(wheel.path, wheel.url, folder)
    if found.direct:
        return {"archive": PackageArchive(**file)}
    return {"wheels": [PackageWheel(name=wheel.path.name, **file)]}


def _file(path: Path, url: str, folder: Path) -> dict[str, Any]:
    url = without_credentials(url.partition("#")[0])
    place = _as_path(url)
    where = {"path": _relative(place, folder)} if place else {"url": url}
    return {**where, "size": path.stat().st_size, "hashes": {"sha256": sha256_of(path)}}


def _tree(found: Distribution, source: SourceTree, folder: Path) -> dict[str, Any]:
    from packaging.pylock import PackageDirectory, PackageVcs

    if source.folder and "+" in urlsplit(source.url).scheme:
        raise LockFileError(f"{found} cannot be locked as an editable checkout: take the `-e` from its requirement.")
    if source.folder:
        path = _relative(source.folder, folder)
        return {"directory": PackageDirectory(path=path, editable=False, subdirectory=source.subdirectory)}
    kind, url = _repository(source)
    place = _as_path(url)
    where = {"path": _relative(place, folder)} if place else {"url": url}
    return {
        "vcs": PackageVcs(type=kind, **where, commit_id=source.commit or "", subdirectory=source.subdirectory),
    }


def _repository(source: SourceTree) -> tuple[str, str]:
    """The kind and the URL of a repository, less revision and credentials."""
    kind, _, url = source.url.partition("#")[0].rpartition("@")[0].partition("+")
    parts = urlsplit(url)
    if parts.scheme == "ssh" and parts.username:  # part of the address, and no secret: the key is
        return kind, url.replace(parts.netloc, f"{parts.username}@{parts.netloc.rpartition('@')[2]}", 1)
    return kind, without_credentials(url)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def changes(before: Iterable[Package], after: Iterable[Package]) -> tuple[str, ...]:
    """What a new lock has otherwise: `+ name version`, `- name version`, `~ name old -> new`."""
    old, new = ({package.name: _version(package) for package in packages} for packages in (before, after))
    lines = []
    for name in sorted({*old, *new}):
        if name not in old:
            lines.append(f"+ {name} {new[name]}".rstrip())
        elif name not in new:
            lines.append(f"- {name} {old[name]}".rstrip())
        elif old[name] != new[name]:
            lines.append(f"~ {name} {old[name]} -> {new[name]}")
    return tuple(lines)


def _version(package: Package) -> str:
    return str(package.version or "")
