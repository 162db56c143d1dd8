"""Running a function of a zip here, as Lambda would: AWS's runtime client on one side, its Runtime API on the other.

`task_root` unpacks, `runtime_python` finds the interpreter and the client, `start_as_lambda` becomes the runtime's
process and `run_in_lambda` the runtime; `runtime_process` watches it, `runtime_api` is what it talks to. In here they
come together.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import selectors
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.ui import SilentUI
from hatch_lambda.invoke import runtime_python, task_root
from hatch_lambda.invoke.runtime_api import REQUEST_LIMIT, Request, RuntimeApi
from hatch_lambda.invoke.runtime_process import KILLED, Log, Pipe, in_words, kill, peak_memory, started
from hatch_lambda.wheels import store
from hatch_lambda.wheels.machine_code import scan_directory

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

    from hatch_lambda.common.ui import UI
    from hatch_lambda.invoke.runtime_python import RuntimePython

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, and for the init:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
DEFAULT_TIMEOUT = 3.0
DEFAULT_MEMORY = 128
INIT_TIMEOUT = 10.0

SCRATCH = "hatch-lambda-invoke-"
"""How the folders begin that stand for a function's file system."""

_MEGABYTE = 1024 * 1024

# What this program says to the runtime by way of its environment, and what would have it take another way.
RESERVED = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_EXEC_WRAPPER",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_LAMBDA_TELEMETRY_LOG_FD",
    }
)


class InvocationError(LambdaBuildError):
    """What was asked for is nothing that Lambda would take."""


@dataclass(frozen=True)
class Invocation:
    """A function and one event for it.

    `code`, `layers`: zips or folders. `runtime`, `python`: as `python3.13`, and the interpreter to take; found out
    where they are not given. `timeout`, `init_timeout`: seconds. `memory`: MB; what is above it fails only where
    `memory_holds`.
    """

    code: Path
    handler: str
    event: bytes = b"{}"
    layers: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: str | None = None
    python: Path | None = None
    timeout: float = DEFAULT_TIMEOUT
    init_timeout: float = INIT_TIMEOUT
    memory: int = DEFAULT_MEMORY
    memory_holds: bool = False


@dataclass(frozen=True)
class FunctionError:
    """How an invocation failed, in Lambda's words.

    `status`: `error` or `timeout` where Lambda ended it; none where the function said itself what is wrong.
    """

    type: str
    message: str
    stack_trace: tuple[str, ...] = ()
    status: str | None = None


@dataclass(frozen=True)
class Result:
    """What became of an invocation.

    `payload`: what Lambda gives back: the response, or the error as JSON. `init_seconds`: from the start of the
    interpreter until it asks for the event. `seconds`: from then until it has answered; none where it never asked.
    `peak_memory`: in bytes, of the runtime's process without those that it starts.
    """

    request_id: str
    payload: bytes
    error: FunctionError | None
    init_seconds: float
    seconds: float | None
    memory: int
    peak_memory: int

    @property
    def used_megabytes(self) -> int:
        return math.ceil(self.peak_memory / _MEGABYTE)

    @property
    def report(self) -> str:
        """The line that ends the log of an invocation in Lambda, or of an init that failed."""
        status = self.error.status if self.error else None
        if self.seconds is None:
            fields = [f"INIT_REPORT Init Duration: {self.init_seconds * 1000:.2f} ms", "Phase: init"]
            status = status or "error"
        else:
            # Since August 2025, the init is billed as well ("AWS Lambda standardizes billing for INIT Phase").
            billed = math.ceil((self.init_seconds + self.seconds) * 1000)
            fields = [
                f"REPORT RequestId: {self.request_id}",
                f"Duration: {self.seconds * 1000:.2f} ms",
                f"Billed Duration: {billed} ms",
                f"Memory Size: {self.memory} MB",
                f"Max Memory Used: {self.used_megabytes} MB",
                f"Init Duration: {self.init_seconds * 1000:.2f} ms",
            ]
        if self.error and status:
            fields += [f"Status: {status}"] + ([f"Error Type: {self.error.type}"] if status == "error" else [])
        return "\t".join(fields)


def invoke(invocation: Invocation, *, on_log: Callable[[str], None] | None = None, ui: UI | None = None) -> Result:
    """Run a function on its event, from unpacking to tidying up.

    `on_log` gets the function's log line by line, with Lambda's own lines. Raises `LambdaBuildError` where the
    function cannot be run here at all.
    """
    with prepared(invocation, ui) as environment:
        return environment.invoke(on_log)


@contextlib.contextmanager
def prepared(invocation: Invocation, ui: UI | None = None) -> Iterator[ExecutionEnvironment]:
    """All that goes before an invocation, for as many cold starts as one likes; gone with the context."""
    runtime_python.require_linux()
    _check(invocation)
    sources = (invocation.code, *invocation.layers)
    python = runtime_python.runtime_python(sources, invocation.runtime, invocation.python)
    tempfiles.sweep(Path(tempfile.gettempdir()), SCRATCH)
    place = _Place(Path(tempfile.mkdtemp(prefix=tempfiles.marked(SCRATCH))).resolve())
    try:
        _unpack(invocation, place, python)
        kept_in = store.user_store(place.base).root / "runtime-clients"
        _lay_out_runtime(place.runtime, runtime_python.client_files(python, kept_in, ui or SilentUI()))
        yield ExecutionEnvironment(invocation, python, place)
    finally:
        task_root.make_removable(place.base)
        shutil.rmtree(place.base)


def _check(invocation: Invocation) -> None:
    if reserved := sorted(RESERVED & invocation.environment.keys()):
        raise InvocationError(f"{reserved[0]} says how the function is run here, and cannot be set by its environment")
    if len(invocation.event) > REQUEST_LIMIT:
        raise InvocationError(
            f"RequestEntityTooLargeException: {len(invocation.event)} byte payload is too large for the "
            f"RequestResponse invocation type (limit {REQUEST_LIMIT} bytes)"
        )


@dataclass(frozen=True)
class _Place:
    """A folder for each that Lambda has at a fixed path."""

    base: Path

    @property
    def task_root(self) -> Path:
        """`/var/task`"""
        return self.base / "task"

    @property
    def opt(self) -> Path:
        """`/opt`"""
        return self.base / "opt"

    @property
    def runtime(self) -> Path:
        """`/var/runtime`"""
        return self.base / "runtime"

    @property
    def temporary(self) -> Path:
        """`/tmp`"""
        return self.base / "tmp"

    @property
    def home(self) -> Path:
        """A folder that is not there, as in Lambda. The user's own one may hold AWS credentials."""
        return self.base / "home"


def _unpack(invocation: Invocation, place: _Place, python: RuntimePython) -> None:
    for folder, sources in ((place.task_root, (invocation.code,)), (place.opt, invocation.layers)):
        modes = task_root.unpack(sources, folder)
        if sources:
            names = " or ".join(source.name for source in sources)
            runtime_python.make_sure_that_it_loads(scan_directory(folder), names, python)
        task_root.protect(folder, modes)


def _lay_out_runtime(folder: Path, client: tuple[Path, ...]) -> None:
    folder.mkdir()
    for path in client:
        folder.joinpath(path.name).symlink_to(path)
    # A copy, not a link: an interpreter looks for modules where a link to its program leads.
    shutil.copyfile(Path(__file__).with_name("run_in_lambda.py"), folder / "bootstrap.py")


@dataclass(frozen=True)
class ExecutionEnvironment:
    """Where a function is ready to be invoked, each time by a cold start: a new process, and an empty `/tmp`."""

    invocation: Invocation
    python: RuntimePython
    place: _Place

    def invoke(self, on_log: Callable[[str], None] | None = None) -> Result:
        """Run the function on its event. `on_log` gets its log line by line, with Lambda's own lines."""
        self._empty_temporary()
        with Pipe() as log, Pipe() as clock, RuntimeApi(self._request) as api:
            variables = self._variables(api.address)
            with started(self._command, variables, self.place.task_root, log=log, clock=clock) as process:
                lines = Log(log, on_log or (lambda _line: None))
                return _Watch(self.invocation, api, process, lines, clock).result()

    def _empty_temporary(self) -> None:
        if self.place.temporary.exists():
            task_root.make_removable(self.place.temporary)
            shutil.rmtree(self.place.temporary)
        self.place.temporary.mkdir()

    @property
    def _command(self) -> list[str]:
        # Without the packages of this machine (-S) and of its user (-s). Python's own variables hold, as in Lambda:
        # the environment has only those that are given for the function.
        return [str(self.python.path), "-s", "-S", str(self.place.runtime / "bootstrap.py"), str(self.place.opt)]

    @property
    def _function_name(self) -> str:
        name = self.invocation.code.absolute().name.removesuffix(".zip")
        return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64]

    @property
    def _region(self) -> str:
        return self.invocation.environment.get("AWS_REGION", "us-east-1")

    @property
    def _request(self) -> Request:
        arn = f"arn:aws:lambda:{self._region}:123456789012:function:{self._function_name}"
        return Request(self.invocation.event, arn, self.invocation.timeout)

    def _variables(self, api: str) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
        place, name = self.place, self._function_name
        return {
            "AWS_DEFAULT_REGION": self._region,
            # Lambda has no such service; that of an EC2 machine would hand out the machine's credentials.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.python.runtime}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.invocation.memory),
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_RUNTIME_API": api,
            "AWS_REGION": self._region,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            "HOME": str(place.home),
            "LAMBDA_RUNTIME_DIR": str(place.runtime),
            "LAMBDA_TASK_ROOT": str(place.task_root),
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH": ":".join(map(str, self._library_folders())),
            "PATH": f"{self.python.path.parent}:/usr/local/bin:/usr/bin:/bin:{place.opt / 'bin'}",
            "TMPDIR": str(place.temporary),
            "TZ": ":UTC",
            "_HANDLER": self.invocation.handler,
            **self.invocation.environment,
        }

    def _library_folders(self) -> Iterator[Path]:
        if self.python.prefix != Path("/usr"):
            yield self.python.prefix / "lib"  # Lambda's /var/lang/lib; an interpreter may need its libpython from there
        yield from (self.place.runtime, self.place.runtime / "lib")
        yield from (self.place.task_root, self.place.task_root / "lib", self.place.opt / "lib")


class _Watch:
    """One process of a runtime, from its start until it has answered or cannot any more."""

    def __init__(
        self,
        invocation: Invocation,
        api: RuntimeApi,
        process: subprocess.Popen[bytes],
        log: Log,
        clock: Pipe,
    ) -> None:
        self._started_at = time.monotonic()  # until the clock knows better
        self._clock = clock
        self._invocation = invocation
        self._api = api
        self._process = process
        self._log = log
        self._peak_memory = 0
        api.before_event, api.before_answer = self._say_start, self._measure

    def result(self) -> Result:
        """What becomes of the invocation. Lambda's own lines end the log."""
        ended = self._until_answered()
        self._look_at_clock()
        answer, given_at = self._api.answer, self._api.given_at
        over = answer.at if answer else time.monotonic()
        kill(self._process)
        self._log.pump()
        self._log.flush()
        ended = ended or self._too_much_memory()
        error = ended or (_posted(answer.body) if answer and answer.kind != "response" else None)
        result = Result(
            request_id=self._api.request.id,
            payload=answer.body if answer and not ended else _as_payload(error),
            error=error,
            init_seconds=(self._api.asked_at or over) - self._started_at,
            seconds=None if given_at is None else over - given_at,
            memory=self._invocation.memory,
            peak_memory=self._peak_memory,
        )
        self._say_end(result)
        return result

    def _until_answered(self) -> FunctionError | None:
        """Serve the runtime. Why it has to be ended without an answer, if it has to."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._api, selectors.EVENT_READ)
            selector.register(self._log, selectors.EVENT_READ)
            while self._api.answer is None:
                for key, _ in selector.select(min(_LOOKS_EVERY, max(0.0, self._time_left))):
                    if key.fileobj is self._api:
                        self._api.handle_request()
                    elif not self._log.pump():
                        selector.unregister(self._log)
                self._look_at_clock()
                self._measure()
                if error := self._trouble():
                    return error
        return None

    @property
    def _time_left(self) -> float:
        """Seconds, of the init or else of the invocation."""
        given_at = self._api.given_at
        end = (
            self._started_at + self._invocation.init_timeout
            if given_at is None
            else given_at + self._invocation.timeout
        )
        return end - time.monotonic()

    def _trouble(self) -> FunctionError | None:
        if self._api.answer:
            return None
        if error := self._too_much_memory():
            return error
        if (exit_code := self._process.poll()) is not None:
            return self._error("Runtime.ExitError", in_words(exit_code))
        if self._time_left > 0:
            return None
        if self._api.given_at is None:
            limit = self._invocation.init_timeout
            return self._error("Sandbox.Timedout", f"Init timed out after {limit:.2f} seconds", "timeout")
        limit = self._invocation.timeout
        return self._error("Sandbox.Timedout", f"Task timed out after {limit:.2f} seconds", "timeout")

    def _too_much_memory(self) -> FunctionError | None:
        limit = self._invocation.memory * _MEGABYTE
        if not self._invocation.memory_holds or self._peak_memory <= limit:
            return None
        used = math.ceil(self._peak_memory / _MEGABYTE)
        words = f"{KILLED}: out of memory, as {used} MB of {self._invocation.memory} MB were used"
        return self._error("Runtime.OutOfMemory", words)

    def _error(self, kind: str, words: str, status: str = "error") -> FunctionError:
        return FunctionError(kind, f"RequestId: {self._api.request.id} Error: {words}", status=status)

    def _measure(self) -> None:
        self._peak_memory = max(self._peak_memory, peak_memory(self._process))

    def _look_at_clock(self) -> None:
        if told := self._clock.read():
            self._started_at = int(told) / 1e9

    def _say_start(self) -> None:
        self._measure()
        self._log.pump()  # what the init has printed stands before
        self._log.say(f"START RequestId: {self._api.request.id} Version: $LATEST")

    def _say_end(self, result: Result) -> None:
        error = result.error
        if error and error.status == "timeout":
            now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            self._log.say(f"{now}Z {result.request_id} {error.message.partition('Error: ')[2]}")
        elif error and error.status:
            self._log.say(error.message)
            self._log.say(error.type)
        if result.seconds is not None:
            self._log.say(f"END RequestId: {result.request_id}")
        self._log.say(result.report)


_LOOKS_EVERY = 0.05
"""Seconds between looks at how much memory the runtime holds, and whether it still lives."""


def _posted(body: bytes) -> FunctionError:
    """An error as the runtime client has posted it."""
    try:
        posted = json.loads(body)
        trace = posted.get("stackTrace") or ()
        return FunctionError(str(posted["errorType"]), str(posted["errorMessage"]), tuple(map(str, trace)))
    except (ValueError, KeyError, AttributeError):
        return FunctionError("Unhandled", body.decode(errors="replace"))


def _as_payload(error: FunctionError | None) -> bytes:
    return json.dumps({"errorType": error.type, "errorMessage": error.message}).encode() if error else b""
