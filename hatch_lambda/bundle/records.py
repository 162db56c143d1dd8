"""RECORD of distributions whose files were changed after their wheels were laid out."""

from __future__ import annotations

import csv
import hashlib
import io
from types import MappingProxyType
from typing import TYPE_CHECKING

from hatch_lambda.wheels.members import Generated, OpenWheels
from hatch_lambda.wheels.record import hash_of, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_lambda.wheels.members import BundleFile


def replace_files(
    files: Iterable[BundleFile],
    changed: Mapping[str, BundleFile | None],
    added: Iterable[BundleFile] = (),
    hashes: Mapping[str, tuple[str, int]] = MappingProxyType({}),
) -> tuple[BundleFile, ...]:
    """Files with others in their places, sorted by path, and with true RECORDs.

    `changed`: by the former path; None for what is left out. `added`: what RECORD may omit, such as bytecode.
    `hashes`: by path, those that are known, and the sizes, as in RECORD.
    """
    by_path = {file.path: file for file in (*files, *added) if file.path not in changed}
    by_path.update((file.path, file) for file in changed.values() if file)
    owners = {file.owner for file in files if file.path in changed}
    with OpenWheels() as wheels:
        for file in [*by_path.values()]:
            folder, _, name = file.path.partition("/")
            if name == "RECORD" and folder.endswith(".dist-info") and file.owner in owners:
                text = io.StringIO()
                writer = csv.writer(text, lineterminator="\n")
                for row in read_record(wheels.read(file.source)):
                    if new := changed.get(row[0]):
                        if not (known := hashes.get(new.path)):
                            content = wheels.read(new.source)
                            known = hash_of(hashlib.sha256(content).digest()), len(content)
                        writer.writerow((new.path, *known))
                    elif row[0] not in changed:
                        writer.writerow(row)
                by_path[file.path] = file._replace(source=Generated(text.getvalue().encode("utf-8")))
    return tuple(by_path[path] for path in sorted(by_path))
