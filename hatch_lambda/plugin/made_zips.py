"""A record of the zips that builds of a project made: `-c` removes nothing else, and what is as it was made stays.

One small JSON file for each zip below the build directory: builds of several targets may run at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hatch_lambda.common import tempfiles
from hatch_lambda.common.files import looks_below, looks_of, make_directory, read_regular, write_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_FOLDER = ".zips"  # no function can have this name


@contextmanager
def note(  # noqa: PLR0913 - what a record has
    build_directory: Path,
    root: Path,
    files: Sequence[Path],
    *,
    version: str,
    target: str,
    key: str,
    unpacked: bool = False,
) -> Iterator[int | None]:
    """Record a zip and what is written next to it. Paths are relative to the project, as it may be moved.

    `files`: the zip first. `unpacked`: there is `directory_of` it, too. `key`: a hash of all that their bytes depend
    on. Yields None if they are those that a build wrote for this key, untouched since. If not, the caller writes them,
    the zip with the modification time that this yields, in nanoseconds.

    The record is there before the zip, so that no killed build leaves a zip without one; if writing the zip fails, a
    new record goes again. The key is added when all files are complete.
    """
    paths = [path.resolve() for path in files]
    names = [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in paths]
    facts = {"files": names, "version": version, "target": target, **({"unpacked": True} if unpacked else {})}
    digest = hashlib.sha256(names[0].encode("utf-8", "surrogatepass")).hexdigest()
    record = build_directory / _FOLDER / f"{digest[:32]}.json"
    former = _read(record)
    looks = [looks_of(file) for file in files]  # a SHA-256 would take half as long as writing a zip again
    below = [looks_below(directory_of(files[0]))] if unpacked else []
    if all((*looks, *below)) and former == {**facts, "key": key, "looks": [*looks, *below]}:
        yield None
        return
    make_directory(record.parent, below=build_directory)
    tempfiles.sweep(record.parent, tempfiles.PART)
    write_cache(record, json.dumps(facts).encode())
    # Clocks of file systems tick every few milliseconds, so a write right after this build's could leave all times as
    # they are ("racy git"). No other write gives a time between two ticks; nor does a build at the same time, of
    # another target, that has its zip of the same name here by now.
    moment = time.time_ns()
    try:
        yield moment
    except BaseException:
        if former is None and looks_of(files[0]) == looks[0]:
            record.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # a full disk, say: all is complete, and the next build writes it again
        for file in files[1:]:
            os.utime(file, ns=(moment, moment))
        looks = [looks_of(file) for file in files]
        # All in a directory has the times in the zip, which no write leaves.
        below = [looks_below(directory_of(files[0]))] if unpacked else []
        # Not so on file systems that do not keep nanoseconds, or a ctime of their own: they cannot tell a change.
        if all(look and look[1] == moment != look[2] for look in looks):
            write_cache(record, json.dumps({**facts, "key": key, "looks": [*looks, *below]}).encode())


def directory_of(zip_path: Path) -> Path:
    """Where the zip is unpacked, if so set. Raises `ValueError` for what is no zip of ours."""
    name = zip_path.name.removesuffix(".zip")
    if name == zip_path.name or not name.strip("."):
        raise ValueError(zip_path.name)
    return zip_path.with_name(name)


def _read(record: Path) -> Any:
    try:
        return json.loads(read_regular(record))
    except (OSError, ValueError, RecursionError):
        return None  # missing or damaged


def recorded(build_directory: Path, root: Path) -> dict[Path, tuple[str, str]]:
    """The version and target of each zip that has a record, by its resolved path. A zip may have been changed since."""
    found = {}
    for record in sorted((build_directory / _FOLDER).glob("*.json")):
        with suppress(TypeError, LookupError):  # damaged
            noted = _read(record)
            found[(root / noted["files"][0]).resolve()] = (str(noted["version"]), str(noted["target"]))
    return found


def remove(build_directory: Path, root: Path, directory: Path, concerns: Callable[[str, str], bool]) -> None:
    """Remove recorded files of a directory. `concerns`: whether zips of a version and a target are to go."""
    for record in sorted((build_directory / _FOLDER).glob("*.json")):
        try:
            noted = json.loads(read_regular(record))
            files = [root / name for name in noted["files"]]
            here = {path.parent.resolve() for path in files} == {directory.resolve()}
            version, target = noted["version"], noted["target"]
            of_interest = here and isinstance(version, str) and concerns(version, target)
            directories = [directory_of(files[0])] if noted.get("unpacked") is True else []
        except (OSError, ValueError, TypeError, LookupError):
            continue  # not ours, or damaged: remove nothing that it names
        if of_interest:
            for path in directories:
                tempfiles.remove(path)
            for path in (*files, record):
                path.unlink(missing_ok=True)
