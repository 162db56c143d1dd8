"""The live line: what a stage is doing, on a line of the terminal that is overwritten and removed at the end.

It appears after a while only. The cursor stays visible in its first column, which is blank: whichever signal ends the
program, the terminal is usable, and other output, including the terminal's own `^C`, starts in that column.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from hatch_lambda.common.ui import seconds_column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

_PATIENCE = 0.3
"""Seconds before anything is shown: shorter steps need no line, and no import of rich."""
_INTERVAL = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_IN_ASCII = "-\\|/"
_WIDEST = 86  # as the lines of finished stages
_ERASE_BELOW = "\x1b[J"  # ECMA-48's ED; of all lines below, as a reflowed line takes several


class LiveLine:
    """`with LiveLine(stream, head) as line:` shows the head, the last text given to `line.now`, and the seconds."""

    def __init__(self, stream: TextIO, head: str) -> None:
        self._stream = stream
        self._head = head
        self._started = self._printed = time.monotonic()
        self._now = "", self._started
        self._visible = False
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="live line", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:  # the thread may still be importing; it draws no more
            self._erase()

    def now(self, text: str) -> None:
        self._now = text, time.monotonic()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Remove the line while something else is printed."""
        with self._lock:
            self._erase()
            try:
                yield
            finally:
                self._printed = time.monotonic()

    def _run(self) -> None:
        if self._over.wait(_PATIENCE):
            return
        try:
            painter = _Painter(self._stream)
        except ImportError:  # an environment without our dependencies; the build itself does not need rich
            return
        while painter.can_overwrite:
            with self._lock:
                if self._over.is_set():
                    return
                try:
                    self._draw(painter)
                except OSError:  # the terminal is gone
                    return
            if self._over.wait(_INTERVAL):
                return

    def _draw(self, painter: _Painter) -> None:
        moment = time.monotonic()
        if moment - self._printed < _PATIENCE or _in_background(self._stream):
            return
        text, since = self._now
        if text and moment - since >= 1 and since - self._started >= 1:
            text += f" {moment - since:.0f} s"
        line = painter.line(self._head, text, moment - self._started)
        self._visible = True
        self._stream.write(f"\r{line}{_ERASE_BELOW}\r")
        self._stream.flush()

    def _erase(self) -> None:
        if self._visible:
            self._visible = False
            self._stream.write(f"\r{_ERASE_BELOW}")
            self._stream.flush()


class _Painter:
    """Renders lines with rich, which takes a while to import."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._stream = stream
        self._console = Console(file=stream)
        self._blocks = has_blocks(stream)
        self.can_overwrite = self._console.is_interactive and not self._console.legacy_windows

    def line(self, head: str, text: str, seconds: float) -> str:
        """One line that fits the terminal as it is now, and leaves its last column free."""
        from rich.text import Text

        end = seconds_column(seconds)
        plain = "".join(letter if letter.isprintable() else " " for letter in text)
        frames = _FRAMES if self._blocks else _FRAMES_IN_ASCII
        frame = frames[int(seconds / _INTERVAL) % len(frames)]
        line = Text.assemble(head, (frame, "cyan"), f" {plain}")
        room = min(columns_of(self._stream) - 1, _WIDEST) - len(end)
        line.truncate(max(room, 1), overflow="ellipsis" if self._blocks else "crop", pad=True)
        line.append(end, "dim")
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True, highlight=False)
        return captured.get()


def columns_of(stream: TextIO) -> int:
    """How wide a terminal is at this moment; some do not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def has_blocks(stream: TextIO) -> bool:
    """Whether a stream can show the characters that bars and spinners are made of."""
    try:
        "█░⠋…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _in_background(stream: TextIO) -> bool:
    """Whether another process group has the terminal (`hatch build &`)."""
    if sys.platform != "win32":  # which has no job control
        try:
            return os.tcgetpgrp(stream.fileno()) != os.getpgrp()
        except (OSError, ValueError):
            pass
    return False
