"""Strip ELF files of what no loader reads: debugging information and the linker's symbol table.

Whatever is loaded keeps its content and its address. Where something is removed from between two loaded parts, as
patchelf leaves it there, the later ones move within the file, by multiples of their alignment. The headers of removed
sections stay, empty, so that the numbers of the others do not change (System V gABI, chapter 4).

No tool was found that does this to the files in wheels, most of which patchelf has rewritten. After `strip` of binutils
2.40 or LLVM 14, numpy's OpenBLAS does not load any more (https://github.com/pypa/auditwheel/issues/716); LIEF 1.0
writes files of the same size, with other segments; `zig objcopy` writes no ELF since 0.15. Nor does a wheel have the
first two for all hosts.
"""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.wheels.elf import Elf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEBUG = re.compile(rb"\.(?:z?debug(?:_.*)?|stab.*|line|gdb_index|gnu_debug(?:data|link|altlink)|gnu\.debuglto_.*)")
_SHF_ALLOC = 0x2


class NotStrippableError(ValueError):
    """Why a file cannot be stripped safely."""


class _Part(NamedTuple):
    """A part of the file that stays, `moved` towards its start by some bytes."""

    start: int
    end: int
    moved: int


def strip(content: bytes) -> bytes:
    """The stripped content of an ELF file, which may be the same. Raises `ValueError` if it cannot be stripped."""
    elf = Elf(io.BytesIO(content))
    header, layouts = elf.header, elf.layouts
    sections = [
        elf.record("Elf_Shdr", header["e_shoff"] + number * header["e_shentsize"])
        for number in range(header["e_shnum"])
    ]
    if header["e_type"] not in {"ET_DYN", "ET_EXEC"} or not (gone := _removable(elf, sections, content)):
        return content
    parts = list(_parts(elf, sections, gone, content))
    made = bytearray()
    for start, end, moved in parts:
        made += bytes(start - moved - len(made)) + content[start:end]
    made += bytes(-len(made) % 8)
    header["e_shoff"] = len(made)
    for number, section in enumerate(sections):
        if number not in gone:
            section["sh_offset"] -= _move_of(section["sh_offset"], _size_of(section), parts)
            made += layouts["Elf_Shdr"].build(section)
        else:
            made += bytes(header["e_shentsize"])
    header["e_phoff"] -= _move_of(header["e_phoff"], 1, parts)
    for number, segment in enumerate(elf.segments):
        segment["p_offset"] -= _move_of(segment["p_offset"], segment["p_filesz"], parts)
        place = header["e_phoff"] + number * header["e_phentsize"]
        made[place : place + header["e_phentsize"]] = layouts["Elf_Phdr"].build(segment)
    made[: header["e_ehsize"]] = layouts["Elf_Ehdr"].build(header)
    stripped = bytes(made)
    if difference := find_difference(content, stripped):
        raise NotStrippableError(difference)
    return min(content, stripped, key=len)


def find_difference(before: bytes, after: bytes) -> str:
    """How two files differ for the loader; empty if they do not.

    Whatever it reads is in segments: the dynamic section with the needed libraries, symbols and their versions.
    """
    one, other = Elf(io.BytesIO(before)), Elf(io.BytesIO(after))
    headers = [{**elf.header, "e_phoff": 0, "e_shoff": 0, "e_shnum": 0, "e_shstrndx": 0} for elf in (one, other)]
    segments = [[{**segment, "p_offset": 0} for segment in elf.segments] for elf in (one, other)]
    if headers[0] != headers[1] or segments[0] != segments[1]:
        return "its headers would differ"
    for first, second in zip(one.segments, other.segments, strict=True):
        alignment = max(first["p_align"], 1)
        if (first["p_offset"] - second["p_offset"]) % alignment and first["p_type"] == "PT_LOAD":
            return "a segment would not be aligned"
        if _loaded(one, first, before) != _loaded(other, second, after):
            return "a segment would have another content"
    return ""


def _loaded(elf: Elf, segment: Any, content: bytes) -> bytes:
    """The content of a segment, without the headers that say where things are in the file."""
    start, end = segment["p_offset"], segment["p_offset"] + segment["p_filesz"]
    found = bytearray(content[start:end])
    header = elf.header
    for place, size in ((0, header["e_ehsize"]), (header["e_phoff"], header["e_phnum"] * header["e_phentsize"])):
        first, last = max(place, start), min(place + size, end)
        if first < last:
            found[first - start : last - start] = bytes(last - first)
    return bytes(found)


def _removable(elf: Elf, sections: Sequence[Any], content: bytes) -> set[int]:
    """The numbers of the sections that no loader reads."""
    names = elf.header["e_shstrndx"]
    if not 0 < names < len(sections):
        return set()

    def name_of(section: Any) -> bytes:
        return content[sections[names]["sh_offset"] + section["sh_name"] :].partition(b"\0")[0]

    free = {number: each for number, each in enumerate(sections) if number and not each["sh_flags"] & _SHF_ALLOC}
    gone = {
        number
        for number, section in free.items()
        if section["sh_type"] in {"SHT_SYMTAB", "SHT_SYMTAB_SHNDX"} or _DEBUG.fullmatch(name_of(section))
    }
    # Relocations that the linker was told to keep (`--emit-relocs`), and the names of symbols.
    gone |= {n for n, each in free.items() if each["sh_type"] in {"SHT_REL", "SHT_RELA"} and each["sh_link"] in gone}
    left = {each["sh_link"] for number, each in enumerate(sections) if number not in gone} | {names}
    linked = {sections[number]["sh_link"] for number in gone}
    return gone | {number for number in linked - left if number in free and free[number]["sh_type"] == "SHT_STRTAB"}


def _parts(elf: Elf, sections: Sequence[Any], gone: set[int], content: bytes) -> Iterator[_Part]:
    """What stays of a file, from its start to its end: all but removed sections and the section headers."""
    header = elf.header
    table = header["e_shoff"], header["e_shoff"] + header["e_shnum"] * header["e_shentsize"]
    removed = [table, *((sections[n]["sh_offset"], sections[n]["sh_offset"] + _size_of(sections[n])) for n in gone)]
    # What stays: start, end and alignment.
    staying = [
        (0, header["e_ehsize"], 1),
        (header["e_phoff"], header["e_phoff"] + header["e_phnum"] * header["e_phentsize"], 1),
        *((each["p_offset"], each["p_offset"] + each["p_filesz"], each["p_align"]) for each in elf.segments),
        *(
            (each["sh_offset"], each["sh_offset"] + _size_of(each), each["sh_addralign"])
            for number, each in enumerate(sections)
            if number not in gone and each["sh_type"] != "SHT_NULL"
        ),
    ]
    last = max(end for _, end, *_ in (*removed, *staying))
    if content[last:].strip(b"\0"):  # patchelf adds a zero
        raise NotStrippableError("it has data behind its sections, which the program itself may read")
    if last > len(content):
        raise ValueError("it is cut off")
    for start, end, _ in staying:  # such as section headers within a segment
        removed = [piece for one in removed for piece in ((one[0], min(one[1], start)), (max(one[0], end), one[1]))]
        removed = [piece for piece in removed if piece[0] < piece[1]]
    place, written = 0, 0
    for start, end in (*sorted(set(removed)), (len(content), len(content))):
        inside = [alignment for first, _, alignment in staying if place <= first <= start]
        if place < start and (inside or content[place:start].strip(b"\0")):
            by = math.lcm(*(max(alignment, 1) for alignment in inside))
            moved = (place - written) // by * by
            yield _Part(place, start, moved)
            written = start - moved
        place = max(place, end)


def _size_of(section: Any) -> int:
    """In the file."""
    return 0 if section["sh_type"] in {"SHT_NOBITS", "SHT_NULL"} else int(section["sh_size"])


def _move_of(offset: int, size: int, parts: Sequence[_Part]) -> int:
    """How far the content at an offset moves; that of empty content may be at the end of a part."""
    return next((part.moved for part in parts if part.start <= offset < part.end + (not size)), 0)
