"""Zips from wheels, loose modules and anything else."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def make_zip(
    path: Path,
    files: Mapping[str, str | bytes] | None = None,
    *,
    wheels: Sequence[Path] = (),
    root: str = "",
    modes: Mapping[str, int] | None = None,
) -> Path:
    """A zip of `files` and of unpacked `wheels` below `root`. `modes`: other than 0644."""
    contents: dict[str, str | bytes] = dict(files or {})
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            contents.update({root + name: archive.read(name) for name in archive.namelist()})
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | (modes or {}).get(name, 0o644)) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """Replace the last occurrence of `old` in a file."""
    before, found, after = path.read_bytes().rpartition(old)
    assert found
    path.write_bytes(before + new + after)
    return path
