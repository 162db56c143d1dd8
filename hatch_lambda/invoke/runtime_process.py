"""The process of a runtime: started, listened to, measured, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.process import kill_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Pipe:
    """Something to be read without waiting for it, and its other end."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(self.read_end, False)

    def fileno(self) -> int:
        return self.read_end

    def read(self) -> bytes | None:
        """What has been written; nothing where all who could write have ended, None where that is yet to come."""
        try:
            return os.read(self.read_end, _CAPACITY)
        except BlockingIOError:
            return None

    def close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def __enter__(self) -> Pipe:  # noqa: PYI034 - `Self` is newer than Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close_write_end()
        os.close(self.read_end)


class Log:
    """What comes through a pipe, line by line; `say` adds a line to it."""

    def __init__(self, pipe: Pipe, on_line: Callable[[str], None]) -> None:
        self._pipe = pipe
        self.say = on_line
        self._begun = b""

    def fileno(self) -> int:
        return self._pipe.fileno()

    def pump(self) -> bool:
        """Hand on what has been written so far. Whether more may come.

        It reads once, which takes all that a pipe holds: who writes without end must not keep us here.
        """
        chunk = self._pipe.read()
        *lines, self._begun = (self._begun + (chunk or b"")).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._begun) > _LONG:
            self.flush()
        return chunk != b""

    def flush(self) -> None:
        """Hand on a last line that nothing has ended."""
        if self._begun:
            self._tell(self._begun)
            self._begun = b""

    def _tell(self, raw_line: bytes) -> None:
        line = raw_line.decode(errors="replace")
        if line.startswith("[ERROR] "):
            # The runtime client writes errors for CloudWatch, which takes this for one entry of several lines.
            for part in line.split("\r"):
                self.say(part.replace("\N{NO-BREAK SPACE}", " "))
        else:
            self.say(line.removesuffix("\r"))


_CAPACITY = 64 * 1024  # pipe(7)
_LONG = 1024 * 1024


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, *, log: Pipe, clock: Pipe
) -> Iterator[subprocess.Popen[bytes]]:
    """A command as Lambda would start it, by way of `start_as_lambda`; in the end it is killed.

    `clock` gets the time, by `time.monotonic_ns`, when the command itself is executed.
    """
    order = {"command": command, "environment": environment, "clock": clock.write_end, "parent": os.getpid()}
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("start_as_lambda.py"))],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=log.write_end,
        stderr=log.write_end,
        pass_fds=(clock.write_end,),
        # So that a Ctrl-C is for us alone, and that what the command starts can be ended with it.
        start_new_session=True,
    ) as process:
        try:
            log.close_write_end()
            clock.close_write_end()
            assert process.stdin is not None  # noqa: S101 - asked for above
            with contextlib.suppress(BrokenPipeError):  # if it has ended, that is what will be told
                process.stdin.write(json.dumps(order).encode())
                process.stdin.close()
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its session."""
    kill_session(process)
    process.wait()


KILLED = "Runtime exited with error: signal: killed"
"""How Lambda says that it has ended a runtime."""


def in_words(exit_code: int) -> str:
    """How a process has ended, as Lambda says it."""
    if exit_code == 0:
        return "Runtime exited without providing a reason"
    if exit_code > 0:
        return f"Runtime exited with error: exit status {exit_code}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-exit_code) or str(-exit_code)).lower()}"


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The most bytes that a process has held so far, proc(5); 0 of one that has ended.

    Not what `wait4` says of it: that begins with what this process held when it started the other.
    """
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
