"""Where the space of a zip goes, and what of it Lambda could call: by kinds of file, folders, bytecode, handlers."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.target import PYTHON_OF_MAGIC_NUMBER
from hatch_lambda.inspect.contents import ContentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hatch_lambda.inspect.contents import Contents, Entry


class Portion(NamedTuple):
    """A part of a zip. Sizes in bytes."""

    name: str
    files: int
    size: int
    compressed: int


def portion(name: str, entries: Iterable[Entry]) -> Portion:
    entries = tuple(entries)
    return Portion(name, len(entries), sum(entry.size for entry in entries), sum(entry.compressed for entry in entries))


# --- Kinds of file ---

METADATA, MACHINE_CODE, TESTS = "metadata", "machine code", "tests"
BYTECODE, SOURCE, STUBS, DATA = "bytecode", "Python source", "stubs and headers", "data"

_TESTS = re.compile(r"(?:^|/)(?:tests?|testing/tests)/")
_BY_SUFFIX = {
    ".py": SOURCE,
    ".pyc": BYTECODE,
    ".pyo": BYTECODE,
    **dict.fromkeys([".pyi", ".pyx", ".pxd", ".pxi", ".h", ".hpp", ".c", ".cpp"], STUBS),
}


def kinds(contents: Contents) -> tuple[Portion, ...]:
    """The parts by kind of file, the largest first. Each file counts once."""
    kind = kind_of(contents)
    return _portions(contents.entries, lambda entry: kind(entry.path))


def kind_of(contents: Contents) -> Callable[[str], str]:
    """A function that tells the kind of a file by its path."""
    machine_code = frozenset(code.path for code in contents.machine_code)
    metadata = tuple(f"{installed.dist_info}/" for installed in contents.installed)
    folders = frozenset(metadata)

    def kind(path: str) -> str:
        if path in machine_code:
            return MACHINE_CODE
        if any(f"{above}/" in folders for above in _above(path)):
            return METADATA
        if _TESTS.search(path):
            return TESTS
        return _BY_SUFFIX.get(path[path.rfind(".") :] if "." in path.rpartition("/")[2] else "", DATA)

    return kind


def _above(path: str) -> Iterator[str]:
    while (slash := path.rfind("/")) > 0:
        path = path[:slash]
        yield path


def _portions(entries: Iterable[Entry], name: Callable[[Entry], str]) -> tuple[Portion, ...]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[name(entry)].append(entry)
    return tuple(sorted((portion(*group) for group in groups.items()), key=lambda part: (-part.size, part.name)))


# --- Folders ---


def folders(contents: Contents) -> tuple[Portion, ...]:
    """What lies directly below the folders on `sys.path`, the largest first; a folder ends with a slash."""
    return _portions(contents.entries, lambda entry: _top(entry.path, contents))


def _top(path: str, contents: Contents) -> str:
    within = contents.import_path(path)
    root = path.removesuffix(within)
    first, slash, _ = within.partition("/")
    return root + first + slash


class Branch(NamedTuple):
    """A folder worth telling of. `depth`: how many such are above it."""

    portion: Portion
    depth: int


def tree(contents: Contents, *, least_share: float = 0.04, deepest: int = 3) -> tuple[Branch, ...]:
    """The folders that weigh something, each below the one that it is in, the largest first."""
    ways = frozenset(contents.import_roots)
    return tuple(_branches("", contents.entries, contents.size * least_share, ways, range(deepest + 1)))


def _branches(
    above: str, entries: tuple[Entry, ...], least: float, ways: frozenset[str], depths: range
) -> Iterator[Branch]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        first, slash, _ = entry.path[len(above) :].partition("/")
        if slash:
            groups[f"{above}{first}/"].append(entry)
    found = sorted((portion(name, group) for name, group in groups.items()), key=lambda part: (-part.size, part.name))
    for part in found:
        if part.size < least or not part.size:
            continue
        inside = tuple(groups[part.name])
        # A folder that only leads to another says nothing.
        deeper = depths
        if not (part.name in ways or _is_mere_way(part.name, inside)):
            yield Branch(part, depths.start)
            deeper = range(depths.start + 1, depths.stop)
        if deeper:
            yield from _branches(part.name, inside, least, ways, deeper)


def _is_mere_way(folder: str, inside: tuple[Entry, ...]) -> bool:
    nexts = {entry.path[len(folder) :].partition("/")[0::2] for entry in inside}
    return all(rest for _, rest in nexts) and len({first for first, _ in nexts}) == 1


# --- Bytecode ---


class Bytecode(NamedTuple):
    """`python`: `3.13`, empty where unknown. `validation`: how Python finds out whether it still is its source's."""

    python: str
    validation: str
    portion: Portion


# PEP 552: the flags behind the magic number
_VALIDATIONS = {
    0: "by time and size of its source",
    1: "never (hash-based)",
    3: "by hash of its source",
}
_PYC_HEADER = 8


def bytecode(contents: Contents) -> tuple[Bytecode, ...]:
    """The bytecode in there by the Python that it is for, the most first."""
    groups: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in contents.entries:
        if entry.path.endswith(".pyc"):
            groups[_python_and_validation(contents, entry.path)].append(entry)
    found = [Bytecode(*key, portion("bytecode", entries)) for key, entries in groups.items()]
    return tuple(sorted(found, key=lambda group: (-group.portion.files, group.python, group.validation)))


def python_of_bytecode(contents: Contents, path: str) -> str:
    """The version of Python that a `.pyc` is for; empty where it is of none known."""
    return _python_and_validation(contents, path)[0]


def _python_and_validation(contents: Contents, path: str) -> tuple[str, str]:
    with contents.open(path) as file:
        header = file.read(_PYC_HEADER)
    if len(header) < _PYC_HEADER or header[2:4] != b"\r\n":
        return "", ""
    python = PYTHON_OF_MAGIC_NUMBER.get(int.from_bytes(header[:2], "little"), "")
    return python, _VALIDATIONS.get(int.from_bytes(header[4:8], "little"), "")


# --- Handlers ---

_USUAL_NAMES = ("lambda_handler", "handler")
_HANDLER = re.compile(r"(?:\w*_)?handler", re.IGNORECASE)
_CONTEXT = re.compile(r"_*(?:lambda_?)?(?:context|ctx|cx)_*", re.IGNORECASE)
# A module without any of this has no handler: spares parsing nearly all of them.
_HINT = re.compile(
    rb"^def\s+\w*handler\b|^def\s+\w+\s*\([^)]*\b_*(?:lambda_?)?(?:context|ctx|cx)|^\w*handler\s*[:=]",
    re.IGNORECASE | re.MULTILINE,
)
_MOST_SOURCE = 1024 * 1024


def handlers(contents: Contents) -> tuple[str, ...]:
    """What looks as if Lambda were to call it, as the setting `handler` names it; the likeliest first.

    Looked for are functions of an event and a context, and what `lambda_handler` or `handler` is set to, at the top of
    the modules that no dependency brings. Nothing is imported.
    """
    if contents.kind == "layer":
        return ()
    own = [*contents.unclaimed, *(contents.project.entries if contents.project else ())]
    found = [
        (_likelihood(name), path.count("/"), path, name)
        for path in (entry.path for entry in own if entry.path.endswith(".py") and entry.size <= _MOST_SOURCE)
        if not _TESTS.search(path)
        for name in _handlers_in(contents, path)
    ]
    return tuple(f"{_module(path)}.{name}" for *_, path, name in sorted(found))


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _likelihood(name: str) -> int:
    if name in _USUAL_NAMES:
        return _USUAL_NAMES.index(name)
    return 2 if _HANDLER.fullmatch(name) else 3


def _handlers_in(contents: Contents, path: str) -> Iterator[str]:
    try:
        source = contents.read(path)
    except ContentsError:
        return  # the audit says what is damaged
    if not _HINT.search(source):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what the author's Python is to warn of
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    seen = set()
    for statement in tree.body:
        for name in _names_of_handlers(statement):
            if name not in seen:
                seen.add(name)
                yield name


def _names_of_handlers(statement: ast.stmt) -> Iterator[str]:
    # Not `async def`: Lambda does not await what a handler returns.
    if isinstance(statement, ast.FunctionDef):
        if _takes_event_and_context(statement):
            yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and _makes_a_callable(statement.value):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id in _USUAL_NAMES)


def _takes_event_and_context(function: ast.FunctionDef) -> bool:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    demanded = [default for default in arguments.kw_defaults if default is None]
    if len(positional) < 2 or required > 2 or demanded:  # noqa: PLR2004 - the event and the context
        return False
    return bool(_HANDLER.fullmatch(function.name) or _CONTEXT.fullmatch(positional[1].arg))


def _makes_a_callable(value: ast.expr | None) -> bool:
    """`handler = Mangum(app)`, but not `handler = logging.StreamHandler()`."""
    if not isinstance(value, ast.Call):
        return False
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return not name.endswith("Handler")
