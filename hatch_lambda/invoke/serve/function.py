"""A function that is served: its code at present, and how much of it may run at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.invoke.serve.deployment import deployed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.common.ui import UI
    from hatch_lambda.invoke.invocation import Invocation, Result
    from hatch_lambda.invoke.serve.deployment import Deployment
    from hatch_lambda.invoke.serve.warm_environment import Call

_LOG_TAIL = 4 * 1024
"""Bytes of the log that the API returns (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, LogType)."""


class TooManyRequestsError(LambdaBuildError):
    """As many environments as are allowed are busy."""


class Answer(NamedTuple):
    """`log`: its end."""

    result: Result
    log: bytes


class Function:
    """Serves invocations, each by an environment of its own, and at most `concurrency` at a time.

    `on_log` gets the log of all of them, line by line.
    """

    def __init__(
        self, invocation: Invocation, concurrency: int, on_log: Callable[[str], None], ui: UI, *, bytecode: Path
    ) -> None:
        """`bytecode`: a directory for that of all functions. Raise `LambdaBuildError`."""
        self.invocation = invocation
        self.name = invocation.function_name
        self._concurrency = concurrency
        self.on_log = on_log
        self._ui = ui
        self._running = 0
        self._changed = threading.Condition()
        self._events = ThreadPoolExecutor(concurrency, f"events of {self.name}")
        self._deployment = deployed(invocation, bytecode, on_log, ui)
        self._bytecode = bytecode
        self._former: list[Deployment] = []

    def replace(self, invocation: Invocation) -> None:
        """Replace the code once the init of the new one has succeeded. What runs may finish with the former one.

        Raises `LambdaBuildError`, which leaves the former one in place.
        """
        deployment = deployed(invocation, self._bytecode, self.on_log, self._ui, former=self._deployment)
        with self._changed:
            self.invocation = invocation
            former, self._deployment = self._deployment, deployment
            is_busy = former.is_busy
            if is_busy:
                self._former.append(former)
        if not is_busy:
            former.close()

    def invoke(self, call: Call, *, wait: bool = False) -> Answer:
        """Run the function. `wait`: until there is a free environment. Raises `TooManyRequestsError`."""
        with self._changed:
            if not wait and self._running >= self._concurrency:
                raise TooManyRequestsError(f"`{self.name}` is busy: it runs {self._running} times at once")
            self._changed.wait_for(lambda: self._running < self._concurrency)
            self._running += 1
            deployment = self._deployment
            environment = deployment.take()
        tail = b""

        def on_log(line: str) -> None:
            nonlocal tail
            tail = (tail + line.encode() + b"\n")[-_LOG_TAIL:]
            self.on_log(line)

        try:
            return Answer(environment.invoke(call, on_log), tail)
        finally:
            with self._changed:
                self._running -= 1
                deployment.give_back(environment)
                is_over = deployment is not self._deployment and not deployment.is_busy
                if is_over and deployment in self._former:
                    self._former.remove(deployment)
                self._changed.notify()
            if is_over:
                deployment.close()

    def accept(self, call: Call) -> None:
        """Run the function later, as soon as it is not too busy; its result is only in the log."""

        def run() -> None:
            try:
                self.invoke(call, wait=True)
            except (LambdaBuildError, OSError) as error:  # nobody waits for an answer
                self._ui.error(f"An event of `{self.name}` is lost: {error}")

        self._events.submit(run)

    def close(self) -> None:
        """End all that runs."""
        self._events.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            deployments = [self._deployment, *self._former]
        for deployment in deployments:
            deployment.close()
