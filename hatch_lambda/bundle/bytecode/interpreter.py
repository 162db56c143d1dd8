"""Choose the interpreter that compiles: it must have the runtime's version, as others cannot read its bytecode."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.files import read_regular
from hatch_lambda.common.interpreters import Interpreter, interpreter_to_build_with
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES

if TYPE_CHECKING:
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store


def interpreter_to_compile_with(settings: Settings, store: Store) -> Interpreter:
    """The interpreter that the user names, else one of the runtime's version, which the store remembers.

    Raises `LambdaBuildError` if it has another version or there is none.
    """
    wanted = settings.target.runtime.python
    if known := _remembered(_note(settings, store)):
        return Interpreter(known, wanted)
    found = interpreter_to_build_with(settings.python, wanted)
    if found.python == wanted:
        return found
    if settings.python:
        raise unsuitable(settings, settings.python, str(found))
    raise _error(
        settings,
        f"none was found on PATH or among the interpreters of pyenv, uv, asdf, rye and Hatch (the running one is "
        f"{found}).",
    )


def unsuitable(settings: Settings, path: Path, what: str) -> LambdaBuildError:
    """The error for a chosen interpreter that is in fact `what`."""
    chosen = f"set by `python` or {ENVIRONMENT_VARIABLES['python']}" if settings.python else "found"
    return _error(settings, f"the one {chosen} is {what}: {path}")


def _error(settings: Settings, problem: str) -> LambdaBuildError:
    version = "{}.{}".format(*settings.target.runtime.python)
    return LambdaBuildError(
        f"`compile-bytecode` requires CPython {version} ({settings.target.runtime.name} cannot read the bytecode of "
        f"others), but {problem}\n"
        f"What you can do: install it (`hatch python install {version}`, `uv python install {version}`, pyenv or your "
        f"system's packages); set its path by `{settings.table}.python` or {ENVIRONMENT_VARIABLES['python']}; or turn "
        "this off by `compile-bytecode = false`."
    )


def remember(interpreter: Interpreter, settings: Settings, store: Store) -> None:
    """Keep an interpreter that works for the next builds: finding one can take longer than the rest of a build."""
    note = _note(settings, store)
    if note and _remembered(note) != interpreter.path:
        text = json.dumps({"path": str(interpreter.path), "state": _state(interpreter.path)})
        store.write(note, text.encode("utf-8"))


def forget(settings: Settings, store: Store) -> None:
    if note := _note(settings, store):
        note.unlink(missing_ok=True)


def _note(settings: Settings, store: Store) -> Path | None:
    """Where the interpreter is remembered; None if it is given or is the running one."""
    runtime = settings.target.runtime
    if settings.python or sys.version_info[:2] == runtime.python:
        return None
    return store.bytecode / f"interpreter-{runtime.name}.json"


def _remembered(note: Path | None) -> Path | None:
    """The interpreter of a note, if its file has not changed."""
    try:
        kept = json.loads(read_regular(note)) if note else {}
        path = Path(kept["path"])
        return path if kept["state"] == _state(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
