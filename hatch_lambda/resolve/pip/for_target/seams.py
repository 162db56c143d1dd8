"""Where our code holds on to pip's, and what is heard there."""

from __future__ import annotations

from typing import Any, ClassVar


class SeamError(Exception):
    """Something of pip's that an override stands on is missing or without effect."""

    heard: ClassVar[list[str]] = []
    """pip catches what is raised under it, so what was raised is kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.heard.append(message)


class Findings:
    """What is heard at the seams while pip runs."""

    def __init__(self) -> None:
        self.finder: Any = None
        """The one that pip works with, as soon as it has its options."""
        self.resolved: list[dict[str, Any]] | None = None
        self.index_options: list[str] = []
        self.kept: set[str] = set()
        """The store's wheels that were taken instead of a download."""
        self.offers: dict[str, dict[str, tuple[str, str | None, bool]]] = {}
        """By project and file name: the fields of an `IndexFile`."""
        self.misfits: set[str] = set()
        self.starved: set[str] = set()
        self.unreachable: list[str] = []

    def as_json(self) -> dict[str, Any]:
        return {
            "resolved": self.resolved,
            "index_options": self.index_options,
            "offers": {name: list(files.values()) for name, files in self.offers.items()},
            "starved": sorted(self.starved),
            "unreachable": self.unreachable,
        }


def seam(owner: object, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        label = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", repr(owner))
        raise SeamError(f"`{label}.{name}` is not there") from None


def override(owner: object, name: str, replacement: object) -> None:
    """Replace what `seam` has found there."""
    seam(owner, name)
    setattr(owner, name, replacement)
