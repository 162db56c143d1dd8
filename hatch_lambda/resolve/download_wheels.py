"""Stage 3: look for a wheel of the resolved version on the index."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.resolve.closure import Attempt
from hatch_lambda.resolve.curated import is_listed_as_compatible
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.answer import wheel_of
from hatch_lambda.resolve.pip.words import error_lines
from hatch_lambda.resolve.report_unmet import wheels_of_version
from hatch_lambda.wheels.compatibility import fits, judge

if TYPE_CHECKING:
    from hatch_lambda.resolve.closure import Closure, Distribution
    from hatch_lambda.resolve.job import Job

STAGE = 3


def download_wheels(closure: Closure, job: Job) -> Closure:
    """Look for a wheel of each distribution without a compatible one; finding none is not an error.

    Direct references are skipped: the index may have another project's distribution with the same name and version.
    """

    def ask(found: Distribution) -> Distribution:
        if found.direct:
            return found
        offered = wheels_of_version(found, closure)
        any_tag = is_listed_as_compatible(found.name, job.settings)
        usable = [file for file in offered if not file.refused_by_user and (any_tag or fits(file.filename, job.target))]
        if found.name not in closure.offers or usable:
            return _ask_index(found, closure, job)
        # Stage 1 has seen all files of the project, so there is no need to ask again.
        if any(file.refused_by_user for file in offered):
            outcome = "excluded by `--no-binary`"
        else:
            outcome = "none of its wheels is compatible" if offered else "it has none"
        return found.after(Attempt(STAGE, f"a wheel of {found} from the index", succeeded=False, outcome=outcome))

    return closure.each_unmet(ask)


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
        ignore_tags=[found.name] if is_listed_as_compatible(found.name, job.settings) else [],
    )
    tried = f"a wheel of {found} from the index"
    if not answer.succeeded:
        words = error_lines(answer.completed.output, 4)
        return found.after(Attempt(STAGE, tried, succeeded=False, outcome="pip found no usable wheel", words=words))
    wheels = [wheel_of(entry, destination, f"downloaded by stage {STAGE}") for entry in answer.findings["resolved"]]
    judged = [dataclasses.replace(wheel, verdict=judge(wheel.path, job.target)) for wheel in wheels]
    outcome = ", ".join(wheel.path.name for wheel in judged)
    return found.after(Attempt(STAGE, tried, succeeded=True, outcome=outcome), *judged)
