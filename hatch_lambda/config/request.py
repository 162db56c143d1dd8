"""What a run of the pipeline is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.config.settings import Settings

TASK_ROOT = "/var/task"
"""Where Lambda unpacks a function (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""
LAYER_ROOT = "/opt/python"
"""Where it has the `python` folder of a layer."""


class Request(NamedTuple):
    """A bundle that is wanted.

    `directory`: where. `subject`: who requires the dependencies, as messages call it. `requirements`: the dependencies
    (PEP 508), beside those in the settings' requirements files. `state`: the folder in which a resolution is kept for
    the next build; without one, every build resolves. `neighbours`: such folders of other bundles of the project, whose
    resolution serves if it depends on the same. `anew`: build again what an earlier build has built. `place`: where the
    runtime has what is in the bundle.
    """

    settings: Settings
    directory: Path
    subject: str
    requirements: tuple[str, ...] = ()
    state: Path | None = None
    neighbours: tuple[Path, ...] = ()
    anew: bool = False
    place: str = TASK_ROOT
