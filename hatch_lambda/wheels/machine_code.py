"""The machine code in wheels and directories, and what it needs from the system. Reads, never executes."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Literal, cast
from zipfile import BadZipFile, ZipFile

from packaging.version import Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.files import bytes_at, walk
from hatch_lambda.wheels.elf import Elf
from hatch_lambda.wheels.foreign_code import read_foreign_code
from hatch_lambda.wheels.signatures import ELF_SIGNATURE, SIGNATURE_LENGTH, native_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO


class BrokenMachineCodeError(ValueError):
    """A file that starts as machine code but is invalid."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path} starts as machine code but cannot be read: {self.cause}"


@dataclass(frozen=True, slots=True)
class MachineCode:
    """A file of machine code. The fields after `bits` are read from ELF only, as Lambda loads nothing else."""

    path: str
    kind: Literal["ELF", "Mach-O", "PE"]
    architecture: str
    bits: int
    needs: tuple[tuple[str, str], ...] = ()
    libraries: tuple[str, ...] = ()
    search_path: tuple[str, ...] = ()
    interpreter: str | None = None
    soname: str | None = None

    @property
    def glibc(self) -> Version | None:
        """The oldest glibc with all symbols that are needed; None if no version is needed."""
        numbers = (re.fullmatch(r"GLIBC_(\d+(?:\.\d+)+)", symbol) for _, symbol in self.needs)
        return max((Version(number[1]) for number in numbers if number), default=None)

    @property
    def musl(self) -> bool:
        loader = (self.interpreter or "").rpartition("/")[2]
        return loader.startswith("ld-musl-") or any(name.startswith("libc.musl-") for name in self.libraries)


def scan_wheel(wheel: Path) -> tuple[MachineCode, ...]:
    """All machine code in a wheel, sorted by path. Raises `BrokenWheelError`."""
    try:
        with ZipFile(wheel) as archive:
            return _sorted(read_stream(name, content) for name, content in native_files(archive))
    except (BrokenMachineCodeError, BadZipFile, zlib.error) as error:
        raise BrokenWheelError(wheel.name, str(error)) from None


def scan_directory(root: Path) -> tuple[MachineCode, ...]:
    """All machine code in a directory, sorted by path. Links out of it are not followed."""
    real_root = root.resolve()
    found = []
    for folder, _, names in walk(root):
        for path in (Path(folder, name) for name in names):
            if not path.is_file():  # reading a FIFO would block
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(real_root):
                continue
            with path.open("rb") as file:
                found.append(read_machine_code(path.relative_to(root).as_posix(), file))
    return _sorted(found)


def _sorted(found: Iterable[MachineCode | None]) -> tuple[MachineCode, ...]:
    return tuple(sorted((code for code in found if code), key=lambda code: code.path))


def read_machine_code(path: str, file: BinaryIO) -> MachineCode | None:
    """Read a seekable file; `path` only names it. None if it is no machine code.

    Raises `BrokenMachineCodeError` for ELF that the loader could not read either.
    """
    if bytes_at(file, 0, SIGNATURE_LENGTH) == ELF_SIGNATURE:
        return _read_elf(path, file)
    found = read_foreign_code(file)
    return MachineCode(path, found.kind, found.architecture, found.bits) if found else None


HELD_IN_MEMORY = 8 * 1024 * 1024
"""Bytes; larger content is read from a temporary file, as fast. Several libraries are read at once, some with 30 MB."""


def read_stream(path: str, pieces: Iterable[bytes]) -> MachineCode | None:
    """`read_machine_code` for content that can only be read forward: the loader's tables are at both its ends."""
    with SpooledTemporaryFile(HELD_IN_MEMORY) as file:
        file.writelines(pieces)
        return read_machine_code(path, cast("BinaryIO", file))


def _read_elf(path: str, file: BinaryIO) -> MachineCode:
    try:
        elf = Elf(file)
        # ld.so(8): DT_RPATH counts only without DT_RUNPATH.
        search_path = elf.strings("DT_RUNPATH") or elf.strings("DT_RPATH")
        return MachineCode(
            path=path,
            kind="ELF",
            architecture=elf.architecture,
            bits=elf.bits,
            needs=tuple(sorted(set(elf.needed_versions()))),
            libraries=elf.strings("DT_NEEDED"),
            search_path=tuple(search_path[-1].split(":")) if any(search_path) else (),
            interpreter=elf.interpreter,
            soname=next(iter(elf.strings("DT_SONAME")), None),
        )
    except ValueError as cause:
        raise BrokenMachineCodeError(path, str(cause)) from cause
