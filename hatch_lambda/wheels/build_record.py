"""How a wheel was built here, as a document in the wheel: `.dist-info/sboms` is for such (https://peps.python.org/pep-0770).

So it is in the bundle and in the zip, and whatever describes these can say it. It has nothing of this machine in it but
the compiler, and that only where there is native code: wheels in pure Python are the same wherever they were built.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from hatch_lambda.wheels.archive import ZIP_ERRORS
from hatch_lambda.wheels.record import UNRECORDED, hash_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOCUMENT = "sboms/hatch-lambda.cdx.json"
"""Below `.dist-info`."""

PREFIX = "hatch-lambda:build:"
"""Of the names of properties (https://cyclonedx.github.io/cyclonedx-property-taxonomy)."""

WITHOUT_COMPILER = "none"


class BuildRecord(NamedTuple):
    """How a wheel was built; what is not known is empty.

    `toolchain`: name and version of the compiler, `none` where the wheel has no native code. `target`: as the compiler
    names it. `headers`: where Python's C headers are from. `sdist`: the file name of what it was built from.
    """

    toolchain: str
    target: str = ""
    headers: str = ""
    sdist: str = ""
    sdist_sha256: str = ""

    def __str__(self) -> str:
        if self.toolchain == WITHOUT_COMPILER:
            return "no native code"
        return f"{self.toolchain} for {self.target}" if self.target else self.toolchain

    def known(self) -> dict[str, str]:
        """What is known, by names with dashes: `sdist-sha256`."""
        return {name.replace("_", "-"): text for name, text in self._asdict().items() if text}


def add_record(wheel: Path, name: str, version: str, record: BuildRecord) -> None:
    """Write the document into a wheel, which is otherwise left as it is.

    Not into one that has no RECORD, is signed or cannot be read: later checks say what is wrong with it.
    """
    written = wheel.with_suffix(".recorded")
    try:
        with zipfile.ZipFile(wheel) as former:
            names = former.namelist()
            records = [path for path in names if path.endswith(".dist-info/RECORD") and path.count("/") == 1]
            if len(records) != 1 or len(set(names)) < len(names):
                return
            folder = records[0].removesuffix("RECORD")
            if not {f"{folder}{file}" for file in (DOCUMENT, *UNRECORDED[1:])}.isdisjoint(names):
                return
            with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
                _copy(former, archive, without=records[0])
                _add(archive, former.getinfo(records[0]), folder, _document(name, version, record), former)
    except (*ZIP_ERRORS, RuntimeError):  # the latter for encrypted entries
        written.unlink(missing_ok=True)
        return
    written.replace(wheel)


def _copy(former: zipfile.ZipFile, archive: zipfile.ZipFile, without: str) -> None:
    for entry in former.infolist():
        if entry.filename != without:
            with former.open(entry) as content, archive.open(_like(entry, entry.filename), "w") as copy:
                shutil.copyfileobj(content, copy)


def _add(
    archive: zipfile.ZipFile, recorded: zipfile.ZipInfo, folder: str, document: bytes, former: zipfile.ZipFile
) -> None:
    rows = former.read(recorded).rstrip(b"\r\n")
    row = f"{folder}{DOCUMENT},{hash_of(hashlib.sha256(document).digest())},{len(document)}"
    archive.writestr(_like(recorded, folder + DOCUMENT), document)
    archive.writestr(_like(recorded, recorded.filename), rows + f"\n{row}\n".encode())


def _like(entry: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, entry.date_time)
    made.compress_type, made.external_attr = entry.compress_type, entry.external_attr
    made.create_system, made.file_size = entry.create_system, entry.file_size
    return made


def _document(name: str, version: str, record: BuildRecord) -> bytes:
    """CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json)."""
    purl = f"pkg:pypi/{name}@{quote(version, safe='')}"
    properties = [{"name": f"{PREFIX}{key}", "value": text} for key, text in record.known().items()]
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": {**component, "properties": properties}},
    }
    return json.dumps(document, indent=1).encode("utf-8") + b"\n"


def read_document(content: bytes) -> BuildRecord | None:
    """None if it is not such a document: it may be from anybody's zip."""
    try:
        properties = json.loads(content)["metadata"]["component"]["properties"]
        found: Mapping[str, str] = {each["name"]: each["value"] for each in properties}
        values = {field: found.get(PREFIX + field.replace("_", "-"), "") for field in BuildRecord._fields}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return BuildRecord(**values) if values["toolchain"] and all(isinstance(v, str) for v in values.values()) else None
