"""Questions about single nodes of a syntax tree, whatever the names in them are bound to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def takes(args: ast.arguments, count: int) -> bool:
    """Whether a call with so many positional arguments goes through."""
    positional = len(args.posonlyargs) + len(args.args)
    enough = positional >= count or args.vararg is not None
    return enough and positional - len(args.defaults) <= count and None not in args.kw_defaults


def within(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes that run as part of a body, not those of functions and classes in it."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def names_bound(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for node in within(statements):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def evaluated_parts(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
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


def spread(value: ast.expr | None, target: ast.Tuple | ast.List) -> list[ast.expr | None]:
    """The values of a target's parts, where they stand there one by one."""
    parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
    starred = any(isinstance(part, ast.Starred) for part in (*parts, *target.elts))
    return [*parts] if len(parts) == len(target.elts) and not starred else [None] * len(target.elts)


def may_suppress(manager: ast.expr) -> bool:
    called = manager.func if isinstance(manager, ast.Call) else manager
    return ast.unparse(called).rpartition(".")[2] == "suppress"


def captures(pattern: ast.pattern) -> Iterator[str]:
    for part in ast.walk(pattern):
        name = part.rest if isinstance(part, ast.MatchMapping) else getattr(part, "name", None)
        if name is not None:
            yield name


def always_matches(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
