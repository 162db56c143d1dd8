"""Writing a zip, and what is set to be next to it, unless an earlier build has written them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from hatch_lambda.plugin import made_zips, reports
from hatch_lambda.zip import writer
from hatch_lambda.zip.unpacked import replacing_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_lambda.config.settings import ZipSettings
    from hatch_lambda.plugin.contents import Contents
    from hatch_lambda.plugin.prepared import Prepared
    from hatch_lambda.wheels.members import BundleFile


def write(  # noqa: PLR0913 - what a zip is made from
    path: Path,
    files: Sequence[BundleFile],
    prepared: Prepared,
    contents: Contents,
    zips: ZipSettings,
    *,
    root: Path,
    owner: str,
    when_read: Callable[[], object],
) -> tuple[writer.Archive, bool]:
    """Write the zip, and return whether it is unchanged. `files`: where it has them; `contents`: where they are from.

    `root`: of the project. `owner`: as its files name it. `when_read`: called when its wheel is not needed any more.
    Raises `LambdaBuildError`.
    """
    settings, bundle, version = prepared.settings, prepared.bundle, prepared.version
    with made_zips.note(
        settings.build_directory,
        root.resolve(),
        (path, *reports.paths(path, zips)),
        version=version,
        target=str(settings.target),
        key=writer.key_of(
            *((*contents.own.files, *contents.placed), bundle.key, version, owner),
            *(settings.facts("zip"), zips.facts("zip"), reports.facts(zips)),
        ),
        unpacked=zips.unpacked,
    ) as moment:
        if moment is None:
            return writer.Archive.of(path, files), True
        level, wheels = zips.compression_level, {kept.path for kept in bundle.wheels}
        with replacing_directory(made_zips.directory_of(path), files) if zips.unpacked else nullcontext():
            with prepared.reporter.at_work("writing the zip"):
                archive = writer.write(path, files, level=level, wheels=wheels, when_read=when_read, modified=moment)
            reports.write(path, zips, prepared)
        return archive, False
