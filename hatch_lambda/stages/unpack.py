"""Stage 8: lay the wheels out in the bundle directory, all or nothing."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.bundle import Bundle, BundleFile, FileOnDisk, Member, lay_out, union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.distributions import Closure
    from hatch_lambda.target import Target


def unpack(closure: Closure, target: Target, directory: Path) -> Bundle:
    """Fill a new folder and put it in the place of the former bundle, of which nothing is left."""
    files = union(lay_out(wheel.path, target) for wheel in closure.wheels)
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        _write(files, fresh)
        fresh.chmod(0o755)
        if directory.exists():
            shutil.rmtree(directory)
        fresh.rename(directory)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Bundle(
        directory,
        tuple(dataclasses.replace(file, source=FileOnDisk(directory / file.path)) for file in files),
        tuple(str(found) for found in closure.distributions),
    )


def _write(files: Iterable[BundleFile], folder: Path) -> None:
    by_wheel: defaultdict[Path, list[tuple[BundleFile, str]]] = defaultdict(list)
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file.source, Member):
            by_wheel[file.source.wheel].append((file, file.source.name))
        else:
            target.write_bytes(file.source.read())
            target.chmod(file.mode)
    for wheel, members in by_wheel.items():
        with zipfile.ZipFile(wheel) as archive:
            for file, name in members:
                target = folder / file.path
                with archive.open(name) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1024 * 1024)
                target.chmod(file.mode)
