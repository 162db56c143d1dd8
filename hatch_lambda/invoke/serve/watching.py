"""Which files change. Needs `watchfiles`, of the extra `serve`."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, DefaultFilter, watch

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IGNORED_NAMES = (".hatch", ".nox", ".ruff_cache", ".eggs")

# In milliseconds: an edit counts when there has been no other one for a step, and at most so long after the first.
_STEP = 20
_LONGEST = 400
_FIRST = 1000
"""When it says for the first time that nothing has changed."""


class Watched:
    """Files and directories, and what was in the files when they last changed.

    Builds may write files of the project, such as its version, each time with the same content: that is no change.
    """

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def changes(self, paths: Sequence[Path], ignored: Sequence[Path]) -> Iterator[list[Path]]:
        """The files that have changed, each time that some have; at first none. Raises `LambdaBuildError`."""
        there = [path for path in paths if path.exists()]
        is_first = True
        try:
            for changes in watch(
                *there,
                watch_filter=DefaultFilter(
                    ignore_dirs=(*DefaultFilter.ignore_dirs, *_IGNORED_NAMES), ignore_paths=list(ignored)
                ),
                debounce=_LONGEST,
                step=_STEP,
                rust_timeout=_FIRST,
                yield_on_timeout=True,
                raise_interrupt=True,
            ):
                changed = {Path(path) for change, path in changes if self._is_new(change, path)}
                there_now = [path for path in changed if path.exists()]  # without an editor's temporary files
                if changed or is_first:
                    is_first = False
                    yield sorted(there_now or changed)
        except (OSError, RuntimeError) as error:
            raise LambdaBuildError(
                f"Cannot watch {', '.join(map(str, there))}: {error}\n"
                "What you can do: allow more watches (`sysctl fs.inotify.max_user_watches=524288`), or serve without "
                "by --no-watch."
            ) from None

    def _is_new(self, change: Change, path: str) -> bool:
        if Path(path).is_dir():
            return change == Change.added
        if _is_our_output(path):
            return False
        try:
            content = hashlib.sha256(Path(path).read_bytes()).digest() if Path(path).is_file() else b""
        except OSError:
            content = b""
        if self._contents.get(path) == content:
            return False
        self._contents[path] = content
        return True


def _is_our_output(path: str) -> bool:
    """Whether stdout or stderr goes to a file, which each request makes longer."""
    with suppress(OSError):
        return any(os.path.samestat(os.stat(path), os.fstat(number)) for number in (1, 2))  # noqa: PTH116
    return False
