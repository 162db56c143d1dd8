"""Progress and errors of a build, shown through Hatch."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.live_line import LiveLine, columns_of, has_blocks
from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.redact import redact
from hatch_lambda.common.signals import handled
from hatch_lambda.common.ui import Screen, StagedUI, warning_text, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatchling.bridge.app import Application

_INTERRUPTED = 130  # what a shell reports for Ctrl-C


class HatchUI(StagedUI):
    """Progress at Hatch's verbosity, on stderr as all that Hatch displays; with `-q` only errors."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._log = next((log for name, log in _LOGS.items() if os.environ.get(name, "").lower() == "true"), None)
        self._live: LiveLine | None = None
        # Some CIs give their jobs a terminal, and keep every line that was ever written to it.
        is_dumb = os.environ.get("TERM", "") in {"dumb", "unknown"}
        is_ci = self._log or os.environ.get("CI", "").lower() not in {"", "0", "false"}
        self._on_terminal = app.verbosity >= 0 and sys.stderr.isatty() and not is_dumb and not is_ci

    @property
    def screen(self) -> Screen:
        colours = self._on_terminal and not os.environ.get("NO_COLOR") and os.name != "nt"
        columns = columns_of(sys.stderr) if self._on_terminal else None
        return Screen(columns, has_blocks(sys.stderr), colours)

    def status(self, message: str) -> None:
        with self._live.aside() if self._live else nullcontext():
            self.app.display_info(message)

    def warn(self, message: str) -> None:
        self.status(self._log.warning(message) if self._log else warning_text(message, self.screen))

    @contextmanager
    def group(self, title: str) -> Iterator[bool]:
        if self._log is None:
            self.status(wrapped(title, self.screen))
            yield False
            return
        name = f"hatch_lambda_{time.time_ns()}"
        self.status(self._log.start(title, name))
        try:
            yield True
        finally:
            self.status(self._log.end(name))

    @contextmanager
    def at_work(self, head: str) -> Iterator[None]:
        if not self._on_terminal:
            yield
            return
        with LiveLine(sys.stderr, head) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def now(self, text: str) -> None:
        if self._live:
            self._live.now(text)


class _Log(NamedTuple):
    """How the log of a CI folds lines away, and marks warnings. A group starts by title and name, and ends by name."""

    start: Callable[[str, str], str]
    end: Callable[[str], str]
    warning: Callable[[str], str] = "Warning: {}".format


def _escaped(message: str) -> str:
    """As the two take what a command's line cannot hold."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# By the variable that says where one is. Only those that take their commands from any stream, for all that Hatch shows
# goes to stderr; TeamCity reads stdout alone.
_LOGS = {
    # https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    "GITHUB_ACTIONS": _Log(
        lambda title, _name: f"::group::{title}",
        lambda _name: "::endgroup::",
        lambda message: f"::warning::{_escaped(message)}",
    ),
    # https://docs.gitlab.com/ci/jobs/job_logs/#create-custom-collapsible-sections
    "GITLAB_CI": _Log(
        lambda title, name: f"\x1b[0Ksection_start:{time.time():.0f}:{name}[collapsed=true]\r\x1b[0K{title}",
        lambda name: f"\x1b[0Ksection_end:{time.time():.0f}:{name}\r\x1b[0K",
    ),
    # https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
    "TF_BUILD": _Log(
        lambda title, _name: f"##[group]{title}",
        lambda _name: "##[endgroup]",
        lambda message: f"##vso[task.logissue type=warning]{_escaped(message)}",
    ),
    # https://buildkite.com/docs/pipelines/configure/managing-log-output: a group lasts until the next one
    "BUILDKITE": _Log(lambda title, _name: f"--- {title}", lambda _name: "+++ Result"),
}


@contextmanager
def aborting(app: Application) -> Iterator[None]:
    """Let an error that is meant for the user end the build as such: its text, no traceback, exit code 1."""

    def abort(text: str) -> None:
        app.abort(printable_lines(redact(text)))

    try:
        # CI systems end their jobs by SIGTERM: clean up as after Ctrl-C.
        with handled(signal.default_int_handler, "SIGTERM"):
            yield
    except LambdaBuildError as error:
        abort(str(error))
    except OSError as error:
        if not raised_by(error, "hatch_lambda", "hatchling"):
            raise  # in somebody else's hook
        path = error.filename2 or error.filename
        where = f": {os.fsdecode(path)}" if path else ""
        advice = "\nMake room there and build again." if error.errno == errno.ENOSPC else ""
        abort(f"The build stopped: {error.strerror or error}{where}{advice}")
    except (TypeError, ValueError) as error:
        if not raised_by(error, "hatchling"):
            raise
        abort(str(error))
    except KeyboardInterrupt:
        app.abort("Interrupted; no incomplete zip was written.", code=_INTERRUPTED)


def raised_by(error: BaseException, *packages: str) -> bool:
    """Whether the innermost code that is not Python's own is of one of the packages.

    Hatch reports faults in a project's configuration as plain `ValueError` and `TypeError`.
    """
    frames = [frame.f_globals.get("__name__", "") for frame, _line in traceback.walk_tb(error.__traceback__)]
    names = [name.partition(".")[0] for name in frames]
    return next((name for name in reversed(names) if name not in sys.stdlib_module_names), "") in packages
