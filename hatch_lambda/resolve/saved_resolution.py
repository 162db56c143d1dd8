"""Stages 1 to 7's result, kept beside the bundle as a lock file (PEP 751), so that the same question is asked once."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.common.redact import without_credentials
from hatch_lambda.resolve.fingerprint import digest_of
from hatch_lambda.wheels.store import WantedWheel, write_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure, Distribution
    from hatch_lambda.wheels.store import StoredWheel

LOCK_NAME = "pylock.toml"
_AUDIT_NAME = "audit.json"
_TOOL = "hatch-lambda"


class Earlier(NamedTuple):
    """A resolution that was kept."""

    wheels: tuple[WantedWheel, ...]
    resolved: date
    audited_without: tuple[str, ...] | None
    """The files, by gitignore patterns, that the audit has left out; none if there is no word of an audit."""


def exists(folder: Path) -> bool:
    """Whether an earlier build has kept a resolution in a folder, be it for what is needed now or not."""
    return (folder / LOCK_NAME).is_file()


def recall(folder: Path, key: str) -> Earlier | None:
    """What an earlier build with this key chose; none where there was none, or its source folders have changed."""
    try:
        table = _table_of(folder)
        if table["key"] != key or any(digest_of(Path(path)) != digest for path, digest in table["folders"].items()):
            return None
        wheels, resolved = _wheels_of(table), table["resolved"]
    except _IS_NO_LOCK:
        return None
    return Earlier(wheels, resolved, _audited_without(folder)) if isinstance(resolved, date) else None


_IS_NO_LOCK = (OSError, ValueError, KeyError, TypeError, AttributeError)


def _table_of(folder: Path) -> dict[str, Any]:
    """Our own table in the lock file. Raises any of `_IS_NO_LOCK`."""
    table: dict[str, Any] = tomllib.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))["tool"][_TOOL]
    return table


def _wheels_of(table: dict[str, Any]) -> tuple[WantedWheel, ...]:
    """Raises any of `_IS_NO_LOCK`."""
    wheels = tuple(WantedWheel(**entry) for entry in table["wheels"])
    if not all(wheel.is_plain for wheel in wheels):
        raise ValueError("not the name of a wheel")
    return wheels


def borrow(folder: Path, key: str, neighbours: Iterable[Path]) -> Earlier | None:
    """What was resolved with this key for another bundle, taken over for this one."""
    for neighbour in neighbours:
        if recall(neighbour, key):
            for name in (_AUDIT_NAME, LOCK_NAME):
                with contextlib.suppress(FileNotFoundError):
                    write_whole(folder / name, (neighbour / name).read_bytes())
            return recall(folder, key)
    return None


def forget(folder: Path) -> None:
    """Take away what describes a bundle that is about to be replaced."""
    for name in (LOCK_NAME, _AUDIT_NAME):
        (folder / name).unlink(missing_ok=True)


def note_audit(folder: Path, exclude: tuple[str, ...]) -> None:
    """Keep that the audit has passed what was resolved, less the files that are left out."""
    write_whole(folder / _AUDIT_NAME, json.dumps({"exclude": exclude}).encode("utf-8"))


def _audited_without(folder: Path) -> tuple[str, ...] | None:
    try:
        return tuple(json.loads((folder / _AUDIT_NAME).read_text(encoding="utf-8"))["exclude"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: Path, key: str, closure: Closure, wheels: tuple[StoredWheel, ...], settings: Settings) -> None:
    """Write the lock file: what was chosen for this target, and which wheels of the store that came to."""
    import tomli_w
    from packaging.pylock import Package, Pylock
    from packaging.version import Version

    from hatch_lambda.resolve.closure import SourceTree
    from hatch_lambda.resolve.lock.lock_file import environment_of

    by_name = {wheel.distribution: wheel for wheel in wheels}
    lock = Pylock(
        lock_version=Version("1.0"),
        environments=[environment_of(settings.target)],
        created_by=_TOOL,
        packages=[
            Package(name=found.name, version=found.version, **_origin(found, by_name[str(found)]))
            for found in closure.distributions
        ],
        tool={
            _TOOL: {
                "key": key,
                "resolved": datetime.now(tz=timezone.utc).date(),
                "folders": {
                    str(found.source.folder): digest_of(found.source.folder)
                    for found in closure.distributions
                    if isinstance(found.source, SourceTree) and found.source.folder
                },
                "wheels": [
                    {"distribution": wheel.distribution, "filename": wheel.filename, "sha256": wheel.sha256}
                    for wheel in wheels
                ],
            }
        },
    )
    lock.validate()
    note_audit(folder, settings.exclude)
    write_whole(folder / LOCK_NAME, tomli_w.dumps(dict(lock.to_dict())).encode("utf-8"))


def _origin(found: Distribution, kept: StoredWheel) -> dict[str, Any]:
    """Where a distribution comes from, by the keys of `[[packages]]`."""
    from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel

    from hatch_lambda.resolve.closure import Sdist, SourceTree

    source, wheel = found.source, found.wheel
    if isinstance(source, SourceTree) and source.folder:
        return {"directory": PackageDirectory(path=str(source.folder), editable=False)}
    if isinstance(source, SourceTree):
        kind, _, url = without_credentials(source.url.partition("#")[0].rpartition("@")[0]).partition("+")
        commit, subdirectory = source.commit or "", source.subdirectory
        return {"vcs": PackageVcs(type=kind, url=url, commit_id=commit, subdirectory=subdirectory)}
    if isinstance(source, Sdist) and not (wheel and wheel.url):
        url, hashes = source.url.partition("#")[0], {"sha256": source.sha256}
        sdist = PackageSdist(name=source.path.name, url=url, hashes=hashes)
        return {"archive": PackageArchive(url=url, hashes=hashes)} if found.direct else {"sdist": sdist}
    url, hashes = (wheel.url if wheel and wheel.url else kept.path.as_uri()).partition("#")[0], {"sha256": kept.sha256}
    if found.direct:
        return {"archive": PackageArchive(url=url, hashes=hashes)}
    return {"wheels": [PackageWheel(name=kept.filename, url=url, hashes=hashes)]}
