"""A request at work: given once, the same for every stage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.common.target import Target
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings


@dataclass(frozen=True)
class Job:
    """A run of the stages.

    `scratch`: a directory of this run alone. `resolver`: the interpreter that runs pip in stage 1, if not the running
    one.
    """

    request: Request
    scratch: Path
    reporter: Reporter
    resolver: Interpreter | None = None

    @property
    def settings(self) -> Settings:
        return self.request.settings

    @property
    def target(self) -> Target:
        return self.request.settings.target

    @cached_property
    def interpreter(self) -> Interpreter:
        """What stages 4 and 5 build with, searched once. Raises `ConfigurationError`."""
        from hatch_lambda.common.interpreters import interpreter_to_build_with  # most builds build nothing

        return interpreter_to_build_with(self.settings.python, self.target.runtime.python)
