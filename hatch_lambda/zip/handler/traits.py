"""What a module may do to its names beyond what its statements bind."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Traits:
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
