"""How the pipeline tells its user what it does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class UI(Protocol):
    """What a caller of the pipeline implements to see its progress."""

    def status(self, message: str) -> None:
        """A line of progress."""

    def error(self, message: str) -> None:
        """Something went wrong; the exception that follows says the same."""


class SilentUI:
    """For callers that want no progress."""

    def status(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


@dataclass(frozen=True)
class Reporter:
    """One line a stage, with its figures and seconds; with `verbose` also what pip says."""

    ui: UI
    verbose: bool = False

    def stage(self, number: int, name: str, work: Callable[[], Result], tell: Callable[[Result], str]) -> Result:
        """Do the work of a stage and say how it went: `tell` gives the figures of its result."""
        started = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - started
        self.ui.status(f"  {number} {name:<22} {tell(result):<50} {seconds:6.1f} s")
        return result

    def line(self, message: str) -> None:
        self.ui.status(message)

    def warn(self, message: str) -> None:
        self.ui.status(f"Warning: {message}")

    def detail(self, message: str) -> None:
        if self.verbose:
            self.ui.status(f"    {message}")


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """`1 wheel`, `2 wheels`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def megabytes(size: int) -> str:
    """Bytes for people, as Lambda's documentation counts: `1.5 MB` is 1.5 * 1024 * 1024 bytes."""
    if size < 1024 * 1024:
        return f"{size / 1024:.1f} kB"
    return f"{size / (1024 * 1024):.1f} MB"
