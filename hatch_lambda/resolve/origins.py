"""Where the wheels of a bundle came from."""

from __future__ import annotations

from typing import NamedTuple


class Origins(NamedTuple):
    """How many distributions were downloaded, built or cached."""

    downloaded: int = 0
    built: int = 0
    cached: int = 0
    """Downloaded, resolved or built by an earlier build."""

    crossed: int = 0
    """Of those that were built: cross-compiled."""

    def __str__(self) -> str:
        built = f"built here, {self.crossed} of them cross-compiled" if self.crossed else "built here"
        if self.crossed == self.built:
            built = "cross-compiled here"
        counts = ((self.downloaded, "downloaded"), (self.built, built), (self.cached, "cached"))
        return ", ".join(f"{number} {how}" for number, how in counts if number)
