"""Threads that do what is most urgent first."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import queue
import sys
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.finder.client import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from hatch_lambda.resolve.finder.client import Client

Result = TypeVar("Result")

_M_ARENA_MAX = -8  # <malloc.h>
_HEAPS = 2
_MOMENT = 0.2
_TIME_TO_STOP = 0.5
"""Seconds for threads to end what they are doing."""


class Awaited(Future[Result]):
    """A future that can be waited for and interrupted, which Windows allows only between timeouts (gh-74157)."""

    def result(self, timeout: float | None = None) -> Result:
        while timeout is None and not self.done():
            wait([self], _MOMENT)
        return super().result(timeout)


class Workers:
    """Threads that take the most urgent task first. They never keep the interpreter from ending."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: queue.PriorityQueue[tuple[Any, int, Future[Any], Callable[[], Any]]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        _bound_heaps()
        self._free = 0  # threads without a task; negative if tasks have to wait
        self._threads: list[threading.Thread] = []

    def submit(self, urgency: tuple[int, int], task: Callable[[], Result]) -> Future[Result]:
        """`urgency`: the smallest first. Raises `LeftToPip` if there can be no threads."""
        future = Awaited[Result]()
        if self._client.stopped.is_set():
            future.set_exception(LeftToPip("stopped"))
            return future
        with self._lock:
            self._tasks.put((urgency, next(self._order), future, task))
            self._free -= 1
            if self._free < 0 and len(self._threads) < WORKERS:
                thread = threading.Thread(target=self._work, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # a limit of the system
                    if not self._threads:
                        raise LeftToPip(str(error)) from None
                else:
                    self._threads.append(thread)
                    self._free += 1
        return future

    def _work(self) -> None:
        while True:
            _urgency, _order, future, task = self._tasks.get()
            if self._client.stopped.is_set():
                self._wake()  # the next one, which may be one that a task has just started
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except OSError as error:  # of files, such as a full disk: pip meets it, too, or does without
                    future.set_exception(LeftToPip(str(error)))
                except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                    future.set_exception(error)
            with self._lock:
                self._free += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop. Threads that still wait for a server to accept a connection end after its timeout, without a trace."""
        self._client.stop()
        self._wake()
        deadline = time.monotonic() + _TIME_TO_STOP
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        self._client.close()

    def _wake(self) -> None:
        """Have a thread that waits for a task see that it is to stop."""
        self._tasks.put(((0, 0), next(self._order), Future(), str))


def _bound_heaps() -> None:
    """Have glibc give threads a few heaps in common: it gives each its own, where large pages leave holes for good.

    https://www.gnu.org/software/libc/manual/html_node/Malloc-Tunable-Parameters.html
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
