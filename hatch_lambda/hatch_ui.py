"""Hatch's way to talk to its user, for the pipeline."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.errors import LambdaBuildError
from hatch_lambda.process import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatchling.bridge.app import Application

_INTERRUPTED = 130  # what a shell reports for Ctrl-C


class HatchUI:
    """Progress at Hatch's usual verbosity; with `-q` nothing but errors."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def status(self, message: str) -> None:
        self.app.display_info(message)

    def error(self, message: str) -> None:
        self.app.display_error(message)


@contextmanager
def aborting(app: Application) -> Iterator[None]:
    """Let an error that is meant for the user end the build as such: its text, no traceback, exit code 1."""
    former = _interrupted_by_sigterm()
    try:
        yield
    except LambdaBuildError as error:
        app.abort(redact(str(error)))
    except OSError as error:
        if not raised_by(error, "hatch_lambda", "hatchling"):
            raise  # in somebody else's hook
        app.abort(_about(error))
    except (TypeError, ValueError) as error:
        if not raised_by(error, "hatchling"):
            raise
        app.abort(redact(str(error)))
    except KeyboardInterrupt:
        app.abort("Interrupted; no zip was written.", code=_INTERRUPTED)
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)


def _interrupted_by_sigterm() -> Callable[..., object] | int | None:
    """Have the signal by which a CI ends its jobs clean up as Ctrl-C does; gives the former handler, to be put back."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, signal.default_int_handler)


def raised_by(error: BaseException, *packages: str) -> bool:
    """Whether the innermost code that is not Python's own is of one of the packages.

    Hatch reports faults in a project's configuration as plain `ValueError` and `TypeError`.
    """
    frames = [frame.f_globals.get("__name__", "") for frame, _line in traceback.walk_tb(error.__traceback__)]
    names = [name.partition(".")[0] for name in frames]
    return next((name for name in reversed(names) if name not in sys.stdlib_module_names), "") in packages


def _about(error: OSError) -> str:
    path = error.filename2 or error.filename
    where = f": {os.fsdecode(path)}" if path else ""
    advice = "\nMake room there and build again." if error.errno == errno.ENOSPC else ""
    return f"The build stopped: {error.strerror or error}{where}{advice}"
