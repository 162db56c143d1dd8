"""The two ways of stage 1, each alone, and what they come to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.finder.find import find
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.resolve_with_pip import resolve_with_pip
from hatch_lambda.wheels.store import user_store
from tests.support.recording_ui import RecordingUI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.resolve.closure import Closure


def job_of(root: Path, lines: Sequence[str], more_constraints: Sequence[str] = (), **table: object) -> Job:
    """`lines`: the project's dependencies. `table`: the settings."""
    table = {key.replace("_", "-"): value for key, value in table.items()}
    settings = load({"runtime": "python3.13", **table}, root, environ={})
    request = Request(
        settings,
        settings.bundle_directory,
        subject="orders",
        requirements=tuple(lines),
        constraints=tuple(more_constraints),
    )
    return Job(request, Path(tempfile.mkdtemp(dir=root)), Reporter(RecordingUI()))


def by_finder(job: Job) -> Closure:
    """Raises `LeftToPip`."""
    return find(job, user_store(job.settings.fallback_store), lambda _: None)


by_pip = resolve_with_pip


def picture(closure: Closure) -> dict[str, tuple[object, ...]]:
    """What has to be the same whichever way was taken, by name."""
    return {
        found.name: (
            str(found.version),
            [(wheel.path.name, (wheel.url or "").partition("#")[0]) for wheel in found.wheels],
            found.source is not None,
            sorted(found.extras),
            sorted(map(str, found.requires)),
            found.requested,
            found.direct,
        )
        for found in closure.distributions
    }
