"""What is done beside pip: the import of what follows it, and a look through the wheels that it has brought so far."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from hatch_lambda.wheels.store import Store

# What every build needs behind stage 1.
_WHAT_FOLLOWS = (
    "hatch_lambda.wheels.scan",  # first of all, as it is needed first
    *(f"hatch_lambda.resolve.{name}" for name in ("sort", "download_wheels", "build", "audit")),
    *(f"hatch_lambda.resolve.{name}" for name in ("provided", "toolchains", "lock.lock_file")),
    *("packaging.pylock", "tomli_w", "hatch_lambda.bundle.prune", "hatch_lambda.wheels.unpacked_cache"),
)


class Ahead:
    """A thread beside the one that waits for pip.

    It is one alone: Python's lock would have several wait for each other at each of thousands of small files. Large
    ones are unpacked on other cores in any case (see `wheel_check`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1)
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=exception is not None)

    def begin(self) -> None:
        """To be called when pip is at work, since until then it would only be held up."""
        if not self._has_begun:
            self._has_begun = True
            for name in _WHAT_FOLLOWS:
                self._pool.submit(importlib.import_module, name)

    def look(self, wheel: Path) -> None:
        """Have a wheel looked through, for the store to know of it when it is asked."""
        self._pool.submit(_look_through, wheel, self._store)


def _look_through(wheel: Path, store: Store) -> None:
    from hatch_lambda.wheels.scan import inspect_in_silence

    inspect_in_silence(wheel, store)
