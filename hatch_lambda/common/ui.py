"""How the pipeline reports its progress."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from hatch_lambda.common.printable import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")

_NAMES, _NAMES_IF_NARROW = 22, 15  # columns; a longer name pushes what follows
_FIGURES = 50
_NARROW = 76
_LEAST = 12

RED, GREEN, YELLOW = 31, 32, 33  # ECMA-48's SGR


class UI(Protocol):
    """What a caller of the pipeline implements to receive its progress."""

    def status(self, message: str) -> None:
        """A line of progress."""

    def error(self, message: str) -> None:
        """The text of the exception that follows."""


class SilentUI:
    """Ignores everything."""

    def status(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


class Screen(NamedTuple):
    """The output device. `columns`: None if it is not a terminal. `blocks`: it has more than ASCII."""

    columns: int | None = None
    blocks: bool = False
    colours: bool = False

    def paint(self, text: str, colour: int) -> str:
        """Colour a text if the terminal has colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours else text


class StagedUI(ABC):
    """A UI that may also show what a stage is doing, and fold groups of lines; this base class does neither."""

    @abstractmethod
    def status(self, message: str) -> None: ...

    @property
    def screen(self) -> Screen:
        return Screen()

    def warn(self, message: str) -> None:
        self.status(warning_text(message, self.screen))

    @contextmanager
    def group(self, title: str) -> Iterator[bool]:
        """Lines that belong together; yields whether they are folded."""
        self.status(title)
        yield False

    @contextmanager
    def at_work(self, head: str) -> Iterator[None]:
        """Show that something is in progress; `head` says what."""
        del head
        yield

    def now(self, text: str) -> None:
        """Show the current step."""
        del text


class _Lines(StagedUI):
    """Any UI as a `StagedUI`."""

    def __init__(self, ui: UI) -> None:
        self._ui = ui

    def status(self, message: str) -> None:
        self._ui.status(message)


class Reporter:
    """Prints one line per stage, with figures and seconds; with `verbose` also pip's output.

    All that it passes on is printable, whatever names and texts are in it.
    """

    def __init__(self, ui: UI | StagedUI, *, verbose: bool = False) -> None:
        self._ui = ui if isinstance(ui, StagedUI) else _Lines(ui)
        self.verbose = verbose
        self.warnings: list[str] = []
        """All warnings so far, each once, for the summary."""

    def stage(self, number: int, name: str, work: Callable[[], Result], tell: Callable[[Result], str]) -> Result:
        """Run a stage and report it. `tell`: returns the figures of the result."""
        started = time.perf_counter()
        columns = self.screen.columns
        names = _NAMES if columns is None or columns >= _NARROW else _NAMES_IF_NARROW
        head = f"  {number} {name:<{names}} "
        with self._ui.at_work(head):
            result = work()
        seconds = time.perf_counter() - started
        figures = printable_lines(tell(result))
        self._ui.status(_stage_line(head, figures, seconds, self.screen.columns))  # it may be narrower by now
        return result

    @contextmanager
    def at_work(self, what: str) -> Iterator[None]:
        """Show that something other than a stage is in progress; it leaves no line."""
        with self._ui.at_work(f"  {what} "):
            yield

    def now(self, text: str) -> None:
        """Show the current step of the stage."""
        self._ui.now(text)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """A title and its lines; where a log folds them, a failure repeats their warnings."""
        former, folded = len(self.warnings), False
        try:
            with self._ui.group(printable_lines(title)) as folded:
                yield
        except BaseException:
            for message in self.warnings[former:] if folded else ():
                self._ui.status(warning_text(message, self.screen))
            raise

    def line(self, message: str) -> None:
        self._ui.status(printable_lines(message))

    def coloured_line(self, message: str) -> None:
        """A line with colours, in which everything else is printable."""
        self._ui.status(message)

    def warn(self, message: str) -> None:
        message = printable_lines(message)
        if message not in self.warnings:
            self.warnings.append(message)
        self._ui.warn(message)

    def detail(self, message: str) -> None:
        if self.verbose:
            self.line(f"    {message}")

    @property
    def screen(self) -> Screen:
        return self._ui.screen


def _stage_line(head: str, figures: str, seconds: float, columns: int | None) -> str:
    """The line of a finished stage; on a terminal, long figures are wrapped in their column."""
    end = seconds_column(seconds)
    if columns is None:
        return f"{head}{figures:<{_FIGURES}}{end}"
    room = max(min(_FIGURES, columns - 1 - len(head) - len(end)), _LEAST)
    first, *more = _lines(figures, room)
    return "\n".join([f"{head}{first:<{room}}{end}", *(" " * len(head) + line for line in more)])


def warning_text(message: str, screen: Screen) -> str:
    """A warning as it is printed."""
    return screen.paint(wrapped(f"Warning: {message}", screen), YELLOW)


def wrapped(text: str, screen: Screen, indent: int = 2) -> str:
    """Wrap a line at words; in a pipe it stays one line."""
    if screen.columns is None:
        return text
    return "\n".join(_lines(text, screen.columns - 1, indent))


def _lines(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of whole words. `indent`: of all but the first."""
    from textwrap import wrap  # in a pipe nothing is wrapped

    return wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def seconds_column(seconds: float) -> str:
    return f" {seconds:6.1f} s"


def counted(number: int, singular: str) -> str:
    """`1 wheel`, `2 wheels`."""
    return f"{number} {singular}{'' if number == 1 else 's'}"


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - most
    return [*lines[:most], *([f"and {more} more"] if more > 0 else [])]


def megabytes(size: int) -> str:
    """Bytes for people, as Lambda's documentation counts: `1.5 MB` is 1.5 * 1024 * 1024 bytes."""
    if size < 1024 * 1024:
        return f"{size / 1024:.1f} kB"
    return f"{size / (1024 * 1024):.1f} MB"


def percent(share: float) -> str:
    """A share of one for people: `5%`."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"  # noqa: PLR2004 - would be rounded to nothing


def filled_cells(share: float, cells: int) -> int:
    """The filled cells of a bar for a share of one: at least one if it is not 0, and never more than all."""
    return min(max(round(share * cells), 1 if share > 0 else 0), cells)
