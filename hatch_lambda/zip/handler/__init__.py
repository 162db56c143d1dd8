"""Whether the bundle has the function that Lambda is to call, found out without importing anything.

Lambda takes `module.name` apart at the last dot, imports the module and gets the name from it
(`_get_handler` in https://github.com/aws/aws-lambda-python-runtime-interface-client). Here the same is done on source.
What is certain is an error or nothing; the rest is a note.

- `modules` finds files as the import system would, and parses them;
- `values` are what a name may be bound to, `bindings` all names of a module at one point, `syntax` answers
  questions about single nodes;
- `execution` follows what a module's statements bind, `traits` tells what may change that from elsewhere;
- `names` follows imports from module to module;
- `suggestions` looks for what may have been meant.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.zip.handler.modules import Modules
from hatch_lambda.zip.handler.names import Names
from hatch_lambda.zip.handler.suggestions import suggested
from hatch_lambda.zip.handler.values import ANYTHING, DONE, NOTHING, SOMETHING, Fails, Module, Unknown, Wrong, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.handler.values import Value, Values

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
    modules = Modules(files, target)
    names = Names(modules, target)
    try:
        module, name = _taken_apart(handler)
        return _note(handler, _looked_up(module, name, modules, names), module)
    except _FaultError as fault:
        suggestions = tuple(suggested(handler, own, names)) if fault.misnamed else ()
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


def _looked_up(module: str, name: str, modules: Modules, names: Names) -> Values:
    """What the name may be once Lambda has imported the module; raises `_FaultError`."""
    top = module.partition(".")[0]
    _refuse_names_of_python(top, modules)
    (reached,) = names.import_(module)
    if isinstance(reached, Fails):
        reason = reached.reason + _about_missing(module, modules)
        raise _FaultError(reason, misnamed=modules.find(module) is None)
    if reached != DONE:
        return frozenset({reached})
    outcomes = names.of(module, name)
    if outcomes == NOTHING:
        raise _FaultError(_about_missing_name(module, name, names))
    faults = [outcome for outcome in outcomes if isinstance(outcome, (Wrong, Fails, Module))]
    if len(faults) == len(outcomes - NOTHING):
        reasons = sorted(map(in_words, faults)) or [f"importing `{module}` always ends with an error"]
        raise _FaultError(reasons[0], misnamed=any(isinstance(fault, Module) for fault in faults))
    if module == top and top in _STANDARD_LIBRARY and outcomes == SOMETHING:
        return frozenset({Unknown(f"`{top}` hides the standard library's module of that name from all other code")})
    return outcomes


def _refuse_names_of_python(top: str, modules: Modules) -> None:
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


def _about_missing_name(module: str, name: str, names: Names) -> str:
    submodule = names.modules.described(f"{module}.{name}")
    if name.startswith("__") and name.endswith("__"):
        return f"`{name}` is one of Python's own names"
    if names.modules.find(f"{module}.{name}"):
        return f"{submodule} is a module, which cannot be called"
    return f"{names.modules.described(module)} has no name `{name}`{names.hint(module, name)}"


def _about_missing(module: str, modules: Modules) -> str:
    """What may have led to a module that is not there."""
    parent = module.rpartition(".")[0]
    place = modules.find(parent) if parent else None
    if place and place.kind == "source" and not place.is_package:
        return f"; `{parent}` is a module, and Lambda gets a name of a module, not an attribute of something in it"
    return ""


def _note(handler: str, outcomes: frozenset[Value], module: str) -> str | None:
    if outcomes == {ANYTHING}:
        return None
    reasons = sorted(outcome.reason for outcome in outcomes if isinstance(outcome, Unknown))
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
