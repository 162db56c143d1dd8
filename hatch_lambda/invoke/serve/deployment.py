"""Code that a function has, or had until it was replaced, and the environments that run it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.invoke.execution_environment import prepare
from hatch_lambda.invoke.serve.warm_environment import WarmEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.common.ui import UI
    from hatch_lambda.invoke.execution_environment import ExecutionEnvironment
    from hatch_lambda.invoke.invocation import Invocation


class InitError(LambdaBuildError):
    """The code cannot be served, as its init fails."""


class Deployment:
    """Not safe with threads, except for `close`: `Function` locks it."""

    def __init__(self, prepared: ExecutionEnvironment, held: ExitStack) -> None:
        self.prepared = prepared
        self._held = held
        self._count = 0
        self._idle: list[WarmEnvironment] = []
        self._busy: list[WarmEnvironment] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    def take(self) -> WarmEnvironment:
        """The environment that was used last, or a new one."""
        if self._idle:
            environment = self._idle.pop()
        else:
            self._count += 1
            environment = WarmEnvironment(self.prepared, self.prepared.base / f"tmp-{self._count}")
        self._busy.append(environment)
        return environment

    def give_back(self, environment: WarmEnvironment) -> None:
        self._busy.remove(environment)
        self._idle.append(environment)

    def close(self) -> None:
        """End all environments, whatever they do, and remove the code."""
        for environment in (*self._busy, *self._idle):
            environment.interrupt()
        for environment in (*self._busy, *self._idle):
            environment.close()
        self._held.close()


def deployed(
    invocation: Invocation, bytecode: Path, on_log: Callable[[str], None], ui: UI, *, former: Deployment | None = None
) -> Deployment:
    """Unpack code and start its first environment. `bytecode`, `former`: see `prepare`.

    Raises `LambdaBuildError`; an `InitError` if the handler cannot be imported, say.
    """
    held = ExitStack()
    prepared = held.enter_context(
        prepare(invocation, ui, former=former.prepared if former else None, bytecode=bytecode)
    )
    deployment = Deployment(prepared, held)
    with ExitStack() as unless_it_starts:
        unless_it_starts.callback(deployment.close)
        environment = deployment.take()
        if failed := environment.init(on_log):
            reason = f"{failed.error.type}: {failed.error.message}" if failed.error else "the runtime has ended"
            raise InitError(f"`{invocation.handler}` cannot be served, as its init fails: {reason}")
        deployment.give_back(environment)
        unless_it_starts.pop_all()
    return deployment
