"""Starts other programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Completed:
    """A program that has ended. `output`: what it wrote to stdout and stderr, in order, without credentials."""

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

    It has no standard input. It leads a session, which is killed as a whole if this call is interrupted.
    """
    return follow(start(command, directory=directory, environment=environment), on_line, is_passing)


def start(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start a program for `follow`, or for `end` if it turns out not to be needed."""
    return subprocess.Popen(  # noqa: S603 - our own command lists, never a shell
        list(command),
        cwd=directory,
        env=dict(environment),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def follow(
    process: subprocess.Popen[str],
    on_line: Callable[[str], None],
    is_passing: Callable[[str], object] = lambda _line: False,
    *,
    order: str = "",
) -> Completed:
    """Follow a started program to its end, as `run` does. `order`: its standard input."""
    lines: list[str] = []
    with process:
        try:
            if process.stdin:
                with contextlib.suppress(OSError), process.stdin:  # if it does not read, its output says why
                    process.stdin.write(order)
            assert process.stdout is not None  # noqa: S101 - asked for above
            for raw_line in process.stdout:
                line = redact(raw_line.rstrip())
                if not is_passing(line):
                    lines.append(line)
                on_line(line)
        except BaseException:
            _kill(process)
            raise
    return Completed(process.returncode, "\n".join(lines))


def end(process: subprocess.Popen[str]) -> None:
    """Kill a program that is not followed."""
    with process:
        _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:  # else its ID may belong to another process
        kill_session(process)


def kill_session(process: subprocess.Popen[Any]) -> None:
    """Kill a process and, except on Windows, all others of the session that it leads."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: the latter once it has ended
            os.killpg(process.pid, signal.SIGKILL)
