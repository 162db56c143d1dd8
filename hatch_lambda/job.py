"""What a run of the pipeline works on: given once, the same for every stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.settings import Settings
    from hatch_lambda.target import Target
    from hatch_lambda.ui import Reporter


@dataclass(frozen=True)
class Job:
    """`requirements`: the project's own dependencies (PEP 508), used where the settings name no requirements files.

    `subject`: who requires them, as messages call it. `scratch`: a folder of this run alone.
    """

    settings: Settings
    subject: str
    requirements: tuple[str, ...]
    scratch: Path
    reporter: Reporter

    @property
    def target(self) -> Target:
        return self.settings.target
