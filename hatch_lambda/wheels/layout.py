"""The paths of a wheel's files in a bundle: the schemes of PEP 427 in a folder that is on `sys.path`."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import stat
import zipfile
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.wheels.archive import has_drive
from hatch_lambda.wheels.members import EXECUTABLE_MODE, FILE_MODE, BundleFile, Generated, Member
from hatch_lambda.wheels.metadata import console_scripts
from hatch_lambda.wheels.record import UNRECORDED, hash_of, normalized_hash, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.common.target import Target


def lay_out(
    wheel: Path, target: Target, is_excluded: Callable[[str], bool] = lambda _path: False, *, check_record: bool = False
) -> tuple[BundleFile, ...]:
    """The files of a wheel, as `Layout.files`. Raises `BrokenWheelError`."""
    return Layout(wheel, target, check_record=check_record).files(is_excluded)


class Layout:
    """A wheel that was read once, for several selections of its files.

    `purelib`, `platlib` and `data` go to the root, scripts to `bin`; headers are omitted. `check_record`: correct its
    RECORD if it is wrong, which takes hashing all files. Raises `BrokenWheelError`.
    """

    def __init__(self, wheel: Path, target: Target, *, check_record: bool = False) -> None:
        self.wheel = wheel
        self.check_record = check_record
        self.shebang = f"#!{target.python_executable}".encode("ascii")
        name, version, _build, _tags = parse_wheel_filename(wheel.name)
        self.owner = f"{name} {version}"
        try:
            with zipfile.ZipFile(wheel) as archive:
                self._read(archive, name)
        except zipfile.BadZipFile as error:
            raise BrokenWheelError(wheel.name, str(error)) from None

    def _read(self, archive: zipfile.ZipFile, name: str) -> None:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        folders = {entry.filename.partition("/")[0] for entry in entries}
        found = [
            folder
            for folder in folders
            if folder.endswith(".dist-info") and canonicalize_name(folder.split("-")[0]) == name
        ]
        if len(found) != 1:
            raise self._broken(f"it has no .dist-info directory of {name}")
        self.dist_info = found[0]
        self.data = f"{self.dist_info.removesuffix('.dist-info')}.data"
        self.placed = [file for entry in entries if (file := self._place(archive, entry))]
        paths = {file.path for file in self.placed}
        self.scripts = [file for file in self._entry_point_scripts(archive) if file.path not in paths]
        try:
            record = read_record(archive.read(f"{self.dist_info}/RECORD"))
            listed = [row for row in record if len(row) > 2]  # noqa: PLR2004
        except (KeyError, ValueError):
            listed = []
        self.rows = {row[0]: row[1:3] for row in listed}
        self.names = {entry.filename for entry in entries}
        exempt = {f"{self.dist_info}/{name}" for name in UNRECORDED}
        is_standard = len(self.rows) == len(listed) and self.rows.keys() <= self.names | exempt
        self.is_standard = is_standard and all(normalized_hash(row[0]) == row[0] for row in self.rows.values())

        def is_true(entry: zipfile.ZipInfo) -> bool:
            digest = hash_of(hashlib.sha256(archive.read(entry)).digest())
            return self.rows.get(entry.filename) in ([digest, str(entry.file_size)], [digest, ""])  # sizes are optional

        if self.check_record and not all(is_true(entry) for entry in entries if entry.filename not in exempt):
            self.rows, self.is_standard = {}, False  # all files are hashed

    def files(self, is_excluded: Callable[[str], bool] = lambda _path: False) -> tuple[BundleFile, ...]:
        """The files at their paths in the bundle, except those that `is_excluded` by path."""
        files = [file for file in self.placed if not is_excluded(file.path)]
        scripts = [file for file in self.scripts if not is_excluded(file.path)]
        if scripts or not self.is_standard or {file.path for file in files} != self.names:
            if not self.rows and not self.check_record:
                raise self._broken("its RECORD is missing or cannot be read")
            record = f"{self.dist_info}/RECORD"
            files = [file for file in files if file.path != record]
            files.append(self._file(record, FILE_MODE, Generated(_record([*files, *scripts], self.rows, record))))
        return (*files, *scripts)

    def _file(self, path: str, mode: int, source: Member | Generated) -> BundleFile:
        return BundleFile(path, mode, source, self.owner)

    def _broken(self, reason: str) -> BrokenWheelError:
        return BrokenWheelError(self.wheel.name, reason)

    def _place(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BundleFile | None:
        """An entry at its path in the bundle; None for headers."""
        path = name = entry.filename
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or has_drive(parts):
            raise self._broken(f"its entry {name!r} is not a plain path below the directory it is unpacked to")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise self._broken(f"its entry {name!r} is a symbolic link")
        is_executable = bool(entry.external_attr >> 16 & stat.S_IXUSR)
        source: Member | Generated = Member.of(self.wheel, entry)
        if parts[0].lower() == self.data.lower():
            if len(parts) < 3:  # noqa: PLR2004 - name.data/scheme/file
                raise self._broken(f"{name} is in no scheme")
            scheme, path = parts[1], "/".join(parts[2:])
            if scheme == "headers":
                return None
            if scheme == "scripts":
                path, is_executable = f"bin/{path}", True
                # PEP 427: `#!python` stands for the interpreter
                first, newline, rest = archive.read(entry).partition(b"\n")
                if first.startswith(b"#!python"):
                    arguments = first.partition(b" ")[2].strip()
                    source = Generated(b" ".join(filter(None, [self.shebang, arguments])) + newline + rest)
            elif scheme not in {"purelib", "platlib", "data"}:
                raise self._broken(f"{name} is in the unknown scheme `{scheme}`")
        return self._file(path, EXECUTABLE_MODE if is_executable else FILE_MODE, source)

    def _entry_point_scripts(self, archive: zipfile.ZipFile) -> Iterator[BundleFile]:
        """The commands that installers generate for `console_scripts`, with the runtime's interpreter."""
        entry_points = f"{self.dist_info}/entry_points.txt"
        if entry_points not in archive.namelist():
            return
        try:
            scripts = console_scripts(archive.read(entry_points).decode("utf-8"))
        except ValueError as error:
            raise self._broken(f"its entry_points.txt cannot be read: {error}") from None
        for name, reference in scripts.items():
            match = _OBJECT_REFERENCE.match(reference)
            if not match or not re.fullmatch(r"[\w.+@ -]+", name) or set(name) <= {".", " "}:
                script = f"{name} = {reference}"
                script = script if script.isprintable() else repr(script)
                raise self._broken(f"its console script `{script}` is malformed")
            content = _CONSOLE_SCRIPT.format(
                shebang=self.shebang.decode("ascii"),
                module=match["module"],
                attribute=match["attribute"],
                head=match["attribute"].partition(".")[0],
            )
            yield self._file(f"bin/{name}", EXECUTABLE_MODE, Generated(content.encode("utf-8")))


def _record(files: list[BundleFile], rows: Mapping[str, list[str]], path: str) -> bytes:
    """RECORD for these files. `rows`: those of the wheel. `path`: RECORD's own."""
    rows = {name.lstrip("/"): row for name, row in rows.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for file in sorted(files, key=lambda file: file.path):
        if isinstance(file.source, Member) and (row := rows.get(file.source.name)):
            writer.writerow((file.path, normalized_hash(row[0]), row[1]))
        else:
            content = file.source.read()
            writer.writerow((file.path, hash_of(hashlib.sha256(content).digest()), len(content)))
    writer.writerow((path, "", ""))
    return text.getvalue().encode("utf-8")


_OBJECT_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(?:\[.*\])?\s*$")

# A command is run as a process, with its own folder on `sys.path` instead of the one above, where the modules are.
_CONSOLE_SCRIPT = """\
{shebang}
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from {module} import {head}

if __name__ == "__main__":
    sys.exit({attribute}())
"""
