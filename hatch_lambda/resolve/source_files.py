"""Looking into sources without building them."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.toml import tomllib
from hatch_lambda.resolve.closure import Sdist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.resolve.closure import SourceTree

_DAMAGED = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


def names_of(source: Sdist | SourceTree | None) -> Sequence[str]:
    """The names of an sdist's files; not those of source directories, where objects of any build may be."""
    if not isinstance(source, Sdist):
        return ()
    with suppress(*_DAMAGED):
        if zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as archive:
                return archive.namelist()
        with tarfile.open(source.path) as sources:
            return sources.getnames()
    return ()


def build_system_of(source: Sdist | SourceTree) -> Mapping[str, Any]:
    """The table of PEP 518; empty if there is none, or if it is in a repository."""
    try:
        table: dict[str, Any] = tomllib.loads(_pyproject_of(source).decode("utf-8")).get("build-system", {})
    except (*_DAMAGED, KeyError, ValueError, RecursionError):
        return {}
    return table


def _pyproject_of(source: Sdist | SourceTree) -> bytes:
    """Raises `OSError`, `KeyError` and what damaged archives raise."""
    if not isinstance(source, Sdist):
        return (source.project / "pyproject.toml").read_bytes() if source.project else b""
    depth = len((source.subdirectory or "").strip("/").split("/")) if source.subdirectory else 0
    ending = f"{source.subdirectory.strip('/')}/pyproject.toml" if source.subdirectory else "pyproject.toml"
    name = next((name for name in names_of(source) if name.endswith(f"/{ending}") and name.count("/") == depth + 1), "")
    if zipfile.is_zipfile(source.path):
        with zipfile.ZipFile(source.path) as archive:
            return archive.read(name)
    with tarfile.open(source.path) as sources:
        file = sources.extractfile(name)
        return file.read() if file else b""
