"""Runs a Lambda zip as Lambda does: AWS's own runtime client, a read-only task root, and a Runtime API to talk to.

What happens between the two is AWS's contract for runtimes:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, cast
from zipfile import ZipFile

from findpython.providers import ALL_PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from findpython import PythonVersion

RUNTIMES = ("3.10", "3.11", "3.12", "3.13", "3.14")

_API = "/2018-06-01/runtime"
_REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
_FUNCTION_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:under-test"
_TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"


@dataclass(frozen=True)
class Invocation:
    """What Lambda would have got to know of one invocation. Without an `error`, a `response` of None is an answer."""

    response: object | None = None
    error: object | None = None
    """As the runtime client posted it: `errorType`, `errorMessage`, `stackTrace`. Of a function that ended or hung
    without a word, the first two, in the words that Lambda itself has for it."""
    logs: str = ""


@functools.cache
def pythons_at_hand() -> dict[str, Path]:
    """The interpreters of Lambda's versions that start on this machine, by version: `{"3.13": Path(...)}`."""
    found: dict[str, Path] = {}
    running = "{}.{}".format(*sys.version_info)
    if running in RUNTIMES and sys.implementation.name == "cpython":
        found[running] = Path(sys.executable)
    for version, candidate in _candidates():
        if version not in found and _starts_as(version, candidate):
            found[version] = candidate.executable
    return {version: found[version] for version in RUNTIMES if version in found}


def _candidates() -> Iterator[tuple[str, PythonVersion]]:
    # Names cost nothing, starting an interpreter does. PATH goes last because a version manager puts scripts there
    # that bear the name of an interpreter and start none.
    for name in sorted(ALL_PROVIDERS, key="path".__eq__):
        provider = ALL_PROVIDERS[name].create()
        for candidate in provider.find_pythons() if provider else ():
            named = re.fullmatch(r"python(3\.\d+)(\.exe)?", candidate.real_path.name)
            if named and named[1] in RUNTIMES:
                yield named[1], candidate


def _starts_as(version: str, candidate: PythonVersion) -> bool:
    minor = int(version.partition(".")[2])
    return candidate.is_valid() and candidate.matches(3, minor, pre=False, implementation="cpython")


def runtime_client(python: Path, cache_dir: Path) -> Path:
    """A folder with AWS's runtime client for `python`, installed from the index unless `cache_dir` has it already.

    A folder and no virtual environment: `invoke` puts it on the path of an interpreter that has no site-packages
    at all, so nothing that happens to be installed beside the interpreter reaches the function.
    """
    key = hashlib.sha256(os.fsencode(python.absolute())).hexdigest()[:16]
    folder = cache_dir / f"awslambdaric-{key}"
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache_dir) as scratch:
            installed = _installed("awslambdaric", python, Path(scratch) / "site-packages")
            _move_unless_there(installed, folder)
    return folder


def _installed(requirement: str, python: Path, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet", "install"]
    pip += ["--only-binary=:all:", "--target", str(folder), requirement]
    finished = subprocess.run(
        pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300, check=False
    )
    if finished.returncode:
        raise RuntimeError(f"pip cannot install {requirement} for {python}:\n{finished.stdout}")
    return folder


def _move_unless_there(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was as quick, and its folder is as good
            raise


def invoke(
    zip_path: Path,
    *,
    python: Path,
    handler: str,
    event: object,
    client: Path,
    tmp_path: Path,
    layers: Sequence[Path] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
    timeout: float = 60,
) -> Invocation:
    """Unpacks the zip (and the layers, in their order), starts the runtime and passes it one event.

    `client` comes from `runtime_client`. `environment` wins over Lambda's own variables; those that steer the
    interpreter (`PYTHON...`) have no effect. Nothing is left behind: no process and no file.
    """
    with TemporaryDirectory(prefix="lambda-", dir=tmp_path) as scratch:
        place = _Place(Path(scratch))
        _unpack([zip_path], place.task_root)
        _unpack(layers, place.opt)
        place.temporary.mkdir()
        command = [str(python), "-I", "-S", "-c", _BOOTSTRAP, str(place.task_root), str(place.opt), str(client)]
        with _RuntimeApi(json.dumps(event).encode(), timeout) as api, place.log.open("w+b") as log:
            variables = {**_variables(place, handler, api.address), **environment}
            with _started(_without_privileges(command), variables, place.task_root, log) as runtime:
                outcome = api.serve_until_answered(runtime)
            log.seek(0)
            return replace(outcome, logs=log.read().decode(errors="replace"))


@dataclass(frozen=True)
class _Place:
    """Where things lie that Lambda has at fixed paths."""

    base: Path

    @property
    def task_root(self) -> Path:
        """Lambda's `/var/task`."""
        return self.base / "task"

    @property
    def opt(self) -> Path:
        """Lambda's `/opt`, which all layers share."""
        return self.base / "opt"

    @property
    def temporary(self) -> Path:
        """Lambda's `/tmp`, the one folder that a function may write to."""
        return self.base / "tmp"

    @property
    def log(self) -> Path:
        return self.base / "log"


# What the runtime's own start does before it hands over to the client: the search path, and the .pth files of the
# function and its layers.
_BOOTSTRAP = """
import os, site, sys
task_root, opt, client = sys.argv[1:]
version = "python{}.{}".format(*sys.version_info)
added = [task_root, os.path.join(opt, "python", "lib", version, "site-packages"), os.path.join(opt, "python")]
sys.path.insert(0, client)
from awslambdaric.__main__ import main
sys.path[:0] = added
for folder in added:
    site.addsitedir(folder)
os.environ.setdefault("AWS_EXECUTION_ENV", "AWS_Lambda_" + version)
main([task_root, os.environ["_HANDLER"]])
"""


def _variables(place: _Place, handler: str, api: str) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
    task_root, opt = place.task_root, place.opt
    return {
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "under-test",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/under-test",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2030/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_REGION": "eu-central-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"{task_root}:{task_root / 'lib'}:{opt / 'lib'}",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{opt / 'bin'}",
        "TMPDIR": str(place.temporary),
        "TZ": ":UTC",
    }


def _unpack(zips: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    modes: dict[Path, int] = {}
    for zip_path in zips:
        with ZipFile(zip_path) as archive:
            archive.extractall(folder)
            modes |= {folder / entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    _protect(folder, modes)


def _protect(folder: Path, modes: Mapping[Path, int]) -> None:
    """Gives everything the access that the function's user has in Lambda: that of a stranger, and no writing.

    So a file that only its owner may read is unreadable here too, as it is there.
    """
    for path in sorted(folder.rglob("*"), reverse=True):  # a folder after what is in it
        # Zips that were not made as on Unix carry no mode.
        mode = modes.get(path) or (0o755 if path.is_dir() else 0o644)
        path.chmod((mode & (stat.S_IROTH | stat.S_IXOTH)) * 0o111)
    folder.chmod(0o555)


def _without_privileges(command: list[str]) -> list[str]:
    """To root, whom modes do not stop, nothing is read-only, so root gives that privilege up first.

    It stays root otherwise, and does not become a user such as nobody: the interpreter and the task root may well lie
    where only root may go (a home folder, pytest's own temporary folder).
    """
    return [sys.executable, "-I", "-S", "-c", _GIVE_UP_CAPABILITIES, *command] if os.geteuid() == 0 else command


# Linux lets root off the modes by capabilities, see capabilities(7). An empty set for this process, and no way for
# the program executed next to regain them, make root an owner like any other. In a program of its own because
# subprocess's `preexec_fn` is not safe to use beside threads.
_GIVE_UP_CAPABILITIES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, VERSION_3, THIS_PROCESS = 38, 0x20080522, 0
zero = ctypes.c_ulong(0)
header, no_capabilities = (ctypes.c_uint32 * 2)(VERSION_3, THIS_PROCESS), (ctypes.c_uint32 * 6)()
if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or libc.capset(header, no_capabilities):
    raise OSError(ctypes.get_errno(), "cannot give up root's capabilities")
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def _started(
    command: list[str], variables: dict[str, str], folder: Path, log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """The process in a session of its own, which is killed with all that the function has started in it."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class _RuntimeApi(TCPServer):
    """Lambda's side of the Runtime API for one invocation, served by whoever waits for the answer: no thread."""

    timeout = 0.05  # how long `handle_request` waits before we look whether the runtime still lives

    def __init__(self, event: bytes, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.event = event
        self.seconds = seconds
        self.deadline = time.time() + seconds
        self.answer: Invocation | None = None

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.server_address)

    def serve_until_answered(self, runtime: subprocess.Popen[bytes]) -> Invocation:
        while self.answer is None:
            if (status := runtime.poll()) is not None:
                return _failed("Runtime.ExitError", f"Runtime exited with error: {_in_words(status)}")
            if time.time() > self.deadline:
                return _failed("Sandbox.Timedout", f"Task timed out after {self.seconds:.2f} seconds")
            self.handle_request()
        return self.answer


def _failed(kind: str, message: str) -> Invocation:
    return Invocation(error={"errorType": kind, "errorMessage": f"RequestId: {_REQUEST_ID} Error: {message}"})


def _in_words(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal: {signal.strsignal(-status)}"


class _Call(BaseHTTPRequestHandler):
    """One request of the runtime client."""

    timeout = 10  # a client that dies amid a request must not hold us up

    @property
    def api(self) -> _RuntimeApi:
        return cast("_RuntimeApi", self.server)

    def do_GET(self) -> None:
        if self.path != f"{_API}/invocation/next":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": _REQUEST_ID,
            "Lambda-Runtime-Deadline-Ms": str(int(self.api.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": _FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": _TRACE_ID,
        }
        self._reply(HTTPStatus.OK, self.api.event, headers)

    def do_POST(self) -> None:
        posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == f"{_API}/invocation/{_REQUEST_ID}/response":
            self.api.answer = Invocation(response=posted)
        elif self.path in {f"{_API}/invocation/{_REQUEST_ID}/error", f"{_API}/init/error"}:
            self.api.answer = Invocation(error=posted)
        else:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._reply(HTTPStatus.ACCEPTED, b'{"status": "OK"}', {})

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the requests are not what a failing test has to show."""
