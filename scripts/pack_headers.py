"""Packs CPython's C headers into `hatch_lambda/resolve/cross/headers.tar.xz`.

    python scripts/pack_headers.py INTERPRETER...

Each interpreter replaces the headers of its minor version; the others stay. It has to be a CPython for x86_64 Linux, of
a release in `SOURCES`, with its headers installed. Origins and licence are written next to the pack. The same headers
give the same bytes.
"""

from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

CROSS = Path(__file__).resolve().parent.parent / "hatch_lambda/resolve/cross"
PACK, LICENCE = CROSS / "headers.tar.xz", CROSS / "headers.LICENSE.txt"

# The sources that the interpreters were built from, and their SHA-256 as published.
SOURCES = {
    "3.8.18": "https://www.python.org/ftp/python/3.8.18/Python-3.8.18.tar.xz"
    "#sha256=3ffb71cd349a326ba7b2fadc7e7df86ba577dd9c4917e52a8401adbda7405e3f",
    "3.9.18": "https://www.python.org/ftp/python/3.9.18/Python-3.9.18.tar.xz"
    "#sha256=01597db0132c1cf7b331eff68ae09b5a235a3c3caa9c944c29cac7d1c4c4c00a",
    "3.10.13": "https://www.python.org/ftp/python/3.10.13/Python-3.10.13.tar.xz"
    "#sha256=5c88848668640d3e152b35b4536ef1c23b2ca4bd2c957ef1ecbb053f571dd3f6",
    "3.11.7": "https://www.python.org/ftp/python/3.11.7/Python-3.11.7.tar.xz"
    "#sha256=18e1aa7e66ff3a58423d59ed22815a6954e53342122c45df20c96877c062b9b7",
    "3.12.1": "https://www.python.org/ftp/python/3.12.1/Python-3.12.1.tar.xz"
    "#sha256=8dfb8f426fcd226657f9e2bd5f1e96e53264965176fa17d32658e873591aeb21",
    "3.13.0": "https://www.python.org/ftp/python/3.13.0/Python-3.13.0.tar.xz"
    "#sha256=086de5882e3cb310d4dca48457522e2e48018ecd43da9cdf827f6a0759efb07d",
    "3.14.10": "Debian's source package python3.14 3.14.10-1: python3.14_3.14.10.orig.tar.xz"
    "#sha256=de414a57119abef52784d8993e341d53aed635fc2b05c2607d9f98a2c5b72032",
    "3.15.2": "Debian's source package python3.15 3.15.2-1: python3.15_3.15.2.orig.tar.xz"
    "#sha256=8b5536d280142ecf6cdfe15d12a21ba1c65e300bbf7b28a8d0cdb849575797de",
}

DESCRIBE = """
import json, platform, sys, sysconfig
print(json.dumps([
    platform.python_version(),
    sysconfig.get_platform(),
    sysconfig.get_path("include"),
    getattr(sys.implementation, "_multiarch", ""),
    sysconfig.get_path("stdlib"),
]))
"""
FOR_ALL_VERSIONS = 32 * 1024 * 1024  # bytes in which the compressor looks for what it has seen before


class Installed(NamedTuple):
    """What an interpreter has: its headers by path, and its licence."""

    version: str
    platform: str
    headers: dict[str, bytes]
    licence: bytes

    @classmethod
    def of(cls, interpreter: str) -> Installed:
        command = [interpreter, "-I", "-c", DESCRIBE]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        version, platform, include, multiarch, stdlib = json.loads(answer)
        headers = {path.relative_to(include).as_posix(): path.read_bytes() for path in Path(include).rglob("*.h")}
        # Debian's `pyconfig.h` includes that of the architecture.
        of_architecture = Path(include).parent / multiarch / Path(include).name / "pyconfig.h"
        if multiarch and of_architecture.exists():
            headers["pyconfig.h"] = of_architecture.read_bytes()
        licence = Path(stdlib, "LICENSE.txt")
        return cls(version, platform, headers, licence.read_bytes() if licence.exists() else b"")


def main(interpreters: list[str]) -> None:
    packed = unpacked()
    for interpreter in interpreters:
        found = Installed.of(interpreter)
        if found.platform != "linux-x86_64" or found.version not in SOURCES or "Python.h" not in found.headers:
            sys.exit(f"{interpreter} is Python {found.version} for {found.platform}; see `SOURCES`.")
        folder = "python{}.{}".format(*found.version.split("."))
        packed = {path: content for path, content in packed.items() if not path.startswith(f"{folder}/")}
        packed |= {f"{folder}/{path}": content for path, content in found.headers.items()}
        packed["LICENSE.txt"] = found.licence or packed["LICENSE.txt"]
    PACK.write_bytes(archive(packed))
    origins = [url for version, url in SOURCES.items() if f'"{version}"'.encode() in _patch_level(packed, version)]
    LICENCE.write_text(
        "headers.tar.xz has the C headers that CPython installs on x86_64 Linux, built from these sources:\n\n"
        + "".join(f"- {origin}\n" for origin in origins)
        + f"\nTheir licence:\n\n{packed['LICENSE.txt'].decode('utf-8')}",
        encoding="utf-8",
    )
    print(f"{PACK}: {len(packed)} files, {PACK.stat().st_size} bytes")


def unpacked() -> dict[str, bytes]:
    """The files of the pack as it is, by path."""
    if not PACK.exists():
        return {}
    with tarfile.open(PACK, "r:xz") as opened:
        return {member.name: content.read() for member in opened if (content := opened.extractfile(member))}


def archive(packed: dict[str, bytes]) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        for path in sorted(packed):
            member = tarfile.TarInfo(path)
            member.size = len(packed[path])
            opened.addfile(member, io.BytesIO(packed[path]))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": FOR_ALL_VERSIONS}]
    return lzma.compress(tar.getvalue(), filters=filters)


def _patch_level(packed: dict[str, bytes], version: str) -> bytes:
    return packed.get("python{}.{}/patchlevel.h".format(*version.split(".")), b"")


if __name__ == "__main__":
    main(sys.argv[1:])
