"""Standard streams that are closed (`2>&-`), or that nobody reads any more (`| head -1`)."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def dependable_streams() -> Iterator[None]:
    """Within the block, all standard streams are open, and stderr, which is only for people, drops what fails.

    Without a stream, Python has None in its place, and the next file that is opened gets its number.
    """
    former = sys.stdin, sys.stdout, sys.stderr
    with ExitStack() as stack:
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                setattr(sys, name, stack.enter_context(Path(os.devnull).open(mode, encoding="utf-8")))
        sys.stderr = cast("TextIO", _Dropping(sys.stderr))
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = former


def flush_or_drop(stream: TextIO | None) -> None:
    """Flush a stream. What cannot be written is dropped, as it would fail again at exit, with the exit code 120."""
    if stream is not None:
        _Dropping(stream).flush()


class _Dropping:
    """A stream that goes to the null device once writing to it has failed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> object:
        return self._tried(lambda: self._stream.write(text))

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError:
            # What is buffered would fail again at exit (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            return action()
