"""From pip's report to distributions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.redact import without_credentials
from hatch_lambda.resolve.closure import CACHED, Distribution, Sdist, SourceTree, Wheel
from hatch_lambda.resolve.graph import parsed
from hatch_lambda.wheels.compatibility import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


NOT_JUDGED_YET = Verdict(compatible=False, reason="not looked at yet")


def distribution_of(entry: Mapping[str, Any], destination: Path) -> Distribution:
    """A distribution that pip has downloaded, from `for_target.overrides.describe`."""
    is_wheel = entry["kind"] == "wheel"
    return Distribution(
        name=canonicalize_name(entry["name"]),
        version=Version(entry["version"]),
        requires=tuple(parsed(entry["requires"])),
        extras=frozenset(canonicalize_name(extra) for extra in entry["extras"]),
        requested=entry["user_supplied"],
        direct=entry["direct"],
        allowed_hashes=tuple(entry["allowed_hashes"]),
        wheels=(wheel_of(entry, destination),) if is_wheel else (),
        source=None if is_wheel else _source(entry, place_of(entry, destination)),
    )


def wheel_of(entry: Mapping[str, Any], destination: Path, origin: str = "downloaded") -> Wheel:
    """`origin`: if it does not come from the store. Raises `BrokenWheelError`."""
    path = place_of(entry, destination)
    if entry["cached"]:
        origin = CACHED
        sha256 = sha256_of(path) if path.is_file() else None
        if sha256 != path.parent.name:  # as in the store
            raise BrokenWheelError(path.name, "it was modified in the cache during the build")
    return Wheel(path, origin, NOT_JUDGED_YET, without_credentials(entry["url"]))


def place_of(entry: Mapping[str, Any], destination: Path) -> Path:
    """The path of a resolved file: among the downloads, or in the store."""
    if entry["cached"]:
        return Path(entry["cached"])
    return destination / canonicalize_name(entry["name"]) / str(entry["filename"])


def _source(entry: Mapping[str, Any], path: Path) -> Sdist | SourceTree:
    if entry["kind"] == "sdist":
        return Sdist(path, sha256_of(path), without_credentials(entry["url"]), entry["subdirectory"])
    if entry["kind"] == "directory":
        return SourceTree(entry["url"], Path(entry["folder"]), subdirectory=entry["subdirectory"])
    return SourceTree(_pinned_to_commit(entry), None, entry["commit"], entry["subdirectory"])


def _pinned_to_commit(entry: Mapping[str, Any]) -> str:
    """The repository's URL at the resolved commit: a branch may have moved since."""
    url = entry["url"].partition("#")[0]
    scheme, separator, rest = url.partition("://")
    location, at, _revision = rest.rpartition("@")
    if not at or "/" not in location:  # an `@` before the path belongs to the credentials
        location = rest
    fragment = f"#subdirectory={entry['subdirectory']}" if entry["subdirectory"] else ""
    return f"{scheme}{separator}{location}@{entry['commit']}{fragment}"
