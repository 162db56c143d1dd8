"""Starts other programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


_LONGEST_LINE = 4096
_MOST_LINES = 10_000
_PAUSE = 0.5
"""Seconds between two looks for what ended children have left."""


@dataclass(frozen=True)
class Completed:
    """A program that has ended.

    `output`: what it wrote to stdout and stderr, in order, without credentials; long lines are cut, and of very many
    lines only the first and the last ones are kept.
    """

    exit_code: int
    output: str


def run(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    is_passing: Callable[[str], object] = lambda _line: False,
) -> Completed:
    """Run a program to its end, with a call of `on_line` for each line. Lines that are `is_passing` are not kept.

    It has no standard input. It leads a session, of which nothing is left when this call ends, even by an interrupt.
    """
    first: list[str] = []
    last: deque[str] = deque(maxlen=_MOST_LINES // 2)
    process = subprocess.Popen(  # noqa: S603 - our own command lists, never a shell
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    closed = threading.Event()
    watcher = threading.Thread(target=_kill_what_stays, args=[process, closed], daemon=True)
    with process:
        try:
            watcher.start()
            assert process.stdout is not None  # noqa: S101 - asked for above
            for raw_line in _lines(process.stdout):
                line = redact(raw_line.rstrip())
                if not is_passing(line):
                    (first if len(first) < _MOST_LINES // 2 else last).append(line)
                on_line(line)
            closed.set()
            watcher.join()
        except BaseException:
            if process.returncode is None:  # else its ID may belong to another process
                kill_session(process)
            raise
    return Completed(process.returncode, "\n".join((*first, *last)))


def _lines(stream: IO[str]) -> Iterator[str]:
    """Lines of limited length. They are cut between words, as a URL with its password cut off would not be redacted."""
    while line := stream.readline(_LONGEST_LINE):
        if not line.endswith("\n") and len(line) == _LONGEST_LINE:
            while (more := stream.readline(_LONGEST_LINE)) and not more.endswith("\n"):
                pass
            line = f"{line[: max(line.rfind(' '), 0)]} …"
        yield line


def _kill_what_stays(process: subprocess.Popen[str], closed: threading.Event) -> None:
    """When a program ends, kill what it has left in its session. Such processes may also keep its output open.

    Likewise when a child of it has ended, such as a build backend: pip reads the output of one to the end. `closed`:
    set when the program's own output has come to its end.
    """
    if sys.platform == "linux":
        with contextlib.suppress(ChildProcessError):
            options = os.WEXITED | os.WNOWAIT  # so that its ID is not given to another process
            while not closed.wait(_PAUSE) and os.waitid(os.P_PID, process.pid, options | os.WNOHANG) is None:
                _kill_orphans(process.pid)
            os.waitid(os.P_PID, process.pid, options)
            kill_session(process)
            return
    process.wait()
    kill_session(process)


def _kill_orphans(leader: int) -> None:
    """Kill what ended children of a session's leader have left in the session (Linux, proc(5))."""
    try:
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text(encoding="ascii").split()
        has_ended = any(_status(Path("/proc", child, "stat"))[0] == "Z" for child in children)
    except OSError:  # one was just reaped: the next look shows more
        return
    if not has_ended:
        return
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            _state, parent, _group, session, *_ = _status(path)
            if int(session) == leader:
                parents[int(path.parent.name)] = int(parent)
    for process, parent_of_it in parents.items():
        if process != leader and parent_of_it not in parents and sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _status(path: Path) -> list[str]:
    """A process's state, parent, group, session and so on."""
    return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def kill_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process and, except on Windows, all others of the session that it leads."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: the latter once it has ended
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def leaving_none(variable: str) -> Iterator[None]:
    """Kill at the end, on Linux, what has inherited a variable (`NAME=value`), in whatever session (proc(5))."""
    try:
        yield
    finally:
        if sys.platform == "linux":
            for path in Path("/proc").glob("[0-9]*/environ"):
                with contextlib.suppress(OSError):  # another user's, or it has ended
                    if os.fsencode(variable) in path.read_bytes().split(b"\0"):
                        os.kill(int(path.parent.name), signal.SIGKILL)
