"""Check that the bundle has the function that Lambda is to call, without importing anything.

Lambda splits `module.name` at the last dot, imports the module and gets the name from it
(`_get_handler` in https://github.com/aws/aws-lambda-python-runtime-interface-client). Here the same is done on source.
An error is certain; whatever only running the code could decide is a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import BUILT_IN_MODULES, LOADED_MODULES
from hatch_lambda.zip.handler.lookup import Lookup, suggested
from hatch_lambda.zip.handler.modules import Modules
from hatch_lambda.zip.handler.names import NOTHING, ModuleNames, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.handler.names import Values

SETTING = "tool.hatch.build.targets.lambda.handler"

# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html (`Handler`)
_LONGEST = 128


class HandlerError(LambdaBuildError):
    """Lambda could not call the handler.

    `handler`: as the user wrote it. `suggestions`: similar handlers in the bundle, the likeliest first.
    """

    def __init__(self, message: str, *, handler: str, suggestions: Sequence[str] = ()) -> None:
        self.handler = handler
        self.suggestions = tuple(suggestions)
        super().__init__(message)


class _FaultError(Exception):
    """Why the handler would not work, without a full stop. `misnamed`: the setting is at fault rather than the code."""

    def __init__(self, reason: str, *, misnamed: bool = True) -> None:
        self.misnamed = misnamed
        super().__init__(reason)


def check_handler(
    handler: str, files: Sequence[BundleFile], target: Target, *, own: str, setting: str = SETTING
) -> str | None:
    """Check that Lambda finds the handler, and that it can be called with an event and a context.

    `files`: everything on `sys.path`, with paths relative to its folder there (a layer's without `python/`).
    `own`: the owner of the project's own files, which suggestions are taken from. `setting`: where the user wrote it.
    Returns a note if only running the code could verify it, else none. Raises `HandlerError`.
    """
    lookup = Lookup(Modules(files, target), target)
    try:
        module, name = _split(handler)
        values = _looked_up(module, name, lookup)
    except _FaultError as fault:
        suggestions = tuple(suggested(handler, own, lookup)) if fault.misnamed else ()
        message = [f"The handler `{handler}` would not work on Lambda: {fault}."]
        if suggestions:
            *others, last = [f"`{suggestion}`" for suggestion in suggestions]
            either = f"{', '.join(others)} or {last}" if others else last
            message.append(f"Did you mean {either}? It is set in `{setting}`.")
        elif fault.misnamed:
            message.append(
                "The project's files in the bundle define no function that looks like a handler, with parameters for "
                f"the event and the context. If the file selection excludes it, include it; else correct `{setting}`."
            )
        else:
            message.append(f"Correct it there, or name another function in `{setting}`.")
        raise HandlerError("\n".join(message), handler=handler, suggestions=suggestions) from None
    if all(value.kind == "callable" for value in values):
        return None
    reasons = sorted(value.reason for value in values if value.kind == "unknown")
    reason = reasons[0] if reasons else f"`{module}` defines it as a function only in some cases"
    return f"The handler `{handler}` cannot be verified without running the code: {reason}."


def _split(handler: str) -> tuple[str, str]:
    """The dotted module and the name, as the runtime's client understands them."""
    module, dot, name = handler.rpartition(".")
    if not handler or handler.split() != [handler]:
        raise _FaultError("Lambda accepts no empty handler, and none with white space in it")
    if len(handler) > _LONGEST:
        raise _FaultError(f"it has {len(handler)} characters, and Lambda accepts at most {_LONGEST}")
    if ":" in handler or "\\" in handler:
        raise _FaultError("Lambda requires a dot between module and name, and dots or slashes between packages")
    if not dot:
        raise _FaultError("it has no dot, and Lambda splits it at the last one, into module and name")
    module = module.replace("/", ".")
    if "" in {name, *module.split(".")}:
        raise _FaultError("the module must be a path from the root of the bundle, without `./`, `..` or `//`")
    return module, name


def _looked_up(module: str, name: str, lookup: Lookup) -> Values:
    """What the name may be once Lambda has imported the module; raises `_FaultError`."""
    modules, top = lookup.modules, module.partition(".")[0]
    if top in BUILT_IN_MODULES:
        raise _FaultError(
            f"Python has a built-in module `{top}`, and Lambda refuses a handler in a module of that name"
        )
    if top in LOADED_MODULES:
        raise _FaultError(f"Lambda's runtime has already loaded its own `{top}`, and never looks for the bundle's")
    place = modules.find(top)
    # A folder without `__init__.py` loses against a module anywhere on `sys.path` (PEP 420).
    if place and place.kind == "namespace" and top in lookup.standard_library:
        raise _FaultError(
            f"Python imports the standard library's module `{top}` rather than the folder `{top}`, which has no "
            "`__init__.py`"
        )
    reached = lookup.import_(module)
    if reached and reached.kind == "fails":
        reason = reached.reason
        above = module.rpartition(".")[0]
        parent = modules.find(above) if above else None
        if parent and parent.kind == "source" and not parent.is_package:
            reason += f"; `{above}` is a module, and a handler is a name in a module, not an attribute of a class in it"
        raise _FaultError(reason, misnamed=modules.find(module) is None)
    if reached:
        return frozenset({reached})
    values = lookup.of(module, name)
    if values == NOTHING:
        raise _FaultError(_about_undefined(module, name, lookup))
    faults = [value for value in values if value.kind in {"wrong", "fails", "module"}]
    if len(faults) == len(values - NOTHING):
        reasons = sorted(
            fault.reason or f"it is the module `{fault.module}`, which cannot be called" for fault in faults
        ) or [f"importing `{module}` always fails"]
        raise _FaultError(reasons[0], misnamed=any(fault.kind == "module" for fault in faults))
    if module == top and top in lookup.standard_library and all(value.kind == "callable" for value in values):
        hides = f"`{top}` hides the standard library's module of that name from all other code"
        return frozenset({Value("unknown", hides)})
    return values


def _about_undefined(module: str, name: str, lookup: Lookup) -> str:
    if name.startswith("__") and name.endswith("__"):
        return f"`{name}` is one of Python's own names"
    if lookup.modules.find(f"{module}.{name}"):
        return f"{lookup.modules.described(f'{module}.{name}')} is a module, which cannot be called"
    names = lookup.names_of(module)
    hint = ""
    if isinstance(names, ModuleNames) and name in names.skipped:
        hint = f"; it is defined only under the condition in line {names.skipped[name]}, which is false on Lambda"
    return f"{lookup.modules.described(module)} does not define `{name}`{hint}"
