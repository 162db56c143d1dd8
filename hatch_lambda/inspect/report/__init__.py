"""A page about what a zip holds: one file, without anything from elsewhere.

- `tree` is the zip as distributions, folders and files; `treemap` says where in a rectangle they go, `map` draws that;
- `requirements` finds out who requires whom, `licences` what distributions say of theirs;
- `overview`, `tables`, `fit` and `dependencies` are the sections of the page, made with `kit` and `markup`;
- `page` puts it all together, with `page.html`, `page.css` and `page.js`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import naming
from hatch_lambda.common.tempfiles import marked

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.common.target import Target


def write(zip_path: Path, output: Path, target: Target | None = None) -> Path:
    """Write the page about a Lambda zip, a layer's zip or a folder. The same zip gives the same bytes.

    `target`: what it is to run on; without one, what its name says. Raises `LambdaBuildError` where it cannot be read.
    """
    from hatch_lambda.inspect import contents
    from hatch_lambda.inspect.report.page import page

    return write_whole(output, page(contents.read(named(zip_path)), target or target_by_name(zip_path)))


def write_whole(path: Path, text: str) -> Path:
    """Write a file so that what stands there is whole: this text, or what was there."""
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


def beside(zip_path: Path, suffix: str = ".html") -> Path:
    """Where the page goes by default: `orders.zip` has its own in `orders.html`."""
    place = named(zip_path)
    return place.with_name(f"{place.name.removesuffix('.zip')}{suffix}")


def named(path: Path) -> Path:
    """A path that ends with a name, which `.` and `..` do not."""
    return path if path.name.strip(".") else path.resolve()


_TARGET = re.compile(r"-(?P<runtime>python3\.\d+)-(?P<architecture>\w+)\.zip$")


def target_by_name(zip_path: Path) -> Target | None:
    """What a zip is for, where it is named as builds name theirs."""
    from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target

    match = _TARGET.search(zip_path.name)
    if not match or match["runtime"] not in RUNTIMES or match["architecture"] not in ARCHITECTURES:
        return None
    return Target(RUNTIMES[match["runtime"]], ARCHITECTURES[match["architecture"]])
