"""The top-level names of one module, read from its source without running it.

Each name gets all the values that it may have, so that a handler is refused only if none of them works. What only the
interpreter could decide counts as something callable.
"""

from __future__ import annotations

import ast
import builtins
import operator
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_lambda.zip.handler.modules import without_lazy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The usual names first, which are taken for handlers if a call has made them, as in `handler = Mangum(app)`.
USUAL_NAMES = ("lambda_handler", "handler")
_HANDLER = re.compile(r"(?:\w*_)?handler", re.IGNORECASE)
_CONTEXT = re.compile(r"_*(?:lambda_?)?(?:context|ctx|cx)_*", re.IGNORECASE)
# A module without any of this has no handler, so most modules need not be parsed.
_HINT = re.compile(
    rb"^[ \t]*(?:def\s+\w*handler\b|def\s+\w+\s*\([^)]*\b_*(?:lambda_?)?(?:context|ctx|cx)|\w*handler\s*[:=])",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Value:
    """One thing that a name may be bound to."""

    kind: str
    """`callable` (as far as one can see), `unbound`, `wrong` (Lambda cannot call it), `module`, `import` (`name` of
    `module`), `unknown`, or `fails` (the module that binds it cannot be imported).
    """
    reason: str = ""
    """Why it is wrong, unknown or fails: a clause."""
    module: str = ""
    name: str = ""
    line: str = ""
    """`app.py, line 3`, of an import."""
    guarded: bool = False
    """An import within a `try` or `suppress`, which may expect it to fail."""
    looks: str = ""
    """`handler`: a function with a handler's name or parameters. `made`: returned by a call."""


Values = frozenset[Value]
UNBOUND, CALLABLE = Value("unbound"), Value("callable")
NOTHING, SOMETHING = frozenset({UNBOUND}), frozenset({CALLABLE})


def may_have_handlers(source: bytes) -> bool:
    """Whether it is worth parsing a module to look for handlers."""
    return bool(_HINT.search(source))


def likelihood(name: str) -> int:
    """How likely a function of an event and a context is meant to be the handler: the lower, the likelier."""
    return USUAL_NAMES.index(name) if name in USUAL_NAMES else 2 if _HANDLER.fullmatch(name) else 3


def handlers_in(source: bytes) -> list[str]:
    """The names in a module that look like handlers, whatever it imports; none if it has an error."""
    if not may_have_handlers(source):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what the module's author should be warned of
            return ModuleNames(ast.parse(without_lazy(source)), "").likely_handlers
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


class ModuleNames(ast.NodeVisitor):
    """The top-level names of a module. `python`: the runtime's version, if it is known."""

    def __init__(
        self, tree: ast.Module, path: str, module: str = "", *, is_package: bool = False, python: tuple[int, ...] = ()
    ) -> None:
        self._path, self._module, self._is_package, self._python = path, module, is_package, python
        self._names: dict[str, Values] = {}
        self._deleted: set[str] = set()
        self._nested = self._guarded = self._skipping = 0
        self.ever: dict[str, Values] = {}
        """All values that a name ever has: modules imported in the middle of this one may see any of them."""
        self.submodules: set[str] = set()
        """Those that this package imports itself, which binds their names in it."""
        self.skipped: dict[str, int] = {}
        """Names that are bound under a condition that is false on Lambda, with its line."""
        self.attributes_written: set[str] = set()
        self.dynamic: list[str] = []
        """What may bind names that are not written out, or bind other things to those that are."""
        self.changes_path = False
        """Its submodules may lie elsewhere, or come from nowhere."""
        self._bound_anytime: set[str] = set()
        for node in ast.walk(tree):
            self._note_traits(node)
        self.ends = self._run(tree.body) is not None
        """Whether the module's execution gets to its end."""

    def get(self, name: str) -> Values:
        """What the name may be, at the end or at the statement that is being read."""
        values = self._names.get(name, NOTHING)
        return values | SOMETHING if name in self._bound_anytime else values

    @property
    def likely_handlers(self) -> list[str]:
        looks = {name: {value.looks for value in values} for name, values in self._names.items()}
        return [name for name in looks if "handler" in looks[name] or ("made" in looks[name] and name in USUAL_NAMES)]

    def _note_traits(self, node: ast.AST) -> None:
        """What the text says about names beyond what the statements at the top level bind."""
        match node:
            case ast.Global(names=names):
                self._bound_anytime.update(names)
            case ast.NamedExpr(target=ast.Name(id=name)):
                self._bound_anytime.add(name)
            case ast.Call(func=ast.Name(id="setattr" | "delattr" as name), args=[of, what, *_]) if not _is_self(of):
                if isinstance(what, ast.Constant):
                    self.attributes_written.add(str(what.value))
                else:
                    self.dynamic.append(f"`{name}()`")
            case ast.Attribute(value=of, attr=name) if not _is_self(of):
                self.changes_path |= name in _OF_PATHS
                if name in _NAMESPACES:
                    self.dynamic.append(f"`{ast.unparse(node)}`")
                elif not isinstance(node.ctx, ast.Load):
                    self.attributes_written.add(name)
            case ast.Name(id=name) | ast.alias(name=name):
                self.changes_path |= name in _OF_PATHS
                if name in _NAMESPACES:
                    self.dynamic.append(f"`{name}`")

    # --- Statements: each method returns the names that are bound for sure, none if nothing after it runs ---

    def _run(self, body: Sequence[ast.AST]) -> set[str] | None:
        sure: set[str] = set()
        for statement in body:
            ends = isinstance(statement, (ast.Raise, ast.Break, ast.Continue))
            bound = None if ends else self.visit(statement)
            if bound is None:
                return None
            sure |= bound
        return sure

    def generic_visit(self, node: ast.AST) -> set[str]:
        del node
        return set()

    def _bind(self, name: str, values: Values) -> set[str]:
        if self._skipping:
            self.skipped[name] = self._skipping
            return set()
        self.ever[name] = self.ever.get(name, frozenset()) | values
        self._names[name] = self._names.get(name, NOTHING) | values if self._nested else values
        if values == NOTHING:
            self._deleted.add(name)
        return {name}

    def _line(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._path}, line {node.lineno}"

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
        positional = [*node.args.posonlyargs, *node.args.args]
        takes, is_async = _takes(node.args, _PASSED), isinstance(node, ast.AsyncFunctionDef)
        named = len(positional) >= _PASSED and (_HANDLER.fullmatch(node.name) or _CONTEXT.fullmatch(positional[1].arg))
        value = Value("callable", looks="handler" if takes and named and not is_async else "")
        said = f"`{'async ' * is_async}def {node.name}({ast.unparse(node.args)})` ({self._line(node)})"
        # Whatever decorators make of it. Lambda's runtime serializes what the handler returns as JSON.
        if not takes and not node.decorator_list:
            value = Value("wrong", f"{said} {_CANNOT_BE_CALLED}")
        elif is_async and not node.decorator_list:
            await_it = "and Lambda does not await it; call it by `asyncio.run` in a plain function"
            value = Value("wrong", f"{said} is asynchronous, {await_it}")
        elif not node.decorator_list and any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in _within(node)):
            value = Value("wrong", f"{said} is a generator, and Lambda does not iterate over what it returns")
        return self._bind(node.name, frozenset({value}))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> set[str]:
        """A class may do anything when it is called, unless it is of the plainest kind."""
        functions = {part.name: part for part in node.body if isinstance(part, _FUNCTIONS)}
        plain = all(isinstance(part, (*_FUNCTIONS, ast.Expr, ast.Pass)) for part in node.body)
        plain = plain and not (node.bases or node.keywords or node.decorator_list or "__new__" in functions)
        init = functions.get("__init__")
        said = f"the class `{node.name}` ({self._line(node)})"
        refuses = plain and not (init and (init.decorator_list or _takes(init.args, _PASSED + 1)))
        value = Value("wrong", f"{said} cannot be called with an event and a context") if refuses else CALLABLE
        return self._bind(node.name, frozenset({value}))

    def visit_TypeAlias(self, node: Any) -> set[str]:  # of Python 3.12
        return self._bind(node.name.id, frozenset({Value("wrong", f"it is a type alias ({self._line(node)})")}))

    def visit_Import(self, node: ast.Import) -> set[str]:
        bound: set[str] = set()
        for alias in node.names:
            bound |= self._note_submodule(alias.name)
            parent, dot, last = alias.name.rpartition(".")
            if alias.asname and dot:  # takes what the package has under that name, as `from` does
                bound |= self._bind(alias.asname, self._imported(parent, last, node))
            else:
                top = alias.name.partition(".")[0]
                bound |= self._bind(alias.asname or top, frozenset({Value("module", module=top)}))
        return bound

    def visit_ImportFrom(self, node: ast.ImportFrom) -> set[str]:
        package = self._module.split(".")[: None if self._is_package else -1]
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join(filter(None, (*above, node.module)))
        bound = self._note_submodule(module)
        for alias in node.names:
            if alias.name == "*":
                self.dynamic.append(f"`from {'.' * node.level}{node.module or ''} import *`")
            else:
                bound |= self._bind(alias.asname or alias.name, self._imported(module, alias.name, node))
        return bound

    def _imported(self, module: str, name: str, node: ast.stmt | ast.expr) -> Values:
        if module == self._module:
            self.submodules.add(name)
            if UNBOUND not in self.get(name):
                return self.get(name)
        return frozenset({Value("import", "", module, name, self._line(node), self._guarded > 0)})

    def _note_submodule(self, module: str) -> set[str]:
        """Importing a submodule for the first time binds it in its package."""
        below = module.removeprefix(f"{self._module}.").partition(".")[0]
        is_below = self._is_package and module.startswith(f"{self._module}.")
        if self._skipping or not is_below or below in self.submodules:
            return set()
        self.submodules.add(below)
        return self._bind(below, frozenset({Value("module", module=f"{self._module}.{below}")}))

    def visit_Assign(self, node: ast.Assign) -> set[str]:
        values = self._values(node.value)
        return set().union(*(self._assign(target, values) for target in node.targets))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> set[str]:
        return self._assign(node.target, self._values(node.value)) if node.value else set()

    def visit_AugAssign(self, node: ast.AugAssign) -> set[str]:
        return self._assign(node.target, SOMETHING)

    def visit_Delete(self, node: ast.Delete) -> set[str]:
        for target in node.targets:
            self._assign(target, NOTHING)
        return set()

    def _assign(self, target: ast.AST, values: Values = SOMETHING) -> set[str]:
        """Bind what stands in a target, be it an assignment's, a loop's or a pattern."""
        if isinstance(target, ast.Name):
            return self._bind(target.id, values)
        bound: set[str] = set()
        for part in ast.walk(target):
            match part:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.MatchMapping(rest=str(name)):
                    bound |= self._bind(name, values if values == NOTHING else SOMETHING)
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    bound |= self._bind(name, SOMETHING)
        return bound

    def visit_If(self, node: ast.If) -> set[str] | None:
        truth = self._truth(node.test)
        if truth is None:
            return self._ways(node.body, node.orelse)
        before, self._skipping = self._skipping, self._skipping or node.lineno
        self._run(node.orelse if truth else node.body)
        self._skipping = before
        return self._run(node.body if truth else node.orelse)

    def visit_For(self, node: ast.For) -> set[str] | None:
        return self._ways([*node.body, *node.orelse], [], targets=[node.target])

    def visit_While(self, node: ast.While) -> set[str] | None:
        return self._ways([*node.body, *node.orelse], [])

    def visit_Match(self, node: ast.Match) -> set[str] | None:
        last = node.cases[-1]
        is_whole = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        bodies = [case.body for case in node.cases]
        return self._ways(*bodies, *([] if is_whole else [[]]), targets=[case.pattern for case in node.cases])

    def visit_With(self, node: ast.With) -> set[str] | None:
        managers = (item.context_expr for item in node.items)
        called = (manager.func if isinstance(manager, ast.Call) else manager for manager in managers)
        if any(ast.unparse(manager).rpartition(".")[2] == "suppress" for manager in called):
            self._guarded += 1
            sure = self._ways(node.body, [], targets=node.items)
            self._guarded -= 1
            return sure
        bound = set().union(*(self._assign(item) for item in node.items))
        within = self._run(node.body)
        return bound | within if within is not None else set()  # the manager may swallow what was raised

    def visit_Try(self, node: ast.Try) -> set[str] | None:
        self._nested += 1
        self._guarded += bool(node.handlers)
        whole = self._run(node.body)
        self._guarded -= bool(node.handlers)
        rest = self._run(node.orelse) if whole is not None else None
        ways = [None if whole is None or rest is None else whole | rest]
        for handler in node.handlers:
            ways.append(self._run(handler.body))
            if handler.name:
                self._bind(handler.name, NOTHING)
        self._nested -= 1
        sure, final = self._meet(ways), self._run(node.finalbody)
        return None if sure is None or final is None else sure | final

    visit_TryStar = visit_Try  # noqa: N815 - `except*` of Python 3.11, with the same fields

    def _ways(self, *bodies: Sequence[ast.stmt], targets: Sequence[ast.AST] = ()) -> set[str] | None:
        """Read bodies of which one runs, whichever it is."""
        self._nested += 1
        for target in targets:
            self._assign(target)
        ways = [self._run(body) for body in bodies]
        self._nested -= 1
        return self._meet(ways)

    def _meet(self, ways: Sequence[set[str] | None]) -> set[str] | None:
        open_ways = [way for way in ways if way is not None]
        if not open_ways:
            return None
        sure = set.intersection(*open_ways) - self._deleted
        if not self._nested:
            self._names.update({name: self._names[name] - NOTHING for name in sure})
        return sure

    # --- Expressions ---

    def _values(self, node: ast.expr) -> Values:  # noqa: PLR0911 - one for each kind of expression
        what = _DISPLAYS.get(type(node), "")
        match node:
            case ast.Name(id=name) if not self._nested:
                values = self.get(name)  # not bound, it is the interpreter's own or an error
                is_builtin = UNBOUND in values and (values == NOTHING or hasattr(builtins, name))
                return values - NOTHING | (SOMETHING if is_builtin else frozenset())
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                of = [*self.get(name)]
                if len(of) == 1 and of[0].kind == "module":
                    return self._imported(of[0].module, attribute, node)
            case ast.IfExp(body=one, orelse=other):
                return self._values(one) | self._values(other)
            case ast.BoolOp(values=parts):
                return frozenset().union(*map(self._values, parts))
            case ast.Call(func=called, args=passed):
                wraps = any(value.looks for part in passed if isinstance(part, ast.Name) for value in self.get(part.id))
                # Not `handler = logging.StreamHandler()`.
                looks = "handler" if wraps else "" if ast.unparse(called).endswith("Handler") else "made"
                return frozenset({Value("callable", looks=looks)})
            case ast.Lambda(args=args) if not _takes(args, _PASSED):
                said = f"`lambda {ast.unparse(args)}: …` ({self._line(node)})"
                return frozenset({Value("wrong", f"{said} {_CANNOT_BE_CALLED}")})
            case ast.Constant(value=value):
                what = "`None`" if value is None else f"a constant of type `{type(value).__name__}`"
        if not what:
            return SOMETHING
        return frozenset({Value("wrong", f"it is {what} ({self._line(node)}), which cannot be called")})

    def _truth(self, node: ast.expr) -> bool | None:  # noqa: PLR0911 - one for each kind of condition
        """The outcome of a condition on Lambda, if it is known."""
        match node:
            case ast.Constant(value=value):
                return bool(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth = self._truth(operand)
                return None if truth is None else not truth
            case ast.Attribute(value=ast.Name(id=name), attr="TYPE_CHECKING"):
                return False
            case ast.Name(id=name):
                is_typing = {value.name for value in self.get(name) if "typing" in value.module} == {"TYPE_CHECKING"}
                return False if is_typing and len(self.get(name)) == 1 else None
            case ast.Compare(left=ast.Name(id="__name__"), ops=[by], comparators=[ast.Constant(value="__main__")]):
                return {ast.Eq: False, ast.NotEq: True}.get(type(by))
            case ast.Compare(left=left, ops=[by], comparators=[ast.Tuple(elts=parts)]):
                version = tuple(part.value for part in parts if isinstance(part, ast.Constant))
                known = self._python and len(version) == len(parts) <= len(self._python) and type(by) in _COMPARISONS
                if known and ast.unparse(left) == "sys.version_info":
                    return bool(_COMPARISONS[type(by)]((*self._python, 0), version))
        return None


_PASSED = 2  # the event and the context
_CANNOT_BE_CALLED = "cannot be called with the two arguments that Lambda passes, the event and the context"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NAMESPACES = {"exec", "eval", "globals", "locals", "vars", "__dict__", "f_globals", "f_locals", "modules"}
_OF_PATHS = {"modules", "__path__"}
_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_DISPLAYS: dict[type[ast.expr], str] = {
    **dict.fromkeys((ast.List, ast.ListComp), "a list"),
    **dict.fromkeys((ast.Set, ast.SetComp), "a set"),
    **dict.fromkeys((ast.Dict, ast.DictComp), "a dict"),
    ast.Tuple: "a tuple",
    ast.JoinedStr: "a string",
    ast.GeneratorExp: "a generator",
}


def _takes(args: ast.arguments, count: int) -> bool:
    """Whether a call with so many positional arguments goes through."""
    positional = len(args.posonlyargs) + len(args.args)
    enough = positional >= count or args.vararg is not None
    return enough and positional - len(args.defaults) <= count and None not in args.kw_defaults


def _within(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's body that are not in another function or class."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}
