"""Signal handlers that last for a `with` block."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object], *names: str) -> Iterator[None]:
    """Handle signals within a `with` block, then restore the former handlers.

    `names`: attributes of `signal`; those that the platform lacks are skipped. Only the main thread can set handlers:
    in another one, this does nothing.
    """
    can_handle = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in names if can_handle and hasattr(signal, name)]
    former = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, handler_before in former:
            signal.signal(number, handler_before)
