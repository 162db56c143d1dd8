"""A request at work: given once, the same for every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from hatch_lambda.common.target import Target
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings


class StartedAhead(Protocol):
    """A pip that waits for its request, as `pip.process.WaitingPip`."""

    def take(self, root: Path) -> subprocess.Popen[str] | None: ...


class Job(NamedTuple):
    """`scratch`: a directory of this run alone. `waiting_pip`: one that was started ahead, for stage 1."""

    request: Request
    scratch: Path
    reporter: Reporter
    waiting_pip: StartedAhead | None = None

    @property
    def settings(self) -> Settings:
        return self.request.settings

    @property
    def target(self) -> Target:
        return self.request.settings.target
