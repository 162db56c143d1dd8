"""Becomes the process of a Lambda runtime: drops the privileges that a function lacks in Lambda, then executes it.

A separate program because `subprocess`'s `preexec_fn` is not safe with threads. It reads its order as JSON from
standard input: environment variables may be secrets, and belong neither on a command line nor in a file.
"""

import json
import os
import resource
import signal
import sys
import time

assert sys.platform == "linux"  # noqa: S101 - `require_linux` has checked it; this is for type checkers

_PARENT_IS_GONE = 1

# linux/prctl.h and linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def _start(command: list[str], environment: dict[str, str], *, clock: int, parent: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    problem = _drop_privileges()
    if os.getppid() != parent:
        sys.exit(_PARENT_IS_GONE)
    if problem:
        os.write(sys.stderr.fileno(), f"hatch-lambda: {problem}\n".encode())
    os.write(clock, str(time.monotonic_ns()).encode())
    os.close(clock)
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point


def _drop_privileges() -> str | None:
    """End with the parent process from now on, and subject root to file modes. Returns what could not be done."""
    is_root = os.geteuid() == 0
    try:
        import ctypes  # an interpreter may lack it

        libc, zero = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)

        def check(failed: int) -> None:
            if failed:
                raise OSError(  # noqa: TRY301 - `except` is for the import as well
                    ctypes.get_errno(), os.strerror(ctypes.get_errno())
                )

        check(libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), zero, zero, zero))
        if is_root:
            # Root ignores file modes through its capabilities (capabilities(7)): empty the sets, and let no `execve`
            # fill them again. The user stays root: only root may reach the directories of some interpreters.
            check(libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero))
            check(libc.capset((ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()))
    except (ImportError, AttributeError, OSError) as error:
        if is_root:
            return f"running as root and cannot drop its capabilities, so the task root is writable: {error}"
    return None


if __name__ == "__main__":
    order = json.load(sys.stdin)
    _start(order["command"], order["environment"], clock=order["clock"], parent=order["parent"])
