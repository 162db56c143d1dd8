"""An execution environment that stays from one invocation to the next, as Lambda keeps it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles
from hatch_lambda.invoke.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.invoke.execution_environment import ExecutionEnvironment
    from hatch_lambda.invoke.invocation import Result
    from hatch_lambda.invoke.supervisor import Supervisor


@dataclass(frozen=True)
class Call:
    """An event and what comes with it. `arn`: as the caller has named the function. `client_context`: JSON."""

    event: bytes
    arn: str
    client_context: str = ""


class WarmEnvironment:
    """A process of the runtime and its `/tmp`. Whatever ends the process, the next invocation starts another one.

    One thread does all of this: the kernel ends a runtime together with the thread that has started it
    (PR_SET_PDEATHSIG in prctl(2)), and those of an HTTP server come and go.
    """

    def __init__(self, prepared: ExecutionEnvironment, temporary: Path) -> None:
        self._prepared = prepared
        self._temporary = temporary
        self._thread = ThreadPoolExecutor(1, "environment")
        self._held = ExitStack()
        self._supervisor: Supervisor | None = None
        self._is_over = False

    def init(self, on_log: Callable[[str], None]) -> Result | None:
        """Start the runtime before there is an event. Returns the result of an init that fails."""
        return self._thread.submit(lambda: self._start(on_log, None).init()).result()

    def invoke(self, call: Call, on_log: Callable[[str], None]) -> Result:
        """Run the function on an event. `on_log` gets its log line by line."""
        return self._thread.submit(self._invoke, call, on_log).result()

    def interrupt(self) -> None:
        """End the process, whatever it does, and start none any more."""
        self._is_over = True
        if supervisor := self._supervisor:
            supervisor.process.terminate()

    def close(self) -> None:
        """End the process, once it has responded. May be called again."""
        with suppress(RuntimeError):  # it was called before
            self._thread.submit(self._end)
        self._thread.shutdown()

    def _invoke(self, call: Call, on_log: Callable[[str], None]) -> Result:
        if not self._supervisor or not self._supervisor.is_usable:
            result = self._start(on_log, call).result(keep=True)
            if result.has_init_timed_out:
                result = self._start(on_log, call, result.request_id, time.monotonic()).result(keep=True)
            return result
        supervisor = self._supervisor
        supervisor.log.write = on_log
        supervisor.api.function_arn, supervisor.api.client_context = call.arn, call.client_context
        return supervisor.answer(call.event)

    def _start(
        self,
        on_log: Callable[[str], None],
        call: Call | None,
        request_id: str | None = None,
        invoked_at: float | None = None,
    ) -> Supervisor:
        """A cold start."""
        self._end()
        self._temporary.mkdir()
        invocation = self._prepared.invocation
        api = RuntimeApi(
            call.event if call else None,
            call.arn if call else invocation.arn,
            invocation.timeout,
            request_id=request_id,
            invoked_at=invoked_at,
        )
        api.client_context = call.client_context if call else ""
        self._supervisor = self._held.enter_context(self._prepared.runtime(api, self._temporary, on_log))
        if self._is_over:  # since this has begun
            self._supervisor.process.terminate()
        return self._supervisor

    def _end(self) -> None:
        self._supervisor = None
        self._held.close()
        tempfiles.remove(self._temporary)
