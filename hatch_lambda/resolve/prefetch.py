"""While stage 1 waits: inspect the wheels that have arrived."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hatch_lambda.wheels.scan import prescan

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from hatch_lambda.wheels.store import Store


class Prefetch:
    """A thread next to the one that waits.

    Just one: with several, the GIL would have them wait for each other at each of thousands of small files. Large files
    are inflated on other cores in any case (see `wheels.check`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=exception is not None)

    def inspect(self, wheel: Path) -> None:
        """Inspect a wheel; stages find the result in the store."""
        self._pool.submit(prescan, wheel, self._store)
