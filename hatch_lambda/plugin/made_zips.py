"""A record of the zips that builds of a project made, so that `-c` removes nothing else.

One small JSON file for each zip below the build directory: builds of several targets may run at once.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles
from hatch_lambda.common.files import make_directory, read_regular, write_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_FOLDER = ".zips"  # no function can have this name


@contextmanager
def note(build_directory: Path, root: Path, files: Iterable[Path], *, version: str, target: str) -> Iterator[None]:
    """Record a zip and what is written next to it. Paths are relative to the project, as it may be moved.

    The record is there before the zip, so that no killed build leaves a zip without one; if writing fails, a new record
    goes again.
    """
    paths = [path.resolve() for path in files]
    names = [str(path.relative_to(root) if path.is_relative_to(root) else path) for path in paths]
    content = json.dumps({"files": names, "version": version, "target": target}).encode()
    digest = hashlib.sha256(names[0].encode("utf-8", "surrogatepass")).hexdigest()
    record = build_directory / _FOLDER / f"{digest[:32]}.json"
    make_directory(record.parent, below=build_directory)
    tempfiles.sweep(record.parent, tempfiles.PART)
    is_new = not record.exists()
    write_cache(record, content)
    try:
        yield
    except BaseException:
        if is_new:
            record.unlink(missing_ok=True)
        raise


def remove(build_directory: Path, root: Path, directory: Path, concerns: Callable[[str, str], bool]) -> None:
    """Remove recorded files of a directory. `concerns`: whether zips of a version and a target are to go."""
    for record in sorted((build_directory / _FOLDER).glob("*.json")):
        try:
            noted = json.loads(read_regular(record))
            files = [root / name for name in noted["files"]]
            here = {path.parent.resolve() for path in files} == {directory.resolve()}
            version, target = noted["version"], noted["target"]
            of_interest = here and isinstance(version, str) and concerns(version, target)
        except (OSError, ValueError, TypeError, KeyError):
            continue  # not ours, or damaged: remove nothing that it names
        if of_interest:
            for path in (*files, record):
                path.unlink(missing_ok=True)
