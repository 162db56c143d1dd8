"""Whether the bundle has the function that Lambda is to call, found out without importing anything.

Lambda takes `module.name` apart at the last dot, imports the module and gets the name from it
(`_get_handler` in https://github.com/aws/aws-lambda-python-runtime-interface-client). Here the same is done on source:
`_Modules` finds files as the import system would, `_Execution` follows what a module's statements bind, and `_Names`
follows imports from module to module. What is certain is an error or nothing; the rest is a note.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import sys
import warnings
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle import Member
from hatch_lambda.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_lambda.bundle import BundleFile
    from hatch_lambda.target import Target

SETTING = "tool.hatch.build.targets.lambda.handler"

# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html (`Handler`)
_LONGEST = 128


class HandlerError(LambdaBuildError):
    """Lambda could not call the handler.

    `handler`: as the user wrote it. `suggestions`: handlers of the bundle that may be meant, the likeliest first.
    """

    def __init__(self, message: str, *, handler: str, suggestions: Sequence[str] = ()) -> None:
        self.handler = handler
        self.suggestions = tuple(suggestions)
        super().__init__(message)


def check_handler(
    handler: str, files: Sequence[BundleFile], target: Target, *, own: str, setting: str = SETTING
) -> str | None:
    """Make sure that Lambda finds the handler, and that it is something that can be called with an event and a context.

    `files`: all that is on `sys.path` together, with paths as below one folder of it (a layer's without `python/`).
    `own`: the owner of the project's own files, which are what errors suggest. `setting`: where the user wrote it.
    Returns a note, for people, where it cannot be told without running the code, else none. Raises `HandlerError`.
    """
    modules = _Modules(files, target)
    names = _Names(modules, target)
    try:
        module, name = _taken_apart(handler)
        return _note(handler, _looked_up(module, name, modules, names), module)
    except _FaultError as fault:
        suggestions = tuple(_suggestions(handler, own, names)) if fault.misnamed else ()
        message = [f"The handler `{handler}` would not work on Lambda: {fault}."]
        if suggestions:
            message.append(f"Did you mean {_either(suggestions)}? It is set in `{setting}`.")
        elif fault.misnamed:
            message.append(
                "The project's files in the bundle have no function that looks like a handler, with parameters for the "
                f"event and the context. If the file selection leaves it out, include it; else correct `{setting}`."
            )
        else:
            message.append(f"Correct it there, or name another function in `{setting}`.")
        raise HandlerError("\n".join(message), handler=handler, suggestions=suggestions) from None


class _FaultError(Exception):
    """Why the handler would not work, without a full stop. `misnamed`: the setting is at fault rather than the code."""

    def __init__(self, reason: str, *, misnamed: bool = True) -> None:
        self.misnamed = misnamed
        super().__init__(reason)


def _either(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)


# --- The setting ---


def _taken_apart(handler: str) -> tuple[str, str]:
    """Module, dotted, and name, as the runtime's client understands them."""
    module, dot, name = handler.rpartition(".")
    if not handler or handler.split() != [handler]:
        raise _FaultError("Lambda takes no handler with white space in it, nor an empty one")
    if len(handler) > _LONGEST:
        raise _FaultError(f"it has {len(handler)} characters, and Lambda takes at most {_LONGEST}")
    if ":" in handler or "\\" in handler:
        raise _FaultError("Lambda wants a dot between module and name, and dots or slashes between packages")
    if not dot:
        raise _FaultError("it has no dot, and Lambda takes it apart at the last one, into module and name")
    module = module.replace("/", ".")
    if "" in {name, *module.split(".")}:
        raise _FaultError(
            "the module is a path from the bundle's root with a name in each place: no `./`, `..` or `//`"
        )
    return module, name


def _looked_up(module: str, name: str, modules: _Modules, names: _Names) -> _Values:
    """What the name may be once Lambda has imported the module; raises `_FaultError`."""
    top = module.partition(".")[0]
    _refuse_names_of_python(top, modules)
    (reached,) = names.import_(module)
    if isinstance(reached, _Fails):
        reason = reached.reason + _about_missing(module, modules)
        raise _FaultError(reason, misnamed=modules.find(module) is None)
    if reached != _DONE:
        return frozenset({reached})
    outcomes = names.of(module, name)
    if outcomes == _NOTHING:
        raise _FaultError(_about_missing_name(module, name, names))
    faults = [outcome for outcome in outcomes if isinstance(outcome, (_Wrong, _Fails, _Module))]
    if len(faults) == len(outcomes - _NOTHING):
        reasons = sorted(map(_in_words, faults)) or [f"importing `{module}` always ends with an error"]
        raise _FaultError(reasons[0], misnamed=any(isinstance(fault, _Module) for fault in faults))
    if module == top and top in _STANDARD_LIBRARY and outcomes == _SOMETHING:
        return frozenset({_Unknown(f"`{top}` hides the standard library's module of that name from all other code")})
    return outcomes


def _refuse_names_of_python(top: str, modules: _Modules) -> None:
    if top in _BUILT_IN:
        raise _FaultError(f"Python has a built-in module `{top}`, and Lambda refuses a handler in one of that name")
    if top in _LOADED_BEFORE:
        raise _FaultError(f"Lambda's runtime has loaded its own `{top}` by then, and never looks for the bundle's")
    place = modules.find(top)
    # A folder without `__init__.py` loses against a module anywhere on `sys.path` (PEP 420).
    if place and place.kind == "namespace" and top in _STANDARD_LIBRARY:
        raise _FaultError(
            f"Python takes the standard library's module `{top}` rather than the folder `{top}`, as that has no "
            "`__init__.py`"
        )


def _about_missing_name(module: str, name: str, names: _Names) -> str:
    submodule = names.modules.described(f"{module}.{name}")
    if name.startswith("__") and name.endswith("__"):
        return f"`{name}` is one of Python's own names"
    if names.modules.find(f"{module}.{name}"):
        return f"{submodule} is a module, which cannot be called"
    return f"{names.modules.described(module)} has no name `{name}`{names.hint(module, name)}"


def _about_missing(module: str, modules: _Modules) -> str:
    """What may have led to a module that is not there."""
    parent = module.rpartition(".")[0]
    place = modules.find(parent) if parent else None
    if place and place.kind == "source" and not place.is_package:
        return f"; `{parent}` is a module, and Lambda gets a name of a module, not an attribute of something in it"
    return ""


def _note(handler: str, outcomes: frozenset[_Value], module: str) -> str | None:
    if outcomes == {_ANYTHING}:
        return None
    reasons = sorted(outcome.reason for outcome in outcomes if isinstance(outcome, _Unknown))
    reason = reasons[0] if reasons else f"`{module}` binds it to a function in some cases only"
    return f"Whether Lambda can call the handler `{handler}` cannot be told without running the code: {reason}."


# Modules that are part of the interpreter in every build of CPython 3.10 to 3.14: `sys.builtin_module_names`.
_BUILT_IN = frozenset(
    """
    _abc _ast _codecs _collections _functools _imp _io _locale _operator _signal _sre _stat _string _symtable
    _thread _tracemalloc _warnings _weakref atexit builtins errno faulthandler gc itertools marshal posix pwd sys
    time
    """.split()  # noqa: SIM905 - a list of its own would be a screen long
)
# What the interpreter's start and awslambdaric 4.2.2 import on every Python from 3.10 on, seen in `sys.modules`. The
# runtime puts the bundle on `sys.path` only then.
_LOADED_BEFORE = frozenset(
    """
    __main__ abc awslambdaric codecs collections copyreg decimal encodings enum functools genericpath importlib io
    json keyword linecache logging math numbers operator os posixpath re reprlib site stat string threading
    traceback types warnings weakref zipimport
    """.split()  # noqa: SIM905 - a list of its own would be a screen long
)
# Not in every Python from 3.10 to 3.14, or not on Linux; so the verdict is the same whichever Python builds.
_NOT_IN_EVERY_PYTHON = frozenset(
    """
    aifc annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils imghdr imp
    lib2to3 mailcap msilib msvcrt nis nntplib nt ossaudiodev pipes smtpd sndhdr spwd sunau
    telnetlib tomllib uu winreg winsound xdrlib
    """.split()  # noqa: SIM905 - a list of its own would be a screen long
)
_STANDARD_LIBRARY = sys.stdlib_module_names - _NOT_IN_EVERY_PYTHON


# --- Modules ---


class _Place(NamedTuple):
    """Where a module lies. `folders`: with a slash at the end, where its submodules are looked for."""

    kind: str
    """`source`, `bytecode`, `extension`, or `namespace` (a folder without `__init__.py`)."""
    file: BundleFile | None = None
    folders: tuple[str, ...] = ()

    @property
    def is_package(self) -> bool:
        return bool(self.folders)


class _Modules:
    """The modules of a bundle, found in the order of importlib's `FileFinder`."""

    def __init__(self, files: Iterable[BundleFile], target: Target) -> None:
        self._files = {file.path: file for file in files}
        major, minor = target.runtime.python
        extension = f".cpython-{major}{minor}-{target.architecture.machine}-linux-gnu.so"
        self._suffixes = {
            **dict.fromkeys((extension, ".abi3.so", ".so"), "extension"),
            ".py": "source",
            ".pyc": "bytecode",
        }
        self._found: dict[str, _Place | None] = {}

    @cached_property
    def _folders(self) -> frozenset[str]:
        folders: set[str] = set()
        for path in self._files:
            end = path.rfind("/")
            while end > 0 and path[: end + 1] not in folders:
                folders.add(path[: end + 1])
                end = path.rfind("/", 0, end)
        return frozenset(folders)

    def find(self, module: str) -> _Place | None:
        if module not in self._found:
            parent, dot, last = module.rpartition(".")
            above = self.find(parent) if dot else None
            folders = (above.folders if above else ()) if dot else ("", *self._added_roots)
            self._found[module] = self._below(folders, last) if last else None
        return self._found[module]

    def _below(self, folders: tuple[str, ...], name: str) -> _Place | None:
        portions = []
        for folder in folders:
            inside = f"{folder}{name}/"
            if inside in self._folders and (package := self._file(f"{inside}__init__")):
                return package._replace(folders=(inside,))
            if lone := self._file(f"{folder}{name}"):
                return lone
            if inside in self._folders:
                portions.append(inside)
        return _Place("namespace", None, tuple(portions)) if portions else None

    def _file(self, stem: str) -> _Place | None:
        for suffix, kind in self._suffixes.items():
            if file := self._files.get(stem + suffix):
                return _Place(kind, file)
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

    def source_modules(self, keep: Callable[[BundleFile], bool]) -> Iterator[tuple[str, BundleFile]]:
        """Those that an import would find, by their dotted names."""
        for path, file in self._files.items():
            if path.endswith(".py") and keep(file):
                module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                place = self.find(module)
                if place and place.file is file:
                    yield module, file


# --- Source ---


class _Unreadable(NamedTuple):
    """Source that cannot be parsed. `certain`: not by the runtime's Python either."""

    reason: str
    certain: bool


def _parsed(file: BundleFile, target: Target) -> ast.Module | _Unreadable:
    content, version = file.source.read(), target.runtime.python
    running = sys.version_info[:2]
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
            return _Unreadable(f"{file.path}{line} cannot be parsed here: {what} {newer}", certain=False)
        return _Unreadable(f"{file.path}{line} has a syntax error for {target.runtime.name}: {what}", certain=True)
    except (RecursionError, MemoryError):
        return _Unreadable(f"{file.path} is nested too deeply to be parsed", certain=False)
    return tree


# --- What names are bound to ---


class _Value:
    """One of the things that a name may be bound to."""


@dataclass(frozen=True)
class _Unbound(_Value):
    """Nothing: the name is not there."""


@dataclass(frozen=True)
class _Anything(_Value):
    """Something that can be called, as far as one can tell."""


@dataclass(frozen=True)
class _Done(_Value):
    """Of a module: it can be imported."""


@dataclass(frozen=True)
class _Wrong(_Value):
    """Something that Lambda cannot call, or not with success."""

    reason: str


@dataclass(frozen=True)
class _Module(_Value):
    name: str


@dataclass(frozen=True)
class _From(_Value):
    """`from module import name`. `guarded`: by a `try` around it that may expect it to fail.

    `bound`: in a package that imports from itself, what the name is at that point.
    """

    module: str
    name: str
    line: str
    guarded: bool
    bound: frozenset[_Value] | None = None


@dataclass(frozen=True)
class _Loaded(_Value):
    """What a name stands for where it is used, of which star imports decide."""

    name: str
    values: frozenset[_Value]


@dataclass(frozen=True)
class _Attribute(_Value):
    of: _Value
    name: str
    line: str


@dataclass(frozen=True)
class _Star(_Value):
    """What `from module import *` leaves of a name that was bound to `under` before."""

    module: str
    name: str
    under: frozenset[_Value]
    guarded: bool


@dataclass(frozen=True)
class _Unknown(_Value):
    """It may be there or not. `reason`: a clause."""

    reason: str


@dataclass(frozen=True)
class _Fails(_Value):
    """The import of the handler's module ends with an error here."""

    reason: str


_UNBOUND, _ANYTHING, _DONE = _Unbound(), _Anything(), _Done()
_Values = frozenset[_Value]
_NOTHING: _Values = frozenset({_UNBOUND})
_SOMETHING: _Values = frozenset({_ANYTHING})


def _in_words(value: _Wrong | _Fails | _Module) -> str:
    return f"it is the module `{value.name}`, which cannot be called" if isinstance(value, _Module) else value.reason


@dataclass
class _Bindings:
    """The names of a module at one point of its execution."""

    bound: dict[str, _Values] = field(default_factory=dict)
    stars: frozenset[tuple[tuple[str, bool], ...]] = frozenset({()})
    """The star imports that every other name has seen, by the ways that lead here."""

    def get(self, name: str) -> _Values:
        if name in self.bound:
            return self.bound[name]
        values: set[_Value] = set()
        for stars in self.stars:
            under = _NOTHING
            for module, guarded in stars:
                under = frozenset({_Star(module, name, under, guarded)})
            values |= under
        return frozenset(values)

    def copy(self) -> _Bindings:
        return _Bindings(dict(self.bound), self.stars)

    def import_star(self, module: str, *, guarded: bool) -> None:
        for name, values in self.bound.items():
            self.bound[name] = frozenset({_Star(module, name, values, guarded)})
        self.stars = frozenset((*stars, (module, guarded)) for stars in self.stars)


def _joined(ways: Iterable[_Bindings | None]) -> _Bindings | None:
    """What holds where several ways meet; none where none gets there."""
    open_ways = [way for way in ways if way is not None]
    if not open_ways:
        return None
    names = dict.fromkeys(name for way in open_ways for name in way.bound)
    bound = {name: _union(way.get(name) for way in open_ways) for name in names}
    return _Bindings(bound, frozenset().union(*(way.stars for way in open_ways)))


# --- Functions and classes ---

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_PASSED = 2  # the event and the context


def _function_value(node: _Function, where: str) -> _Value:
    if node.decorator_list:
        return _ANYTHING  # whatever the decorator makes of it
    is_async = isinstance(node, ast.AsyncFunctionDef)
    said = f"`{'async ' * is_async}def {node.name}({ast.unparse(node.args)})` ({where})"
    if not _takes(node.args, _PASSED):
        return _Wrong(f"{said} cannot be called with the two arguments that Lambda passes, the event and the context")
    # The client hands what the function returns to a JSON encoder, which knows neither coroutines nor generators.
    if is_async:
        return _Wrong(
            f"{said} is asynchronous, and Lambda does not await it; call it by `asyncio.run` in a plain function"
        )
    if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in _within(node.body)):
        return _Wrong(f"{said} is a generator, and Lambda does not iterate over what it returns")
    return _ANYTHING


def _takes(args: ast.arguments, count: int) -> bool:
    """Whether a call with so many positional arguments goes through."""
    positional = len(args.posonlyargs) + len(args.args)
    enough = positional >= count or args.vararg is not None
    return enough and positional - len(args.defaults) <= count and None not in args.kw_defaults


def _within(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes that run as part of a body, not those of functions and classes in it."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def _class_value(node: ast.ClassDef, where: str) -> _Value:
    """Classes may do anything when they are called, but for the plainest."""
    names = {part.name for part in node.body if isinstance(part, _Function)}
    initialisers = [part for part in node.body if isinstance(part, _Function) and part.name == "__init__"]
    plain = all(isinstance(part, (*_FUNCTIONS, ast.Expr, ast.Pass)) for part in node.body) and "__new__" not in names
    if node.bases or node.keywords or node.decorator_list or not plain:
        return _ANYTHING
    if not initialisers or (not initialisers[-1].decorator_list and not _takes(initialisers[-1].args, _PASSED + 1)):
        return _Wrong(f"the class `{node.name}` ({where}) cannot be called with an event and a context")
    return _ANYTHING


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_DISPLAYS: dict[type[ast.expr], str] = {
    ast.JoinedStr: "a string",
    ast.List: "a list",
    ast.ListComp: "a list",
    ast.Tuple: "a tuple",
    ast.Set: "a set",
    ast.SetComp: "a set",
    ast.Dict: "a dict",
    ast.DictComp: "a dict",
    ast.GeneratorExp: "a generator",
}


# --- A module's execution ---


@dataclass
class _Loop:
    breaks: list[_Bindings | None] = field(default_factory=list)
    continues: list[_Bindings | None] = field(default_factory=list)


class _Attempt:
    """What names may be bound to where something within a `try` has failed, at whatever point."""

    def __init__(self, start: _Bindings) -> None:
        self._states: list[_Bindings | None] = [start.copy()]
        self._bound: dict[str, _Values] = {}

    def see(self, name: str, values: _Values) -> None:
        self._bound[name] = self._bound.get(name, frozenset()) | values

    def see_all(self, state: _Bindings) -> None:
        self._states.append(state.copy())

    def failed(self) -> _Bindings | None:
        state = _joined(self._states)
        if state is not None:
            state.bound.update({name: state.get(name) | values for name, values in self._bound.items()})
        return state


class _Execution(ast.NodeVisitor):
    """Runs a module's statements on the names only: each has all the values that it may have at that point."""

    def __init__(self, module: str, place: _Place, tree: ast.Module, target: Target) -> None:
        self._module, self._place, self._target = module, place, target
        self._path = place.file.path if place.file else module
        self._package = module if place.is_package else module.rpartition(".")[0]
        self._loops: list[_Loop] = []
        self._attempts: list[_Attempt] = []
        self._guards = 0
        self.traits = _Traits(tree)
        self.submodules: set[str] = set()
        """Those that this package imports itself, which binds their names in it."""
        self.skipped: dict[str, int] = {}
        """Names that are bound in a branch that Lambda does not run, with the line of its condition."""
        self.takes_event: set[str] = set()
        """Functions that have a parameter for an event."""
        self.names: _Bindings | None = _Bindings()
        for name in self.traits.rebound_in_functions:
            self.names.bound[name] = self._shared(name, _NOTHING)
        self._run(tree.body)

    def _where(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._path}, line {node.lineno}"

    def _run(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            if self.names is None:
                return
            self.visit(statement)

    def _shared(self, name: str, values: _Values) -> _Values:
        """A function that says `global name` may have changed it at any time."""
        if name in self.traits.rebound_in_functions:
            values |= _SOMETHING
        return values | _NOTHING if name in self.traits.deleted_in_functions else values

    def _bind(self, name: str, values: _Values) -> None:
        if self.names is not None:
            values = self._shared(name, values)
            self.names.bound[name] = values
            for attempt in self._attempts:
                attempt.see(name, values)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._define(node)

    def _define(self, node: _Function) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self._evaluate(part)
        if any("event" in parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)[:1]):
            self.takes_event.add(node.name)
        self._bind(node.name, frozenset({_function_value(node, self._where(node))}))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self._evaluate(part)
        self._bind(node.name, frozenset({_class_value(node, self._where(node))}))

    def visit_TypeAlias(self, node: ast.stmt) -> None:  # of Python 3.12
        self._bind(node.name.id, frozenset({_Wrong(f"it is a type alias ({self._where(node)})")}))  # type: ignore[attr-defined]

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note_submodule(alias.name)
            parent, dot, last = alias.name.rpartition(".")
            if alias.asname and dot:  # which takes what the package has under that name, as `from` does
                self._bind(alias.asname, self._imported(parent, last, node))
            else:
                bound = alias.name.partition(".")[0]
                self._bind(alias.asname or bound, frozenset({_Module(bound)}))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node)
        self._note_submodule(module)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(module)
                continue
            self._bind(alias.asname or alias.name, self._imported(module, alias.name, node))

    def _imported(self, module: str, name: str, node: ast.stmt) -> _Values:
        bound = None
        if self.names is not None and module == self._module:
            bound = self.names.get(name)
            self.submodules.add(name)
        return frozenset({_From(module, name, self._where(node), guarded=self._guards > 0, bound=bound)})

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self._package.split(".")
        above = ".".join(parts[: max(0, len(parts) - node.level + 1)])
        return ".".join(filter(None, (above, node.module)))

    def _note_submodule(self, module: str) -> None:
        """Importing a submodule for the first time binds it in its package."""
        name = module.removeprefix(f"{self._module}.").partition(".")[0]
        if self._place.is_package and module.startswith(f"{self._module}.") and name not in self.submodules:
            self.submodules.add(name)
            self._bind(name, frozenset({_Module(f"{self._module}.{name}")}))

    def _import_star(self, module: str) -> None:
        if self.names is not None:
            for attempt in self._attempts:
                attempt.see_all(self.names)
            self.names.import_star(module, guarded=self._guards > 0)
            for attempt in self._attempts:
                attempt.see_all(self.names)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._evaluate(node.value)
        bound = [pair for target in node.targets for pair in self._pairs(target, node.value)]
        for name, values in bound:
            self._bind(name, values)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._evaluate(node.value)
            self._assign(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._evaluate(node.value)
        self._assign(node.target)

    def _assign(self, target: ast.expr, value: ast.expr | None = None) -> None:
        for name, values in [*self._pairs(target, value)]:
            self._bind(name, values)

    def _pairs(self, target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, _Values]]:
        """What a target's names get. `value` is none where it is nothing that one could look at."""
        if isinstance(target, ast.Name):
            yield target.id, self._value(value) if value else _SOMETHING
        elif isinstance(target, ast.Starred):
            yield from self._pairs(target.value, None)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, its_value in zip(target.elts, _spread(value, target), strict=True):
                yield from self._pairs(part, its_value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
                    self._bind(part.id, _NOTHING)

    def visit_Expr(self, node: ast.Expr) -> None:
        self._evaluate(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        self._evaluate(node.test)

    def visit_Raise(self, node: ast.Raise) -> None:
        del node
        self.names = None

    def visit_Break(self, node: ast.Break) -> None:
        del node
        self._loops[-1].breaks.append(self.names)
        self.names = None

    def visit_Continue(self, node: ast.Continue) -> None:
        del node
        self._loops[-1].continues.append(self.names)
        self.names = None

    def visit_If(self, node: ast.If) -> None:
        self._evaluate(node.test)
        truth = self._truth(node.test)
        start = self.names.copy() if self.names else None
        ends = []
        for statements, comes in ((node.body, truth is not False), (node.orelse, truth is not True)):
            if comes:
                self.names = start.copy() if start else None
                self._run(statements)
                ends.append(self.names)
            else:
                self.skipped.update((name, node.lineno) for name in _names_bound(statements))
        self.names = _joined(ends)

    def visit_For(self, node: ast.For) -> None:
        self._evaluate(node.iter)
        display = isinstance(node.iter, (ast.List, ast.Tuple, ast.Set)) and node.iter.elts
        certain = bool(display) and not any(isinstance(part, ast.Starred) for part in display or ())
        self._loop(node, lambda: self._assign(node.target), at_least_once=certain)

    def visit_While(self, node: ast.While) -> None:
        truth = self._truth(node.test)
        self._evaluate(node.test)
        if truth is False:
            self._run(node.orelse)
        else:
            self._loop(node, lambda: self._evaluate(node.test), at_least_once=bool(truth), endless=bool(truth))

    def _loop(
        self, node: ast.For | ast.While, each_time: Callable[[], None], *, at_least_once: bool, endless: bool = False
    ) -> None:
        loop = _Loop()
        self._loops.append(loop)
        ends: list[_Bindings | None] = [self.names.copy()] if self.names and not at_least_once else []
        for _ in range(2):  # the second time with what the first has bound
            each_time()
            self._run(node.body)
            self.names = _joined([self.names, *loop.continues])
            ends.append(self.names.copy() if self.names else None)
        self._loops.pop()
        self.names = None if endless else _joined(ends)
        self._run(node.orelse)
        self.names = _joined([self.names, *loop.breaks])

    def visit_Try(self, node: ast.Try) -> None:
        failed = self._attempt(node.body, guarded=bool(node.handlers))
        self._run(node.orelse)
        ends = [self.names]
        for handler in node.handlers:
            self.names = failed.copy() if failed else None
            if handler.name:
                self._bind(handler.name, _SOMETHING)
            self._run(handler.body)
            if handler.name:
                self._bind(handler.name, _NOTHING)
            ends.append(self.names)
        self.names = _joined(ends)
        self._run(node.finalbody)

    def visit_TryStar(self, node: ast.Try) -> None:  # of Python 3.11, with the fields of its sister
        self.visit_Try(node)

    def _attempt(self, statements: Sequence[ast.stmt], *, guarded: bool) -> _Bindings | None:
        """Run statements, and tell what holds if one of them has failed."""
        attempt = _Attempt(self.names or _Bindings())
        self._attempts.append(attempt)
        self._guards += guarded
        self._run(statements)
        self._guards -= guarded
        self._attempts.pop()
        return attempt.failed()

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            self._evaluate(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars)
        suppresses = any(_may_suppress(item.context_expr) for item in node.items)
        failed = self._attempt(node.body, guarded=suppresses)
        if suppresses or self.names is None:  # whatever has raised, the manager may have swallowed it
            self.names = _joined([self.names, failed])

    def visit_Match(self, node: ast.Match) -> None:
        self._evaluate(node.subject)
        ends = []
        otherwise = self.names.copy() if self.names else None
        for case in node.cases:
            self.names = otherwise.copy() if otherwise else None
            for name in _captures(case.pattern):
                self._bind(name, _SOMETHING)
            if case.guard is not None:
                self._evaluate(case.guard)
            # A pattern that fails half-way, or its guard, leaves what it has bound until then.
            otherwise = None if _always_matches(case) else _joined([otherwise, self.names])
            self.names = self.names.copy() if self.names else None
            self._run(case.body)
            ends.append(self.names)
        self.names = _joined([*ends, otherwise])

    def _evaluate(self, node: ast.expr) -> None:
        """Bind what an expression binds on the way: `:=` is the only one that does."""
        if self.traits.has_walrus:
            self._walrus(node, certain=True)

    def _walrus(self, node: ast.AST, *, certain: bool) -> None:
        if isinstance(node, ast.Lambda):
            return
        for child, always in _parts(node):
            self._walrus(child, certain=certain and always)
        if isinstance(node, ast.NamedExpr) and self.names is not None:
            name = node.target.id
            before = frozenset() if certain else self.names.get(name)
            self._bind(name, self._value(node.value) | before)

    def _value(self, node: ast.expr) -> _Values:
        """What an expression may be, without what happens on the way."""
        if isinstance(node, ast.Name):
            values = self.names.get(node.id) if self.names else _NOTHING
            has_star = any(isinstance(value, _Star) for value in values)
            return frozenset({_Loaded(node.id, values)}) if has_star else _or_builtin(node.id, values)
        if isinstance(node, ast.NamedExpr):
            return self._value(node.value)
        if isinstance(node, ast.IfExp):
            truth = self._truth(node.test)
            ways = [node.body] * (truth is not False) + [node.orelse] * (truth is not True)
            return _union(map(self._value, ways))
        if isinstance(node, ast.BoolOp):
            return _union(map(self._value, node.values))
        if isinstance(node, ast.Attribute):
            of = self._value(node.value) if isinstance(node.value, (ast.Name, ast.Attribute)) else _SOMETHING
            return frozenset(_Attribute(value, node.attr, self._where(node)) for value in of)
        return frozenset({self._literal(node)})

    def _literal(self, node: ast.expr) -> _Value:
        if isinstance(node, ast.Lambda):
            if _takes(node.args, _PASSED):
                return _ANYTHING
            return _Wrong(
                f"`lambda {ast.unparse(node.args)}: …` ({self._where(node)}) cannot be called with the two arguments "
                "that Lambda passes, the event and the context"
            )
        if isinstance(node, ast.Constant):
            what = "`None`" if node.value is None else f"a constant of type `{type(node.value).__name__}`"
        elif type(node) in _DISPLAYS:
            what = _DISPLAYS[type(node)]
        else:
            return _ANYTHING
        return _Wrong(f"it is {what} ({self._where(node)}), which cannot be called")

    def _truth(self, node: ast.expr) -> bool | None:
        """Of a condition whose outcome on Lambda is known; else none."""
        if isinstance(node, ast.Constant):
            return bool(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            truth = self._truth(node.operand)
            return None if truth is None else not truth
        if isinstance(node, (ast.Name, ast.Attribute)):
            return False if self._is_type_checking(node) else None
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._comparison(node.left, node.ops[0], node.comparators[0])
        return None

    def _is_type_checking(self, node: ast.Name | ast.Attribute) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr == "TYPE_CHECKING" and isinstance(node.value, ast.Name)
        bound = self.names.get(node.id) if self.names else _NOTHING
        sources = {(value.module, value.name) for value in bound if isinstance(value, _From)}
        return len(sources) == len(bound) and sources <= _TYPE_CHECKING

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
        if isinstance(left, ast.Constant):
            left, right = right, left
        if isinstance(left, ast.Name) and left.id == "__name__" and isinstance(right, ast.Constant):
            equal = {ast.Eq: True, ast.NotEq: False}.get(type(operator))
            return None if equal is None or right.value != "__main__" else not equal
        if ast.unparse(left) == "sys.version_info" and isinstance(right, ast.Tuple) and len(right.elts) <= _PASSED:
            version = tuple(part.value for part in right.elts if isinstance(part, ast.Constant))
            compare = _COMPARISONS.get(type(operator))
            if compare and len(version) == len(right.elts) and all(isinstance(part, int) for part in version):
                return compare((*self._target.runtime.python, 0), version)
        return None


_TYPE_CHECKING = {("typing", "TYPE_CHECKING"), ("typing_extensions", "TYPE_CHECKING")}
_COMPARISONS: dict[type[ast.cmpop], Callable[[tuple[object, ...], tuple[object, ...]], bool]] = {
    ast.Lt: tuple.__lt__,
    ast.LtE: tuple.__le__,
    ast.Gt: tuple.__gt__,
    ast.GtE: tuple.__ge__,
}


def _or_builtin(name: str, values: _Values) -> _Values:
    """What a name stands for that may be unbound: then it is the interpreter's own, or an error."""
    if _UNBOUND in values and (values == _NOTHING or hasattr(builtins, name)):
        return values - _NOTHING | _SOMETHING
    return values - _NOTHING


def _spread(value: ast.expr | None, target: ast.Tuple | ast.List) -> list[ast.expr | None]:
    """The values of a target's parts, where they stand there one by one."""
    parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
    starred = any(isinstance(part, ast.Starred) for part in (*parts, *target.elts))
    return [*parts] if len(parts) == len(target.elts) and not starred else [None] * len(target.elts)


def _parts(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """The parts of an expression, each with whether it is always evaluated."""
    certain: tuple[ast.AST, ...] | None = None
    if isinstance(node, ast.BoolOp):
        certain = (node.op, *node.values[:1])
    elif isinstance(node, ast.IfExp):
        certain = (node.test,)
    elif isinstance(node, ast.Compare):
        certain = (node.left, node.comparators[0])
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        certain = ()
    for child in ast.iter_child_nodes(node):
        yield child, certain is None or child in certain


def _may_suppress(manager: ast.expr) -> bool:
    called = manager.func if isinstance(manager, ast.Call) else manager
    return ast.unparse(called).rpartition(".")[2] == "suppress"


def _captures(pattern: ast.pattern) -> Iterator[str]:
    for part in ast.walk(pattern):
        name = part.rest if isinstance(part, ast.MatchMapping) else getattr(part, "name", None)
        if name is not None:
            yield name


def _always_matches(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None


def _names_bound(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for node in _within(statements):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


# --- What a module may do beyond its statements ---


class _Traits:
    """What in a module's text says that its names may be others than its statements bind."""

    def __init__(self, tree: ast.Module) -> None:
        self.has_walrus = False
        self.rebound_in_functions: set[str] = set()
        self.deleted_in_functions: set[str] = set()
        self.attributes_written: set[str] = set()
        self.adds: list[str] = []
        """Through what it may get further names."""
        self.replaces: list[str] = []
        """Through what it may change or lose the names that it has."""
        self.changes_path = False
        """Whether modules below it may lie elsewhere, or come from nowhere."""
        self._mentions_of_all = 0
        for node, parent in _with_parents(tree):
            self._look_at(node, parent)
        self.deleted_in_functions &= self.rebound_in_functions
        self.exported = self._exported(tree)
        """`__all__`; none where it is not just written out."""
        self.has_exports = self._mentions_of_all > 0

    def _look_at(self, node: ast.AST, parent: ast.AST) -> None:
        if isinstance(node, ast.NamedExpr):
            self.has_walrus = True
        elif isinstance(node, ast.Global):
            self.rebound_in_functions.update(node.names)
        elif isinstance(node, ast.Name):
            self._look_at_name(node, parent)
        elif isinstance(node, ast.Attribute):
            self._look_at_attribute(node, parent)
        elif isinstance(node, ast.Call):
            self._look_at_call(node, parent)
        elif isinstance(node, ast.alias):
            self._look_at_import(node, parent)

    def _look_at_name(self, node: ast.Name, parent: ast.AST) -> None:
        if node.id == "__all__":
            self._mentions_of_all += 1
        elif node.id == "__path__":
            self.changes_path = True
        elif isinstance(node.ctx, ast.Del):
            self.deleted_in_functions.add(node.id)
        elif node.id in {"exec", "eval", "globals"} and not (isinstance(parent, ast.Call) and parent.func is node):
            self._is_dynamic(f"`{node.id}`", replaces=True)

    def _look_at_attribute(self, node: ast.Attribute, parent: ast.AST) -> None:
        if not isinstance(node.ctx, ast.Load) and not _is_own(node.value):
            self.attributes_written.add(node.attr)
            self.changes_path = self.changes_path or node.attr == "__path__"
        is_namespace = node.attr in {"__dict__", "f_globals", "f_locals"} and not _is_own(node.value)
        if node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            self.changes_path = is_namespace = True
        if is_namespace and not (node.attr == "__dict__" and _only_read(node, parent)):
            # The `__dict__` that is handed on is hardly ever that of a module.
            replaces = _written_to(parent) if node.attr == "__dict__" else not _only_read(node, parent)
            self._is_dynamic(f"`{ast.unparse(node)}`", replaces=replaces)

    def _look_at_call(self, node: ast.Call, parent: ast.AST) -> None:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in {"exec", "eval"}:
            self._is_dynamic(f"`{called}`", replaces=called == "exec")
        elif called == "globals" or (called in {"vars", "locals"} and not node.args):
            self._is_dynamic(f"`{called}()`", replaces=not _only_read(node, parent))
        elif called in {"setattr", "delattr"} and not _is_own(node.args[0] if node.args else None):
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant):
                self.attributes_written.add(str(name.value))
            else:
                self._is_dynamic(f"`{called}`", replaces=called == "delattr")

    def _look_at_import(self, node: ast.alias, parent: ast.AST) -> None:
        bound = node.asname or node.name
        self._mentions_of_all += bound == "__all__"
        self.changes_path |= bound == "__path__"
        if isinstance(parent, ast.ImportFrom) and parent.module == "sys" and node.name == "modules":
            self.changes_path = True
            self._is_dynamic("`sys.modules`", replaces=True)

    def _is_dynamic(self, what: str, *, replaces: bool) -> None:
        self.adds.append(what)
        if replaces:
            self.replaces.append(what)

    def _exported(self, tree: ast.Module) -> frozenset[str] | None:
        names: set[str] = set()
        understood = 0
        for statement in tree.body:
            value = _assigned_to_all(statement)
            listed = _strings(value) if value is not None else None
            if listed is not None:
                understood += 1
                names = listed if isinstance(statement, (ast.Assign, ast.AnnAssign)) else names | listed
        return frozenset(names) if understood == self._mentions_of_all else None


def _is_own(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _only_read(namespace: ast.expr, parent: ast.AST) -> bool:
    if isinstance(parent, ast.Subscript):
        return parent.value is namespace and isinstance(parent.ctx, ast.Load)
    if isinstance(parent, ast.Attribute):
        return parent.attr in {"get", "items", "keys", "values", "copy"}
    return isinstance(parent, ast.Compare) or (isinstance(parent, ast.keyword) and parent.arg is None)


def _written_to(parent: ast.AST) -> bool:
    if isinstance(parent, ast.Attribute):
        return parent.attr in {"clear", "pop", "popitem", "setdefault", "update"}
    return isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load)


def _with_parents(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    waiting = [tree]
    while waiting:
        parent = waiting.pop()
        for node in ast.iter_child_nodes(parent):
            yield node, parent
            waiting.append(node)


def _assigned_to_all(statement: ast.stmt) -> ast.expr | None:
    """The value of `__all__ = …`, `__all__: … = …`, `__all__ += …` and `__all__.extend(…)`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)) and statement.value is not None:
        target, value = statement.target, statement.value
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and len(statement.value.args) == 1:
        target, value = statement.value.func, statement.value.args[0]
        if not isinstance(target, ast.Attribute) or target.attr != "extend":
            return None
        target = target.value
    else:
        return None
    return value if isinstance(target, ast.Name) and target.id == "__all__" else None


def _strings(node: ast.expr) -> set[str] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _strings(node.left), _strings(node.right)
        return None if left is None or right is None else left | right
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    strings = {part.value for part in node.elts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return strings if all(isinstance(part, ast.Constant) for part in node.elts) else None


# --- From module to module ---


class _Names:
    """What a name of a module of the bundle may be, imports followed."""

    def __init__(self, modules: _Modules, target: Target) -> None:
        self.modules = modules
        self._target = target
        self._executions: dict[str, _Execution | _Unreadable] = {}
        self._known: dict[tuple[str, str], _Values] = {}
        self._looking: dict[tuple[str, str], None] = {}

    def execution(self, module: str) -> _Execution | _Unreadable | None:
        """None for what is no source."""
        place = self.modules.find(module)
        if place is None or place.kind != "source" or place.file is None:
            return None
        if module not in self._executions:
            self._executions[module] = self._executed(module, place, place.file)
        return self._executions[module]

    def _executed(self, module: str, place: _Place, file: BundleFile) -> _Execution | _Unreadable:
        tree = _parsed(file, self._target)
        if isinstance(tree, _Unreadable):
            return tree
        try:
            return _Execution(module, place, tree, self._target)
        except RecursionError:
            return _Unreadable(f"{file.path} is nested too deeply to be followed", certain=False)

    def import_(self, module: str) -> _Values:
        """Whether an import of a module gets there: `_DONE`, `_Fails` or `_Unknown`."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            outcome = self._import_one(".".join(parts[:count]))
            if outcome != _DONE:
                return frozenset({outcome})
        return frozenset({_DONE})

    def _import_one(self, module: str) -> _Value:
        place = self.modules.find(module)
        if place is None:
            return self._missing(module)
        execution = self.execution(module)
        if isinstance(execution, _Unreadable):
            return _Fails(execution.reason) if execution.certain else _Unknown(execution.reason)
        if execution and execution.names is None:
            return _Fails(
                f"{self.modules.described(module)} never gets to its end, as it always raises an error or loops"
            )
        return _DONE

    def _missing(self, module: str) -> _Value:
        parent = module.rpartition(".")[0]
        if not parent and self.modules.has_code_in_path_files:
            return _Unknown(f"the bundle has no module `{module}`, but a `.pth` file in it runs code that may bring it")
        place = self.modules.find(parent) if parent else None
        if place and place.kind in {"extension", "bytecode"}:
            return _Unknown(f"{self.modules.described(parent)}, of which `{module}` would be a part, is no source")
        execution = self.execution(parent) if place else None
        if isinstance(execution, _Execution) and execution.traits.changes_path:
            return _Unknown(f"{self.modules.described(parent)} decides itself where its submodules are")
        return _Fails(f"the bundle has no module `{module}`")

    def _import_elsewhere(self, module: str) -> _Value:
        """The same for what the bundle's modules import, which need not be in the bundle."""
        top = module.partition(".")[0]
        if self.modules.find(top) is None:
            if top in sys.stdlib_module_names:
                return _Unknown(f"it comes from the standard library's `{module}`")
            return _Unknown(
                f"it comes from `{module}`, which the runtime or a layer has to bring, as the bundle has none"
            )
        (outcome,) = self.import_(module)
        parent = self.modules.find(module.rpartition(".")[0])
        if isinstance(outcome, _Fails) and parent and parent.kind == "namespace":
            return _Unknown(f"it comes from `{module}`, which the bundle does not have")
        return outcome

    def of(self, module: str, name: str) -> _Values:
        """What the name may be in a module that can be imported; nothing at all where its import always fails."""
        key = module, name
        if key in self._looking:
            return frozenset({_CIRCLE})
        if key not in self._known:
            half_done = self._may_be_half_done(module)
            self._looking[key] = None
            try:
                outcomes = self._of(module, name)
            finally:
                del self._looking[key]
            if half_done and not outcomes <= {_UNBOUND, _Module(f"{module}.{name}")}:
                outcomes |= {_CIRCLE}
            self._known[key] = outcomes
        return self._known[key]

    def _may_be_half_done(self, module: str) -> bool:
        """Whether those that look into a module are imported while it is, so that they see its names of that moment."""
        for importer, _name in self._looking:
            execution = self.execution(module)
            below = importer.removeprefix(f"{module}.").partition(".")[0]
            imports_it = isinstance(execution, _Execution) and below in execution.submodules
            if importer == module or (importer.startswith(f"{module}.") and imports_it):
                return True
        return False

    def _of(self, module: str, name: str) -> _Values:
        place = self.modules.find(module)
        if place is None or place.kind == "namespace":
            return _NOTHING
        execution = self.execution(module)
        if isinstance(execution, _Unreadable):
            return frozenset({_Unknown(execution.reason)})
        if execution is None:
            return frozenset({_Unknown(f"{self.modules.described(module)} is no source")})
        if execution.names is None:
            return frozenset()
        outcomes = _union(map(self._resolved, execution.names.get(name)))
        return self._with_traits(module, name, execution, outcomes)

    def _with_traits(self, module: str, name: str, execution: _Execution, outcomes: _Values) -> _Values:
        traits = execution.traits
        described = self.modules.described(module)
        if writer := self._writer(module, name):
            return outcomes - _NOTHING | {_Unknown(f"{writer} sets an attribute `{name}` of something")}
        if outcomes != _NOTHING and traits.replaces:
            return outcomes | {_Unknown(f"{described} may change its names by {traits.replaces[0]}")}
        if _UNBOUND in outcomes and execution.names and execution.names.bound.get("__getattr__", _NOTHING) != _NOTHING:
            return outcomes - _NOTHING | {_Unknown(f"{described} may get it from its `__getattr__`")}
        if _UNBOUND in outcomes and traits.adds:
            return outcomes - _NOTHING | {_Unknown(f"{described} may get it by {traits.adds[0]}")}
        submodule = f"{module}.{name}"
        if outcomes != _NOTHING and name not in execution.submodules and self.modules.find(submodule):
            # Whoever imports the submodule first puts it in the place of what the package has bound.
            return outcomes | {_Module(submodule)}
        return outcomes

    def _writer(self, module: str, name: str) -> str:
        """The module, or the package above it, that may bind the name in it as an attribute."""
        parts = module.split(".")
        for count in range(len(parts), 0, -1):
            above = ".".join(parts[:count])
            execution = self.execution(above)
            if isinstance(execution, _Execution) and name in execution.traits.attributes_written:
                return self.modules.described(above)
        return ""

    def _resolved(self, value: _Value) -> _Values:
        if isinstance(value, _From):
            return self._imported(value)
        if isinstance(value, _Attribute):
            return _union(self._attribute(value, of) for of in self._resolved(value.of))
        if isinstance(value, _Star):
            return self._through_star(value)
        if isinstance(value, _Loaded):
            return _or_builtin(value.name, _union(map(self._resolved, value.values)))
        return frozenset({value})

    def _imported(self, value: _From) -> _Values:
        reached = self._import_elsewhere(value.module)
        if isinstance(reached, _Fails):
            reason = f"`{value.module}` cannot be imported ({value.line}): {reached.reason}"
            return frozenset() if value.guarded else frozenset({_Fails(reason)})
        if reached != _DONE:
            return frozenset({reached})
        outcomes = self._or_submodule(self._seen_by(value), value.module, value.name)
        if _UNBOUND in outcomes:
            described = self.modules.described(value.module)
            fault = _Fails(f"`{value.name}` cannot be imported from {described}, which has no such name ({value.line})")
            outcomes = outcomes - _NOTHING | {fault}
        return frozenset(outcome for outcome in outcomes if not (value.guarded and isinstance(outcome, _Fails)))

    def _seen_by(self, value: _From) -> _Values:
        """What the name is in the module that it is imported from, which may be the one at work."""
        execution = self.execution(value.module)
        if value.bound is None or not isinstance(execution, _Execution):
            return self.of(value.module, value.name)
        return self._with_traits(value.module, value.name, execution, _union(map(self._resolved, value.bound)))

    def _or_submodule(self, outcomes: _Values, module: str, name: str) -> _Values:
        """As `from module import name` has it: what is no name may be a submodule."""
        submodule = f"{module}.{name}"
        place = self.modules.find(module)
        if _UNBOUND not in outcomes:
            return outcomes
        if name in _OF_EVERY_MODULE:
            return outcomes - _NOTHING | _SOMETHING
        if self.modules.find(submodule):
            return outcomes - _NOTHING | {_Module(submodule)}
        missing = self._missing(submodule)
        if isinstance(missing, _Unknown) or (place and place.kind == "namespace"):
            return outcomes - _NOTHING | {_Unknown(f"the bundle has no module `{submodule}`")}
        return outcomes

    def _attribute(self, value: _Attribute, of: _Value) -> _Values:
        if isinstance(of, _Wrong):
            return _SOMETHING
        if not isinstance(of, _Module):
            return frozenset({of})
        reached = self._import_elsewhere(of.name)
        if reached != _DONE:
            return frozenset({reached})
        outcomes = self._or_submodule(self.of(of.name, value.name), of.name, value.name)
        if _UNBOUND in outcomes:
            fault = _Fails(f"{self.modules.described(of.name)} has no name `{value.name}` ({value.line})")
            outcomes = outcomes - _NOTHING | {fault}
        return outcomes

    def _through_star(self, value: _Star) -> _Values:
        under = _union(map(self._resolved, value.under))
        half_done = {_CIRCLE, *under} if self._may_be_half_done(value.module) else frozenset()
        return self._covered(value, under) | half_done

    def _covered(self, value: _Star, under: _Values) -> _Values:
        reached = self._import_elsewhere(value.module)
        if isinstance(reached, _Fails):
            return under if value.guarded else frozenset({reached})
        if reached != _DONE:
            return under | {_Unknown(f"`{value.module}`, from which all names are imported, may have it")}
        exported = self._exports(value.module, value.name)
        if exported is False:
            return under
        outcomes = self.of(value.module, value.name)
        # What `__all__` lists is imported where it is a submodule; without a list, others may have imported it before.
        with_submodule = self._or_submodule(outcomes, value.module, value.name)
        outcomes = with_submodule if self._lists_exports(value.module) else outcomes | (with_submodule - _NOTHING)
        if _UNBOUND in outcomes:
            return outcomes - _NOTHING | under
        return outcomes if exported is not None else outcomes | under

    def _lists_exports(self, module: str) -> bool:
        execution = self.execution(module)
        return isinstance(execution, _Execution) and execution.traits.has_exports

    def _exports(self, module: str, name: str) -> bool | None:
        """Whether `from module import *` brings the name if it is there; none where one cannot tell."""
        execution = self.execution(module)
        if not isinstance(execution, _Execution):
            return None
        if not self._lists_exports(module):
            return not name.startswith("_")
        exported = execution.traits.exported
        return None if exported is None else name in exported

    def hint(self, module: str, name: str) -> str:
        """Why a name is missing although one sees it in the source."""
        execution = self.execution(module)
        if isinstance(execution, _Execution) and name in execution.skipped:
            line = execution.skipped[name]
            return f"; it is bound only under the condition in line {line}, which does not hold on Lambda"
        return ""


_OF_EVERY_MODULE = {"__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}
_CIRCLE = _Unknown("modules import it from each other in a circle")


def _union(parts: Iterable[_Values]) -> _Values:
    return frozenset().union(*parts)


# --- What may have been meant ---

_MOST_SUGGESTIONS = 3
_NEAR = 0.75
_ABOUT_AS_NEAR = 0.1


def _suggestions(handler: str, own: str, names: _Names) -> Iterator[str]:
    """Handlers that Lambda could call: of the project, else of modules with a name near the one that is wanted."""
    wanted = handler.replace("/", ".").replace("\\", ".").replace(":", ".").replace(".py.", ".").strip(". ")
    ours = dict(names.modules.source_modules(lambda file: file.owner == own))
    candidates = _candidates(wanted, ours, names)
    if not candidates:
        others = dict(names.modules.source_modules(lambda file: file.owner != own))
        near = difflib.get_close_matches(wanted.rpartition(".")[0], others, cutoff=_NEAR)
        candidates = _candidates(wanted, {module: others[module] for module in near}, names)
    best = sorted(((_likeness(wanted, candidate), candidate) for candidate in candidates), reverse=True)
    for likeness, candidate in best[:_MOST_SUGGESTIONS]:
        if likeness >= best[0][0] - _ABOUT_AS_NEAR:
            yield candidate


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _candidates(wanted: str, modules: dict[str, BundleFile], names: _Names) -> set[str]:
    name = wanted.rpartition(".")[2]
    found: set[str] = set()
    for module, content in _contents(modules):
        if any(word in content.lower() for word in (b"handler", b"event", name.lower().encode())):
            execution = names.execution(module)
            likely = _likely_names(execution, name) if isinstance(execution, _Execution) else ()
            found.update(f"{module}.{known}" for known in likely if names.of(module, known) == _SOMETHING)
    return found


def _likely_names(execution: _Execution, wanted: str) -> Iterator[str]:
    for name in execution.names.bound if execution.names else ():
        if name in execution.takes_event or "handler" in name.lower() or _likeness(name, wanted) >= _NEAR:
            yield name


def _contents(modules: dict[str, BundleFile]) -> Iterator[tuple[str, bytes]]:
    """The files of modules, with each wheel opened but once."""
    with ExitStack() as stack:
        wheels: dict[Path, zipfile.ZipFile] = {}
        for module, file in modules.items():
            source = file.source
            if not isinstance(source, Member):
                yield module, source.read()
                continue
            if source.wheel not in wheels:
                wheels[source.wheel] = stack.enter_context(zipfile.ZipFile(source.wheel))
            yield module, wheels[source.wheel].read(source.name)
