"""An invocation and its result, as values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.invoke.runtime_api import REQUEST_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, and for the init:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
DEFAULT_TIMEOUT = 3.0
DEFAULT_MEMORY = 128
INIT_TIMEOUT = 10.0
MAX_TIMEOUT = 900.0

MEGABYTE = 1024 * 1024

# Set for the runtime by hatch-lambda, or would change how the runtime starts.
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
    """Lambda would reject the invocation."""


@dataclass(frozen=True)
class Invocation:
    """A function and an event for it.

    `code`, `layers`: zips or directories. `runtime`, `python`: a name like `python3.13`, and the interpreter to use;
    detected if None. `timeout`, `init_timeout`: in seconds. `memory`: in MB; using more fails only with
    `enforce_memory`. `name`: the function's, by default after the code.
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
    enforce_memory: bool = False
    name: str | None = None

    @property
    def function_name(self) -> str:
        own = self.code.absolute().name.removesuffix(".zip")
        return self.name or re.sub(r"[^A-Za-z0-9_-]", "-", own)[:64]

    @property
    def region(self) -> str:
        return self.environment.get("AWS_REGION", "us-east-1")

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:123456789012:function:{self.function_name}"

    def check(self) -> None:
        """Raise `InvocationError` for what Lambda would reject."""
        if reserved := sorted(RESERVED & self.environment.keys()):
            raise InvocationError(f"{reserved[0]} is reserved for the runtime and cannot be set")
        for timeout in (self.timeout, self.init_timeout):
            if not 0 < timeout <= MAX_TIMEOUT:  # nor NaN
                raise InvocationError(f"a timeout must be between 0 and {MAX_TIMEOUT:.0f} seconds, not {timeout}")
        if len(self.event) > REQUEST_LIMIT:
            raise InvocationError(
                f"RequestEntityTooLargeException: {len(self.event)} byte payload is too large for the "
                f"RequestResponse invocation type (limit {REQUEST_LIMIT} bytes)"
            )


@dataclass(frozen=True)
class FunctionError:
    """How an invocation failed, in Lambda's words.

    `status`: `error` or `timeout` if Lambda ended it; None if the function itself reported the error.
    """

    type: str
    message: str
    stack_trace: tuple[str, ...] = ()
    status: str | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of an invocation.

    `payload`: Lambda's response body: what the function returned, or the error as JSON. `init_seconds`: from the start
    of the interpreter until it asks for the event; 0 if an earlier invocation has had it. `seconds`: from then until it
    responds; None if it never asked. `peak_memory`: in bytes, of the runtime's process without its children.
    `init_retried`: whether the init timed out and was started again as a part of the invocation, whose `seconds`
    include it.
    """

    request_id: str
    payload: bytes
    error: FunctionError | None
    init_seconds: float
    seconds: float | None
    memory: int
    peak_memory: int
    init_retried: bool = False

    @property
    def has_init_timed_out(self) -> bool:
        """Lambda then retries the init at the time of the first invocation, with the timeout of the function.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
        """
        return self.seconds is None and self.error is not None and self.error.status == "timeout"

    @property
    def used_megabytes(self) -> int:
        return math.ceil(self.peak_memory / MEGABYTE)

    @property
    def report(self) -> str:
        """The line that ends an invocation's log in Lambda, or that of a failed init."""
        if self.seconds is None:
            return self.init_report
        # Since August 2025, the init is billed as well ("AWS Lambda standardizes billing for INIT Phase").
        init = 0.0 if self.init_retried else self.init_seconds
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.seconds * 1000:.2f} ms",
            f"Billed Duration: {math.ceil((init + self.seconds) * 1000)} ms",
            f"Memory Size: {self.memory} MB",
            f"Max Memory Used: {self.used_megabytes} MB",
            *([f"Init Duration: {init * 1000:.2f} ms"] if init else []),
        ]
        return "\t".join((*fields, *self._status(self.error.status if self.error else None)))

    @property
    def init_report(self) -> str:
        """The line that ends the log of a failed init."""
        phase = "init" if self.seconds is None else "invoke"
        fields = [f"INIT_REPORT Init Duration: {self.init_seconds * 1000:.2f} ms", f"Phase: {phase}"]
        return "\t".join((*fields, *self._status((self.error and self.error.status) or "error")))

    def _status(self, status: str | None) -> Iterator[str]:
        if self.error and status:
            yield f"Status: {status}"
            if status == "error":
                yield f"Error Type: {self.error.type}"
