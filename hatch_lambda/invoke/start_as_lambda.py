"""Starts the process of a Lambda runtime, without the privileges that a function lacks there, and ends what it leaves.

A separate program because `subprocess`'s `preexec_fn` is not safe with threads. It reads its order as JSON from
standard input: environment variables may be secrets, and belong neither on a command line nor in a file.

It stays as the runtime's parent, and becomes that of all orphans among its descendants, whatever sessions they are in:
once the runtime has ended, or SIGTERM asks for it, it kills them, and ends as the runtime has.
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
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def _start(command: list[str], environment: dict[str, str], *, clock: int, parent: int) -> None:
    problem = _prctl(_PR_SET_CHILD_SUBREAPER, 1) or _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(_PARENT_IS_GONE)
    if problem:
        _log(f"cannot end all that the function leaves behind: {problem}")
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is somebody to end
    watcher = os.getpid()
    runtime = os.fork()
    if runtime:
        os.close(clock)
        _watch(runtime)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.setsid()
    os.umask(0o022)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.geteuid() == 0 and (problem := _drop_capabilities()):
        _log(f"running as root and cannot drop its capabilities, so the task root is writable: {problem}")
    if os.getppid() != watcher:
        sys.exit(_PARENT_IS_GONE)
    os.write(clock, f"{os.getpid()} {time.monotonic_ns()}".encode())
    os.close(clock)
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point


def _watch(runtime: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os.kill(runtime, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.waitid(os.P_PID, runtime, os.WEXITED | os.WNOWAIT)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, status = os.waitpid(runtime, 0)
    try:
        while True:  # the children of those that are killed become ours
            for child in _children():
                os.kill(child, signal.SIGKILL)
            os.wait()
    except (ChildProcessError, PermissionError):  # there are no more, or they belong to another user
        pass
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _children() -> list[int]:
    """By proc(5), as the file `children` is not there in every kernel."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                with open(f"/proc/{entry.name}/stat", "rb") as file:  # noqa: PTH123 - pathlib takes long to import
                    parent = file.read().rpartition(b")")[2].split()[1]
            except OSError:  # it has just ended
                continue
            if int(parent) == os.getpid():
                found.append(int(entry.name))
    return found


def _log(message: str) -> None:
    os.write(sys.stderr.fileno(), f"hatch-lambda: {message}\n".encode())


def _prctl(option: int, value: int) -> str | None:
    return _call("prctl", option, value, 0, 0, 0)


def _drop_capabilities() -> str | None:
    """Subject root to file modes, which it ignores through its capabilities (capabilities(7)).

    Empties the sets, and lets no `execve` fill them again. The user stays root: only root may reach the directories of
    some interpreters.
    """
    header = _LINUX_CAPABILITY_VERSION_3.to_bytes(4, sys.byteorder) + bytes(4)
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1) or _call("capset", header, bytes(24))


def _call(function: str, *arguments: int | bytes) -> str | None:
    """Call a function of the C library. Returns what went wrong."""
    try:
        import ctypes  # an interpreter may lack it

        values = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
        failed = getattr(ctypes.CDLL(None, use_errno=True), function)(*values)
        return os.strerror(ctypes.get_errno()) if failed else None
    except (ImportError, AttributeError, OSError) as error:
        return str(error)


if __name__ == "__main__":
    order = json.load(sys.stdin)
    _start(order["command"], order["environment"], clock=order["clock"], parent=order["parent"])
