"""Machine code of macOS and Windows, which Lambda never loads."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple

from hatch_lambda.common.files import bytes_at
from hatch_lambda.wheels.signatures import (
    DOS_SIGNATURE,
    FAT_MACH_O_SIGNATURES,
    MACH_O_BYTE_ORDER_AND_BITS,
    SIGNATURE_LENGTH,
)

if TYPE_CHECKING:
    from typing import BinaryIO


class ForeignCode(NamedTuple):
    """`is_managed`: whether it is for .NET, which runs it on every system."""

    kind: Literal["Mach-O", "PE"]
    architecture: str
    bits: int
    is_managed: bool = False


def read_foreign_code(file: BinaryIO) -> ForeignCode | None:
    """Read a seekable file; None if it is neither Mach-O nor PE."""
    signature = bytes_at(file, 0, SIGNATURE_LENGTH)
    if signature in MACH_O_BYTE_ORDER_AND_BITS or signature in FAT_MACH_O_SIGNATURES:
        return _read_mach_o(file, signature)
    return _read_pe(file) if signature.startswith(DOS_SIGNATURE) else None


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


def _read_mach_o(file: BinaryIO, signature: bytes) -> ForeignCode | None:
    if signature in FAT_MACH_O_SIGNATURES:
        number_of_architectures = int.from_bytes(bytes_at(file, 4, 4), "big")
        is_java = not 0 < number_of_architectures < _LEAST_JAVA_VERSION
        return None if is_java else ForeignCode("Mach-O", "universal", bits=0)
    byte_order, bits = MACH_O_BYTE_ORDER_AND_BITS[signature]
    header = bytes_at(file, 0, _MACH_HEADER_SIZES[bits])
    if len(header) < _MACH_HEADER_SIZES[bits]:
        return None
    (machine,) = struct.unpack_from(byte_order + "I", header, 4)
    return ForeignCode("Mach-O", _MACH_O_ARCHITECTURES.get(machine, f"machine {machine:#x}"), bits)


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
# From the signature: the two headers, then the 15th of the data directories, which are 8 bytes each.
_CLR_HEADER_OFFSETS = {32: 24 + 96 + 14 * 8, 64: 24 + 112 + 14 * 8}


def _read_pe(file: BinaryIO) -> ForeignCode | None:
    offset = int.from_bytes(bytes_at(file, _E_LFANEW_OFFSET, 4), "little")
    header = bytes_at(file, offset, _PE_HEADER_SIZE)
    if len(header) < _PE_HEADER_SIZE or not header.startswith(_PE_SIGNATURE):
        return None
    machine, magic = struct.unpack_from("<4xH18xH", header)
    bits = _PE_BITS.get(magic, 0)
    # The address and size of .NET's header, which are 0 in native code. In doubt, it is managed.
    managed = bytes_at(file, offset + _CLR_HEADER_OFFSETS.get(bits, 0), 8)
    is_managed = bool(bits) and len(managed) == 8 and 0 not in struct.unpack("<II", managed)  # noqa: PLR2004
    return ForeignCode("PE", _PE_ARCHITECTURES.get(machine, f"machine {machine:#x}"), bits, is_managed)
