"""The machine code in wheels and directories, and what it needs from the system. Reads, never executes."""

from __future__ import annotations

import functools
import os
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Literal, cast
from zipfile import BadZipFile, ZipFile

from packaging.version import Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.files import walk
from hatch_lambda.wheels.signatures import (
    DOS_SIGNATURE,
    ELF_SIGNATURE,
    FAT_MACH_O_SIGNATURES,
    MACH_O_BYTE_ORDER_AND_BITS,
    SIGNATURE_LENGTH,
    native_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
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
    signature = _bytes_at(file, 0, SIGNATURE_LENGTH)
    if signature == ELF_SIGNATURE:
        return _read_elf(path, file)
    if signature in MACH_O_BYTE_ORDER_AND_BITS or signature in FAT_MACH_O_SIGNATURES:
        return _read_mach_o(path, file, signature)
    return _read_pe(path, file) if signature.startswith(DOS_SIGNATURE) else None


# Up to this size, content is held in memory; larger content in a temporary file.
HELD_IN_MEMORY = 64 * 1024 * 1024


def read_stream(path: str, pieces: Iterable[bytes]) -> MachineCode | None:
    """`read_machine_code` for content that can only be read forward: the loader's tables are at both its ends."""
    with SpooledTemporaryFile(HELD_IN_MEMORY) as file:
        file.writelines(pieces)
        return read_machine_code(path, cast("BinaryIO", file))


# --- ELF: System V gABI, chapters 4 and 5; symbol versions: LSB Core 5.0, chapter 10.7 ---

# elf.h: e_machine, bits and byte order together make the architecture
_ELF_ARCHITECTURES = {
    (3, 32, "<"): "i386",
    (20, 32, ">"): "ppc",
    (21, 64, ">"): "ppc64",
    (21, 64, "<"): "ppc64le",
    (22, 32, ">"): "s390",
    (22, 64, ">"): "s390x",
    (40, 32, "<"): "arm",
    (62, 32, "<"): "x32",
    (62, 64, "<"): "x86_64",
    (183, 64, "<"): "aarch64",
    (243, 32, "<"): "riscv32",
    (243, 64, "<"): "riscv64",
    (258, 64, "<"): "loongarch64",
}
_EI_NIDENT = 16
_EI_CLASS = {1: 32, 2: 64}
_EI_DATA = {1: "<", 2: ">"}
_E_MACHINE_OFFSET = 18
# A version needed by weak symbols only, which ld.so ignores (match_symbol in glibc's elf/dl-version.c).
_VER_FLG_WEAK = 2
# Longer than any real file name, symbol version or search path
_STRING_LIMIT = 1 << 16


@functools.cache
def _layouts_of(bits: int, byte_order: str) -> Mapping[str, tuple[Callable[[bytes], Any], int]]:
    """How a record is parsed, and its size in bytes, by pyelftools' names. Cached, as making them is slow."""
    # Imported here, as most wheels have no machine code. Not `ELFFile`, which reads the section headers.
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=byte_order == "<", elfclass=bits)
    structs.create_basic_structs()
    structs.create_advanced_structs()
    names = ("Elf_Ehdr", "Elf_Phdr", "Elf_Dyn", "Elf_Verneed", "Elf_Vernaux")
    return {name: (layout.parse, layout.sizeof()) for name in names for layout in [getattr(structs, name)]}


class _Elf:
    """A file by its program headers, as the loader reads it; section headers may be stripped or differ."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        identification = _bytes_at(file, 0, _EI_NIDENT)
        if len(identification) < _EI_NIDENT:
            raise ValueError("it ends within its first header")
        ei_class, ei_data = identification[4], identification[5]
        if ei_class not in _EI_CLASS or ei_data not in _EI_DATA:
            raise ValueError(f"word size {ei_class} or byte order {ei_data} is none of ELF's")
        self.bits, self.byte_order = _EI_CLASS[ei_class], _EI_DATA[ei_data]
        self._layouts = _layouts_of(self.bits, self.byte_order)
        header = self._record("Elf_Ehdr", 0)
        start, count, size = header["e_phoff"], header["e_phnum"], header["e_phentsize"]
        if count and size != self._layouts["Elf_Phdr"][1]:
            raise ValueError(f"program headers of {size} bytes")
        self._segments = [self._record("Elf_Phdr", start + number * size) for number in range(count)]
        self._dynamic = tuple(self._dynamic_section())
        self._values = dict(self._dynamic)

    @property
    def architecture(self) -> str:
        # The header's `e_machine` is a name only for machines that the library knows.
        (machine,) = struct.unpack(self.byte_order + "H", _bytes_at(self._file, _E_MACHINE_OFFSET, 2))
        return _ELF_ARCHITECTURES.get((machine, self.bits, self.byte_order), f"machine {machine:#x}")

    @property
    def interpreter(self) -> str | None:
        return next((self._string(s["p_offset"]) for s in self._segments if s["p_type"] == "PT_INTERP"), None)

    def strings(self, tag: str) -> tuple[str, ...]:
        """The strings in the dynamic section with a tag."""
        return tuple(self._name(value) for name, value in self._dynamic if name == tag)

    def needed_versions(self) -> Iterator[tuple[str, str]]:
        """Libraries and the versions of their symbols."""
        if "DT_VERNEED" not in self._values:
            return
        for offset, library in self._chain("Elf_Verneed", self._offset(self._values["DT_VERNEED"]), "vn_next"):
            for _, version in self._chain("Elf_Vernaux", offset + library["vn_aux"], "vna_next"):
                if not version["vna_flags"] & _VER_FLG_WEAK:
                    yield self._name(library["vn_file"]), self._name(version["vna_name"])

    def _dynamic_section(self) -> Iterator[tuple[str | int, int]]:
        """The tags and values of the dynamic section; unknown tags are numbers."""
        for segment in self._segments:
            # Files with debugging symbols only have the headers of the stripped file, but not its content.
            if segment["p_type"] == "PT_DYNAMIC" and segment["p_filesz"]:
                offset = segment["p_offset"]
                while (entry := self._record("Elf_Dyn", offset))["d_tag"] != "DT_NULL":
                    yield entry["d_tag"], entry["d_val"]
                    offset += self._layouts["Elf_Dyn"][1]

    @functools.cached_property
    def _string_table(self) -> int:
        if "DT_STRTAB" not in self._values:
            raise ValueError("the dynamic section has no DT_STRTAB")
        return self._offset(self._values["DT_STRTAB"])

    def _name(self, place: int) -> str:
        return self._string(self._string_table + place)

    def _chain(self, layout: str, offset: int, link: str) -> Iterator[tuple[int, Any]]:
        """Records with the distance to the next one, 0 in the last. ld.so follows these and ignores the counts, too."""
        while True:
            record = self._record(layout, offset)
            yield offset, record
            if not record[link]:
                return
            offset += record[link]

    def _offset(self, address: int) -> int:
        """The offset in the file of a loaded address."""
        for segment in self._segments:
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
                return int(segment["p_offset"] + address - start)
        raise ValueError(f"no segment holds the address {address:#x}")

    def _record(self, layout: str, offset: int) -> Any:
        parse, size = self._layouts[layout]
        content = _bytes_at(self._file, offset, size)
        if len(content) < size:
            raise ValueError(f"it ends before or within the {layout} at {offset:#x}")
        return parse(content)

    def _string(self, offset: int) -> str:
        text, end, _ = _bytes_at(self._file, offset, _STRING_LIMIT).partition(b"\0")
        if not end:
            raise ValueError(f"it has no string at {offset:#x}")
        return text.decode(errors="backslashreplace")


def _read_elf(path: str, file: BinaryIO) -> MachineCode:
    try:
        elf = _Elf(file)
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


# --- Mach-O: mach-o/loader.h, mach-o/fat.h and mach/machine.h of XNU ---

_MACH_O_ARCHITECTURES = {
    0x00000007: "i386",
    0x01000007: "x86_64",
    0x0000000C: "arm",
    0x0100000C: "aarch64",
    0x0200000C: "arm64_32",
    0x00000012: "ppc",
    0x01000012: "ppc64",
}
_MACH_HEADER_SIZES = {32: 28, 64: 32}
# Java class files have the same signature, then their version instead of the number of architectures. The first
# version was 45 (JVM specification, 4.1).
_LEAST_JAVA_VERSION = 45


def _read_mach_o(path: str, file: BinaryIO, signature: bytes) -> MachineCode | None:
    if signature in FAT_MACH_O_SIGNATURES:
        number_of_architectures = int.from_bytes(_bytes_at(file, 4, 4), "big")
        is_java = not 0 < number_of_architectures < _LEAST_JAVA_VERSION
        return None if is_java else MachineCode(path, "Mach-O", "universal", bits=0)
    byte_order, bits = MACH_O_BYTE_ORDER_AND_BITS[signature]
    header = _bytes_at(file, 0, _MACH_HEADER_SIZES[bits])
    if len(header) < _MACH_HEADER_SIZES[bits]:
        return None
    (machine,) = struct.unpack_from(byte_order + "I", header, 4)
    return MachineCode(path, "Mach-O", _MACH_O_ARCHITECTURES.get(machine, f"machine {machine:#x}"), bits)


# --- PE: "PE Format" in Microsoft's documentation ---

_PE_ARCHITECTURES = {
    0x014C: "i386",
    0x01C0: "arm",
    0x01C4: "arm",
    0x5064: "riscv64",
    0x8664: "x86_64",
    0xAA64: "aarch64",
}
_PE_BITS = {0x10B: 32, 0x20B: 64}
_E_LFANEW_OFFSET = 0x3C
_PE_SIGNATURE = b"PE\0\0"
_PE_HEADER_SIZE = 26  # signature, COFF header and the optional header's magic


def _read_pe(path: str, file: BinaryIO) -> MachineCode | None:
    offset = int.from_bytes(_bytes_at(file, _E_LFANEW_OFFSET, 4), "little")
    header = _bytes_at(file, offset, _PE_HEADER_SIZE)
    if len(header) < _PE_HEADER_SIZE or not header.startswith(_PE_SIGNATURE):
        return None
    machine, magic = struct.unpack_from("<4xH18xH", header)
    return MachineCode(path, "PE", _PE_ARCHITECTURES.get(machine, f"machine {machine:#x}"), _PE_BITS.get(magic, 0))


def _bytes_at(file: BinaryIO, offset: int, size: int) -> bytes:
    # Offsets in broken files may be larger than `seek` accepts, for each kind of file another limit.
    file.seek(0, os.SEEK_END)
    if offset >= file.tell():
        return b""
    file.seek(offset)
    return file.read(size)
