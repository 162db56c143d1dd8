"""The set `tests`: directories of tests that nothing else uses. Some contain more than tests."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import folders_of
from hatch_lambda.bundle.prune import mentions
from hatch_lambda.bundle.prune.search import Found, Search, is_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.bundle.prune.mentions import TestMentions
    from hatch_lambda.bundle.words import Name

# What pytest and unittest collect by default.
_TEST_FILE = re.compile(r"(?:test_\w+|\w+_tests?)\.py")
_SAYS_TEST = re.compile(r"(?:test\w*|\w+_tests?|conftest)\.py")

# Modules that mention `tests` but do not need them; a full name counts nevertheless. pandas.util._exceptions checks by
# the path whether a caller is one of pandas' tests; pandas.util._tester runs them.
_NO_USE_OF_TESTS = frozenset({"pandas/util/_exceptions.py", "pandas/util/_tester.py"})


@dataclass
class _Tests:
    """A directory of tests, or a `conftest.py` outside of any, that may be removed.

    `needed_by`: the first file that names it. `words`: of all files that name it, as they may name modules in it.
    `whole`: whether all of its modules stay.
    """

    place: Name
    paths: list[str]
    needed_by: str = ""
    words: set[str] = field(default_factory=set)
    whole: bool = False

    def staying(self) -> set[str]:
        """What stays of a directory that is needed: all but modules that nothing names."""
        return {path for path in self.paths if self.needed_by and (self.whole or not self._is_idle(path))}

    def _is_idle(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if not name.endswith(".py") or name == "__init__.py" or name[:-3] in self.words:
            return False
        return folder == "/".join(self.place) or f"{folder}/__init__.py" in self._all_paths

    @cached_property
    def _all_paths(self) -> frozenset[str]:
        return frozenset(self.paths)


def idle_tests(search: Search) -> Found:
    """Tests of distributions, except those that a remaining file names."""
    candidates = _without_distributions_of_tests(_find_tests(search), search)
    if not candidates:
        return Found(set())
    paths = _Scan(search, candidates).run()
    kept = (f"kept {'/'.join(tests.place)}: named by {tests.needed_by}" for tests in candidates if tests.needed_by)
    return Found(paths, tuple(kept))


def _imports_by_other_means(content: bytes) -> bool:
    """Whether a source may import modules other than by statements that name them."""
    return bool(re.search(rb"\b(?:__import__|exec_module|import_module|pkgutil|run_module|run_path|runpy)\b", content))


def _find_tests(search: Search) -> list[_Tests]:
    inside: defaultdict[Name, list[str]] = defaultdict(list)
    for path in search.files:
        *folders, _name = path.split("/")
        for depth, folder in enumerate(folders, start=1):
            if folder in mentions.TEST_FOLDERS and all(part.isidentifier() for part in folders[:depth]):
                inside[tuple(folders[:depth])].append(path)
    evident = {place for place, paths in inside.items() if _are_tests(place, paths, search)}
    outermost = [place for place in evident if not any(place[:depth] in evident for depth in range(1, len(place)))]
    found = [_Tests(place, sorted(inside[place])) for place in outermost]
    covered = {path for tests in found for path in tests.paths}
    found += [
        _Tests(tuple(path.removesuffix(".py").split("/")), [path])
        for path in search.files
        if path.rpartition("/")[2] == "conftest.py" and path not in covered
    ]
    return sorted(found, key=lambda tests: tests.place)


def _are_tests(place: Name, paths: Sequence[str], search: Search) -> bool:
    """Decide by name and content: `test` is often an API that helps to test (django.test)."""
    modules = [path for path in paths if path.endswith(".py")]
    names = [path.rpartition("/")[2] for path in modules]
    if place[-1] == "tests":
        return any(map(_SAYS_TEST.fullmatch, names)) or any(
            mentions.says_that_it_tests(search.read(path)) for path in modules
        )
    own = "/".join((*place, "__init__.py"))
    offers_nothing = own not in search.files or mentions.only_documents(search.read(own))
    return offers_nothing and any(map(_TEST_FILE.fullmatch, names))


def _without_distributions_of_tests(found: list[_Tests], search: Search) -> list[_Tests]:
    """Skip distributions and directories (PEP 420) that contain nothing but tests: these are what they are for."""
    covered = {path for tests in found for path in tests.paths}
    others = search.files.keys() - covered
    with_more = {search.files[path].owner for path in others if is_module(path) and not path.startswith("bin/")}
    folders = folders_of(others)
    return [
        tests
        for tests in found
        if all(search.files[path].owner in with_more for path in tests.paths)
        and (len(tests.place) == 1 or "/".join(tests.place[:-1]) in folders)
    ]


class _Scan:
    """Scans all files that stay, then the tests that they name, and so on until nothing else is named."""

    def __init__(self, search: Search, candidates: Sequence[_Tests]) -> None:
        self.search = search
        self.candidates = candidates
        self.by_place = {tests.place: tests for tests in candidates}
        self.by_end = _by_ends_of_places(candidates)

    def run(self) -> set[str]:
        """Return the files that nothing needs."""
        for content in self.search.also:
            self._note(mentions.tests_named(content, ()), (), "the project", content)
        for path, file in self.search.entry_points.items():
            content = file.source.read()
            self._note(mentions.tests_named_in_text(content), (), path, content)
        covered = {path for tests in self.candidates for path in tests.paths}
        for path in sorted(self.search.files.keys() - covered):
            self._scan(path)
        settled: set[str] = set()
        while more := [(tests, path) for tests in self.candidates for path in sorted(tests.staying() - settled)]:
            for tests, path in more:
                self._scan(path)
                if path.endswith(".py"):
                    content = self.search.read(path)
                    tests.words |= mentions.words_of(content)
                    tests.whole |= _imports_by_other_means(content)
                settled.add(path)
        return covered - settled

    def _scan(self, path: str) -> None:
        folder, name = tuple(path.split("/")[:-1]), path.rpartition("/")[2]
        if name.endswith(".py") or self._is_stub_that_is_loaded(path):
            content = self.search.read(path)
            self._note(mentions.tests_named(content, folder), folder, path, content)
        elif name.endswith(".so") and ".libs/" not in path:  # auditwheel's directory of shared libraries
            self._note(mentions.tests_named_in_machine_code(self.search.read(path)), folder, path)
        elif (name.endswith(".pyc") and "__pycache__" not in folder) or (
            path.startswith("bin/") and self.search.read(path).startswith(b"#!")
        ):
            content = self.search.read(path)
            self._note(mentions.tests_named_in_text(content), folder, path, content)

    def _is_stub_that_is_loaded(self, path: str) -> bool:
        return (
            path.endswith(".pyi")
            and path[:-1] in self.search.files
            and mentions.reads_stubs(self.search.read(path[:-1]))
        )

    def _note(self, found: TestMentions, folder: Name, who: str, content: bytes | None = None) -> None:
        """Record what a file names. Without its content, it may be after any module."""
        modules = [tests for name in found.names for tests in self._named(name)]
        files: list[_Tests] = []
        if who not in _NO_USE_OF_TESTS:
            modules += [tests for leaf, words in found.loose for tests in self._near(leaf, folder, words, who)]
            files += [tests for leaf, words in found.in_paths for tests in self._near(leaf, folder, words, who)]
        for tests in (*modules, *files):
            tests.needed_by = tests.needed_by or who
            tests.words |= mentions.words_of(content) if content is not None else set()
        for tests in modules:
            tests.whole |= content is None or _imports_by_other_means(content)

    def _named(self, name: Name) -> Iterator[_Tests]:
        """Tests whose place ends with a name, or is the end of it."""
        yield from self.by_end.get(name, ())
        yield from (self.by_place[name[start:]] for start in range(1, len(name) - 1) if name[start:] in self.by_place)

    def _near(self, leaf: str, folder: Name, words: frozenset[str], who: str) -> Iterator[_Tests]:
        """Tests that a file in `folder` may mean by their last name only, with `words` around it.

        Tests of other distributions are named in full; the project may compose a name.
        """
        file = self.search.files.get(who)
        for tests in self.candidates:
            *above, last = tests.place
            is_around = tuple(above) == folder[: len(above)]
            is_own = file is None or self.search.files[tests.paths[0]].owner == file.owner
            if last == leaf and (is_around or (is_own and above[-1] in words)):
                yield tests


def _by_ends_of_places(candidates: Sequence[_Tests]) -> defaultdict[Name, list[_Tests]]:
    """Tests by all the ends of their names, as a file may leave out packages above them."""
    by_end: defaultdict[Name, list[_Tests]] = defaultdict(list)
    for tests in candidates:
        ends = {tests.place[start:] for start in range(len(tests.place) - 1)}
        for path in tests.paths:
            folders = tuple(path.split("/")[:-1])
            for depth in range(len(tests.place) + 1, len(folders) + 1):
                if folders[depth - 1] in mentions.TEST_FOLDERS:
                    ends |= {folders[start:depth] for start in range(depth - 1)}
        for end in ends:
            by_end[end].append(tests)
    return by_end
