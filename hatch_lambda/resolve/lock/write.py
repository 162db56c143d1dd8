"""Writing a lock file (PEP 751) for one target, and comparing two."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tomli_w
from packaging.markers import Marker
from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hatch_lambda.common.files import local_path, write_atomically
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.redact import without_credentials
from hatch_lambda.resolve.closure import Sdist, SourceTree
from hatch_lambda.resolve.graph import needs_of
from hatch_lambda.resolve.lock.read import TOOL, LockFileError
from hatch_lambda.wheels.compatibility import fits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.closure import Closure, Distribution


def write(path: Path, closure: Closure, target: Target) -> None:
    """Write what was resolved for a target; paths are relative to the file. Same closure, same bytes.

    Raises `LockFileError` for what cannot be locked.
    """
    content = as_text(closure, target, path.parent).encode("utf-8")
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content, durable=True)


def as_text(closure: Closure, target: Target, directory: Path) -> str:
    """The lock file as it would be written to a directory. Raises `LockFileError`."""
    facts = target.marker_environment
    names = ("implementation_name", "platform_machine", "python_version", "sys_platform")
    needs = needs_of(closure, target)
    lock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(" and ".join(f"{name} == '{facts[name]}'" for name in names))],
        requires_python=SpecifierSet(">={}.{}".format(*target.runtime.python)),
        created_by=TOOL,
        packages=[
            _package(found, needs[found.name] & needs.keys() - {found.name}, target, directory)
            for found in closure.distributions
        ],
    )
    lock.validate()
    where = f"{target.runtime.name} on {target.architecture.name}"
    head = f"# For {where} only. Made by `hatch-lambda lock`, which also renews it.\n"
    return head + tomli_w.dumps(dict(lock.to_dict()))


def _package(found: Distribution, required: set[NormalizedName], target: Target, directory: Path) -> Package:
    own: dict[str, Any] = {"extras": sorted(found.extras)} if found.extras else {}
    if found.wheel and found.wheel.url and not fits(found.wheel.path.name, target):
        own["despite-tags"] = True
    is_directory = isinstance(found.source, SourceTree) and found.source.folder is not None
    return Package(
        name=found.name,
        version=None if is_directory else found.version,  # PEP 751: only if it cannot change
        dependencies=[{"name": name} for name in sorted(required)] or None,
        tool={TOOL: own} if own else None,
        **_origin(found, directory),
    )


def _origin(found: Distribution, directory: Path) -> dict[str, Any]:
    """Where a distribution comes from, as a key of `[[packages]]`."""
    source, wheel = found.source, found.wheel
    if isinstance(source, SourceTree):
        return _tree(found, source, directory)
    if isinstance(source, Sdist) and not (wheel and wheel.url):
        file = _file(source.path, source.url, directory)
        if found.direct:
            return {"archive": PackageArchive(**file, subdirectory=source.subdirectory)}
        return {"sdist": PackageSdist(name=source.path.name, **file)}
    if wheel is None or wheel.url is None:
        raise LockFileError(f"{found} cannot be locked: it has no wheel and no sources.")
    file = _file(wheel.path, wheel.url, directory)
    if found.direct:
        return {"archive": PackageArchive(**file)}
    return {"wheels": [PackageWheel(name=wheel.path.name, **file)]}


def _file(path: Path, url: str, directory: Path) -> dict[str, Any]:
    url = without_credentials(url.partition("#")[0])
    return {**_where(url, directory), "size": path.stat().st_size, "hashes": {"sha256": sha256_of(path)}}


def _tree(found: Distribution, source: SourceTree, directory: Path) -> dict[str, Any]:
    if source.folder and "+" in urlsplit(source.url).scheme:
        raise LockFileError(f"{found} cannot be locked as an editable checkout: remove the `-e` from its requirement.")
    if source.folder:
        path = _relative(source.folder, directory)
        return {"directory": PackageDirectory(path=path, editable=False, subdirectory=source.subdirectory)}
    kind, url = _repository(source)
    where = _where(url, directory)
    return {"vcs": PackageVcs(type=kind, **where, commit_id=source.commit or "", subdirectory=source.subdirectory)}


def _where(url: str, directory: Path) -> dict[str, Any]:
    place = local_path(url)
    return {"path": _relative(place, directory)} if place else {"url": url}


def _repository(source: SourceTree) -> tuple[str, str]:
    """The kind and the URL of a repository, without revision and credentials."""
    kind, _, url = source.url.partition("#")[0].rpartition("@")[0].partition("+")
    parts = urlsplit(url)
    if parts.scheme == "ssh" and parts.username:  # part of the address, not a secret
        return kind, url.replace(parts.netloc, f"{parts.username}@{parts.netloc.rpartition('@')[2]}", 1)
    return kind, without_credentials(url)


def _relative(path: Path, directory: Path) -> str:
    try:
        return Path(os.path.relpath(path, directory)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def machine_bound(closure: Closure, root: Path) -> tuple[str, ...]:
    """`name version` of what comes from a local file or repository outside the project's root directory.

    Not of source directories: who requires one knows where it is.
    """
    return tuple(
        str(found)
        for found in closure.distributions
        if (place := _local_place(found)) is not None and not place.is_relative_to(root)
    )


def _local_place(found: Distribution) -> Path | None:
    source, wheel = found.source, found.wheel
    if isinstance(source, SourceTree):
        return None if source.folder else local_path(_repository(source)[1])
    if wheel is not None and wheel.url:
        return local_path(wheel.url)
    return local_path(source.url) if source else None


def changes(before: Iterable[Package], after: Iterable[Package]) -> tuple[str, ...]:
    """What differs in a new lock file: `+ name version`, `- name version`, `~ name old -> new`."""
    old, new = ({package.name: str(package.version or "") for package in packages} for packages in (before, after))
    lines = []
    for name in sorted({*old, *new}):
        if name not in old:
            lines.append(f"+ {name} {new[name]}".rstrip())
        elif name not in new:
            lines.append(f"- {name} {old[name]}".rstrip())
        elif old[name] != new[name]:
            lines.append(f"~ {name} {old[name]} -> {new[name]}")
    return tuple(lines)
