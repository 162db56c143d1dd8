"""The result of stages 1 to 7, saved next to the bundle: the same question is resolved once.

It is saved before the audit, so that a build that fails there need not be resolved again; nor one whose `compatible`
has changed since, unless a wheel was taken because its name was there.
"""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common import tempfiles
from hatch_lambda.common.files import read_regular, write_cache
from hatch_lambda.resolve.fingerprint import digest_of
from hatch_lambda.wheels.store import WantedWheel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.wheels.store import StoredWheel

_RESOLUTION = "resolution.json"
_AUDIT = "audit.json"
_INVALID = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What reading a file raises that is missing, damaged or of another release."""


class Earlier(NamedTuple):
    """A saved resolution."""

    wheels: tuple[WantedWheel, ...]
    resolved: date
    required_by: dict[str, str]
    """As `Closure.required_by`."""
    pure: dict[str, str | None]
    """As `Closure.pure`."""
    users: tuple[WantedWheel, ...]
    """For a layer, what else the functions have that use it."""
    audited: bool
    """Whether it has passed the audit with these settings."""


def recall(folder: Path, key: str, settings: Settings) -> Earlier | None:
    """The resolution that was saved with this key, unless its source folders have changed since."""
    try:
        saved = json.loads(read_regular(folder / _RESOLUTION))
        if saved["key"] != key or any(digest_of(Path(path)) != digest for path, digest in saved["folders"].items()):
            return None
        if not settings.compatible.issuperset(saved["compatible"]):
            return None
        wheels, users = (tuple(WantedWheel(**entry) for entry in saved[kind]) for kind in ("wheels", "users"))
        if not all(wheel.is_plain for wheel in (*wheels, *users)):
            return None
        required_by = {name: str(chain) for name, chain in saved["required_by"].items()}
        names = [name for wheel in wheels if (name := f"{wheel.name} {wheel.version}") in saved["pure"]]
        pure = {name: reason and str(reason) for name in names for reason in [saved["pure"][name]]}
        return Earlier(
            *(wheels, date.fromisoformat(saved["resolved"]), required_by, pure, users),
            audited=_audited(folder) == settings.facts("audit"),
        )
    except _INVALID:
        return None


def borrow(folder: Path, key: str, settings: Settings, neighbours: Iterable[Path]) -> Earlier | None:
    """A resolution that was saved with this key for another bundle, copied to this one."""
    for neighbour in neighbours:
        if recall(neighbour, key, settings):
            for name in (_AUDIT, _RESOLUTION):
                with contextlib.suppress(FileNotFoundError):
                    write_cache(folder / name, read_regular(neighbour / name))
            return recall(folder, key, settings)
    return None


def forget(folder: Path) -> None:
    """Remove what describes a bundle that is about to be replaced."""
    for name in (_RESOLUTION, _AUDIT):
        tempfiles.remove(folder / name)


def note_audit(folder: Path, request: Request) -> None:
    """Record that the audit has passed with these settings, and without libraries of the project."""
    if not request.libraries():
        write_cache(folder / _AUDIT, json.dumps(request.settings.facts("audit")).encode("utf-8"))


def _audited(folder: Path) -> object:
    try:
        return json.loads(read_regular(folder / _AUDIT))
    except _INVALID:
        return None


def keep(  # noqa: PLR0913 - what is saved
    folder: Path,
    key: str,
    closure: Closure,
    wheels: tuple[StoredWheel, ...],
    settings: Settings,
    *,
    users: tuple[StoredWheel, ...] = (),
) -> None:
    """Save what was resolved: the wheels by their hashes, and the digests of source folders.

    `users`: as in `Earlier`.
    """
    from hatch_lambda.resolve.closure import SourceTree  # builds that reuse a resolution need neither
    from hatch_lambda.wheels.compatibility import judge

    sources = [
        found.source.folder
        for found in closure.distributions
        if isinstance(found.source, SourceTree) and found.source.folder
    ]
    saved: dict[str, object] = {
        "key": key,
        "resolved": datetime.now(tz=timezone.utc).date().isoformat(),
        "folders": {str(source): digest_of(source) for source in sources},
        "required_by": closure.required_by,
        "pure": {**closure.pure},
        "compatible": [
            found.name
            for found in closure.distributions
            if found.wheel and found.name in settings.compatible
            if not judge(found.wheel.path, settings.target).compatible  # stage 6 has let it in
        ],
        **{
            kind: [
                {"name": wheel.name, "version": wheel.version, "filename": wheel.filename, "sha256": wheel.sha256}
                for wheel in kept
            ]
            for kind, kept in (("wheels", wheels), ("users", users))
        },
    }
    write_cache(folder / _RESOLUTION, json.dumps(saved, indent=1).encode("utf-8"))
