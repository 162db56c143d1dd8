"""The files of a bundle: what its wheels bring, less what the settings leave out.

To find them, every wheel's directory is read and every path looked at, which takes longer than all else in a build that
has nothing new to resolve. So the list is kept beside the bundle, under a hash of what it depends on.
"""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from typing import TYPE_CHECKING

from hatch_lambda.bundle import Bundle, BundleFile, Member, Text, union
from hatch_lambda.layout import lay_out
from hatch_lambda.store import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.settings import Settings
    from hatch_lambda.store import StoredWheel

FILES_NAME = "files.json"


def assemble(wheels: tuple[StoredWheel, ...], settings: Settings, directory: Path, state: Path | None = None) -> Bundle:
    """The bundle that is to be laid out in a directory. `state`: where the list of its files is kept.

    Raises `BrokenWheelError` or `ConflictingFilesError`.
    """
    kept = _Kept(state / FILES_NAME, _key(wheels, settings)) if state else None
    files = kept.files(wheels) if kept else None
    if files is None:
        files = union([lay_out(wheel.path, settings.target, settings.is_excluded) for wheel in wheels])
        if kept:
            kept.keep(files, wheels)
    return Bundle(directory, files, wheels)


def _key(wheels: tuple[StoredWheel, ...], settings: Settings) -> str:
    facts = [
        [(wheel.filename, wheel.sha256) for wheel in wheels],
        str(settings.target),
        settings.exclude,
        sorted(settings.prune),
        metadata.version("hatch-lambda"),
    ]
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


class _Kept:
    """A list of files on disk. One that is damaged, or was made for something else, is none."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def files(self, wheels: tuple[StoredWheel, ...]) -> tuple[BundleFile, ...] | None:
        try:
            head, _, body = self.path.read_bytes().partition(b"\n")
            if head.decode("ascii") != self._head(body):
                return None
            owners, rows = json.loads(body)
        except (OSError, ValueError):
            return None
        paths = [wheel.path for wheel in wheels]
        return tuple(
            BundleFile(
                path,
                mode,
                Text(source.encode("utf-8", "surrogateescape"))
                if isinstance(source, str)
                else Member(paths[source[0]], *source[1:]),
                owners[owner],
            )
            for path, mode, owner, source in rows
        )

    def keep(self, files: tuple[BundleFile, ...], wheels: tuple[StoredWheel, ...]) -> None:
        owners = sorted({file.owner for file in files})
        numbers = {owner: number for number, owner in enumerate(owners)}
        places = {wheel.path: number for number, wheel in enumerate(wheels)}
        rows = [
            (
                file.path,
                file.mode,
                numbers[file.owner],
                (places[file.source.wheel], *file.source[1:])
                if isinstance(file.source, Member)
                else file.source.content.decode("utf-8", "surrogateescape"),
            )
            for file in files
        ]
        body = json.dumps([owners, rows], separators=(",", ":")).encode("ascii")
        write_whole(self.path, self._head(body).encode("ascii") + b"\n" + body)

    def _head(self, body: bytes) -> str:
        return f"{self.key} {hashlib.sha256(body).hexdigest()}"
