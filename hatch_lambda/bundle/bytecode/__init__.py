"""`compile-bytecode`: a `.pyc` for every module, so that no cold start has to compile what it imports.

They are hash-based and unchecked (PEP 552): import takes them as they are, whatever time an unpacked zip gives its
files. The interpreter of the runtime's version that makes them is a process of its own (`compile_modules`), one a
core; what it makes of a wheel's modules is kept in the store, as a zip from which the archive copies.

RECORD stays as it is: of bytecode it need not know
(https://packaging.python.org/specifications/recording-installed-packages).

`interpreter` chooses, `compilers` are its processes, `work` is done wheel by wheel; `compiled` is what goes in and out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.bytecode.compiled import is_module
from hatch_lambda.bundle.bytecode.compilers import Compilers
from hatch_lambda.bundle.bytecode.interpreter import interpreter_to_compile_with, note_of_interpreter, remember
from hatch_lambda.bundle.bytecode.work import Work
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.config.request import TASK_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.bundle.bytecode.compiled import Bytecode
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import Store, StoredWheel


def compile_bundle(
    files: Iterable[BundleFile],
    wheels: Iterable[StoredWheel],
    settings: Settings,
    store: Store,
    *,
    root: str = TASK_ROOT,
) -> Bytecode:
    """Compile the modules among a bundle's files for the target's Python.

    What comes from one of `wheels` is kept in the store. `root`: where the runtime has the files, which is what
    tracebacks show. Raises `LambdaBuildError` if there is no interpreter that can do it.
    """
    modules = sorted(file for file in files if is_module(file))
    interpreter = interpreter_to_compile_with(settings, store)
    note = note_of_interpreter(settings, store)
    try:
        with Compilers(interpreter, settings) as compilers:
            if note:
                remember(note, interpreter.path)
            return Work(store, compilers, root, {wheel.path: wheel.sha256 for wheel in wheels}).on(modules)
    except LambdaBuildError:
        if note:
            note.unlink(missing_ok=True)
        raise
