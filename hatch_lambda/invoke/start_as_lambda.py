"""Becomes the process of a Lambda runtime: gives up what a function does not have in Lambda, then executes it.

A program of its own since `subprocess`'s `preexec_fn` is not safe beside threads. It reads its order as JSON from
standard input, so that no environment variable, which may be a secret, stands in a list of arguments or in a file.
"""

import json
import os
import resource
import signal
import sys
import time

assert sys.platform == "linux"  # noqa: S101 - `require_linux` has checked it; this is for type checkers

_TOO_LATE = 1


def _start(command: list[str], environment: dict[str, str], *, clock: int, parent: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    problem = _give_up_privileges()
    if os.getppid() != parent:
        sys.exit(_TOO_LATE)
    if problem:
        os.write(sys.stderr.fileno(), f"hatch-lambda: {problem}\n".encode())
    os.write(clock, str(time.monotonic_ns()).encode())
    os.close(clock)
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point


def _give_up_privileges() -> str | None:
    """Ends with its parent from now on; and to root, modes of files mean something. Returns what could not be done."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.geteuid() == 0:
            _give_up_capabilities(libc)
    except (ImportError, AttributeError, OSError) as error:
        if os.geteuid() == 0:
            return f"the task root can be written to here, since this is root and it has to stay so: {error}"
    return None


# linux/prctl.h and linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def _prctl(libc: object, option: int, value: int) -> None:
    import ctypes

    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero):  # type: ignore[attr-defined]
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _give_up_capabilities(libc: object) -> None:
    """Root passes over the modes of files by capabilities (capabilities(7)): empty sets, and no way back at execve.

    It stays root by name: the interpreter and the task root may lie where only root may go.
    """
    import ctypes

    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):  # type: ignore[attr-defined]
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    order = json.load(sys.stdin)
    _start(order["command"], order["environment"], clock=order["clock"], parent=order["parent"])
