"""The zip: the same bytes for the same files, whole or not there at all."""

from __future__ import annotations

import os
import stat
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.bundle import BundleFile

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNZIPPED_LIMIT = 262_144_000
DIRECT_UPLOAD_LIMIT = 50 * 1024 * 1024

# Hatch's own moment for reproducible builds, so that wheel and zip agree: 2020-02-02.
_DEFAULT_EPOCH = 1_580_601_600
# What a zip can say: MS-DOS dates, in steps of two seconds (APPNOTE 4.4.6).
_OLDEST, _NEWEST = 315_532_800, 4_354_819_198

_MADE_ON_UNIX = 3  # APPNOTE 4.4.2.2


@dataclass(frozen=True)
class Archive:
    """A zip that was written. Sizes in bytes."""

    path: Path
    zipped: int
    unzipped: int


def write(path: Path, files: Iterable[BundleFile], *, level: int = 6) -> Archive:
    """Write files into a zip of that path: sorted names, one time for all, deflated.

    It is written beside the path and moved there at the end, so that a failure leaves what was there.
    Raises `ConfigurationError` for a `SOURCE_DATE_EPOCH` that is no number.
    """
    date_time = _date_time()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            unzipped = _write_entries(raw, files, date_time, level)
            raw.flush()
            os.fsync(raw.fileno())
        _give_usual_mode(temporary)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Archive(path, path.stat().st_size, unzipped)


def _write_entries(raw: object, files: Iterable[BundleFile], date_time: tuple[int, ...], level: int) -> int:
    unzipped = 0
    with zipfile.ZipFile(raw, "w") as archive:  # type: ignore[call-overload]
        for file in sorted(files, key=lambda file: file.path):
            content = file.source.read()
            unzipped += len(content)
            archive.writestr(_entry(file, date_time), content, zipfile.ZIP_DEFLATED, level)
    return unzipped


def _entry(file: BundleFile, date_time: tuple[int, ...]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(file.path, date_time)  # type: ignore[arg-type]
    entry.create_system = _MADE_ON_UNIX
    entry.external_attr = (stat.S_IFREG | file.mode) << 16
    return entry


def _date_time() -> tuple[int, ...]:
    """`SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/), within what a zip can say."""
    text = os.environ.get("SOURCE_DATE_EPOCH", str(_DEFAULT_EPOCH))
    try:
        epoch = int(text)
    except ValueError:
        raise ConfigurationError(
            [f"Environment variable `SOURCE_DATE_EPOCH` must be a number of seconds, not {text!r}"]
        ) from None
    return time.gmtime(min(max(epoch, _OLDEST), _NEWEST))[:6]


def _give_usual_mode(path: str) -> None:
    """A temporary file is its owner's alone; the zip gets what any new file gets."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, 0o666 & ~umask)  # noqa: PTH101
