"""What a name of a module of the bundle may be once imports are followed, and which handlers may have been meant."""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING

from hatch_lambda.wheels.members import OpenWheels
from hatch_lambda.zip.handler.modules import Unreadable, parsed
from hatch_lambda.zip.handler.names import CALLABLE, NOTHING, UNBOUND, ModuleNames, Value, may_have_handlers

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.handler.modules import Modules
    from hatch_lambda.zip.handler.names import Values

_WORKING = {"callable", "import", "unknown"}
_OF_EVERY_MODULE = {"__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}


class Lookup:
    """The names of the modules of a bundle."""

    def __init__(self, modules: Modules, target: Target) -> None:
        self.modules = modules
        self._target = target
        self.standard_library = target.runtime.standard_library
        self._read: dict[str, ModuleNames | Unreadable] = {}
        self._known: dict[tuple[str, str], Values] = {}

    def names_of(self, module: str) -> ModuleNames | Unreadable | None:
        """None if the module has no source."""
        place = self.modules.find(module)
        if place is None or place.kind != "source" or place.file is None:
            return None
        if module not in self._read:
            tree, path, python = parsed(place.file, self._target), place.file.path, self._target.runtime.python
            try:
                self._read[module] = (
                    ModuleNames(tree, path, module, is_package=place.is_package, python=python)
                    if isinstance(tree, ast.Module)
                    else tree
                )
            except RecursionError:
                self._read[module] = Unreadable(f"{path} is nested too deeply to be followed", certain=False)
        return self._read[module]

    def import_(self, module: str) -> Value | None:
        """Why an import of a module fails, or may fail; else none."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            reached = ".".join(parts[:count])
            if self.modules.find(reached) is None:
                return self._missing(reached)
            names = self.names_of(reached)
            if isinstance(names, Unreadable):
                return Value("fails" if names.certain else "unknown", names.reason)
            if names and not names.ends:
                return Value("fails", f"{self.modules.described(reached)} always raises an error when it is imported")
        return None

    def _missing(self, module: str) -> Value:
        parent = module.rpartition(".")[0]
        place, described = self.modules.find(parent) if parent else None, self.modules.described(parent)
        names = self.names_of(parent) if place else None
        if not parent and self.modules.has_code_in_path_files:
            reason = f"the bundle has no module `{module}`, but a `.pth` file in it runs code that may provide it"
        elif place and place.kind in {"extension", "bytecode"}:
            reason = f"{described}, which would contain `{module}`, has no source"
        elif isinstance(names, ModuleNames) and names.changes_path:
            reason = f"{described} decides itself where its submodules are"
        else:
            return Value("fails", f"the bundle has no module `{module}`")
        return Value("unknown", reason)

    def of(self, module: str, name: str) -> Values:
        """What a name may be in a module that can be imported."""
        key = module, name
        if key not in self._known:
            self._known[key] = frozenset({Value("unknown", "modules import it from each other in a circle")})
            names, place = self.names_of(module), self.modules.find(module)
            if isinstance(names, ModuleNames):
                self._known[key] = self._found(module, name, names, names.get(name))
            elif place is None or place.kind == "namespace":
                self._known[key] = NOTHING
            else:
                reason = names.reason if names else f"{self.modules.described(module)} has no source"
                self._known[key] = frozenset({Value("unknown", reason)})
        return self._known[key]

    def _found(self, module: str, name: str, names: ModuleNames, values: Values) -> Values:
        """What the values may be, imports followed, and what else the module's text says of the name."""
        found = frozenset().union(*(self._followed(value, module) for value in values))
        described, submodule, reason = self.modules.described(module), f"{module}.{name}", ""
        if all(value.kind == "callable" for value in found):
            pass
        elif writer := self._writer(module, name):
            reason = f"{writer} sets an attribute `{name}` of something"
        elif UNBOUND in found and "__getattr__" in names.ever:
            reason = f"{described} may provide it by its `__getattr__`"
        elif names.dynamic:
            reason = f"{described} may define it by {names.dynamic[0]}"
        if reason:
            return found - NOTHING | {Value("unknown", reason)}
        if found != NOTHING and name not in names.submodules and self.modules.find(submodule):
            # Whoever imports the submodule first puts it in the place of what the package has bound.
            return found | {Value("module", module=submodule)}
        return found

    def _writer(self, module: str, name: str) -> str:
        """The module, or the package above it, that may bind the name in it as an attribute."""
        while module:
            names = self.names_of(module)
            if isinstance(names, ModuleNames) and name in names.attributes_written:
                return self.modules.described(module)
            module = module.rpartition(".")[0]
        return ""

    def _followed(self, value: Value, importer: str) -> Values:
        if value.kind != "import":
            return frozenset({value})
        module = value.module
        top, parent = module.partition(".")[0], self.modules.find(module.rpartition(".")[0])
        if self.modules.find(top) is None:
            where = "the standard library" if top in self.standard_library else "a layer or the runtime"
            return frozenset({Value("unknown", f"it comes from `{module}`, which is not in the bundle but in {where}")})
        reached = self.import_(module)
        if reached and reached.kind == "fails" and parent and parent.kind == "namespace":
            return frozenset({Value("unknown", f"it comes from `{module}`, which is not in the bundle")})
        if reached and reached.kind == "fails":
            reached = Value("fails", f"`{module}` cannot be imported ({value.line}): {reached.reason}")
        found = frozenset({reached}) if reached else self._imported(value, importer)
        return frozenset(each for each in found if not (value.guarded and each.kind == "fails"))

    def _imported(self, value: Value, importer: str) -> Values:
        """What an import gets from a module that can be imported."""
        module, name, names = value.module, value.name, self.names_of(value.module)
        if module == importer and isinstance(names, ModuleNames):  # the package itself, which has not bound it yet
            found = self._found(module, name, names, NOTHING)
        else:
            found = self.of(module, name)
        if isinstance(names, ModuleNames):
            earlier = names.ever.get(name, frozenset()) - names.get(name)
            if not any(each.kind in _WORKING for each in found) and any(each.kind in _WORKING for each in earlier):
                found |= {Value("unknown", f"it depends on when `{module}` is imported")}
        if UNBOUND not in found:
            return found
        submodule, place = f"{module}.{name}", self.modules.find(module)
        if name in _OF_EVERY_MODULE:
            instead = CALLABLE
        elif self.modules.find(submodule):
            instead = Value("module", module=submodule)
        elif self._missing(submodule).kind == "unknown" or (place and place.kind == "namespace"):
            instead = Value("unknown", f"the bundle has no module `{submodule}`")
        else:
            source = self.modules.described(module)
            reason = f"`{name}` cannot be imported from {source}, which does not define it ({value.line})"
            instead = Value("fails", reason)
        return found - NOTHING | {instead}


# --- Suggestions ---

_MOST_SUGGESTIONS = 3
_NEAR, _ABOUT_AS_NEAR = 0.75, 0.1


def suggested(handler: str, own: str, lookup: Lookup) -> list[str]:
    """Handlers that Lambda could call: of the project, else of modules with a name near the one that is wanted."""
    wanted = handler.replace("/", ".").replace("\\", ".").replace(":", ".").replace(".py.", ".").strip(". ")
    ours, others = lookup.modules.source_modules(own)
    candidates = _candidates(wanted, ours, lookup)
    if not candidates:
        near = difflib.get_close_matches(wanted.rpartition(".")[0], others, cutoff=_NEAR)
        candidates = _candidates(wanted, {module: others[module] for module in near}, lookup)
    # The wanted one itself is a candidate if its module's name is reserved.
    best = sorted(
        ((_likeness(wanted, candidate), candidate) for candidate in candidates - {handler.replace("/", ".")}),
        reverse=True,
    )
    return [candidate for likeness, candidate in best[:_MOST_SUGGESTIONS] if likeness >= best[0][0] - _ABOUT_AS_NEAR]


def _candidates(wanted: str, modules: dict[str, BundleFile], lookup: Lookup) -> set[str]:
    name = wanted.rpartition(".")[2]
    found: set[str] = set()
    with OpenWheels() as wheels:
        for module, file in modules.items():
            content = wheels.read(file.source)
            if may_have_handlers(content) or name.lower().encode() in content.lower():
                names = lookup.names_of(module)
                if isinstance(names, ModuleNames):
                    near = [each for each in names.ever if _likeness(each, name) >= _NEAR]
                    likely = {*names.likely_handlers, *near}
                    found.update(f"{module}.{each}" for each in likely if _is_callable(lookup.of(module, each)))
    return found


def _is_callable(values: Values) -> bool:
    return all(value.kind == "callable" for value in values)


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()
