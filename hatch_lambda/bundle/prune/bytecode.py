"""The set `bytecode`: what wheels bring of it beside the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.prune.search import Found, Search

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.wheels.members import BundleFile


def bytecode(search: Search) -> Found:
    """What import can do without, as the sources are there."""
    return Found({path for path in search.files if _is_spare_bytecode(path, search.files)}, {})


def _is_spare_bytecode(path: str, files: Mapping[str, BundleFile]) -> bool:
    """What is not in `__pycache__` is code of its own (PEP 3147), unless there is the source, which goes first."""
    if "__pycache__" in path.split("/")[:-1]:
        return True
    return path.endswith((".pyc", ".pyo")) and f"{path[:-1]}" in files
