"""Stage 1: pip chooses the closure, for the target, and downloads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.common.process import resolver_words
from hatch_lambda.common.redact import redact
from hatch_lambda.resolve.closure import Closure, IndexFile
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.answer import distribution_of
from hatch_lambda.resolve.prefetch import Prefetch

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.utils import NormalizedName

    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.pip.process import PipAnswer
    from hatch_lambda.wheels.store import Store


def download(job: Job, store: Store) -> Closure:
    """Resolve for the target and download the whole closure; with a lock file, download what that says.

    Wheels are inspected as they come, so that stage 2 finds in the store what there is to know of them.

    Where that fails for want of a wheel that fits, it is tried again with the wheels of the projects concerned,
    whatever the tags say: stage 6 may find that they work, and stage 7 can say more than pip does.

    Raises `ResolutionError` with pip's own words, and `LockFileError`.
    """
    with Prefetch(store) as prefetch:
        if job.settings.lock_file:
            from hatch_lambda.resolve.lock.download import download_locked

            return download_locked(job, prefetch)
        return _download(job, prefetch)


def _download(job: Job, prefetch: Prefetch) -> Closure:
    destination = job.scratch / "downloads"
    arguments = _what_to_resolve(job)
    if not arguments:
        return Closure(())
    first = answer = process.pip_download(job, destination, arguments, prefetch=prefetch)
    ignore_tags: set[str] = set()
    while not answer.succeeded:
        no_candidates = set(answer.findings.get("no_candidates", ()))
        if no_candidates <= ignore_tags:
            raise _resolution_error(job, first)
        ignore_tags |= no_candidates  # pip stops at the first one, so each try may bring up another
        answer = process.pip_download(job, destination, arguments, ignore_tags=ignore_tags, prefetch=prefetch)
    _pass_warnings_on(answer, job)
    return _closure(answer, destination)


def _pass_warnings_on(answer: PipAnswer, job: Job) -> None:
    """What pip thinks of its own choice; its other warnings are about this machine."""
    for line in answer.completed.output.splitlines():
        if line.startswith("WARNING: ") and "yanked" in line:
            job.reporter.warn(line.removeprefix("WARNING: "))


def _what_to_resolve(job: Job) -> list[str]:
    files = list(job.settings.requirements)
    if job.request.requirements:
        # By way of a file, since pip ignores markers on its command line.
        files.append(_requirements_file(job))
        files[-1].write_text("\n".join(job.request.requirements) + "\n", encoding="utf-8")
    return [argument for path in files for argument in ("--requirement", str(path))]


def _requirements_file(job: Job) -> Path:
    return job.scratch / "requirements.txt"


def _closure(answer: PipAnswer, destination: Path) -> Closure:
    found = sorted(
        (distribution_of(entry, destination) for entry in answer.findings["resolved"]), key=lambda found: found.name
    )
    return Closure(tuple(found), index_options=tuple(answer.findings["index_options"]), offers=_offers(answer))


def _offers(answer: PipAnswer) -> dict[NormalizedName, tuple[IndexFile, ...]]:
    return {
        canonicalize_name(name): tuple(IndexFile(*file) for file in files)
        for name, files in answer.findings.get("offers", {}).items()
    }


def _without_url(requirement: str) -> str:
    """A requirement as its user would name it; a direct reference may carry credentials."""
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return redact(requirement)
    return parsed.name if parsed.url else requirement


def _resolution_error(job: Job, answer: PipAnswer) -> ResolutionError:
    from hatch_lambda.resolve.curated import BINARY_SIBLINGS
    from hatch_lambda.resolve.report_unmet import no_candidate_message

    output = _by_name(answer.completed.output, job)
    words = "\n".join(f"  {line}".rstrip() for line in resolver_words(output))
    subject, target = job.request.subject, job.target.description
    message = f"The dependencies of {subject} cannot be resolved for {target}. pip says:\n\n{words}"
    for unreachable in dict.fromkeys(answer.findings.get("unreachable", ())):
        message += f"\n\n{redact(unreachable)}"
    for name in _names_at_work(output):
        if sibling := BINARY_SIBLINGS.get(name):
            message += f"\n\nWhat you can do: depend on `{sibling}` instead of `{name}`; it comes as wheels."
    offers = _offers(answer)
    for name in answer.findings.get("no_candidates", ()):
        if more := no_candidate_message(canonicalize_name(name), offers.get(canonicalize_name(name), ()), job.target):
            message += f"\n\n{more}"
    return ResolutionError(message, output=output)


def _names_at_work(output: str) -> list[NormalizedName]:
    """What pip took up last, where it failed to build something for its metadata."""
    if "subprocess-exited-with-error" not in output:
        return []
    names = re.findall(r"^\s*Collecting ([A-Za-z0-9._-]+)", output, flags=re.MULTILINE)
    return [canonicalize_name(name) for name in names[-1:]]


def _by_name(output: str, job: Job) -> str:
    """Pip's output with the requirement itself where pip names its line in the file that was made for it."""
    for number, requirement in enumerate(job.request.requirements, 1):
        output = output.replace(f"-r {_requirements_file(job)} (line {number})", _without_url(requirement))
        output = output.replace(
            f"line {number} of {_requirements_file(job)}", f"the dependencies of {job.request.subject}"
        )
    return output
