"""The set `stubs`: files that only type checkers read (PEP 561)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import parents
from hatch_lambda.bundle.prune import mentions
from hatch_lambda.bundle.prune.search import Found, Search, is_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.wheels.members import BundleFile

# Distributions that read the stubs of others.
_STUB_READERS = frozenset(
    {"astroid", "basedpyright", "jedi", "mypy", "pyre-check", "pyrefly", "pyright", "pytype", "ty"}
)


def stubs(search: Search) -> Found:
    found = {path for path in search.files if path.endswith(".pyi") or path.rpartition("/")[2] == "py.typed"}
    if checker := next((name for name in search.distributions if name in _STUB_READERS), None):
        return Found(set(), (f"kept stubs: {checker} reads them",) if found else ())
    if any(map(mentions.reads_stubs, search.also)):
        return Found(set(), ("kept stubs: the project reads stubs",) if found else ())
    owners = frozenset(search.files[path].owner for path in found)
    readers: dict[str, str] = {}
    for path, content in search.sources(owners):
        if mentions.reads_stubs(content):
            readers.setdefault(search.files[path].owner, path)
    gone = {path for path in found if search.files[path].owner not in readers}
    kept = tuple(f"kept stubs of {owner}: {path} reads stubs" for owner, path in readers.items())
    return Found(gone - _only_in_namespaces(gone, search.files), kept)


def _only_in_namespaces(gone: set[str], files: Mapping[str, BundleFile]) -> set[str]:
    """Those in directories without other files: such a directory can be imported (PEP 420), and must not vanish."""
    left = {parent for path in files if path not in gone for parent in parents(path)}
    beside = {path[: path.find(".", path.rfind("/") + 1)] for path in files if is_module(path)}
    return {
        path
        for path in gone
        if any(
            parent not in left and parent not in beside and all(part.isidentifier() for part in parent.split("/"))
            for parent in parents(path)
        )
    }
