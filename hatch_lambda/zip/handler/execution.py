"""A module's execution: what its statements bind, followed without running them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from hatch_lambda.zip.handler.bindings import Attempt, Bindings, Loop, joined
from hatch_lambda.zip.handler.syntax import always_matches, captures, evaluated_parts, may_suppress, names_bound, spread
from hatch_lambda.zip.handler.traits import Traits
from hatch_lambda.zip.handler.values import (
    NOTHING,
    PASSED,
    SOMETHING,
    Attribute,
    From,
    Loaded,
    Module,
    Star,
    Wrong,
    class_value,
    function_value,
    literal_value,
    or_builtin,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.zip.handler.modules import Place
    from hatch_lambda.zip.handler.syntax import Function
    from hatch_lambda.zip.handler.values import Values


class Execution(ast.NodeVisitor):
    """Runs a module's statements on the names only: each has all the values that it may have at that point."""

    def __init__(self, module: str, place: Place, tree: ast.Module, target: Target) -> None:
        self._module, self._place, self._target = module, place, target
        self._path = place.file.path if place.file else module
        self._package = module if place.is_package else module.rpartition(".")[0]
        self._loops: list[Loop] = []
        self._attempts: list[Attempt] = []
        self._guards = 0
        self.traits = Traits(tree)
        self.submodules: set[str] = set()
        """Those that this package imports itself, which binds their names in it."""
        self.skipped: dict[str, int] = {}
        """Names that are bound in a branch that Lambda does not run, with the line of its condition."""
        self.takes_event: set[str] = set()
        """Functions that have a parameter for an event."""
        self.names: Bindings | None = Bindings()
        for name in self.traits.rebound_in_functions:
            self.names.bound[name] = self._shared(name, NOTHING)
        self._run(tree.body)

    def _where(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._path}, line {node.lineno}"

    def _run(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            if self.names is None:
                return
            self.visit(statement)

    def _shared(self, name: str, values: Values) -> Values:
        """A function that says `global name` may have changed it at any time."""
        if name in self.traits.rebound_in_functions:
            values |= SOMETHING
        return values | NOTHING if name in self.traits.deleted_in_functions else values

    def _bind(self, name: str, values: Values) -> None:
        if self.names is not None:
            values = self._shared(name, values)
            self.names.bound[name] = values
            for attempt in self._attempts:
                attempt.see(name, values)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._define(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._define(node)

    def _define(self, node: Function) -> None:
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self._evaluate(part)
        if any("event" in parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)[:1]):
            self.takes_event.add(node.name)
        self._bind(node.name, frozenset({function_value(node, self._where(node))}))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self._evaluate(part)
        self._bind(node.name, frozenset({class_value(node, self._where(node))}))

    def visit_TypeAlias(self, node: ast.stmt) -> None:  # of Python 3.12
        self._bind(node.name.id, frozenset({Wrong(f"it is a type alias ({self._where(node)})")}))  # type: ignore[attr-defined]

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note_submodule(alias.name)
            parent, dot, last = alias.name.rpartition(".")
            if alias.asname and dot:  # which takes what the package has under that name, as `from` does
                self._bind(alias.asname, self._imported(parent, last, node))
            else:
                bound = alias.name.partition(".")[0]
                self._bind(alias.asname or bound, frozenset({Module(bound)}))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node)
        self._note_submodule(module)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(module)
                continue
            self._bind(alias.asname or alias.name, self._imported(module, alias.name, node))

    def _imported(self, module: str, name: str, node: ast.stmt) -> Values:
        bound = None
        if self.names is not None and module == self._module:
            bound = self.names.get(name)
            self.submodules.add(name)
        return frozenset({From(module, name, self._where(node), guarded=self._guards > 0, bound=bound)})

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
            self._bind(name, frozenset({Module(f"{self._module}.{name}")}))

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

    def _pairs(self, target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, Values]]:
        """What a target's names get. `value` is none where it is nothing that one could look at."""
        if isinstance(target, ast.Name):
            yield target.id, self._value(value) if value else SOMETHING
        elif isinstance(target, ast.Starred):
            yield from self._pairs(target.value, None)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, its_value in zip(target.elts, spread(value, target), strict=True):
                yield from self._pairs(part, its_value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del):
                    self._bind(part.id, NOTHING)

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
                self.skipped.update((name, node.lineno) for name in names_bound(statements))
        self.names = joined(ends)

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
        loop = Loop()
        self._loops.append(loop)
        ends: list[Bindings | None] = [self.names.copy()] if self.names and not at_least_once else []
        for _ in range(2):  # the second time with what the first has bound
            each_time()
            self._run(node.body)
            self.names = joined([self.names, *loop.continues])
            ends.append(self.names.copy() if self.names else None)
        self._loops.pop()
        self.names = None if endless else joined(ends)
        self._run(node.orelse)
        self.names = joined([self.names, *loop.breaks])

    def visit_Try(self, node: ast.Try) -> None:
        failed = self._attempt(node.body, guarded=bool(node.handlers))
        self._run(node.orelse)
        ends = [self.names]
        for handler in node.handlers:
            self.names = failed.copy() if failed else None
            if handler.name:
                self._bind(handler.name, SOMETHING)
            self._run(handler.body)
            if handler.name:
                self._bind(handler.name, NOTHING)
            ends.append(self.names)
        self.names = joined(ends)
        self._run(node.finalbody)

    def visit_TryStar(self, node: ast.Try) -> None:  # of Python 3.11, with the fields of its sister
        self.visit_Try(node)

    def _attempt(self, statements: Sequence[ast.stmt], *, guarded: bool) -> Bindings | None:
        """Run statements, and tell what holds if one of them has failed."""
        attempt = Attempt(self.names or Bindings())
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
        suppresses = any(may_suppress(item.context_expr) for item in node.items)
        failed = self._attempt(node.body, guarded=suppresses)
        if suppresses or self.names is None:  # whatever has raised, the manager may have swallowed it
            self.names = joined([self.names, failed])

    def visit_Match(self, node: ast.Match) -> None:
        self._evaluate(node.subject)
        ends = []
        otherwise = self.names.copy() if self.names else None
        for case in node.cases:
            self.names = otherwise.copy() if otherwise else None
            for name in captures(case.pattern):
                self._bind(name, SOMETHING)
            if case.guard is not None:
                self._evaluate(case.guard)
            # A pattern that fails half-way, or its guard, leaves what it has bound until then.
            otherwise = None if always_matches(case) else joined([otherwise, self.names])
            self.names = self.names.copy() if self.names else None
            self._run(case.body)
            ends.append(self.names)
        self.names = joined([*ends, otherwise])

    def _evaluate(self, node: ast.expr) -> None:
        """Bind what an expression binds on the way: `:=` is the only one that does."""
        if self.traits.has_walrus:
            self._walrus(node, certain=True)

    def _walrus(self, node: ast.AST, *, certain: bool) -> None:
        if isinstance(node, ast.Lambda):
            return
        for child, always in evaluated_parts(node):
            self._walrus(child, certain=certain and always)
        if isinstance(node, ast.NamedExpr) and self.names is not None:
            name = node.target.id
            before = frozenset() if certain else self.names.get(name)
            self._bind(name, self._value(node.value) | before)

    def _value(self, node: ast.expr) -> Values:
        """What an expression may be, without what happens on the way."""
        if isinstance(node, ast.Name):
            values = self.names.get(node.id) if self.names else NOTHING
            has_star = any(isinstance(value, Star) for value in values)
            return frozenset({Loaded(node.id, values)}) if has_star else or_builtin(node.id, values)
        if isinstance(node, ast.NamedExpr):
            return self._value(node.value)
        if isinstance(node, ast.IfExp):
            truth = self._truth(node.test)
            ways = [node.body] * (truth is not False) + [node.orelse] * (truth is not True)
            return union(map(self._value, ways))
        if isinstance(node, ast.BoolOp):
            return union(map(self._value, node.values))
        if isinstance(node, ast.Attribute):
            of = self._value(node.value) if isinstance(node.value, (ast.Name, ast.Attribute)) else SOMETHING
            return frozenset(Attribute(value, node.attr, self._where(node)) for value in of)
        return frozenset({literal_value(node, self._where(node))})

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
        bound = self.names.get(node.id) if self.names else NOTHING
        sources = {(value.module, value.name) for value in bound if isinstance(value, From)}
        return len(sources) == len(bound) and sources <= _TYPE_CHECKING

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool | None:
        if isinstance(left, ast.Constant):
            left, right = right, left
        if isinstance(left, ast.Name) and left.id == "__name__" and isinstance(right, ast.Constant):
            equal = {ast.Eq: True, ast.NotEq: False}.get(type(operator))
            return None if equal is None or right.value != "__main__" else not equal
        if ast.unparse(left) == "sys.version_info" and isinstance(right, ast.Tuple) and len(right.elts) <= PASSED:
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
