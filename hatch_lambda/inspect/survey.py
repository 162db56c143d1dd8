"""What takes the space in a zip: kinds of file, folders, bytecode; and its likely handlers."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.target import PYTHON_OF_MAGIC_NUMBER
from hatch_lambda.inspect.sources import Portion, grouped, portion
from hatch_lambda.wheels.extension_modules import is_never_imported
from hatch_lambda.zip.handler.modules import module_of
from hatch_lambda.zip.handler.names import handlers_in, likelihood
from hatch_lambda.zip.reader import ContentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.sources import Entry


# --- Kinds of file ---

METADATA, MACHINE_CODE, TESTS = "metadata", "machine code", "tests"
BYTECODE, SOURCE, STUBS, DATA = "bytecode", "Python source", "stubs and headers", "data"

_SLASH = re.compile("/")
_TESTS = re.compile(r"(?:^|/)(?:tests?|testing/tests)/")
_BY_SUFFIX = {
    ".py": SOURCE,
    ".pyc": BYTECODE,
    ".pyo": BYTECODE,
    **dict.fromkeys([".pyi", ".pyx", ".pxd", ".pxi", ".h", ".hpp", ".c", ".cpp"], STUBS),
}


def kinds(contents: Contents, kind: Mapping[str, str]) -> tuple[Portion, ...]:
    """The parts by kind of file (`kind`: by path), the largest first. Each file counts once."""
    return _portions(contents.entries, lambda entry: kind[entry.path])


def label(kind: str) -> str:
    """The name of a kind for people; JSON has the kind itself."""
    return "native code" if kind == MACHINE_CODE else kind


def kind_by_path(contents: Contents) -> dict[str, str]:
    machine_code = frozenset(code.path for code in contents.machine_code)
    dist_infos = frozenset(installed.dist_info for installed in contents.installed)

    def kind(path: str) -> str:
        if path in machine_code:
            return MACHINE_CODE
        if any(path[: match.start()] in dist_infos for match in _SLASH.finditer(path)):
            return METADATA
        if _TESTS.search(path):
            return TESTS
        return _BY_SUFFIX.get(path[path.rfind(".") :] if "." in path.rpartition("/")[2] else "", DATA)

    return {entry.path: kind(entry.path) for entry in contents.entries}


def _portions(entries: Iterable[Entry], name: Callable[[Entry], str]) -> tuple[Portion, ...]:
    parts = (portion(*group) for group in grouped(entries, name).items())
    return tuple(sorted(parts, key=lambda part: (-part.size, part.name)))


def never_imported(contents: Contents, target: Target) -> Portion:
    """Extension modules of other Pythons and systems."""
    found = [e for e in contents.entries if is_never_imported(contents.import_path(e.path), target)]
    return portion("extensions", found)


# --- Folders ---


def folders(contents: Contents) -> tuple[Portion, ...]:
    """What is directly below the directories on `sys.path`, the largest first; directories end with a slash."""

    def top(entry: Entry) -> str:
        within = contents.import_path(entry.path)
        first, slash, _ = within.partition("/")
        return entry.path.removesuffix(within) + first + slash

    return _portions(contents.entries, top)


# --- Bytecode ---

# PEP 552: the flags after the magic number
_VALIDATIONS = {
    0: "by time and size of its source",
    1: "never (hash-based)",
    3: "by hash of its source",
}
_PYC_HEADER = 8


class Bytecode(NamedTuple):
    """`python`: as in `3.13`, empty if unknown. `validation`: how Python checks that it matches its source."""

    python: str
    validation: str
    portion: Portion


def bytecode(contents: Contents) -> tuple[Bytecode, ...]:
    """The bytecode by Python version, the most files first."""
    entries = (entry for entry in contents.entries if entry.path.endswith(".pyc"))
    groups = grouped(entries, lambda entry: python_and_validation(contents, entry.path))
    found = [Bytecode(*key, portion("bytecode", group)) for key, group in groups.items()]
    return tuple(sorted(found, key=lambda group: (-group.portion.files, group.python, group.validation)))


def python_and_validation(contents: Contents, path: str) -> tuple[str, str]:
    """The Python version that a `.pyc` is for and how it is validated, as in `Bytecode`."""
    with contents.open(path) as file:
        header = file.read(_PYC_HEADER)
    if len(header) < _PYC_HEADER or header[2:4] != b"\r\n":
        return "", ""
    python = PYTHON_OF_MAGIC_NUMBER.get(int.from_bytes(header[:2], "little"), "")
    return python, _VALIDATIONS.get(int.from_bytes(header[4:8], "little"), "")


# --- Handlers ---

_MAX_SOURCE = 1024 * 1024


def handlers(contents: Contents) -> tuple[str, ...]:
    """Functions of the project that look like handlers, as in the setting `handler`, the most likely first."""
    if contents.kind == "layer":
        return ()
    found = []
    for entry in (*contents.unclaimed, *(contents.project.entries if contents.project else ())):
        path = entry.path
        if path.endswith(".py") and entry.size <= _MAX_SOURCE and not _TESTS.search(path):
            with suppress(ContentsError):  # the audit reports corrupt files
                names = handlers_in(contents.read(path))
                found += [(likelihood(name), path.count("/"), path, name) for name in names]
    return tuple(f"{module_of(path)}.{name}" for *_, path, name in sorted(found))
