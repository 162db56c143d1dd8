"""Watches a runtime until it has responded, or cannot respond any more."""

from __future__ import annotations

import json
import selectors
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_lambda.invoke.invocation import MEGABYTE, FunctionError, Invocation, Result
from hatch_lambda.invoke.runtime_process import KILLED, PIPE_CAPACITY, Log, in_words, kill, peak_memory

if TYPE_CHECKING:
    import subprocess
    from io import FileIO

    from hatch_lambda.invoke.runtime_api import RuntimeApi

_INTERVAL = 0.05
"""Seconds between checks of the runtime's memory and of whether it is alive."""


@dataclass
class Supervisor:
    """Serves, measures and ends one process of a runtime. Its init is part of the invocation if that has begun.

    By default it ends with the first result; `keep` lets it go on, so that it can `answer` further events.
    """

    invocation: Invocation
    api: RuntimeApi
    process: subprocess.Popen[bytes]
    log: Log
    clock: FileIO
    _started_at: float = field(default_factory=time.monotonic)  # until the clock is more exact
    _runtime: int | None = None
    _peak_memory: int = 0
    _is_warm: bool = False

    def __post_init__(self) -> None:
        self._is_retry = self.api.invoked_at is not None
        if self._is_retry:
            self._log_start()
        self.api.before_event = self._measure if self._is_retry else self._log_start
        self.api.before_response = self._measure

    @property
    def is_usable(self) -> bool:
        """Whether the runtime can serve another event."""
        return self.process.poll() is None

    def init(self) -> Result | None:
        """Serve the runtime until it waits for an event. Returns the result of an init that fails."""
        error = self._serve()
        return self._ended(error, keep=False) if error or not self.api.waiting else None

    def result(self, *, keep: bool = False) -> Result:
        """Wait for the result. Lambda's own lines end the log."""
        return self._ended(self._serve(), keep=keep)

    def answer(self, event: bytes) -> Result:
        """Have a runtime that was kept serve another event."""
        self.api.begin(event)
        return self.result(keep=True)

    def _ended(self, ended: FunctionError | None, *, keep: bool) -> Result:
        self._read_clock()
        response, invoked_at = self.api.response, self.api.invoked_at
        over = response.at if response else time.monotonic()
        ended = ended or self._out_of_memory()
        if ended or not response or response.is_last or not keep:
            kill(self.process)
            self.log.pump()
        else:
            self.log.pump_all()
        self.log.flush()
        error = ended
        if response and not ended:
            payload = response.body
            error = _posted(response.body) if response.is_error else None
        else:
            payload = json.dumps({"errorType": error.type, "errorMessage": error.message}).encode() if error else b""
        result = Result(
            request_id=self.api.request_id,
            payload=payload,
            error=error,
            init_seconds=0.0 if self._is_warm else (self.api.asked_at or over) - self._started_at,
            seconds=None if invoked_at is None else over - invoked_at,
            memory=self.invocation.memory,
            peak_memory=self._peak_memory,
            init_retried=self._is_retry,
        )
        self._log_end(result)
        self._is_warm, self._is_retry = True, False
        return result

    def _serve(self) -> FunctionError | None:
        """Serve the runtime until it responds, or waits for an event.

        Returns why it has to be ended without a response, if so.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self.api, selectors.EVENT_READ)
            selector.register(self.log, selectors.EVENT_READ)
            while self.api.response is None and self.api.waiting is None:
                for key, _ in selector.select(min(_INTERVAL, max(0.0, self._time_left))):
                    if key.fileobj is self.api:
                        self.api.handle_request()
                    elif not self.log.pump():
                        selector.unregister(self.log)
                self._read_clock()
                self._measure()
                if error := self._failure():
                    return error
        return None

    @property
    def _time_left(self) -> float:
        """Seconds left of the init or, once it has begun, of the invocation."""
        if self.api.invoked_at is None:
            return self._started_at + self.invocation.init_timeout - time.monotonic()
        return self.api.invoked_at + self.invocation.timeout - time.monotonic()

    def _failure(self) -> FunctionError | None:
        if self.api.response:
            return None
        if error := self._out_of_memory():
            return error
        if (exit_code := self.process.poll()) is not None:
            return self._error("Runtime.ExitError", in_words(exit_code))
        if self._time_left > 0:
            return None
        if self.api.invoked_at is None:
            message = f"Init timed out after {self.invocation.init_timeout:.2f} seconds"
        else:
            message = f"Task timed out after {self.invocation.timeout:.2f} seconds"
        return self._error("Sandbox.Timedout", message, "timeout")

    def _out_of_memory(self) -> FunctionError | None:
        limit, used = self.invocation.memory, -(-self._peak_memory // MEGABYTE)
        if not self.invocation.enforce_memory or self._peak_memory <= limit * MEGABYTE:
            return None
        return self._error("Runtime.OutOfMemory", f"{KILLED}: out of memory: used {used} MB of {limit} MB")

    def _error(self, kind: str, message: str, status: str = "error") -> FunctionError:
        return FunctionError(kind, f"RequestId: {self.api.request_id} Error: {message}", status=status)

    def _measure(self) -> None:
        if self._runtime:
            self._peak_memory = max(self._peak_memory, peak_memory(self._runtime))

    def _read_clock(self) -> None:
        if told := self.clock.read(PIPE_CAPACITY):
            self._runtime, nanoseconds = map(int, told.split())
            self._started_at = nanoseconds / 1e9

    def _log_start(self) -> None:
        self._measure()
        self.log.pump()  # what the init has printed comes first
        self.log.write(f"START RequestId: {self.api.request_id} Version: $LATEST")

    def _log_end(self, result: Result) -> None:
        error = result.error
        if self._is_retry and self.api.asked_at is None:
            self.log.write(result.init_report)
        if error and error.status == "timeout" and result.seconds is not None:
            now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            self.log.write(f"{now}Z {result.request_id} {error.message.partition('Error: ')[2]}")
        elif error and error.status == "error":
            self.log.write(error.message)
            self.log.write(error.type)
        if result.seconds is not None:
            self.log.write(f"END RequestId: {result.request_id}")
        self.log.write(result.report)


def _posted(body: bytes) -> FunctionError:
    """An error as the runtime client posted it."""
    try:
        posted = json.loads(body)
        trace = posted.get("stackTrace") or ()
        return FunctionError(str(posted["errorType"]), str(posted["errorMessage"]), tuple(map(str, trace)))
    except (ValueError, KeyError, AttributeError):
        return FunctionError("Unhandled", body.decode(errors="replace"))
