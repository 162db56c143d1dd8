"""What names may be bound to, and which functions and classes Lambda can call."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_lambda.zip.handler.syntax import FUNCTIONS, Function, takes, within

if TYPE_CHECKING:
    from collections.abc import Iterable


class Value:
    """One of the things that a name may be bound to."""


@dataclass(frozen=True)
class _Unbound(Value):
    """Nothing: the name is not there."""


@dataclass(frozen=True)
class _Anything(Value):
    """Something that can be called, as far as one can tell."""


@dataclass(frozen=True)
class _Done(Value):
    """Of a module: it can be imported."""


@dataclass(frozen=True)
class Wrong(Value):
    """Something that Lambda cannot call, or not with success."""

    reason: str


@dataclass(frozen=True)
class Module(Value):
    name: str


@dataclass(frozen=True)
class From(Value):
    """`from module import name`. `guarded`: by a `try` around it that may expect it to fail.

    `bound`: in a package that imports from itself, what the name is at that point.
    """

    module: str
    name: str
    line: str
    guarded: bool
    bound: frozenset[Value] | None = None


@dataclass(frozen=True)
class Loaded(Value):
    """What a name stands for where it is used, of which star imports decide."""

    name: str
    values: frozenset[Value]


@dataclass(frozen=True)
class Attribute(Value):
    of: Value
    name: str
    line: str


@dataclass(frozen=True)
class Star(Value):
    """What `from module import *` leaves of a name that was bound to `under` before."""

    module: str
    name: str
    under: frozenset[Value]
    guarded: bool


@dataclass(frozen=True)
class Unknown(Value):
    """It may be there or not. `reason`: a clause."""

    reason: str


@dataclass(frozen=True)
class Fails(Value):
    """The import of the handler's module ends with an error here."""

    reason: str


UNBOUND, ANYTHING, DONE = _Unbound(), _Anything(), _Done()
Values = frozenset[Value]
NOTHING: Values = frozenset({UNBOUND})
SOMETHING: Values = frozenset({ANYTHING})


def in_words(value: Wrong | Fails | Module) -> str:
    return f"it is the module `{value.name}`, which cannot be called" if isinstance(value, Module) else value.reason


def union(parts: Iterable[Values]) -> Values:
    return frozenset().union(*parts)


def or_builtin(name: str, values: Values) -> Values:
    """What a name stands for that may be unbound: then it is the interpreter's own, or an error."""
    if UNBOUND in values and (values == NOTHING or hasattr(builtins, name)):
        return values - NOTHING | SOMETHING
    return values - NOTHING


PASSED = 2  # the event and the context


def function_value(node: Function, where: str) -> Value:
    if node.decorator_list:
        return ANYTHING  # whatever the decorator makes of it
    is_async = isinstance(node, ast.AsyncFunctionDef)
    said = f"`{'async ' * is_async}def {node.name}({ast.unparse(node.args)})` ({where})"
    if not takes(node.args, PASSED):
        return Wrong(f"{said} cannot be called with the two arguments that Lambda passes, the event and the context")
    # The client hands what the function returns to a JSON encoder, which knows neither coroutines nor generators.
    if is_async:
        return Wrong(
            f"{said} is asynchronous, and Lambda does not await it; call it by `asyncio.run` in a plain function"
        )
    if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in within(node.body)):
        return Wrong(f"{said} is a generator, and Lambda does not iterate over what it returns")
    return ANYTHING


def class_value(node: ast.ClassDef, where: str) -> Value:
    """Classes may do anything when they are called, but for the plainest."""
    names = {part.name for part in node.body if isinstance(part, Function)}
    initialisers = [part for part in node.body if isinstance(part, Function) and part.name == "__init__"]
    plain = all(isinstance(part, (*FUNCTIONS, ast.Expr, ast.Pass)) for part in node.body) and "__new__" not in names
    if node.bases or node.keywords or node.decorator_list or not plain:
        return ANYTHING
    if not initialisers or (not initialisers[-1].decorator_list and not takes(initialisers[-1].args, PASSED + 1)):
        return Wrong(f"the class `{node.name}` ({where}) cannot be called with an event and a context")
    return ANYTHING


def literal_value(node: ast.expr, where: str) -> Value:
    if isinstance(node, ast.Lambda):
        if takes(node.args, PASSED):
            return ANYTHING
        return Wrong(
            f"`lambda {ast.unparse(node.args)}: …` ({where}) cannot be called with the two arguments "
            "that Lambda passes, the event and the context"
        )
    if isinstance(node, ast.Constant):
        what = "`None`" if node.value is None else f"a constant of type `{type(node.value).__name__}`"
    elif type(node) in _DISPLAYS:
        what = _DISPLAYS[type(node)]
    else:
        return ANYTHING
    return Wrong(f"it is {what} ({where}), which cannot be called")


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
