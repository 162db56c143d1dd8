"""Hatch's way to talk to its user, for the pipeline."""

from __future__ import annotations

import errno
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.errors import LambdaBuildError

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
        app.abort(str(error))
    except OSError as error:
        app.abort(_about(error))
    except (TypeError, ValueError) as error:
        if not raised_by_hatch(error):
            raise
        app.abort(str(error))
    except KeyboardInterrupt:
        app.abort("Interrupted; what stood in the output folder is as it was.", code=_INTERRUPTED)
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)


def _interrupted_by_sigterm() -> Callable[..., object] | int | None:
    """Have the signal by which a CI ends its jobs clean up as Ctrl-C does; gives the former handler, to be put back."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, signal.default_int_handler)


def raised_by_hatch(error: BaseException) -> bool:
    """Whether Hatch itself raised it: that is how it reports a fault in the project's configuration."""
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("hatchling.")


def _about(error: OSError) -> str:
    path = error.filename2 or error.filename
    where = f": {os.fsdecode(path)}" if path else ""
    advice = "\nMake room there and build again." if error.errno == errno.ENOSPC else ""
    return f"The build stopped: {error.strerror or error}{where}{advice}"
