"""ELF files as the loader reads them.

Sources: System V gABI, chapters 4 and 5; for symbol versions LSB Core 5.0, chapter 10.7.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.files import bytes_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

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
def layouts_of(bits: int, byte_order: str) -> Mapping[str, Any]:
    """How records are parsed and built, by pyelftools' names. Cached, as making them is slow."""
    # Imported here, as most wheels have no machine code. Not `ELFFile`, which relies on the section headers.
    from elftools.elf.structs import ELFStructs

    structs = ELFStructs(little_endian=byte_order == "<", elfclass=bits)
    structs.create_basic_structs()
    structs.create_advanced_structs()
    names = ("Elf_Ehdr", "Elf_Phdr", "Elf_Shdr", "Elf_Dyn", "Elf_Verneed", "Elf_Vernaux")
    return {name: getattr(structs, name) for name in names}


class Elf:
    """A file by its program headers, as the loader reads it; section headers may be stripped or differ."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        identification = bytes_at(file, 0, _EI_NIDENT)
        if len(identification) < _EI_NIDENT:
            raise ValueError("it ends within its first header")
        ei_class, ei_data = identification[4], identification[5]
        if ei_class not in _EI_CLASS or ei_data not in _EI_DATA:
            raise ValueError(f"word size {ei_class} or byte order {ei_data} is none of ELF's")
        self.bits, self.byte_order = _EI_CLASS[ei_class], _EI_DATA[ei_data]
        self.layouts = layouts_of(self.bits, self.byte_order)
        self.header = header = self.record("Elf_Ehdr", 0)
        start, count, size = header["e_phoff"], header["e_phnum"], header["e_phentsize"]
        if count and size != self.layouts["Elf_Phdr"].sizeof():
            raise ValueError(f"program headers of {size} bytes")
        self.segments = [self.record("Elf_Phdr", start + number * size) for number in range(count)]
        self._dynamic = tuple(self._dynamic_section())
        self._values = dict(self._dynamic)

    @property
    def architecture(self) -> str:
        # The header's `e_machine` is a name only for machines that the library knows.
        (machine,) = struct.unpack(self.byte_order + "H", bytes_at(self._file, _E_MACHINE_OFFSET, 2))
        return _ELF_ARCHITECTURES.get((machine, self.bits, self.byte_order), f"machine {machine:#x}")

    @property
    def interpreter(self) -> str | None:
        return next((self._string(s["p_offset"]) for s in self.segments if s["p_type"] == "PT_INTERP"), None)

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
        for segment in self.segments:
            # Files with debugging symbols only have the headers of the stripped file, but not its content.
            if segment["p_type"] == "PT_DYNAMIC" and segment["p_filesz"]:
                offset = segment["p_offset"]
                while (entry := self.record("Elf_Dyn", offset))["d_tag"] != "DT_NULL":
                    yield entry["d_tag"], entry["d_val"]
                    offset += self.layouts["Elf_Dyn"].sizeof()

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
            record = self.record(layout, offset)
            yield offset, record
            if not record[link]:
                return
            offset += record[link]

    def _offset(self, address: int) -> int:
        """The offset in the file of a loaded address."""
        for segment in self.segments:
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
                return int(segment["p_offset"] + address - start)
        raise ValueError(f"no segment holds the address {address:#x}")

    def record(self, layout: str, offset: int) -> Any:
        size = self.layouts[layout].sizeof()
        content = bytes_at(self._file, offset, size)
        if len(content) < size:
            raise ValueError(f"it ends before or within the {layout} at {offset:#x}")
        return self.layouts[layout].parse(content)

    def _string(self, offset: int) -> str:
        text, end, _ = bytes_at(self._file, offset, _STRING_LIMIT).partition(b"\0")
        if not end:
            raise ValueError(f"it has no string at {offset:#x}")
        return text.decode(errors="backslashreplace")
