"""Signal handlers that last for a `with` block."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class handled:  # noqa: N801 - used like `contextlib.suppress`
    """Handle signals within a `with` block, then restore the former handlers.

    `names`: attributes of `signal`; those that the platform lacks are skipped. Only the main thread can set handlers:
    in another one, this does nothing.
    """

    def __init__(self, handler: Callable[[int, FrameType | None], object], *names: str) -> None:
        self._handler = handler
        self._names = names
        self._former: list[tuple[int, signal._HANDLER]] = []

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in self._names if hasattr(signal, name)]
            self._former = [(number, signal.signal(number, self._handler)) for number in numbers]

    def __exit__(self, *_: object) -> None:
        for number, former in self._former:
            signal.signal(number, former)
