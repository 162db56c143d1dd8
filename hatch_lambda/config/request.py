"""The request to the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.config.settings import Settings

TASK_ROOT = "/var/task"
"""Where Lambda unpacks a function (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""
LAYER_ROOT = "/opt/python"
"""The `python` directory of a layer there."""


class Request(NamedTuple):
    """The bundle to make.

    `directory`: where. `subject`: the project's name in messages. `requirements`: the dependencies (PEP 508) in
    addition to the settings' requirements files; `constraints`: likewise, in addition to the settings' constraints
    files. `ignored`: warnings about settings of other tools that have no effect. `state`: the directory that saves a
    resolution for the next build; without one, every build resolves. `neighbours`: those of the project's other
    bundles, whose resolution is reused if it has the same inputs. `anew`: ignore cached builds. `place`: the directory
    of the bundle in the runtime. `build`: a name for the build that several requests belong to, in which each local
    project is built once. `libraries`: lists the project's files that the loader searches (`SEARCHED`), by their paths
    in the zip.
    """

    settings: Settings
    directory: Path
    subject: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    state: Path | None = None
    neighbours: tuple[Path, ...] = ()
    anew: bool = False
    place: str = TASK_ROOT
    build: str = ""
    libraries: Callable[[], Mapping[str, Path]] = dict
