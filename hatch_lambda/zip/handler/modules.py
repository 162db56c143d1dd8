"""The modules of a bundle: where an import would find them, and their source, parsed."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.files import folders_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile


class Place(NamedTuple):
    """Where a module lies. `folders`: with a slash at the end, where its submodules are looked for."""

    kind: str
    """`source`, `bytecode`, `extension`, or `namespace` (a folder without `__init__.py`)."""
    file: BundleFile | None = None
    folders: tuple[str, ...] = ()

    @property
    def is_package(self) -> bool:
        return bool(self.folders)


class Modules:
    """The modules of a bundle, found in the order of importlib's `FileFinder`."""

    def __init__(self, files: Iterable[BundleFile], target: Target) -> None:
        self._files = {file.path: file for file in files}
        self._folders = frozenset(f"{folder}/" for folder in folders_of(self._files))
        self._suffixes = {
            **dict.fromkeys(target.extension_suffixes, "extension"),
            ".py": "source",
            ".pyc": "bytecode",
        }
        self._found: dict[str, Place | None] = {}

    def find(self, module: str) -> Place | None:
        if module not in self._found:
            parent, dot, last = module.rpartition(".")
            above = self.find(parent) if dot else None
            folders = (above.folders if above else ()) if dot else ("", *self._added_roots)
            self._found[module] = self._below(folders, last) if last else None
        return self._found[module]

    def _below(self, folders: tuple[str, ...], name: str) -> Place | None:
        portions = []
        for folder in folders:
            inside = f"{folder}{name}/"
            if inside in self._folders and (package := self._file(f"{inside}__init__")):
                return package._replace(folders=(inside,))
            if lone := self._file(f"{folder}{name}"):
                return lone
            if inside in self._folders:
                portions.append(inside)
        return Place("namespace", None, tuple(portions)) if portions else None

    def _file(self, stem: str) -> Place | None:
        for suffix, kind in self._suffixes.items():
            if file := self._files.get(stem + suffix):
                return Place(kind, file)
        return None

    @cached_property
    def _path_lines(self) -> tuple[str, ...]:
        """The lines of the `.pth` files at the root, which the runtime reads (`site.addsitedir`)."""
        files = [file for path, file in sorted(self._files.items()) if path.endswith(".pth") and "/" not in path]
        texts = [file.source.read().decode("utf-8-sig", errors="replace") for file in files]
        return tuple(line.rstrip() for text in texts for line in text.splitlines())

    @cached_property
    def _added_roots(self) -> tuple[str, ...]:
        lines = [f"{line.removeprefix('./').rstrip('/')}/" for line in self._path_lines]
        return tuple(dict.fromkeys(line for line in lines if line in self._folders))

    @property
    def has_code_in_path_files(self) -> bool:
        """Whether a `.pth` file runs something that may make more modules importable.

        Those of setuptools and of namespace packages do nothing of the kind.
        """
        code = [line for line in self._path_lines if line.startswith(("import ", "import\t"))]
        return any("_distutils_hack" not in line and "has_mfs" not in line for line in code)

    def described(self, module: str) -> str:
        """For people: the module and its file, and what else of that name is hidden by it."""
        place = self.find(module)
        if place is None:
            return f"`{module}`"
        if place.file is None:
            return f"`{module}` (the folder {place.folders[0]})"
        hidden = f"{place.folders[0].rstrip('/')}.py" if place.is_package else ""
        also = f", which hides {hidden}" if hidden in self._files else ""
        return f"`{module}` ({place.file.path}{also})"

    def source_modules(self, owner: str) -> tuple[dict[str, BundleFile], dict[str, BundleFile]]:
        """Modules that an import would find, by their dotted names: those of an owner, and all others."""
        of_owner: dict[str, BundleFile] = {}
        others: dict[str, BundleFile] = {}
        for path, file in self._files.items():
            module = module_of(path)
            if path.endswith(".py") and (place := self.find(module)) and place.file is file:
                (of_owner if file.owner == owner else others)[module] = file
        return of_owner, others


def module_of(path: str) -> str:
    """The dotted name of the module in a `.py` file."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Unreadable(NamedTuple):
    """Source that cannot be parsed. `certain`: not by the runtime's Python either."""

    reason: str
    certain: bool


# PEP 810
_LAZY_IMPORTS = (3, 15)
_LAZY = re.compile(rb"^([ \t]*)lazy[ \t]+(?=(?:import|from)\b)", re.MULTILINE)


def without_lazy(source: bytes) -> bytes:
    """Source with plain imports for lazy ones, which only Python 3.15 can parse: they bind the same names."""
    return source if sys.version_info >= _LAZY_IMPORTS else _LAZY.sub(rb"\1", source)


def parsed(file: BundleFile, target: Target) -> ast.Module | Unreadable:
    content, version = file.source.read(), target.runtime.python
    running = sys.version_info[:2]
    if version >= _LAZY_IMPORTS:
        content = without_lazy(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content, file.path)
            # Some errors are those of the compiler behind the parser, as a `return` outside of a function.
            compile(tree, file.path, "exec", dont_inherit=True)
            if version < running:
                ast.parse(content, file.path, feature_version=version)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        if running < version:
            newer = f"(syntax newer than Python {running[0]}.{running[1]}, which builds?)"
            return Unreadable(f"{file.path}{line} cannot be parsed here: {what} {newer}", certain=False)
        return Unreadable(f"{file.path}{line} has a syntax error for {target.runtime.name}: {what}", certain=True)
    except (RecursionError, MemoryError):
        return Unreadable(f"{file.path} is nested too deeply to be parsed", certain=False)
    return tree
