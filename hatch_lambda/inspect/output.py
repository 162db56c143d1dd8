"""Where reports and SBOMs go, and which target they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.errors import naming
from hatch_lambda.common.files import write_atomically
from hatch_lambda.common.target import all_targets

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.common.target import Target


def named(path: Path) -> Path:
    """A path that ends with a name, which `.` and `..` do not."""
    return path if path.name.strip(".") else path.resolve()


def next_to(zip_path: Path, suffix: str = ".html") -> Path:
    """The default output: `orders.html` for `orders.zip`."""
    place = named(zip_path)
    return place.with_name(f"{place.name.removesuffix('.zip')}{suffix}")


def target_by_name(zip_path: Path) -> Target | None:
    """The target of a zip with a default name, as in `orders-1.0-python3.13-arm64.zip`, or of its directory."""
    name = zip_path.name.removesuffix(".zip")
    return next((target for target in all_targets() if name.endswith(f"-{target}")), None)


def write(path: Path, content: bytes) -> None:
    """Write an output as a whole; a pipe or a terminal, such as `/dev/stdout`, stays what it is. Raises `OSError`."""
    if path.exists() and not path.is_file():
        with naming(path):
            path.write_bytes(content)
    else:
        write_atomically(path, content, parents=False)
