"""The process of a runtime: starting it, reading its output, measuring its memory, and killing its session."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PIPE_CAPACITY = 64 * 1024  # pipe(7)
_LONGEST_LINE = 1024 * 1024
_MOST_READS = 16


@contextlib.contextmanager
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """The ends of a pipe. Reading does not block: it returns None if there is nothing yet."""
    ends = os.pipe()
    with FileIO(ends[0]) as reader, FileIO(ends[1], "w") as writer:
        if sys.platform != "win32":
            os.set_blocking(ends[0], False)
        yield reader, writer


class Log:
    """The lines that come through a pipe; `write` adds one."""

    def __init__(self, reader: FileIO, on_line: Callable[[str], None]) -> None:
        self._reader = reader
        self.write = on_line
        self._rest = b""

    def fileno(self) -> int:
        return self._reader.fileno()

    def pump(self) -> bool:
        """Pass on what has been written so far. Returns whether more may come.

        It reads once, which empties a full pipe: a function that prints without end must not block the caller.
        """
        return self._read() != b""

    def pump_all(self) -> None:
        """Pass on what a process that goes on has written; much of it, in case that it prints without end."""
        for _ in range(_MOST_READS):
            if not self._read():
                return

    def _read(self) -> bytes | None:
        """Pass on a chunk and return it: None if there is nothing yet, nothing in it if nothing more can come."""
        chunk = self._reader.read(PIPE_CAPACITY)
        *lines, self._rest = (self._rest + (chunk or b"")).split(b"\n")
        for line in lines:
            self._write_line(line)
        if len(self._rest) > _LONGEST_LINE:
            self.flush()
        return chunk

    def flush(self) -> None:
        """Pass on a last line without a line break."""
        if self._rest:
            self._write_line(self._rest)
            self._rest = b""

    def _write_line(self, raw_line: bytes) -> None:
        line = raw_line.decode(errors="replace")
        if line.startswith("[ERROR] "):
            # The runtime client writes errors for CloudWatch, which takes this for one entry of several lines.
            for part in line.split("\r"):
                self.write(part.replace("\N{NO-BREAK SPACE}", " "))
        else:
            self.write(line.removesuffix("\r"))


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, *, log: FileIO, clock: FileIO
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as Lambda does, through `start_as_lambda`; kill it at the end of the `with` block.

    `clock` gets the process ID of the command, and the time, by `time.monotonic_ns`, at which it is executed.
    """
    order = {"command": command, "environment": environment, "clock": clock.fileno(), "parent": os.getpid()}
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("start_as_lambda.py"))],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=(clock.fileno(),),
        # Ctrl-C reaches only hatch-lambda.
        start_new_session=True,
    ) as process:
        try:
            log.close()
            clock.close()
            assert process.stdin is not None  # noqa: S101 - a pipe, see above
            with contextlib.suppress(BrokenPipeError):  # it has ended, which the caller reports
                process.stdin.write(json.dumps(order).encode())
                process.stdin.close()
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Have `start_as_lambda` kill the command, and all that it has started."""
    process.terminate()
    if process.returncode is None:
        # Not `process.wait()`: a signal may have come when `process.poll()` had just taken the lock that it waits for.
        with contextlib.suppress(ChildProcessError):
            process.returncode = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])


KILLED = "Runtime exited with error: signal: killed"
"""Lambda's words for a runtime that was killed."""


def in_words(exit_code: int) -> str:
    """How a process has ended, in Lambda's words."""
    if exit_code == 0:
        return "Runtime exited without providing a reason"
    if exit_code > 0:
        return f"Runtime exited with error: exit status {exit_code}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-exit_code) or str(-exit_code)).lower()}"


def peak_memory(process: int) -> int:
    """The peak memory of a process in bytes (VmHWM in proc(5)); 0 if it has ended.

    Not `wait4`'s figure: that starts from the memory of this process when it forked.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
