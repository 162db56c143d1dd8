"""Core metadata and entry points of a distribution (https://packaging.python.org/specifications/core-metadata)."""

from __future__ import annotations

import importlib.metadata
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import BrokenWheelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_END_OF_HEADERS = re.compile(r"\n\r?\n")


class Metadata:
    """The headers of METADATA, WHEEL or PKG-INFO. What is repeated or invalid is kept as it is written."""

    def __init__(self, text: str) -> None:
        from packaging.metadata import parse_email  # takes 20 ms to import, and few rebuilds need it

        # Without the description, which is long. The first content type counts: a METADATA with another one, of parts,
        # would fail an assertion of packaging.
        headers, others = parse_email("Content-Type: text/plain\n" + _END_OF_HEADERS.split(text, maxsplit=1)[0] + "\n")
        self._fields: Mapping[str, Any] = {**others, **headers}

    def all(self, field: str) -> tuple[str, ...]:
        """Every value of a field, such as `Requires-Dist`."""
        name = field.lower()
        raw_name = "classifiers" if name == "classifier" else name.replace("-", "_")
        values = self._fields.get(raw_name, self._fields.get(name, ()))
        return tuple(value.strip() for value in ([values] if isinstance(values, str) else values))

    def get(self, field: str) -> str:
        """The first value of a field; empty if there is none."""
        return next(iter(self.all(field)), "")

    @property
    def requires(self) -> tuple[str, ...]:
        return self.all("Requires-Dist")


def metadata_of(wheel: Path) -> Metadata:
    """Read the METADATA of a wheel. Raises `BrokenWheelError`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            return Metadata(archive.read(name).decode("utf-8", "replace"))
    except (StopIteration, zipfile.BadZipFile, zlib.error) as error:
        raise BrokenWheelError(wheel.name, f"its METADATA cannot be read: {error}") from None


def console_scripts(text: str) -> dict[str, str]:
    """The object reference of each command in an `entry_points.txt`. Raises `ValueError`."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]
    for number, line in enumerate(lines):  # importlib.metadata ignores some, and fails on others
        if not re.fullmatch(r"\[.*\]", line.strip()) and (number == 0 or "=" not in line):
            raise ValueError(f"malformed line {line!r}")
    found = _EntryPointsFile("\n".join(lines)).entry_points.select(group="console_scripts")
    return {entry_point.name: entry_point.value for entry_point in found}


class _EntryPointsFile(importlib.metadata.Distribution):
    """As much of a distribution as `importlib.metadata` needs to parse its entry points."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "entry_points.txt" else None

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError(path)  # abstract there; parsing entry points needs no other file
