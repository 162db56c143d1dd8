"""The first bytes of files of machine code."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNATURE_LENGTH = 4
ELF_SIGNATURE = b"\x7fELF"
DOS_SIGNATURE = b"MZ"
# mach-o/loader.h: MH_MAGIC and MH_MAGIC_64 in the byte order of the file's machine
MACH_O_BYTE_ORDER_AND_BITS = {
    b"\xfe\xed\xfa\xce": (">", 32),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xcf\xfa\xed\xfe": ("<", 64),
}
# mach-o/fat.h: FAT_MAGIC and FAT_MAGIC_64, always big-endian on disk
FAT_MACH_O_SIGNATURES = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def begins_as_machine_code(content: bytes) -> bool:
    """Whether a file may be machine code, by its first bytes."""
    signature = content[:SIGNATURE_LENGTH]
    return (
        signature == ELF_SIGNATURE
        or signature in MACH_O_BYTE_ORDER_AND_BITS
        or signature in FAT_MACH_O_SIGNATURES
        or signature.startswith(DOS_SIGNATURE)
    )


def native_files(archive: ZipFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files in a zip that may be machine code: their names, and their content in pieces, to be read at once."""
    for member in archive.infolist():
        with archive.open(member) as file:
            start = file.read(SIGNATURE_LENGTH)
            if begins_as_machine_code(start):
                yield member.filename, chain([start], iter(partial(file.read, 1 << 20), b""))


def may_have_machine_code(wheel: Path) -> bool:
    """Whether any file of a wheel may be machine code."""
    with ZipFile(wheel) as archive:
        return any(True for _ in native_files(archive))
