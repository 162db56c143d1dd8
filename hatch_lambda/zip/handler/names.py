"""From module to module: what a name may be, once imports are followed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_lambda.zip.handler.execution import Execution
from hatch_lambda.zip.handler.modules import Unreadable, parsed
from hatch_lambda.zip.handler.values import (
    DONE,
    NOTHING,
    SOMETHING,
    UNBOUND,
    Attribute,
    Fails,
    From,
    Loaded,
    Module,
    Star,
    Unknown,
    Wrong,
    or_builtin,
    union,
)

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.handler.modules import Modules, Place
    from hatch_lambda.zip.handler.values import Value, Values


class Names:
    """What a name of a module of the bundle may be, imports followed."""

    def __init__(self, modules: Modules, target: Target) -> None:
        self.modules = modules
        self._target = target
        self._executions: dict[str, Execution | Unreadable] = {}
        self._known: dict[tuple[str, str], Values] = {}
        self._looking: dict[tuple[str, str], None] = {}

    def execution(self, module: str) -> Execution | Unreadable | None:
        """None for what is no source."""
        place = self.modules.find(module)
        if place is None or place.kind != "source" or place.file is None:
            return None
        if module not in self._executions:
            self._executions[module] = self._executed(module, place, place.file)
        return self._executions[module]

    def _executed(self, module: str, place: Place, file: BundleFile) -> Execution | Unreadable:
        tree = parsed(file, self._target)
        if isinstance(tree, Unreadable):
            return tree
        try:
            return Execution(module, place, tree, self._target)
        except RecursionError:
            return Unreadable(f"{file.path} is nested too deeply to be followed", certain=False)

    def import_(self, module: str) -> Values:
        """Whether an import of a module gets there: `DONE`, `Fails` or `Unknown`."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            outcome = self._import_one(".".join(parts[:count]))
            if outcome != DONE:
                return frozenset({outcome})
        return frozenset({DONE})

    def _import_one(self, module: str) -> Value:
        place = self.modules.find(module)
        if place is None:
            return self._missing(module)
        execution = self.execution(module)
        if isinstance(execution, Unreadable):
            return Fails(execution.reason) if execution.certain else Unknown(execution.reason)
        if execution and execution.names is None:
            return Fails(
                f"{self.modules.described(module)} never gets to its end, as it always raises an error or loops"
            )
        return DONE

    def _missing(self, module: str) -> Value:
        parent = module.rpartition(".")[0]
        if not parent and self.modules.has_code_in_path_files:
            return Unknown(f"the bundle has no module `{module}`, but a `.pth` file in it runs code that may bring it")
        place = self.modules.find(parent) if parent else None
        if place and place.kind in {"extension", "bytecode"}:
            return Unknown(f"{self.modules.described(parent)}, of which `{module}` would be a part, is no source")
        execution = self.execution(parent) if place else None
        if isinstance(execution, Execution) and execution.traits.changes_path:
            return Unknown(f"{self.modules.described(parent)} decides itself where its submodules are")
        return Fails(f"the bundle has no module `{module}`")

    def _import_elsewhere(self, module: str) -> Value:
        """The same for what the bundle's modules import, which need not be in the bundle."""
        top = module.partition(".")[0]
        if self.modules.find(top) is None:
            if top in sys.stdlib_module_names:
                return Unknown(f"it comes from the standard library's `{module}`")
            return Unknown(
                f"it comes from `{module}`, which the runtime or a layer has to bring, as the bundle has none"
            )
        (outcome,) = self.import_(module)
        parent = self.modules.find(module.rpartition(".")[0])
        if isinstance(outcome, Fails) and parent and parent.kind == "namespace":
            return Unknown(f"it comes from `{module}`, which the bundle does not have")
        return outcome

    def of(self, module: str, name: str) -> Values:
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
            if half_done and not outcomes <= {UNBOUND, Module(f"{module}.{name}")}:
                outcomes |= {_CIRCLE}
            self._known[key] = outcomes
        return self._known[key]

    def _may_be_half_done(self, module: str) -> bool:
        """Whether those that look into a module are imported while it is, so that they see its names of that moment."""
        for importer, _name in self._looking:
            execution = self.execution(module)
            below = importer.removeprefix(f"{module}.").partition(".")[0]
            imports_it = isinstance(execution, Execution) and below in execution.submodules
            if importer == module or (importer.startswith(f"{module}.") and imports_it):
                return True
        return False

    def _of(self, module: str, name: str) -> Values:
        place = self.modules.find(module)
        if place is None or place.kind == "namespace":
            return NOTHING
        execution = self.execution(module)
        if isinstance(execution, Unreadable):
            return frozenset({Unknown(execution.reason)})
        if execution is None:
            return frozenset({Unknown(f"{self.modules.described(module)} is no source")})
        if execution.names is None:
            return frozenset()
        outcomes = union(map(self._resolved, execution.names.get(name)))
        return self._with_traits(module, name, execution, outcomes)

    def _with_traits(self, module: str, name: str, execution: Execution, outcomes: Values) -> Values:
        traits = execution.traits
        described = self.modules.described(module)
        if writer := self._writer(module, name):
            return outcomes - NOTHING | {Unknown(f"{writer} sets an attribute `{name}` of something")}
        if outcomes != NOTHING and traits.replaces:
            return outcomes | {Unknown(f"{described} may change its names by {traits.replaces[0]}")}
        if UNBOUND in outcomes and execution.names and execution.names.bound.get("__getattr__", NOTHING) != NOTHING:
            return outcomes - NOTHING | {Unknown(f"{described} may get it from its `__getattr__`")}
        if UNBOUND in outcomes and traits.adds:
            return outcomes - NOTHING | {Unknown(f"{described} may get it by {traits.adds[0]}")}
        submodule = f"{module}.{name}"
        if outcomes != NOTHING and name not in execution.submodules and self.modules.find(submodule):
            # Whoever imports the submodule first puts it in the place of what the package has bound.
            return outcomes | {Module(submodule)}
        return outcomes

    def _writer(self, module: str, name: str) -> str:
        """The module, or the package above it, that may bind the name in it as an attribute."""
        parts = module.split(".")
        for count in range(len(parts), 0, -1):
            above = ".".join(parts[:count])
            execution = self.execution(above)
            if isinstance(execution, Execution) and name in execution.traits.attributes_written:
                return self.modules.described(above)
        return ""

    def _resolved(self, value: Value) -> Values:
        if isinstance(value, From):
            return self._imported(value)
        if isinstance(value, Attribute):
            return union(self._attribute(value, of) for of in self._resolved(value.of))
        if isinstance(value, Star):
            return self._through_star(value)
        if isinstance(value, Loaded):
            return or_builtin(value.name, union(map(self._resolved, value.values)))
        return frozenset({value})

    def _imported(self, value: From) -> Values:
        reached = self._import_elsewhere(value.module)
        if isinstance(reached, Fails):
            reason = f"`{value.module}` cannot be imported ({value.line}): {reached.reason}"
            return frozenset() if value.guarded else frozenset({Fails(reason)})
        if reached != DONE:
            return frozenset({reached})
        outcomes = self._or_submodule(self._seen_by(value), value.module, value.name)
        if UNBOUND in outcomes:
            described = self.modules.described(value.module)
            fault = Fails(f"`{value.name}` cannot be imported from {described}, which has no such name ({value.line})")
            outcomes = outcomes - NOTHING | {fault}
        return frozenset(outcome for outcome in outcomes if not (value.guarded and isinstance(outcome, Fails)))

    def _seen_by(self, value: From) -> Values:
        """What the name is in the module that it is imported from, which may be the one at work."""
        execution = self.execution(value.module)
        if value.bound is None or not isinstance(execution, Execution):
            return self.of(value.module, value.name)
        return self._with_traits(value.module, value.name, execution, union(map(self._resolved, value.bound)))

    def _or_submodule(self, outcomes: Values, module: str, name: str) -> Values:
        """As `from module import name` has it: what is no name may be a submodule."""
        submodule = f"{module}.{name}"
        place = self.modules.find(module)
        if UNBOUND not in outcomes:
            return outcomes
        if name in _OF_EVERY_MODULE:
            return outcomes - NOTHING | SOMETHING
        if self.modules.find(submodule):
            return outcomes - NOTHING | {Module(submodule)}
        missing = self._missing(submodule)
        if isinstance(missing, Unknown) or (place and place.kind == "namespace"):
            return outcomes - NOTHING | {Unknown(f"the bundle has no module `{submodule}`")}
        return outcomes

    def _attribute(self, value: Attribute, of: Value) -> Values:
        if isinstance(of, Wrong):
            return SOMETHING
        if not isinstance(of, Module):
            return frozenset({of})
        reached = self._import_elsewhere(of.name)
        if reached != DONE:
            return frozenset({reached})
        outcomes = self._or_submodule(self.of(of.name, value.name), of.name, value.name)
        if UNBOUND in outcomes:
            fault = Fails(f"{self.modules.described(of.name)} has no name `{value.name}` ({value.line})")
            outcomes = outcomes - NOTHING | {fault}
        return outcomes

    def _through_star(self, value: Star) -> Values:
        under = union(map(self._resolved, value.under))
        half_done = {_CIRCLE, *under} if self._may_be_half_done(value.module) else frozenset()
        return self._covered(value, under) | half_done

    def _covered(self, value: Star, under: Values) -> Values:
        reached = self._import_elsewhere(value.module)
        if isinstance(reached, Fails):
            return under if value.guarded else frozenset({reached})
        if reached != DONE:
            return under | {Unknown(f"`{value.module}`, from which all names are imported, may have it")}
        exported = self._exports(value.module, value.name)
        if exported is False:
            return under
        outcomes = self.of(value.module, value.name)
        # What `__all__` lists is imported where it is a submodule; without a list, others may have imported it before.
        with_submodule = self._or_submodule(outcomes, value.module, value.name)
        outcomes = with_submodule if self._lists_exports(value.module) else outcomes | (with_submodule - NOTHING)
        if UNBOUND in outcomes:
            return outcomes - NOTHING | under
        return outcomes if exported is not None else outcomes | under

    def _lists_exports(self, module: str) -> bool:
        execution = self.execution(module)
        return isinstance(execution, Execution) and execution.traits.has_exports

    def _exports(self, module: str, name: str) -> bool | None:
        """Whether `from module import *` brings the name if it is there; none where one cannot tell."""
        execution = self.execution(module)
        if not isinstance(execution, Execution):
            return None
        if not self._lists_exports(module):
            return not name.startswith("_")
        exported = execution.traits.exported
        return None if exported is None else name in exported

    def hint(self, module: str, name: str) -> str:
        """Why a name is missing although one sees it in the source."""
        execution = self.execution(module)
        if isinstance(execution, Execution) and name in execution.skipped:
            line = execution.skipped[name]
            return f"; it is bound only under the condition in line {line}, which does not hold on Lambda"
        return ""


_OF_EVERY_MODULE = {"__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"}
_CIRCLE = Unknown("modules import it from each other in a circle")
