"""Builds and pips that are forked instead of started: a start imports for one to two seconds, a fork has it all.

A server (this file, run as a program) imports what builds need and waits. It has one thread, patches nothing, and forks
itself for each request that comes through its socket. `ForkingPopen` takes the place of `subprocess.Popen` in tests and
in what the server forks; it starts a real process for every command that a fork could answer differently.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.util
import inspect
import io
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

REPOSITORY = Path(__file__).parents[2]
PIP_PROGRAM = str(REPOSITORY / "hatch_lambda" / "resolve" / "pip" / "for_target" / "__main__.py")
MODULES = ("hatch_lambda", "hatchling")
"""What `python -m` may name."""
MAY_BE_FORKED = "# may be forked\n"
"""How the code of `python -c` begins that does not depend on what else is imported."""

# Python reads these while it starts, or a library while it is imported.
READ_AT_START = ("PYTHON", "_PYTHON", "LC_", "LANG", "HOME", "XDG_", "COVERAGE_", "LD_", "DYLD_")
# What a fork does as a started Python does.
REPRODUCED = frozenset({"PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"})

PRELOADED = (
    *("hatchling.cli", "hatchling.cli.build", "hatchling.builders.sdist", "hatchling.builders.wheel"),
    *("hatchling.bridge.app", "hatchling.builders.app", "hatchling.builders.binary", "hatchling.builders.custom"),
    *("hatchling.builders.hooks.custom", "hatchling.builders.hooks.version", "hatchling.builders.plugin.hooks"),
    *("hatchling.builders.hooks.plugin.hooks", "hatchling.plugin.specs", "hatchling.version.core"),
    *("hatchling.metadata.core", "hatchling.metadata.plugin.hook", "hatchling.plugin.manager"),
    *("pip._internal.build_env", "pip._internal.cli.main", "pip._internal.cli.main_parser"),
    *("pip._internal.commands.download", "pip._internal.commands.install", "pip._internal.commands.wheel"),
    *("pip._internal.cli.index_command", "pip._internal.network.session", "pip._internal.operations.prepare"),
    *("pip._internal.resolution.resolvelib.resolver", "pip._internal.locations._sysconfig"),
    *("pip._internal.metadata.importlib", "pip._internal.utils.wheel", "pip._vendor.truststore"),
    *("pip._vendor.rich.console", "pip._vendor.rich.progress", "pip._vendor.pyproject_hooks", "pip._vendor.tomli"),
    *("rich.console", "rich.live", "rich.markup", "rich.progress", "rich.table", "rich.text", "click", "cyclonedx"),
    *("email.headerregistry", "findpython", "packaging.metadata", "trove_classifiers", "encodings.ascii"),
    *("email.parser", "html.parser", "concurrent.futures.thread", "multiprocessing", "sqlite3", "ssl", "zipfile"),
)
NOT_PRELOADED = ("__main__", "for_target", "run_in_lambda", "start_as_lambda")
"""Modules of ours that are programs, or patch pip."""


class ForkingPopen(subprocess.Popen[Any]):
    """`subprocess.Popen`, whose child is forked by the server where that gives the same result."""

    server: ClassVar[ForkServer | OwnServer | None] = None

    _connection: socket.socket | None = None

    def _execute_child(self, *positional: Any) -> None:
        parent: Any = super()
        call = inspect.signature(parent._execute_child).bind(*positional).arguments
        arguments = [os.fspath(argument) for argument in call["args"]] if isinstance(call["args"], list) else []
        environment = dict(os.environ if call["env"] is None else call["env"])
        server = self.server
        if server is None or not (
            is_forkable(arguments)
            and read_at_start(environment) == server.like_me
            and os.path.isdir(call["cwd"] or ".")  # noqa: PTH112 - as it is for the child
            and call["executable"] in {None, arguments[0]}
            and call["preexec_fn"] is None
            and not call["pass_fds"]
            and not call["shell"]
            and call["gid"] is call["gids"] is call["uid"] is None
            and call.get("process_group", -1) in {None, -1}
        ):
            parent._execute_child(*positional)
            return
        sys.audit("subprocess.Popen", arguments[0], arguments, call["cwd"], call["env"])
        streams = [call["p2cread"], call["c2pwrite"], call["errwrite"]]
        request = {
            "arguments": arguments,
            "directory": os.path.abspath(call["cwd"] or "."),  # noqa: PTH100
            "environment": environment,
            "new_session": call["start_new_session"],
            "umask": call["umask"] if call["umask"] >= 0 else current_umask(),
        }
        self._connection = connect(server.address())
        try:
            body = json.dumps(request, default=os.fsdecode).encode("utf-8", "surrogateescape")
            fds = [standard if fd == -1 else fd for standard, fd in enumerate(streams)]
            socket.send_fds(self._connection, [struct.pack("!I", len(body))], fds)
            self._connection.sendall(body)
            self.pid = receive_number(self._connection)
            self.__dict__["_child_created"] = True
        except BaseException:  # an interrupt, too: then there is no child, as far as this process knows
            self._connection.close()
            raise
        finally:
            parent._close_pipe_fds(*(call[name] for name in PIPES))

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As `os.waitpid`: the process's number and status, or zeros while it runs."""
        parent: Any = super()
        if self._connection is None:
            answer: tuple[int, int] = parent._try_wait(wait_flags)
            return answer
        if wait_flags & os.WNOHANG and not select.select([self._connection], [], [], 0)[0]:
            return 0, 0
        status = receive_number(self._connection)
        self._connection.close()
        return self.pid, status

    def _internal_poll(self, *positional: Any, **named: Any) -> int | None:
        parent: Any = super()
        mine: Any = self
        if self._connection is None:
            code: int | None = parent._internal_poll(*positional, **named)
            return code
        if self.returncode is None and mine._waitpid_lock.acquire(False):  # noqa: FBT003 - as the parent does
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        mine._handle_exitstatus(status)
            finally:
                mine._waitpid_lock.release()
        return self.returncode


PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def is_forkable(command: Sequence[str]) -> bool:
    """Whether it is a command of this Python that the server has imported everything for."""
    if len(command) < 2 or command[0] != sys.executable or not all(isinstance(part, str) for part in command):
        return False
    match command[1:]:
        case ["-m", module, *_]:
            return module in MODULES
        case ["-c", code, *_]:
            return code.startswith(MAY_BE_FORKED)
        case [program, _request] if program == PIP_PROGRAM:
            return True
        case [program, *_]:
            return program == pip_runner()
    return False


@functools.cache
def pip_runner() -> str:
    """The program by which pip is started for builds, ours and pip's own."""
    spec = importlib.util.find_spec("pip")
    folders = (spec and spec.submodule_search_locations) or [""]
    return os.path.join(folders[0], "__pip-runner__.py")  # noqa: PTH118


def read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if value and name.startswith(READ_AT_START) and name not in REPRODUCED
    }


def current_umask() -> int:
    """Of this process, without changing it for a moment, as other threads may be creating files."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError("the fork server has gone")
        data += more
    return bytes(data)


def receive_number(connection: socket.socket) -> int:
    number: int = struct.unpack("!i", receive(connection, 4))[0]
    return number


class ForkServer:
    """A server, from the first request to the end of the `with`. `environment`: what it is started with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.like_me = read_at_start(environment)
        """What a process has to have in its environment to be forked."""

    def address(self) -> str:
        """The server's socket."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="fork-server-", dir="/tmp")
            path = Path(self._folder.name, "socket")
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                cwd=self._folder.name,
                start_new_session=True,
            )
            assert self.process.stdout is not None
            if self.process.stdout.readline() != b"ready\n":
                raise RuntimeError("the fork server does not start")
        return str(Path(self._folder.name, "socket"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.communicate(timeout=60)  # it ends when its standard input does
        if self._folder:
            self._folder.cleanup()


# --- The server ---


class OwnServer:
    """The server as what it has forked knows it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.like_me = read_at_start(os.environ)

    def address(self) -> str:
        return self._path


def main(path: str) -> int:
    preload()
    gc.collect()
    gc.freeze()
    threads = threading.active_count()
    assert threads == 1, "a process with several threads must not fork"
    ForkingPopen.server = OwnServer(path)
    subprocess.Popen = ForkingPopen  # type: ignore[misc]
    woken, wake = socket.socketpair()
    woken.settimeout(0)
    wake.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(path)
        listener.listen(64)
        os.write(1, b"ready\n")
        for source in (listener, woken, 0):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    return 0  # its owner has ended
                if key.fileobj is woken:
                    with contextlib.suppress(BlockingIOError):
                        while woken.recv(4096):
                            pass
                    report_ended(running)
                    continue
                accept(listener, running, (woken, wake))


def accept(listener: socket.socket, running: dict[int, socket.socket], others: Sequence[socket.socket]) -> None:
    """Take a request and fork for it."""
    connection, _ = listener.accept()
    try:
        request, fds = receive_request(connection)
    except (EOFError, OSError):
        connection.close()
        return
    pid = os.fork()
    if pid == 0:
        for ours in (listener, *running.values(), *others):
            ours.detach()
        become(request, fds, connection)
    for fd in fds:
        os.close(fd)
    running[pid] = connection
    report_ended(running)


def preload() -> None:
    sys.path.remove(str(Path(__file__).parent))
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError, AttributeError):
        # pip remembers its answer. It starts up to 15 programs for it, for each session, in each process.
        importlib.import_module("pip._internal.network.session").user_agent()
    import hatch_lambda

    for module in pkgutil.walk_packages(hatch_lambda.__path__, "hatch_lambda."):
        if not any(part in NOT_PRELOADED for part in module.name.split(".")):
            importlib.import_module(module.name)


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    header, fds, _, _ = socket.recv_fds(connection, 4, 3)
    if len(header) < 4 or len(fds) != 3:
        raise EOFError
    body = receive(connection, struct.unpack("!I", header)[0])
    return json.loads(body.decode("utf-8", "surrogateescape")), fds


def report_ended(running: dict[int, socket.socket]) -> None:
    """Tell those that wait for a process how it ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection, contextlib.suppress(OSError):
            connection.sendall(struct.pack("!i", status))


def become(request: Mapping[str, Any], fds: Sequence[int], connection: socket.socket) -> NoReturn:
    """What a started Python would be, from its first line to its exit code."""
    if request["new_session"]:
        os.setsid()
    try:
        connection.sendall(struct.pack("!i", os.getpid()))  # from here on it may be killed
    except BrokenPipeError:  # who asked has been interrupted
        os._exit(1)
    connection.detach()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard, fd in enumerate(fds):
        os.dup2(fd, standard)
    os.closerange(3, max(fds) + 64)
    os.umask(request["umask"])
    os.chdir(request["directory"])
    environment = request["environment"]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    replace_streams(environment)
    leave(run(request["arguments"][1:], request["directory"]))


def replace_streams(environment: Mapping[str, str]) -> None:
    encoding, _, errors = environment.get("PYTHONIOENCODING", "").partition(":")
    unbuffered = bool(environment.get("PYTHONUNBUFFERED"))
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        former = getattr(sys, f"__{name}__")
        raw: Any = io.FileIO(fd, "rb" if fd == 0 else "wb", closefd=False)
        stream = io.TextIOWrapper(
            raw if unbuffered and fd else (io.BufferedWriter(raw) if fd else io.BufferedReader(raw)),
            encoding=encoding or former.encoding,
            errors="backslashreplace" if name == "stderr" else errors or ("strict" if encoding else former.errors),
            newline="\n" if fd else None,
            line_buffering=name == "stderr" or os.isatty(fd),
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(arguments: list[str], directory: str) -> int:
    """Give the exit code."""
    try:
        if arguments[0] == "-m":
            sys.path.insert(0, directory)
            sys.argv[:] = ["-m", *arguments[2:]]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        elif arguments[0] == "-c":
            sys.path.insert(0, "")
            sys.argv[:] = ["-c", *arguments[2:]]
            sys.modules["__main__"] = main_module = types.ModuleType("__main__")
            exec(compile(arguments[1], "<string>", "exec"), main_module.__dict__)
        else:
            sys.path.insert(0, os.path.dirname(arguments[0]))  # noqa: PTH120
            sys.argv[:] = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 0xFF
        sys.stderr.write(f"{ended.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        traceback.print_exception(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """End in the order in which an interpreter does, but for taking apart what goes with the process anyway."""
    interpreter: Any = threading
    try:
        interpreter._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 120
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
