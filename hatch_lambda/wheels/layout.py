"""Where the files of a wheel belong in a bundle (PEP 427's schemes on a folder that is on `sys.path`)."""

from __future__ import annotations

import base64
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.common.target import Target


def lay_out(
    wheel: Path, target: Target, is_excluded: Callable[[str], bool] = lambda _path: False
) -> tuple[BundleFile, ...]:
    """The files of a wheel where the target finds them (PEP 427's schemes on a folder that is on `sys.path`).

    `purelib` and `platlib` meet at the root and `data` below it, scripts go to `bin`. The scheme of headers stays out,
    and so do paths of which `is_excluded` says so.
    Raises `BrokenWheelError`.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _WheelLayout(wheel, archive, target).files(is_excluded)
    except zipfile.BadZipFile as error:
        raise BrokenWheelError(wheel.name, str(error)) from None


def is_executable(member: zipfile.ZipInfo) -> bool:
    """By its mode; scripts are so in any case (see `_WheelLayout`)."""
    return bool(member.external_attr >> 16 & stat.S_IXUSR)


class _WheelLayout:
    """One wheel while it is laid out."""

    def __init__(self, wheel: Path, archive: zipfile.ZipFile, target: Target) -> None:
        self.wheel = wheel
        self.archive = archive
        self.target = target
        name, version, _build, _tags = parse_wheel_filename(wheel.name)
        self.owner = f"{name} {version}"
        self.dist_info = self._dist_info(name)
        self.data = f"{self.dist_info.removesuffix('.dist-info')}.data"

    def files(self, is_excluded: Callable[[str], bool]) -> tuple[BundleFile, ...]:
        placed = [file for member in self._members() if (file := self._place(member))]
        scripts = [file for file in self._entry_point_scripts() if file.path not in {other.path for other in placed}]
        laid_out = [file for file in placed if not is_excluded(file.path)]
        scripts = [file for file in scripts if not is_excluded(file.path)]
        if scripts or {file.path for file in laid_out} != {member.filename for member in self._members()}:
            record = f"{self.dist_info}/RECORD"
            laid_out = [file for file in laid_out if file.path != record]
            laid_out.append(self._file(record, FILE_MODE, Generated(self._record([*laid_out, *scripts]))))
        return (*laid_out, *scripts)

    def _file(self, path: str, mode: int, source: Member | Generated) -> BundleFile:
        return BundleFile(path, mode, source, self.owner)

    def _member(self, entry: zipfile.ZipInfo) -> Member:
        return Member(
            self.wheel,
            entry.filename,
            entry.compress_type,
            entry.CRC,
            entry.compress_size,
            entry.file_size,
            entry.header_offset,
        )

    def _broken(self, reason: str) -> BrokenWheelError:
        return BrokenWheelError(self.wheel.name, reason)

    def _dist_info(self, name: str) -> str:
        folders = {member.filename.partition("/")[0] for member in self._members()}
        mine = [
            folder
            for folder in folders
            if folder.endswith(".dist-info") and canonicalize_name(folder.split("-")[0]) == name
        ]
        if len(mine) != 1:
            raise self._broken(f"it has no .dist-info folder of {name}")
        return mine[0]

    def _members(self) -> list[zipfile.ZipInfo]:
        return [member for member in self.archive.infolist() if not member.is_dir()]

    def _place(self, member: zipfile.ZipInfo) -> BundleFile | None:
        """Where a member belongs; none for what a bundle does not need."""
        path, parts = member.filename, self._checked_parts(member)
        executable = is_executable(member)
        source: Member | Generated = self._member(member)
        if parts[0].lower() == self.data.lower():
            if len(parts) < 3:  # noqa: PLR2004 - name.data/scheme/file
                raise self._broken(f"{member.filename} is in no scheme")
            scheme, path = parts[1], "/".join(parts[2:])
            if scheme == "headers":
                return None
            if scheme == "scripts":
                path, executable, source = f"bin/{path}", True, self._script(member)
            elif scheme not in {"purelib", "platlib", "data"}:
                raise self._broken(f"{member.filename} is in the unknown scheme `{scheme}`")
        return self._file(path, EXECUTABLE_MODE if executable else FILE_MODE, source)

    def _checked_parts(self, member: zipfile.ZipInfo) -> list[str]:
        """The path of a member, taken apart."""
        name = member.filename
        parts = name.split("/")
        if not {"", ".", ".."}.isdisjoint(parts) or "\\" in name or has_drive(parts):
            raise self._broken(f"its entry {name!r} is not a plain path below the folder that it is unpacked to")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise self._broken(f"its entry {name!r} is a symbolic link")
        return parts

    def _script(self, member: zipfile.ZipInfo) -> Member | Generated:
        """A script of the wheel, with `#!python` replaced by the runtime's interpreter (PEP 427)."""
        content = self.archive.read(member)
        first, newline, rest = content.partition(b"\n")
        if not first.startswith(b"#!python"):
            return self._member(member)
        arguments = first.partition(b" ")[2]
        shebang = b" ".join(filter(None, [self._shebang, arguments.strip()]))
        return Generated(shebang + newline + rest)

    @property
    def _shebang(self) -> bytes:
        return f"#!{self.target.python_executable}".encode("ascii")

    def _entry_point_scripts(self) -> Iterator[BundleFile]:
        """The commands that an installer makes of `console_scripts`, with the runtime's interpreter."""
        entry_points = f"{self.dist_info}/entry_points.txt"
        if entry_points not in self.archive.namelist():
            return
        try:
            scripts = console_scripts(self.archive.read(entry_points).decode("utf-8"))
        except ValueError as error:
            raise self._broken(f"its entry_points.txt cannot be read: {error}") from None
        for name, reference in scripts.items():
            match = _OBJECT_REFERENCE.match(reference)
            if not match or not re.fullmatch(r"[\w.+@ -]+", name) or set(name) <= {".", " "}:
                script = f"{name} = {reference}"
                raise self._broken(
                    f"its console script `{script if script.isprintable() else repr(script)}` is malformed"
                )
            content = _CONSOLE_SCRIPT.format(
                shebang=self._shebang.decode("ascii"),
                module=match["module"],
                attribute=match["attribute"],
                head=match["attribute"].partition(".")[0],
            )
            yield self._file(f"bin/{name}", EXECUTABLE_MODE, Generated(content.encode("utf-8")))

    def _record(self, files: list[BundleFile]) -> bytes:
        """RECORD as it is true for the layout (https://packaging.python.org/specifications/recording-installed-packages)."""
        known = {row[0]: tuple(row[1:3]) for row in self._record_rows() if len(row) > 2}  # noqa: PLR2004
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for file in sorted(files, key=lambda file: file.path):
            unchanged = isinstance(file.source, Member) and known.get(file.source.name)
            writer.writerow((file.path, *(unchanged or _hash_and_size(file.source.read()))))
        writer.writerow((f"{self.dist_info}/RECORD", "", ""))
        return text.getvalue().encode("utf-8")

    def _record_rows(self) -> list[list[str]]:
        try:
            return list(
                csv.reader(io.StringIO(self.archive.read(f"{self.dist_info}/RECORD").decode("utf-8"), newline=""))
            )
        except (KeyError, UnicodeDecodeError, csv.Error):
            raise self._broken("its RECORD is missing or cannot be read") from None


_OBJECT_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(?:\[.*\])?\s*$")

# A command runs in a process of its own, which has its own folder on `sys.path` but not the one above, where Lambda
# has the modules.
_CONSOLE_SCRIPT = """\
{shebang}
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from {module} import {head}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


def _hash_and_size(content: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
    return f"sha256={digest}", str(len(content))
