"""What a zip holds as a directory next to it, for tools that package directories."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import folders_of
from hatch_lambda.bundle.unpack import make_folders, write_all
from hatch_lambda.common.files import put_in_place
from hatch_lambda.common.tempfiles import marked, remove, sweep
from hatch_lambda.zip.writer import source_date_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.wheels.members import BundleFile


@contextmanager
def replacing_directory(directory: Path, files: Sequence[BundleFile]) -> Iterator[None]:
    """Write the files of a zip into a directory, which replaces the former one at the end, unless an error is raised.

    Modes and times are those in the zip.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    sweep(directory.parent, f".{directory.name}-")
    fresh = Path(tempfile.mkdtemp(prefix=marked(f".{directory.name}-"), dir=directory.parent))
    try:
        make_folders(fresh, files)
        write_all(fresh, files)
        moment, paths = source_date_epoch(), [file.path for file in files]
        for each in (*paths, *folders_of(paths), "."):
            os.utime(f"{fresh}/{each}", (moment, moment))
        yield
        put_in_place(fresh, directory)
    except BaseException:
        remove(fresh)
        raise
