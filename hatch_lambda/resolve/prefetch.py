"""While pip is at work: import what the next stages need, and inspect the wheels that have arrived."""

from __future__ import annotations

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from hatch_lambda.wheels.store import Store

# What every build needs after stage 1.
_NEEDED_NEXT = (
    "hatch_lambda.wheels.scan",  # first, as it is needed first
    *(f"hatch_lambda.resolve.{name}" for name in ("sort", "download_wheels", "build", "audit")),
    *(f"hatch_lambda.resolve.{name}" for name in ("provided", "toolchains", "report_unmet")),
    "hatch_lambda.bundle.prune",
)


class Prefetch:
    """A thread next to the one that waits for pip.

    Just one: with several, the GIL would have them wait for each other at each of thousands of small files. Large files
    are inflated on other cores in any case (see `wheels.check`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1)
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=exception is not None)

    def follow(self, arrivals: Path) -> Callable[[], None]:
        """Return a function to call whenever pip has written a line: until the first one, it would only slow pip down.

        `arrivals`: a file to which pip appends the path of each wheel that is complete (see `for_target`).
        """
        position = 0

        def look() -> None:
            nonlocal position
            self.begin()
            with arrivals.open("rb") as file:
                file.seek(position)
                while (line := file.readline()).endswith(b"\n"):
                    position = file.tell()
                    self.inspect(Path(json.loads(line)))

        return look

    def begin(self) -> None:
        """Import what is needed next."""
        if not self._has_begun:
            self._has_begun = True
            for name in _NEEDED_NEXT:
                self._pool.submit(importlib.import_module, name)

    def inspect(self, wheel: Path) -> None:
        """Inspect a wheel; stages find the result in the store."""
        self._pool.submit(_inspect, wheel, self._store)


def _inspect(wheel: Path, store: Store) -> None:
    from hatch_lambda.wheels.scan import prescan

    prescan(wheel, store)
