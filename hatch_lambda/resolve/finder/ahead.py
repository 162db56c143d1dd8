"""Fetching along the likely closure, while the resolver is still deciding."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hatch_lambda.resolve.finder.files import matching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from packaging.requirements import Requirement

    from hatch_lambda.resolve.finder.fetch import Fetch, Known
    from hatch_lambda.resolve.finder.files import File
    from hatch_lambda.resolve.finder.needs import Needs

_MOST_AHEAD = 300_000_000
"""Bytes of wheels that are begun before it is known that they are needed; one of each project."""
_UNKNOWN_SIZE = 10_000_000
"""Counted where the index states none."""
_MOST_OF_ONE = 4
"""Different requirements of one project that are followed: with more, the resolver is in conflicts."""


class Ahead:
    """Takes for each requirement the file that it alone would get, and goes on with what that requires."""

    def __init__(self, fetch: Fetch, needs: Needs) -> None:
        self._fetch = fetch
        self._needs = needs
        self._lock = threading.Lock()
        self._followed: defaultdict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
        self._begun: dict[str, File] = {}
        self._bytes = 0

    @property
    def begun(self) -> Sequence[File]:
        """The wheels that were begun."""
        return tuple(self._begun.values())

    def follow(self, requirement: Requirement) -> None:
        """Begin to fetch what a requirement leads to."""
        name, extras = canonicalize_name(requirement.name), tuple(sorted(requirement.extras))
        key = (str(requirement.specifier), extras)
        with self._lock:
            followed = self._followed[name]
            if key in followed or len(followed) == _MOST_OF_ONE:
                return
            followed.add(key)
        specifier = requirement.specifier & self._needs.constraints.get(name, SpecifierSet())

        def on_files(future: Future[Sequence[File]]) -> None:
            if future.cancelled() or future.exception():
                return  # the resolver meets it, if it comes there
            with contextlib.suppress(Exception):  # likewise: an error in here would be shown with its traceback
                file = next(matching(future.result(), specifier), None)
                if file and file.rank is not None:
                    self._begin(file)
                    self._fetch.known(file).add_done_callback(on_known)

        def on_known(future: Future[Known]) -> None:
            if future.cancelled() or future.exception():
                return
            with contextlib.suppress(Exception):
                known = future.result()
                of_extras = known.extras.intersection(map(canonicalize_name, extras))
                for required in known.requires:
                    if self._needs.holds(required, {"", *of_extras}):
                        self.follow(required)

        self._fetch.files(name).add_done_callback(on_files)

    def _begin(self, file: File) -> None:
        with self._lock:
            size = _UNKNOWN_SIZE if file.size is None else file.size
            if file.name in self._begun or self._bytes + size > _MOST_AHEAD:
                return
            self._begun[file.name] = file
            self._bytes += size
        self._fetch.wheel(file)
