"""Starts other programs."""

from __future__ import annotations

import contextlib
import os
import re
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


def error_lines(output: str, limit: int = 12) -> tuple[str, ...]:
    """The lines of a program's output that say why it failed: around the word `error`, else the last ones."""
    lines = [line for line in output.splitlines() if line.strip(" |╰─>│")]
    marked = [index for index, line in enumerate(lines) if _ERROR.search(line) and not _NOISE.search(line)]
    if not marked:
        return tuple(lines[-limit:])
    return tuple(lines[index].strip() for index in marked[-limit:])


def resolver_words(output: str, limit: int = 30) -> tuple[str, ...]:
    """The output of pip's resolver from its first error on: the conflicting requirements.

    If a build backend failed, or pip itself, its error and what pip was collecting. Trouble with an index comes before
    the error that follows from it.
    """
    lines = output.splitlines()
    first = next((index for index, line in enumerate(lines) if line.startswith("ERROR:")), len(lines))
    if "subprocess-exited-with-error" in output:
        return (*_at_work(lines[:first]), *error_lines(output))
    if lines[first : first + 1] == ["ERROR: Exception:"]:
        return (*_at_work(lines[:first]), lines[-1])
    trouble = dict.fromkeys(_REPEATED.sub("", line) for line in lines[:first] if _INDEX_TROUBLE.match(line))
    words = [line for line in lines[first:] if not _GENERAL_ADVICE.match(line)]
    while words and not words[-1].strip():
        words.pop()
    return (*trouble, *words[:limit]) or error_lines(output)


def _at_work(lines: list[str]) -> list[str]:
    """The last distribution that pip collected."""
    return [line.strip() for line in lines if line.lstrip().startswith(("Collecting", "Processing"))][-1:]


_INDEX_TROUBLE = re.compile(
    r"Discarding |WARNING: (?:Retrying|.*inconsistent|\d\d\d Error|.*(?:[Cc]redentials|[Cc]onnection|SSL|certificate))"
)
_REPEATED = re.compile(r"Retrying \(.*?\) after ")  # the retries left, which differ in each line
_GENERAL_ADVICE = re.compile(
    r"To fix this you could try to|\d\. (?:loosen|remove)|ERROR: ResolutionImpossible|hint: See above|\[notice\]|"
    # of those that conflict, so it is wrong
    r"Additionally, some packages in these conflicts have no matching"
)
_ERROR = re.compile(
    r"error|fatal|exception|not found|no such|cannot|could not|unable|refused|failed|Expected \w+ |\bGot ",
    re.IGNORECASE,
)
# What pip wraps around every failed build, whatever the cause.
_NOISE = re.compile(
    r"subprocess-exited-with-error|did not run successfully|This error originates from a subprocess|"
    r"Failed to build one or more wheels|ERROR: Failed building wheel|"
    r"Failed to build \S+$|metadata-generation-failed|Building wheel for .* error|See above|error: subprocess|"
    r"^\s*raise |^\s*(?:copying|creating|adding|writing|running) |Command '\[|finished with status 'error'|"
    r"Encountered error while generating package metadata|"
    # a compiler's command line, for its flags and file names
    r"^\s*(?:\S*/)?\S*(?:gcc|g\+\+|cc|c\+\+|clang\S*|rustc|ld)\s+-",
    re.IGNORECASE,
)
