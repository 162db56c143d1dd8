"""ELF files byte by byte: of any machine and any C library, on any host."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# e_machine, bits, byte order
MACHINES = {
    "i386": (3, 32, "<"),
    "ppc64le": (21, 64, "<"),
    "s390x": (22, 64, ">"),
    "arm": (40, 32, "<"),
    "x86_64": (62, 64, "<"),
    "aarch64": (183, 64, "<"),
    "riscv64": (243, 64, "<"),
}
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_DYNAMIC, _SHT_DYNSYM, _SHT_GNU_VERNEED = 1, 2, 3, 6, 11, 0x6FFFFFFE
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT = 0, 1, 5, 6, 10, 11
_DT_SONAME, _DT_RPATH, _DT_RUNPATH = 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VER_FLG_WEAK = 2


def make_elf(
    machine: str | int = "x86_64",
    *,
    bits: int | None = None,
    needed: Sequence[str] = ("libc.so.6",),
    versions: Mapping[str, Sequence[str]] | None = None,
    runpath: str | None = None,
    rpath: str | None = None,
    interpreter: str | None = None,
    soname: str | None = None,
    weak: Collection[str] = (),
    file_type: int = ET_DYN,
    section_headers: bool = True,
    debug: bytes | None = None,
    moved: bytes | None = None,
) -> bytes:
    """A file that holds no code, only what it asks of the system.

    `versions` are those needed of each library, `weak` those among them that only weak symbols need. `debug`: what a
    debugger reads, in a section behind the segment, with a symbol table. `moved`: the content of a segment behind all
    that, as patchelf adds it.
    """
    number, usual_bits, byte_order = MACHINES[machine] if isinstance(machine, str) else (machine, 64, "<")
    elf = _Elf(number, bits or usual_bits, byte_order, file_type)
    if file_type != ET_REL:
        elf.add_dynamic(_named_tags(needed, soname, rpath, runpath), versions or {}, weak)
    if interpreter is not None:
        elf.add_segment(_PT_INTERP, elf.add_section(".interp", _SHT_PROGBITS, interpreter.encode() + b"\0"))
    return elf.assemble(section_headers=section_headers, debug=debug, moved=moved)


def _named_tags(
    needed: Sequence[str], soname: str | None, rpath: str | None, runpath: str | None
) -> list[tuple[int, str]]:
    optional = ((_DT_SONAME, soname), (_DT_RPATH, rpath), (_DT_RUNPATH, runpath))
    return [*((_DT_NEEDED, name) for name in needed), *((tag, text) for tag, text in optional if text is not None)]


@dataclass
class _Section:
    number: int
    name: str
    type: int
    offset: int
    size: int
    link: int = 0
    info: int = 0
    entry_size: int = 0


@dataclass
class _Elf:
    """One segment holds the whole file and is loaded at 0: addresses are offsets."""

    machine: int
    bits: int
    byte_order: str
    file_type: int
    sections: list[_Section] = field(default_factory=lambda: [_Section(0, "", 0, 0, 0)])
    segments: list[tuple[int, int, int]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)

    # The three program headers that a file has at most
    _SEGMENTS_ROOM = 3

    def pack(self, layout: str, *values: int) -> bytes:
        """`N` stands for a number of the machine's word size."""
        return struct.pack(self.byte_order + layout.replace("N", "Q" if self.bits == 64 else "I"), *values)

    @property
    def header_size(self) -> int:
        return 64 if self.bits == 64 else 52

    @property
    def segment_header_size(self) -> int:
        return 56 if self.bits == 64 else 32

    @property
    def body(self) -> int:
        return self.header_size + self._SEGMENTS_ROOM * self.segment_header_size

    def add_section(
        self, name: str, type_: int, content: bytes, *, link: int = 0, info: int = 0, entry_size: int = 0
    ) -> _Section:
        self.content += bytes(-(self.body + len(self.content)) % 8)
        offset = self.body + len(self.content)
        self.content += content
        section = _Section(len(self.sections), name, type_, offset, len(content), link, info, entry_size)
        self.sections.append(section)
        return section

    def add_segment(self, type_: int, section: _Section) -> None:
        self.segments.append((type_, section.offset, section.size))

    def add_dynamic(
        self, named_tags: list[tuple[int, str]], versions: Mapping[str, Sequence[str]], weak: Collection[str]
    ) -> None:
        strings = _Strings()
        tags = [(tag, strings.add(text)) for tag, text in named_tags]
        version_needs = self.version_needs(versions, weak, strings)

        dynstr = self.add_section(".dynstr", _SHT_STRTAB, strings.table)
        tags += [(_DT_STRTAB, dynstr.offset), (_DT_STRSZ, dynstr.size)]

        symbol_size = 24 if self.bits == 64 else 16
        dynsym = self.add_section(
            ".dynsym", _SHT_DYNSYM, bytes(symbol_size), link=dynstr.number, info=1, entry_size=symbol_size
        )
        tags += [(_DT_SYMTAB, dynsym.offset), (_DT_SYMENT, symbol_size)]

        if versions:
            count = len(versions)
            verneed = self.add_section(
                ".gnu.version_r", _SHT_GNU_VERNEED, version_needs, link=dynstr.number, info=count
            )
            tags += [(_DT_VERNEED, verneed.offset), (_DT_VERNEEDNUM, count)]

        entries = b"".join(self.pack("NN", tag, value) for tag, value in [*tags, (_DT_NULL, 0)])
        entry_size = len(self.pack("NN", 0, 0))
        dynamic = self.add_section(".dynamic", _SHT_DYNAMIC, entries, link=dynstr.number, entry_size=entry_size)
        self.add_segment(_PT_DYNAMIC, dynamic)

    def version_needs(self, versions: Mapping[str, Sequence[str]], weak: Collection[str], strings: _Strings) -> bytes:
        """Elf_Verneed, each followed by its Elf_Vernaux: 16 bytes every one, with the distance to the next."""
        table = b""
        version_number = 2
        for n, (library, symbols) in enumerate(versions.items(), start=1):
            next_library = 16 * (1 + len(symbols)) if n < len(versions) else 0
            table += self.pack("HHIII", 1, len(symbols), strings.add(library), 16, next_library)
            for m, symbol in enumerate(symbols, start=1):
                flags = _VER_FLG_WEAK if symbol in weak else 0
                next_symbol = 16 if m < len(symbols) else 0
                table += self.pack("IHHII", _hash(symbol), flags, version_number, strings.add(symbol), next_symbol)
                version_number += 1
        return table

    def assemble(self, *, section_headers: bool, debug: bytes | None, moved: bytes | None) -> bytes:
        names, loads = _Strings(), [(_PT_LOAD, 0, self.body + len(self.content))]
        if debug is not None:
            self.add_section(".debug_info", _SHT_PROGBITS, debug)
            strtab = self.add_section(".strtab", _SHT_STRTAB, b"\0main\0")
            self.add_section(".symtab", _SHT_SYMTAB, bytes(48), link=strtab.number, info=1, entry_size=24)
        if moved is not None:
            self.content += bytes(-(self.body + len(self.content)) % 0x1000)
            section = self.add_section(".moved", _SHT_PROGBITS, moved)
            loads.append((_PT_LOAD, section.offset, section.size))
        name_offsets = [names.add(section.name) for section in self.sections]
        if section_headers:
            name_offsets.append(names.add(".shstrtab"))
            self.add_section(".shstrtab", _SHT_STRTAB, names.table)
            self.content += bytes(-(self.body + len(self.content)) % 8)

        end = self.body + len(self.content)
        if debug is None and moved is None:
            loads = [(_PT_LOAD, 0, end)]
        segments = [] if self.file_type == ET_REL else [*loads, *self.segments]
        image = self.elf_header(len(segments), end, section_headers=section_headers)
        # PT_INTERP has to come before PT_LOAD.
        image += b"".join(self.segment_header(*segment) for segment in sorted(segments, key=lambda s: s[0] == _PT_LOAD))
        image = image.ljust(self.body, b"\0") + self.content
        if section_headers:
            image += b"".join(map(self.section_header, self.sections, name_offsets))
        return bytes(image)

    def elf_header(self, number_of_segments: int, end: int, *, section_headers: bool) -> bytes:
        identification = b"\x7fELF" + bytes([self.bits // 32, 1 if self.byte_order == "<" else 2, 1]).ljust(12, b"\0")
        section_header_size = 64 if self.bits == 64 else 40
        number_of_sections = len(self.sections) if section_headers else 0
        return identification + self.pack(
            "HHINNNIHHHHHH",
            self.file_type,
            self.machine,
            1,  # EV_CURRENT
            0,  # no entry point
            self.header_size if number_of_segments else 0,
            end if section_headers else 0,
            0,  # no flags
            self.header_size,
            self.segment_header_size if number_of_segments else 0,
            number_of_segments,
            section_header_size if section_headers else 0,
            number_of_sections,
            max(number_of_sections - 1, 0),
        )

    def segment_header(self, type_: int, offset: int, size: int) -> bytes:
        read_only, alignment = 4, 0x1000 if type_ == _PT_LOAD else 8
        if self.bits == 64:
            return self.pack("IINNNNNN", type_, read_only, offset, offset, offset, size, size, alignment)
        return self.pack("INNNNNIN", type_, offset, offset, offset, size, size, read_only, alignment)

    def section_header(self, section: _Section, name_offset: int) -> bytes:
        loaded = 2 if section.name not in {"", ".shstrtab", ".debug_info", ".strtab", ".symtab"} else 0
        return self.pack(
            "IINNNNIINN",
            name_offset,
            section.type,
            loaded,
            section.offset if loaded else 0,
            section.offset,
            section.size,
            section.link,
            section.info,
            8 if section.number else 0,
            section.entry_size,
        )


class _Strings:
    def __init__(self) -> None:
        self.table = b"\0"

    def add(self, text: str) -> int:
        self.table += text.encode() + b"\0"
        return len(self.table) - len(text.encode()) - 1


def _hash(name: str) -> int:
    """The gABI's hash function of symbol names."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value
