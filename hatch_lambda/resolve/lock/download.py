"""Stage 1 for a project with a lock file: download what is locked."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.common.redact import without_credentials
from hatch_lambda.config.unpacked_sdist import missing_from_sdist
from hatch_lambda.resolve.closure import CACHED, Closure, Distribution, Wheel
from hatch_lambda.resolve.graph import parsed
from hatch_lambda.resolve.lock.coverage import check_coverage
from hatch_lambda.resolve.lock.export import load
from hatch_lambda.resolve.lock.select import AnyFile, filename, select
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.answer import NOT_JUDGED_YET, distribution_of, place_of
from hatch_lambda.resolve.pip.words import resolver_words
from hatch_lambda.wheels.compatibility import fits
from hatch_lambda.wheels.metadata import metadata_of
from hatch_lambda.wheels.store import WantedWheel, user_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.pylock import PackageVcs
    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.lock.read import LockFile, LockFileError
    from hatch_lambda.resolve.lock.select import File, Locked
    from hatch_lambda.resolve.pip.process import PipAnswer
    from hatch_lambda.resolve.prefetch import Prefetch
    from hatch_lambda.wheels.store import Store

# The algorithms by which pip checks a file before it does anything else with it
# (https://pip.pypa.io/en/stable/topics/secure-installs/#hash-checking-mode).
_CHECKED_BY_PIP = ("sha256", "sha384", "sha512")
_PLAIN_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


def download_locked(job: Job, store: Store, prefetch: Prefetch) -> Closure:
    """Download what the lock file has for the target, unless it is cached, and check all hashes.

    Raises `LockFileError` if the lock file does not match the target or the project, `ResolutionError` with pip's own
    words.
    """
    settings, path = job.settings, job.settings.lock_file
    assert path is not None  # noqa: S101 - nobody else comes here
    lock = load(path, settings)
    if lock.content.lock_version > Version("1.0"):
        job.reporter.warn(f"{lock.label} has lock-version {lock.content.lock_version}; reading it as 1.0")
    chosen = select(lock)
    check_coverage(lock, chosen, job.request)  # before anything is downloaded
    cached = in_store(chosen, settings)
    missing = _others(chosen, cached)
    if missing:
        from hatch_lambda.resolve.lock.fetch_wheels import fetch_wheels  # imports an HTTP client

        fetch_wheels(missing, job, store, prefetch.inspect)
        cached += in_store(missing, settings, origin="downloaded")
    came, index_options = _Download(lock, job).of(_others(chosen, cached))
    found = sorted((*cached, *came), key=lambda each: each.name)
    coverage = check_coverage(lock, chosen, job.request, found)
    for doubt in (*lock.doubts, *coverage.doubts):
        job.reporter.warn(f"{lock.label}: {doubt}")
    as_the_project_needs_them = tuple(
        dataclasses.replace(
            each, extras=coverage.extras.get(each.name, frozenset()), requested=each.name in coverage.requested
        )
        for each in found
    )
    return Closure(as_the_project_needs_them, index_options=index_options)


def _others(chosen: Iterable[Locked], found: Iterable[Distribution]) -> list[Locked]:
    names = {each.name for each in found}
    return [locked for locked in chosen if locked.name not in names]


def in_store(chosen: Iterable[Locked], settings: Settings, *, origin: str = CACHED) -> tuple[Distribution, ...]:
    """The locked wheels that are cached, by their hashes."""
    store = user_store(settings.fallback_store)
    return tuple(found for locked in chosen if (found := _from_store(locked, store, settings.target, origin)))


def _from_store(locked: Locked, store: Store, target: Target, origin: str) -> Distribution | None:
    file = locked.file
    if file is None:
        return None
    wanted = WantedWheel(
        locked.name, str(locked.package.version or ""), filename(file), file.hashes.get("sha256", "").lower()
    )
    kept = store.find(wanted)
    if kept is None or _fault_of(kept.path, file):
        return None
    metadata = metadata_of(kept.path)
    if not target.serves(metadata.get("Requires-Python")):
        return None  # left to pip, which reports it
    name, version, _build, _tags = parse_wheel_filename(wanted.filename)
    url = without_credentials(file.url) if file.url else kept.path.as_uri()
    return Distribution(
        name=name,
        version=version,
        requires=tuple(parsed(metadata.requires)),
        extras=frozenset(),
        requested=False,
        direct=True,
        allowed_hashes=(f"sha256:{kept.sha256}",),
        wheels=(Wheel(kept.path, origin, NOT_JUDGED_YET, url),),
        source=None,
    )


def _fault_of(path: Path, file: File) -> str | None:
    """How a file differs from what the lock file says; None if it does not."""
    if file.size is not None and path.stat().st_size != file.size:
        return f"it has {path.stat().st_size} bytes, the lock file says {file.size}"
    for algorithm, value in file.hashes.items():
        if algorithm.lower() in hashlib.algorithms_available and not algorithm.lower().startswith("shake"):
            digest = hashlib.new(algorithm.lower())
            with path.open("rb") as content:
                while chunk := content.read(1024 * 1024):
                    digest.update(chunk)
            if digest.hexdigest() != value.lower():
                return f"its {algorithm} is {digest.hexdigest()}, the lock file says {value}"
    return None


class _Download:
    """Downloads with pip, from the URLs of a lock file."""

    def __init__(self, lock: LockFile, job: Job) -> None:
        self.lock = lock
        self.job = job
        self.destination = job.scratch / "downloads"

    def of(self, wanted: Sequence[Locked]) -> tuple[list[Distribution], tuple[str, ...]]:
        """Download; return the distributions, and `Closure.index_options`."""
        files = {locked.name: locked for locked in wanted if locked.file or isinstance(locked.source, AnyFile)}
        trees = {locked.name: locked for locked in wanted if locked.name not in files}
        found: list[Distribution] = []
        options: tuple[str, ...] = ()
        # Separately: pip refuses requirements with hashes together with those that cannot have any.
        for number, part in enumerate((files, trees)):
            if part:
                answer = self._ask(part, self.job.scratch / f"locked-{number}.txt")
                entries = {canonicalize_name(entry["name"]): entry for entry in answer.findings["resolved"]}
                for name, locked in part.items():
                    self._check(locked, entries.get(name))
                found += [distribution_of(entry, self.destination) for entry in entries.values()]
                options = tuple(answer.findings["index_options"])
        return found, options

    def _ask(self, part: Mapping[NormalizedName, Locked], requirements: Path) -> PipAnswer:
        lines = [*self.lock.options, *(self._requirement(locked) for locked in part.values())]
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        names = {name: filename(locked.file) for name, locked in part.items() if locked.file}
        ignore_tags = [
            name for name, file in names.items() if file.endswith(".whl") and not fits(file, self.job.target)
        ]
        # `check_coverage` checks the constraints: pip would demand hashes for them.
        settings = dataclasses.replace(self.job.settings, constraints=())
        job = dataclasses.replace(self.job, request=self.job.request._replace(settings=settings))
        answer = process.pip_download(
            job,
            self.destination,
            ["--no-deps", "--requirement", str(requirements)],
            ignore_tags=ignore_tags,
        )
        if not answer.succeeded:
            raise self._error(answer, requirements, part.values())
        return answer

    def _requirement(self, locked: Locked) -> str:
        package = locked.package
        if package.vcs is not None:
            return f"{locked.name} @ {self._repository(package.vcs)}{_fragment(package.vcs.subdirectory)}"
        if package.directory is not None:
            folder = self.lock.place(package.directory.path)
            if not folder.is_dir():
                raise self._missing(locked, "directory", package.directory.path)
            return f"{locked.name} @ {folder.as_uri()}{_fragment(package.directory.subdirectory)}"
        file = locked.file
        algorithms = [value.partition(":")[0] for value in locked.hashes]
        hashes = [f"--hash={value}" for value in locked.hashes if value.partition(":")[0] in _CHECKED_BY_PIP]
        if not hashes:
            of = f" of {filename(file)}" if file else ""
            only = f", only {', '.join(algorithms)}" if algorithms else ""
            raise self._fault(f"{locked} has no hash{of} that pip supports ({', '.join(_CHECKED_BY_PIP)}){only}")
        if file is None or not (file.url or file.path):  # wherever the index has it
            return f"{locked.name}=={locked.version} {' '.join(hashes)}"
        subdirectory = package.archive.subdirectory if package.archive is not None else None
        return f"{locked.name} @ {self._url(locked, file)}{_fragment(subdirectory)} {' '.join(hashes)}"

    def _url(self, locked: Locked, file: File) -> str:
        if file.path:
            place = self.lock.place(file.path)
            if place.is_file():
                return place.as_uri()
            if not file.url:
                raise self._missing(locked, "file", file.path)
        return _quoted(file.url or "")

    def _repository(self, vcs: PackageVcs) -> str:
        if vcs.path and (not vcs.url or self.lock.place(vcs.path).is_dir()):
            url = self.lock.place(vcs.path).as_uri()
        else:
            url = (vcs.url or "").removeprefix(f"{vcs.type}+")
        if not _PLAIN_SCHEME.match(url):  # git's short form, user@host:path
            host, _, path = url.partition(":")
            url = f"ssh://{host}/{path}"
        return f"{vcs.type}+{_quoted(url)}@{_quoted(vcs.commit_id)}"

    def _check(self, locked: Locked, entry: Mapping[str, Any] | None) -> None:
        if entry is None:
            raise self._fault(f"its entry for {locked} is a different project")
        if locked.package.version is not None and str(locked.package.version) != entry["version"]:
            raise self._fault(f"its entry for {locked} is version {entry['version']}")
        if locked.package.vcs is not None and entry["commit"] != locked.package.vcs.commit_id:
            raise self._fault(
                f"{locked} is not pinned to a commit: `{locked.package.vcs.commit_id}` is a name for {entry['commit']}"
            )
        if locked.file is not None and (fault := _fault_of(place_of(entry, self.destination), locked.file)):
            raise self._fault(f"{entry['filename']} is not the file that was locked: {fault}")

    def _missing(self, locked: Locked, kind: str, path: str) -> LockFileError:
        sdist = missing_from_sdist(self.lock.settings.root)
        return self._fault(f"{locked} is the {kind} {path}, which does not exist{sdist}")

    def _fault(self, sentence: str) -> LockFileError:
        return self.lock.error(f"cannot be used: {sentence}.")

    def _error(self, answer: PipAnswer, requirements: Path, part: Iterable[Locked]) -> ResolutionError:
        ours = rf"-r {re.escape(str(requirements))}(?: \(line \d+\))?"
        output = re.sub(ours, self.lock.label, answer.completed.output)
        words = "\n".join(f"  {line}".rstrip() for line in resolver_words(output))
        # It names the file, too, but each release does so differently.
        expected = set(re.findall(r"^\s+(?:Expected|or) \w+ ([0-9a-f]+)$", output, flags=re.MULTILINE))
        if changed := [
            str(locked)
            for locked in part
            if not expected.isdisjoint(value.partition(":")[2] for value in locked.hashes)
        ]:
            head = (
                f"Downloaded files do not match {self.lock.label}: {', '.join(changed)}.\n"
                "Either the files were replaced on the server, or the lock file was edited by hand. Find out which "
                "before you lock again. pip says:"
            )
        else:
            head = f"What {self.lock.label} locks for {self.job.target.description} cannot be downloaded. pip says:"
        return ResolutionError(f"{head}\n\n{words}", output=output)


def _fragment(subdirectory: str | None) -> str:
    return f"#subdirectory={quote(subdirectory)}" if subdirectory else ""


def _quoted(url: str) -> str:
    """A URL as a single word of a requirements file, in which pip sees no option and no variable."""
    return quote(url.partition("#")[0], safe=":/?[]@!&'()*+,;=%-._~")
