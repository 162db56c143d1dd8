"""What a bundle does not need to run, by named sets: `bytecode`, `tests`, `headers`, `stubs`.

Nothing that can be imported today may fail for want of a file afterwards; in doubt, a file stays.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda import mentions
from hatch_lambda.bundle import DEFLATED, STORED, BundleFile, Member
from hatch_lambda.errors import BrokenWheelError
from hatch_lambda.settings import PRUNABLE
from hatch_lambda.wheel_reader import OpenWheels, raw_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.mentions import Name, TestMentions


class Taken(NamedTuple):
    """What a set took away: `size` in bytes, unzipped."""

    files: int
    size: int


class Spared(NamedTuple):
    """What a set would take away if nothing needed it. `what`: a folder, a module or a distribution."""

    set: str
    what: str
    because: str


@dataclass(frozen=True)
class Pruned:
    """Which files are to go, by their paths in the bundle. `taken`: by set, for each that was asked for."""

    paths: frozenset[str] = frozenset()
    taken: Mapping[str, Taken] = field(default_factory=dict)
    spared: tuple[Spared, ...] = ()

    def to_json(self) -> str:
        return json.dumps({"paths": sorted(self.paths), "taken": self.taken, "spared": self.spared})

    @classmethod
    def from_json(cls, text: str) -> Pruned:
        """Raises `ValueError`, `TypeError` or `KeyError` for what `to_json` did not write."""
        kept = json.loads(text)
        return cls(
            frozenset(kept["paths"]),
            {name: Taken(*taken) for name, taken in kept["taken"].items()},
            tuple(Spared(*spared) for spared in kept["spared"]),
        )


def decide(layouts: Iterable[Sequence[BundleFile]], sets: frozenset[str], also: Iterable[bytes] = ()) -> Pruned:
    """What the sets take away from a bundle, given as the whole layouts of its wheels.

    `also`: sources that use the bundle, the project's own: what they name stays.
    Raises `BrokenWheelError`.
    """
    files = {file.path: file for layout in layouts for file in layout}
    taken: dict[str, Taken] = {}
    spared: list[Spared] = []
    gone: set[str] = set()
    with _Contents() as contents:
        for name in (name for name in PRUNABLE if name in sets):
            left = {path: file for path, file in files.items() if path not in gone}
            found = _SETS[name](_Search.over(left, contents, tuple(also)))
            taken[name] = Taken(len(found.paths), sum(files[path].source.size for path in found.paths))
            spared += [Spared(name, what, because) for what, because in sorted(found.spared.items())]
            gone |= found.paths
    return Pruned(frozenset(gone), taken, tuple(spared))


class _Found(NamedTuple):
    """`spared`: why, by what."""

    paths: set[str]
    spared: dict[str, str]


@dataclass(frozen=True)
class _Search:
    """Where a set looks for its files: not in `.dist-info`, which stays."""

    files: Mapping[str, BundleFile]
    entry_points: Mapping[str, BundleFile]
    contents: _Contents
    also: tuple[bytes, ...]

    @classmethod
    def over(cls, files: Mapping[str, BundleFile], contents: _Contents, also: tuple[bytes, ...]) -> _Search:
        metadata = {path: file for path, file in files.items() if path.partition("/")[0].endswith(".dist-info")}
        return cls(
            {path: file for path, file in files.items() if path not in metadata},
            {path: file for path, file in metadata.items() if path.endswith("/entry_points.txt")},
            contents,
            also,
        )

    @property
    def distributions(self) -> list[str]:
        """Their names, normalised."""
        return sorted({canonicalize_name(file.owner.partition(" ")[0]) for file in self.files.values()})

    def read(self, path: str) -> bytes:
        return self.contents.of(self.files[path])

    def sources(self, owners: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        """Python's, of some distributions."""
        for path, file in self.files.items():
            if path.endswith(".py") and file.owner in owners:
                yield path, self.contents.of(file)


class _Contents(OpenWheels):
    """Reads files of many wheels; what is read more than once is small."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, bytes] = {}

    def of(self, file: BundleFile) -> bytes:
        if not file.path.endswith(".py"):
            return self._read(file.source) if isinstance(file.source, Member) else file.source.read()
        if file.path not in self._sources:
            self._sources[file.path] = (
                self._read(file.source) if isinstance(file.source, Member) else file.source.read()
            )
        return self._sources[file.path]

    def _read(self, member: Member) -> bytes:
        if member.method not in {STORED, DEFLATED}:
            return member.read()
        raw = b"".join(raw_pieces(self, member))
        try:
            return zlib.decompress(raw, -zlib.MAX_WBITS) if member.method == DEFLATED else raw
        except zlib.error as error:
            reason = f"its entry {member.name!r} cannot be inflated: {error}"
            raise BrokenWheelError(member.wheel.name, reason) from None


# bytecode


def _bytecode(search: _Search) -> _Found:
    return _Found({path for path in search.files if _is_spare_bytecode(path, search.files)}, {})


def _is_spare_bytecode(path: str, files: Mapping[str, BundleFile]) -> bool:
    """What is not in `__pycache__` is code of its own (PEP 3147), unless there is the source, which goes first."""
    if "__pycache__" in path.split("/")[:-1]:
        return True
    return path.endswith((".pyc", ".pyo")) and f"{path[:-1]}" in files


# tests


@dataclass
class _Tests:
    """A folder of tests, or a `conftest.py` outside of any, while it is not decided whether it goes.

    `needed_by`: what names it, if anything does. `words`: those of all that do, as they may name modules in it.
    """

    place: Name
    paths: list[str]
    needed_by: str = ""
    words: set[str] = field(default_factory=set)
    whole: bool = False

    def staying(self) -> set[str]:
        """Of a folder that is needed all stays but modules that nothing names: packages, other modules, data."""
        return {path for path in self.paths if self.needed_by and (self.whole or not self._is_idle(path))}

    def _is_idle(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if not name.endswith(".py") or name == "__init__.py" or name[:-3] in self.words:
            return False
        return folder == "/".join(self.place) or f"{folder}/__init__.py" in self._all_paths

    @cached_property
    def _all_paths(self) -> frozenset[str]:
        return frozenset(self.paths)


def _tests(search: _Search) -> _Found:
    candidates = _without_distributions_of_tests(_find_tests(search), search)
    if not candidates:
        return _Found(set(), {})
    paths = _TestScan(search, candidates).run()
    return _Found(paths, {"/".join(tests.place): tests.needed_by for tests in candidates if tests.needed_by})


# What pytest collects by default, and what unittest does.
_TEST_FILE = re.compile(r"(?:test_\w+|\w+_tests?)\.py")
_SAYS_TEST = re.compile(r"(?:test\w*|\w+_tests?|conftest)\.py")

# Modules that say `tests` and do without what is there; a name in full counts all the same.
# pandas.util._exceptions tells by the path of a caller whether it is one of pandas' own tests; pandas.util._tester
# runs them.
_NO_USE_OF_TESTS = frozenset({"pandas/util/_exceptions.py", "pandas/util/_tester.py"})


def _imports_by_other_means(content: bytes) -> bool:
    """Whether a source may import modules without statements that name them."""
    return bool(re.search(rb"\b(?:__import__|exec_module|import_module|pkgutil|run_module|run_path|runpy)\b", content))


def _find_tests(search: _Search) -> list[_Tests]:
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


def _are_tests(place: Name, paths: Sequence[str], search: _Search) -> bool:
    """By name and by content: `test` is often a part of an API that helps to test (django.test)."""
    modules = [path for path in paths if path.endswith(".py")]
    names = [path.rpartition("/")[2] for path in modules]
    if place[-1] == "tests":
        return any(map(_SAYS_TEST.fullmatch, names)) or any(
            mentions.says_that_it_tests(search.read(path)) for path in modules
        )
    own = "/".join((*place, "__init__.py"))
    offers_nothing = own not in search.files or mentions.only_documents(search.read(own))
    return offers_nothing and any(map(_TEST_FILE.fullmatch, names))


def _without_distributions_of_tests(found: list[_Tests], search: _Search) -> list[_Tests]:
    """A distribution that is nothing but tests is there for them, and so is a folder (PEP 420)."""
    covered = {path for tests in found for path in tests.paths}
    others = search.files.keys() - covered
    with_more = {search.files[path].owner for path in others if _is_module(path) and not path.startswith("bin/")}
    folders = {parent for path in others for parent in _parents(path)}
    return [
        tests
        for tests in found
        if all(search.files[path].owner in with_more for path in tests.paths)
        and (len(tests.place) == 1 or "/".join(tests.place[:-1]) in folders)
    ]


def _is_module(path: str) -> bool:
    return path.endswith((".py", ".so", ".pyc"))


class _TestScan:
    """Goes through all that stays, and then through what stays for its sake, until nothing more is named."""

    def __init__(self, search: _Search, candidates: Sequence[_Tests]) -> None:
        self.search = search
        self.candidates = candidates
        self.by_place = {tests.place: tests for tests in candidates}
        self.by_end = _by_ends_of_places(candidates)

    def run(self) -> set[str]:
        """The files that nothing needs."""
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
        elif name.endswith(".so") and ".libs/" not in path:  # there auditwheel puts what is no module
            self._note(mentions.tests_named_in_machine_code(self.search.read(path)), folder, path)
        elif (name.endswith(".pyc") and "__pycache__" not in folder) or self._is_script(path):
            content = self.search.read(path)
            self._note(mentions.tests_named_in_text(content), folder, path, content)

    def _is_script(self, path: str) -> bool:
        return path.startswith("bin/") and self.search.read(path).startswith(b"#!")

    def _is_stub_that_is_loaded(self, path: str) -> bool:
        return (
            path.endswith(".pyi")
            and path[:-1] in self.search.files
            and mentions.reads_stubs(self.search.read(path[:-1]))
        )

    def _note(self, found: TestMentions, folder: Name, who: str, content: bytes | None = None) -> None:
        """Take down what a file names. Without its content it is not known which modules it may be after."""
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
        """Those of which a name is the end, or that are the end of a name."""
        yield from self.by_end.get(name, ())
        yield from (self.by_place[name[start:]] for start in range(1, len(name) - 1) if name[start:] in self.by_place)

    def _near(self, leaf: str, folder: Name, words: frozenset[str], who: str) -> Iterator[_Tests]:
        """Those that a file in that folder may mean by no more than their last name, with those words around it.

        Other distributions have their tests named in full; the project may put a name together.
        """
        file = self.search.files.get(who)
        for tests in self.candidates:
            *above, last = tests.place
            is_around = tuple(above) == folder[: len(above)]
            is_own = file is None or self.search.files[tests.paths[0]].owner == file.owner
            if last == leaf and (is_around or (is_own and above[-1] in words)):
                yield tests


def _by_ends_of_places(candidates: Sequence[_Tests]) -> defaultdict[Name, list[_Tests]]:
    """Tests by all that they may be called where some packages above them go without saying, or are elsewhere."""
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


# headers

_HEADER = re.compile(r".*\.(?:h|hpp|hh|hxx|inl|pxd|pxi|cmake)|(?:.*/)?pkgconfig/[^/]+\.pc")
_STATIC_LIBRARY = b"!<arch>\n"

# They compile at run time, with a compiler that they bring, that a layer may have or that a driver has, and use headers
# of their own or of others: C++ by cppyy's cling, C by ziglang or TinyCC; Cython's `inline` and pyximport, pythran,
# pytensor and brian2 against numpy's; torch, triton, jax, tensorflow, taichi and warp kernels for processors and
# graphics cards; cupy, numba, pycuda and pyopencl with NVIDIA's (`nvidia-…`) and OpenCL's.
_COMPILERS = re.compile(
    r"brian2|cppyy(?:-.+)?|cupy(?:-.+)?|cython|jax(?:lib)?|nanobind|nvidia-.+|pocl-.+|pybind11(?:-.+)?|pycuda|pyopencl"
    r"|pytensor|pythran|taichi|tensorflow(?:-.+)?|theano(?:-.+)?|torch|triton|warp-lang|ziglang"
)

# What builds, or tells how it was built, here or at its maker's.
_BUILD_TOOLS = re.compile(
    r"numpy/(?:distutils|f2py|random/_examples|testing/_private/extbuild\.py)\b|scipy/special/_precompute/"
    r"|(?:.*/)?(?:__config__|setup)\.py"
)


def _headers(search: _Search) -> _Found:
    """What only compilers read: headers of C and C++, declarations of Cython, static libraries, hints for CMake."""
    headers = {path for path in search.files if _HEADER.fullmatch(path) or _is_static_library(path, search)}
    if compiler := next((name for name in search.distributions if _COMPILERS.fullmatch(name)), None):
        return _Found(set(), {"all": f"{compiler} may compile with them"} if headers else {})
    if any(b"get_include" in content or mentions.reads_headers(content) for content in search.also):
        return _Found(set(), {"all": "the project works with headers"} if headers else {})
    owners = frozenset(search.files[path].owner for path in headers)
    readers: dict[str, str] = {}
    for path, content in search.sources(owners):
        if not _BUILD_TOOLS.match(path) and mentions.reads_headers(content):
            readers.setdefault(search.files[path].owner, path)
    return _Found({path for path in headers if search.files[path].owner not in readers}, readers)


def _is_static_library(path: str, search: _Search) -> bool:
    return path.endswith(".a") and search.read(path).startswith(_STATIC_LIBRARY)


# stubs

# They read the stubs of others.
_STUB_READERS = frozenset(
    {"astroid", "basedpyright", "jedi", "mypy", "pyre-check", "pyrefly", "pyright", "pytype", "ty"}
)


def _stubs(search: _Search) -> _Found:
    """What only type checkers read (PEP 561)."""
    stubs = {path for path in search.files if path.endswith(".pyi") or path.rpartition("/")[2] == "py.typed"}
    if checker := next((name for name in search.distributions if name in _STUB_READERS), None):
        return _Found(set(), {"all": f"{checker} reads them"} if stubs else {})
    if any(map(mentions.reads_stubs, search.also)):
        return _Found(set(), {"all": "the project works with stubs"} if stubs else {})
    owners = frozenset(search.files[path].owner for path in stubs)
    readers: dict[str, str] = {}
    for path, content in search.sources(owners):
        if mentions.reads_stubs(content):
            readers.setdefault(search.files[path].owner, path)
    gone = {path for path in stubs if search.files[path].owner not in readers}
    return _Found(gone - _only_in_namespaces(gone, search.files), readers)


def _only_in_namespaces(gone: set[str], files: Mapping[str, BundleFile]) -> set[str]:
    """Those of folders that nothing else is in: such a folder can be imported (PEP 420), and would be gone as well."""
    left = {parent for path in files if path not in gone for parent in _parents(path)}
    beside = {path[: path.find(".", path.rfind("/") + 1)] for path in files if _is_module(path)}
    return {
        path
        for path in gone
        if any(
            parent not in left and parent not in beside and all(part.isidentifier() for part in parent.split("/"))
            for parent in _parents(path)
        )
    }


def _parents(path: str) -> Iterator[str]:
    while (slash := path.rfind("/")) > 0:
        path = path[:slash]
        yield path


_SETS: dict[str, Callable[[_Search], _Found]] = {
    "bytecode": _bytecode,
    "tests": _tests,
    "headers": _headers,
    "stubs": _stubs,
}
