"""Patching pip, and what the patches find out."""

from __future__ import annotations

from typing import Any


class PatchError(Exception):
    """Something that a patch relies on is missing from pip, or a patch has no effect."""


class Findings:
    """What the patches find out while pip runs."""

    def __init__(self) -> None:
        self.finder: Any = None
        """pip's `PackageFinder`, as soon as pip has made it."""
        self.resolved: list[dict[str, Any]] | None = None
        self.index_options: list[str] = []
        self.cached: set[str] = set()
        """Paths of the store's wheels that were used instead of a download."""
        self.offers: dict[str, dict[str, tuple[str, str | None, bool]]] = {}
        """By project and file name: the fields of an `IndexFile`."""
        self.incompatible: set[str] = set()
        """Projects that have wheels with incompatible tags."""
        self.no_candidates: set[str] = set()
        """Those of them for which pip found no file to use."""
        self.project_extras: list[str] | None = None
        """The extras of the project itself, if it was left out."""
        self.unreachable: list[tuple[str, str]] = []
        """URLs of index pages that could not be fetched, and why."""
        self.errors: list[PatchError] = []
        """pip catches what is raised while it runs, so errors are kept here, too."""

    def error(self, message: str) -> PatchError:
        self.errors.append(PatchError(message))
        return self.errors[-1]

    def as_json(self) -> dict[str, Any]:
        return {
            "resolved": self.resolved,
            "index_options": self.index_options,
            "offers": {name: list(files.values()) for name, files in self.offers.items()},
            "no_candidates": sorted(self.no_candidates),
            "project_extras": self.project_extras,
            "unreachable": self.unreachable,
        }


def original(owner: object, name: str) -> Any:
    """What is to be patched. Raises `PatchError`."""
    try:
        return getattr(owner, name)
    except AttributeError:
        label = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", repr(owner))
        raise PatchError(f"`{label}.{name}` is missing") from None


def patch(owner: object, name: str, replacement: object) -> None:
    """Replace an attribute. Raises `PatchError`."""
    original(owner, name)
    setattr(owner, name, replacement)
