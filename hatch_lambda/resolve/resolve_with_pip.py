"""Stage 1 with pip, which can do everything: it resolves the closure for the target and downloads it."""

from __future__ import annotations

import re
import shlex
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.common.redact import redact
from hatch_lambda.config import requirements_files
from hatch_lambda.config.requirements_files import Unread
from hatch_lambda.config.unpacked_sdist import FROM_THE_PROJECT, is_unpacked_sdist
from hatch_lambda.resolve import hashes
from hatch_lambda.resolve.closure import Closure, IndexFile
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.answer import distribution_of
from hatch_lambda.resolve.pip.words import has_failed_backend, in_conflict, is_not_found, resolver_words
from hatch_lambda.resolve.report_unmet import failed_metadata_message, no_candidate_message, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.resolve.closure import Distribution
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.pip.process import PipAnswer


_REQUIREMENTS = "requirements.txt"
_NO_SUCH_PROJECT = "404 "
# pip of requirements files, of paths, and of editables
_MISSING_PATH = re.compile(r"No such file or directory|' does not exist|should either be a path to a local project")
_YANKED = re.compile(r"^WARNING: (.*yanked.*(?:\nReason for being yanked: .*)?)", re.MULTILINE)
_IGNORED = re.compile(r"^WARNING: (Location '(.*)' is ignored.*)", re.MULTILINE)
_OTHER_HASH = re.compile(r"DO NOT MATCH THE HASHES")
_NO_FILE = re.compile(rf"Max retries exceeded with|HTTP error \d|Download failed|{_OTHER_HASH.pattern}")
_TRY_AGAIN = "What you can do: check the index's URL and your credentials for it, or try again later."
_SDIST_AT_WORK = re.compile(
    r"\s*(?:Collecting ([\w.-]+)(?![\w.+:/-])|Processing \S*?([\w.-]+)-[^-/\s]+\.(?:tar\.\w+|tgz|zip)\b)"
)


def resolve_with_pip(job: Job, fault: str = "") -> Closure:
    """Resolve and download the closure.

    If a project has no compatible wheel, it is retried with that project's wheels whatever their tags: stage 6 may find
    that they work, and stage 7 reports more than pip does.

    `fault`: how the index has failed before. Raises `ResolutionError` with pip's own words.
    """
    destination = job.scratch / "downloads"
    files = list(job.settings.requirements)
    if job.request.requirements:
        # In a file, since pip ignores markers on its command line.
        files.append(job.scratch / _REQUIREMENTS)
        files[-1].write_text("\n".join(job.request.requirements) + "\n", encoding="utf-8")
    arguments = [argument for path in files for argument in ("--requirement", str(path))]
    first = answer = process.pip_download(job, destination, arguments)
    ignore_tags: set[str] = set()
    while not answer.succeeded:
        no_candidates = set(answer.findings.get("no_candidates", ()))
        if no_candidates <= ignore_tags:
            output = _by_name(first.completed.output, job)
            words = "\n".join(f"  {line}".rstrip() for line in resolver_words(output))
            head = f"The dependencies of {job.request.subject} cannot be resolved for {job.target.description}."
            more = (*_index_trouble(words, fault), *_explanations(job, first, output, words))
            raise ResolutionError("\n\n".join((f"{head} pip says:", words, *more)), output=output)
        ignore_tags |= no_candidates  # pip stops at the first one, so each retry may find another
        answer = process.pip_download(job, destination, arguments, ignore_tags=ignore_tags)
    for warning in _YANKED.findall(answer.completed.output):  # others are about this machine
        job.reporter.warn(" ".join(warning.splitlines()))
    for warning, location in dict.fromkeys(_IGNORED.findall(answer.completed.output)):  # for each project
        if location in _find_links(answer):  # else an index in a directory, which need not have each project
            job.reporter.warn(warning)
    found = sorted(
        (distribution_of(entry, destination) for entry in answer.findings["resolved"]), key=attrgetter("name")
    )
    if (extras := answer.findings.get("project_extras")) is not None:
        hashes.check_without_project(extras, found, job)
    unreachable = tuple(dict.fromkeys(_found_elsewhere(answer, found)))
    for warning in unreachable:
        job.reporter.warn(warning)
    return Closure(tuple(found), tuple(answer.findings["index_options"]), _offers(answer), unreachable)


def _found_elsewhere(answer: PipAnswer, found: Iterable[Distribution]) -> Iterator[str]:
    """Each index that could not be read, with what was found elsewhere: perhaps another project of the same name."""
    by_name = {each.name: each for each in found}
    by_index: dict[str, tuple[str, list[str]]] = {}
    for url, reason in map(tuple, answer.findings.get("unreachable", ())):
        if url in _find_links(answer):
            cause = redact(reason)
            yield f"the page {redact(url)} of `--find-links` could not be read ({cause}); all was found elsewhere"
        index, _, project = url.rstrip("/").rpartition("/")
        each = by_name.get(canonicalize_name(project))
        if each and not reason.startswith(_NO_SUCH_PROJECT):
            file = each.wheels[0] if each.wheels else each.source
            host = urlsplit(file.url or "").netloc.rpartition("@")[2] if file else ""
            cause = re.sub(r" for url: \S+$", "", redact(reason))
            _, names = by_index.setdefault(redact(index), (cause, []))
            names.append(f"{each} from {host}" if host else str(each))
    for index, (cause, names) in by_index.items():
        yield f"the index {index} could not be read ({cause}); found elsewhere: {', '.join(dict.fromkeys(names))}"


def _find_links(answer: PipAnswer) -> set[str]:
    return {shlex.split(option)[1] for option in answer.findings["index_options"] if "--find-links" in option}


def _offers(answer: PipAnswer) -> dict[NormalizedName, tuple[IndexFile, ...]]:
    return {
        canonicalize_name(name): tuple(IndexFile(*file) for file in files)
        for name, files in answer.findings.get("offers", {}).items()
    }


def _index_trouble(words: str, fault: str) -> Iterator[str]:
    """What else is known if pip could not get a file; of pages it is known from pip itself."""
    if _NO_FILE.search(words) and (fault or not _OTHER_HASH.search(words)):
        if fault:
            yield f"Without pip, it has failed, too: {fault}"
        yield _TRY_AGAIN


def _explanations(job: Job, answer: PipAnswer, output: str, words: str) -> Iterator[str]:
    """What else is known about a failed resolution, and what to do. `words`: what pip's output says about it."""
    offers, target = _offers(answer), job.target
    yield from _not_found(answer, offers, output)
    yield from hashes.ways_out(words, job)
    if has_failed_backend(output):  # in a build for metadata, of what pip has collected last
        at_work = re.findall(r"^\s*(?:Collecting|Processing) .*", answer.completed.output, flags=re.MULTILINE)[-1:]
        if match := _SDIST_AT_WORK.match("".join(at_work)):
            name, is_requested = canonicalize_name(match[1] or match[2]), "(from -r " in at_work[0]
            if by := re.search(r"\(from (.+?)->-r ", at_work[0]):
                yield f"Required by: {' -> '.join((job.request.subject, *reversed(by[1].split('->')), name))}"
            yield failed_metadata_message(name, offers.get(name, ()), job, answer.interpreter, requested=is_requested)
    yield from _missing(job, words)
    if "surrogates not allowed" in words:
        yield (
            "pip has read the name of a file or directory that is not valid UTF-8.\n"
            "What you can do: rename it; directories of `--find-links` are the likely place."
        )
    for name in map(canonicalize_name, answer.findings.get("no_candidates", ())):
        if more := no_candidate_message(name, offers.get(name, ()), target):
            yield more


def _missing(job: Job, words: str) -> Iterator[str]:
    """Requirements files that cannot be read, and whether a missing path was left behind by an sdist."""
    for path in (*job.settings.requirements, *job.settings.constraints):
        for file in requirements_files.walk(str(path), job.settings.root):
            if isinstance(file, Unread) and file.reason and file.name not in words:
                yield f"{file.name} cannot be read: {file.reason}"
    if _MISSING_PATH.search(words) and is_unpacked_sdist(job.settings.root):
        yield FROM_THE_PROJECT


def _not_found(answer: PipAnswer, offers: Mapping[NormalizedName, tuple[IndexFile, ...]], output: str) -> Iterator[str]:
    """Index pages that could not be read, and projects that no index has."""
    with_files = {name for name, files in offers.items() if any(map(version_of, files))}
    in_conflicts = dict.fromkeys(map(canonicalize_name, in_conflict(output)))
    nowhere = [name for name in in_conflicts if name not in with_files]
    if nowhere:
        yield f"No files were found of: {', '.join(nowhere)}"
    reached = True
    for url, reason in dict.fromkeys(map(tuple, answer.findings.get("unreachable", ()))):
        project = canonicalize_name(url.rstrip("/").rpartition("/")[2])
        # That one of several indexes lacks a project is normal. It matters where none of them has it.
        is_lack = reason.startswith(_NO_SUCH_PROJECT)
        is_nowhere = project not in with_files and (project in nowhere or is_not_found(project, output))
        if is_nowhere or not is_lack:
            yield f"Could not fetch {redact(url)}: {redact(reason)}"
            reached = reached and is_lack
    if not reached:
        yield _TRY_AGAIN


def _by_name(output: str, job: Job) -> str:
    """Pip's output with requirements instead of lines of the file that they were written to."""
    file = job.scratch / _REQUIREMENTS
    for number, text in enumerate(job.request.requirements, 1):
        try:
            parsed = Requirement(text)
            requirement = parsed.name if parsed.url else text  # a URL may contain credentials
        except InvalidRequirement:
            requirement = redact(text)
        output = output.replace(f"-r {file} (line {number})", requirement)
        output = output.replace(f"line {number} of {file}", f"the dependencies of {job.request.subject}")
    return output
