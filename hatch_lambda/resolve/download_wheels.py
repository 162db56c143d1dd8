"""Stage 3: ask the index for a wheel of the very version that stage 1 chose."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.common.process import telling_lines
from hatch_lambda.resolve.allow import listed_as_compatible
from hatch_lambda.resolve.closure import Attempt
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.answer import wheel_of
from hatch_lambda.resolve.report_unmet import wheels_of_version
from hatch_lambda.wheels.compatibility import judge, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from hatch_lambda.resolve.closure import Closure, Distribution, IndexFile, Wheel
    from hatch_lambda.resolve.job import Job

STAGE = 3


def download_wheels(closure: Closure, job: Job) -> Closure:
    """For each distribution without a compatible wheel, look for one; that there is none is no failure.

    A direct reference is left alone: it says which source is meant, and the index may have another project's
    distribution under the same name and version.
    """

    def ask(found: Distribution) -> Distribution:
        if found.direct:
            return found
        offered = wheels_of_version(found, closure)
        if found.name in closure.offers and not any(_may_serve(found, file, job) for file in offered):
            return found.after(_nothing_there(found, offered))
        return _ask_index(found, closure, job)

    return closure.each_unmet(ask)


def _may_serve(found: Distribution, file: IndexFile, job: Job) -> bool:
    if file.refused_by_user:
        return False
    return listed_as_compatible(found, job.settings) or bool(wheel_tags(file.filename) & job.target.tag_set)


def _nothing_there(found: Distribution, offered: tuple[IndexFile, ...]) -> Attempt:
    """Stage 1 has seen the project's page, so there is no need to ask again."""
    if any(file.refused_by_user for file in offered):
        outcome = "ruled out by `--no-binary`"
    else:
        outcome = "none of its wheels fits" if offered else "it has none"
    return Attempt(STAGE, f"a wheel of {found} from the index", succeeded=False, outcome=outcome)


def _wheel(entry: Mapping[str, Any], destination: Path, job: Job) -> Wheel:
    wheel = wheel_of(entry, destination, f"downloaded by stage {STAGE}")
    return dataclasses.replace(wheel, verdict=judge(wheel.path, job.target))


def _ask_index(found: Distribution, closure: Closure, job: Job) -> Distribution:
    destination = job.scratch / "wheels" / found.name
    requirements = job.scratch / f"{found.name}-wheel.txt"
    hashes = " ".join(f"--hash={value}" for value in found.allowed_hashes)
    lines = [*closure.index_options, f"{found.name}=={found.version} {hashes}".rstrip()]
    requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = process.pip_download(
        job,
        destination,
        ["--no-deps", "--only-binary=:all:", "--requirement", str(requirements)],
        ignore_tags=[found.name] if listed_as_compatible(found, job.settings) else [],
    )
    wheels = tuple(_wheel(entry, destination, job) for entry in answer.findings["resolved"]) if answer.succeeded else ()
    attempt = Attempt(
        STAGE,
        f"a wheel of {found} from the index",
        succeeded=answer.succeeded,
        outcome=", ".join(wheel.path.name for wheel in wheels)
        if answer.succeeded
        else "pip found none that may be used",
        words=() if answer.succeeded else telling_lines(answer.completed.output, 4),
    )
    return found.after(attempt, *wheels)
