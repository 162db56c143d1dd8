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

    from rich.console import Console
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
            from rich.console import Console  # takes a while
        except ImportError:  # an environment without our dependencies; the build itself does not need rich
            return
        console = Console(file=self._stream)
        while console.is_interactive and not console.legacy_windows:
            with self._lock:
                if self._over.is_set():
                    return
                try:
                    self._draw(console)
                except OSError:  # the terminal is gone
                    return
            if self._over.wait(_INTERVAL):
                return

    def _draw(self, console: Console) -> None:
        """One line that fits the terminal as it is now, and leaves its last column free."""
        from rich.text import Text

        moment = time.monotonic()
        if moment - self._printed < _PATIENCE or _in_background(self._stream):
            return
        text, since = self._now
        if text and moment - since >= 1 and since - self._started >= 1:
            text += f" {moment - since:.0f} s"
        plain = "".join(letter if letter.isprintable() else " " for letter in text)
        blocks, seconds = has_blocks(self._stream), moment - self._started
        end, frames = seconds_column(seconds), _FRAMES if blocks else _FRAMES_IN_ASCII
        frame = frames[int(seconds / _INTERVAL) % len(frames)]
        line = Text.assemble(self._head, (frame, "cyan"), f" {plain}")
        room = min(columns_of(self._stream) - 1, _WIDEST) - len(end)
        line.truncate(max(room, 1), overflow="ellipsis" if blocks else "crop", pad=True)
        line.append(end, "dim")
        with console.capture() as captured:
            console.print(line, end="", soft_wrap=True, highlight=False)
        self._visible = True
        self._stream.write(f"\r{captured.get()}{_ERASE_BELOW}\r")
        self._stream.flush()

    def _erase(self) -> None:
        if self._visible:
            self._visible = False
            self._stream.write(f"\r{_ERASE_BELOW}")
            self._stream.flush()


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
