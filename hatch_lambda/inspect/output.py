"""Where reports and SBOMs go, and which target they are for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import naming
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.tempfiles import marked

if TYPE_CHECKING:
    from pathlib import Path

_TARGET = re.compile(r"-(?P<runtime>python3\.\d+)-(?P<architecture>\w+)\.zip$")


def named(path: Path) -> Path:
    """A path that ends with a name, which `.` and `..` do not."""
    return path if path.name.strip(".") else path.resolve()


def next_to(zip_path: Path, suffix: str = ".html") -> Path:
    """The default output: `orders.html` for `orders.zip`."""
    place = named(zip_path)
    return place.with_name(f"{place.name.removesuffix('.zip')}{suffix}")


def target_by_name(zip_path: Path) -> Target | None:
    """The target of a zip with a default name, as in `orders-1.0-python3.13-arm64.zip`."""
    match = _TARGET.search(zip_path.name)
    if not match or match["runtime"] not in RUNTIMES or match["architecture"] not in ARCHITECTURES:
        return None
    return Target(RUNTIMES[match["runtime"]], ARCHITECTURES[match["architecture"]])


def write_atomically(path: Path, text: str) -> Path:
    """Write a file in one step: a failure leaves what was there."""
    content = text.encode("utf-8")
    with naming(path):
        if path.exists() and not path.is_file():  # a pipe or a terminal
            path.write_bytes(content)
            return path
        unfinished = path.with_name(f"{marked(f'.{path.name}-')}new")
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path
