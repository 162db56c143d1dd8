"""Choosing the interpreter: one of the runtime's version, and no other."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.bundle.bytecode.compiled import begun_in, folder_in
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.interpreters import Interpreter, interpreter_to_build_with
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.wheels.store import write_whole

if TYPE_CHECKING:
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store


def interpreter_to_compile_with(settings: Settings, store: Store) -> Interpreter:
    """The one that the user names, else one of the runtime's version; no other will do.

    Raises `LambdaBuildError` where there is none.
    """
    wanted = settings.target.runtime.python
    note = note_of_interpreter(settings, store)
    if note and (found := _remembered(note)):
        return Interpreter(found, wanted)
    found_anew = interpreter_to_build_with(settings.python, wanted)
    if found_anew.python != wanted:
        raise _no_interpreter(settings, found_anew)
    return found_anew


def _no_interpreter(settings: Settings, found: Interpreter) -> LambdaBuildError:
    if settings.python:
        return unfit(settings, settings.python, f"{found}")
    return _error(
        settings,
        f"there is none: the running one is {found}, and none of that version is on PATH or among the interpreters of "
        "pyenv, uv, asdf, rye and Hatch.",
    )


def unfit(settings: Settings, path: Path, what: str) -> LambdaBuildError:
    """The error to raise where the interpreter that was chosen turns out to be `what`."""
    if settings.python:
        named = f"the one that is named, by `python` or {ENVIRONMENT_VARIABLES['python']}"
        return _error(settings, f"{named}, is {what}: {path}")
    return _error(settings, f"the one found is {what}: {path}")


def _error(settings: Settings, what: str) -> LambdaBuildError:
    version = "{}.{}".format(*settings.target.runtime.python)
    return LambdaBuildError(
        f"`compile-bytecode` needs a CPython {version}, for {settings.target.runtime.name} reads no other's bytecode; "
        f"{what}\n"
        f"What you can do: install one (`hatch python install {version}`, `uv python install {version}`, pyenv or your "
        f"system's packages); say where it is, by `{settings.table}.python` or in the environment by "
        f"{ENVIRONMENT_VARIABLES['python']}; or do without, by `compile-bytecode = false`."
    )


def note_of_interpreter(settings: Settings, store: Store) -> Path | None:
    """Where it is kept which interpreter was found: looking for one can take longer than the rest of a build."""
    runtime = settings.target.runtime
    if settings.python or sys.version_info[:2] == runtime.python:
        return None
    return folder_in(store) / f"interpreter-{runtime.name}.json"


def _remembered(note: Path) -> Path | None:
    """The interpreter of a note, if that file is still the very same."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        path = Path(kept["path"])
        return path if kept["state"] == _state(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(note: Path, path: Path) -> None:
    if _remembered(note) == path:
        return
    text = json.dumps({"path": str(path), "state": _state(path)})
    write_whole(note, text.encode("utf-8"), by_way_of=begun_in(note.parent.parent))


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
