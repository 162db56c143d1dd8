"""`hatch-lambda lock`: what a project needs on Lambda, resolved once and written down to be committed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.lock.lock_file import LockFile


@click.command
@click.argument("project", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--function", "-f", "names", multiple=True, metavar="NAME", help="Only the lock file of this function.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a lock file does not cover the project.")
@click.option("--upgrade", "-U", is_flag=True, help="Keep no version of the present lock file.")
@click.option(
    "--upgrade-package", "-P", "upgraded", multiple=True, metavar="NAME", help="Keep all versions but this one's."
)
@click.option("--verbose", "-v", is_flag=True, help="Show what pip says.")
def lock(  # noqa: PLR0913 - click hands over each option
    *, project: Path, names: tuple[str, ...], check: bool, upgrade: bool, upgraded: tuple[str, ...], verbose: bool
) -> None:
    """Write or renew the lock files of a PROJECT (by default, that in this folder), one for each target.

    The field `lock-file` of the hook's table says where: `lock-file = "pylock.{target}.toml"`. Versions stay as they
    are locked as long as the project's dependencies allow it. Commit the files; a build then packages what they say.
    For another target, set HATCH_LAMBDA_RUNTIME and HATCH_LAMBDA_ARCHITECTURE, as for a build.

    `--check` needs no network. It tells whether the files are there, serve their target and cover the dependencies.
    """
    from hatchling.bridge.app import Application
    from packaging.utils import canonicalize_name

    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.plugin.display import HatchUI, aborting
    from hatch_lambda.plugin.project import requests_of_project

    if check and (upgrade or upgraded):
        raise click.UsageError("--check writes nothing, so there is nothing to upgrade.")
    app = Application()
    with aborting(app):
        requests = _by_file(requests_of_project(project.resolve()), names)
    if check:
        _check(requests.values())
        return
    reporter = Reporter(HatchUI(app), verbose=verbose)
    for request in requests.values():
        _renew(request, None if upgrade else frozenset(map(canonicalize_name, upgraded)), reporter)


def _by_file(requests: Mapping[str, Request], names: tuple[str, ...]) -> dict[Path, Request]:
    """What each lock file is for. Raises `LambdaBuildError` where one would be for two."""
    if unknown := sorted(set(names) - set(requests)):
        raise LambdaBuildError(f"There is no {', '.join(unknown)} in this project; it has {', '.join(requests)}.")
    chosen = {name: request for name, request in requests.items() if not names or name in names}
    found: dict[Path, tuple[str, Request]] = {}
    for name, request in chosen.items():
        path = request.settings.lock_file
        if path is None:
            continue
        other_name, other = found.setdefault(path, (name, request))
        if _inputs(other) != _inputs(request):
            raise LambdaBuildError(
                f"`{other_name}` and `{name}` resolve differently (dependencies or settings), so they cannot share the "
                f"lock file {path.name}. Give each its own `lock-file`."
            )
    if not found:
        table = next(iter(chosen.values())).settings.table
        raise LambdaBuildError(
            f"There is no lock file to write: `{table}.lock-file` does not name one. Add to pyproject.toml:\n\n"
            f'[{table}]\nlock-file = "pylock.{{target}}.toml"'
        )
    return {path: request for path, (_name, request) in found.items()}


def _inputs(request: Request) -> tuple[object, ...]:
    """All that a lock file depends on; extras and groups are in the requirements already."""
    settings = dataclasses.replace(
        request.settings, lock_file=None, on_missing="error", extras=frozenset(), dependency_groups=frozenset()
    )
    return (request.requirements, settings.facts("resolution"))


def _check(requests: Iterable[Request]) -> None:
    from hatch_lambda.common.ui import counted
    from hatch_lambda.resolve.lock import coverage as lock_coverage
    from hatch_lambda.resolve.lock import lock_file
    from hatch_lambda.resolve.lock.download_locked import in_store, members_of

    faults = []
    for request in requests:
        settings = request.settings
        path = _path(request)
        try:
            present = lock_file.read(path, settings)
            chosen = lock_file.select(present, settings)
            known = in_store(chosen, settings)
            lock_coverage.check(present, members_of(chosen, known), request)
        except LambdaBuildError as error:
            faults.append(str(error))
            continue
        told = f"{lock_file.label(path, settings)} covers {request.subject} for {settings.target.description}"
        click.echo(f"{told}: {counted(len(chosen), 'distribution')}")
        if unseen := len(chosen) - len(known):
            click.echo(f"  (What {unseen} of them need in turn is left to the build: they are not in the store.)")
    if faults:
        raise LambdaBuildError("\n\n".join(faults))


def _path(request: Request) -> Path:
    path = request.settings.lock_file
    assert path is not None  # noqa: S101 - see `_by_file`
    return path


def _renew(request: Request, upgraded: frozenset[NormalizedName] | None, reporter: Reporter) -> None:
    """Resolve and write. `upgraded`: the names whose versions need not be kept; none, if no version need be."""
    from hatch_lambda import pipeline
    from hatch_lambda.resolve.lock import lock_file
    from hatch_lambda.wheels.store import user_store

    settings, path = request.settings, _path(request)
    reporter.line(f"Lock file for {settings.target.description}")
    former = _former(request, reporter)
    kept: dict[NormalizedName, Version] = {}
    if former is not None and upgraded is not None:
        versions = lock_file.versions(former, settings)
        if unknown := sorted(upgraded - versions.keys()):
            reporter.warn(f"not locked, so there is no version of it to let go: {', '.join(unknown)}")
        kept = {name: version for name, version in versions.items() if name not in upgraded}
    store = user_store(settings.fallback_store)
    with pipeline.scratch_folder(reporter) as scratch:
        closure = _Resolution(request, scratch, reporter).keeping(kept)
        for found in closure.distributions:
            if found.wheel:
                store.keep(found.wheel.path, str(found), scratch=scratch)
        if bound := lock_file.machine_bound(closure, settings.root):
            reporter.warn(f"locked as files of this machine, which others may not have: {', '.join(bound)}")
        lock_file.write(path, closure, settings.target)
    _tell(former, lock_file.read(path, settings), request)


def _former(request: Request, reporter: Reporter) -> LockFile | None:
    from hatch_lambda.resolve.lock import lock_file

    path = _path(request)
    if not path.is_file():
        return None
    try:
        return lock_file.read(path, request.settings)
    except lock_file.LockFileError as error:
        reporter.warn(f"no version is kept: {str(error).partition(chr(10))[0]}")
        return None


def _tell(former: LockFile | None, present: LockFile, request: Request) -> None:
    from hatch_lambda.common.ui import counted
    from hatch_lambda.resolve.lock import lock_file

    before = lock_file.packages_for(former, request.settings) if former else ()
    after = present.content.packages
    lines = lock_file.changes(before, after)
    told = "written" if former is None else "renewed" if lines else "unchanged"
    shown = lock_file.label(present.path, request.settings)
    click.echo(f"{shown}: {told}, {counted(len(after), 'distribution')}")
    for line in lines:
        click.echo(f"  {line}")


class _Resolution:
    """Resolving with as much as possible of what was locked."""

    def __init__(self, request: Request, scratch: Path, reporter: Reporter) -> None:
        # A lock file is for everybody, so nothing may be missing in it.
        settings = dataclasses.replace(request.settings, lock_file=None, on_missing="error")
        self.request = request._replace(settings=settings, state=None)
        self.scratch = scratch
        self.reporter = reporter
        self.tries = 0

    def keeping(self, versions: Mapping[NormalizedName, Version]) -> Closure:
        """Resolve; where versions that are to be kept stand in the way, let go of these, and at last of all."""
        while versions:
            try:
                return self._resolve(versions)
            except ResolutionError as error:
                named = {name for name in versions if _is_named(name, error.output)}
                told = ", ".join(sorted(named)) if named else "the locked versions"
                self.reporter.line(f"  {told} cannot stay as locked; resolving anew")
                versions = {name: version for name, version in versions.items() if named and name not in named}
        return self._resolve({})

    def _resolve(self, versions: Mapping[NormalizedName, Version]) -> Closure:
        from hatch_lambda import pipeline
        from hatch_lambda.resolve.job import Job
        from hatch_lambda.wheels.store import user_store

        self.tries += 1
        scratch = self.scratch / f"try-{self.tries}"
        scratch.mkdir()
        request = self.request
        if versions:
            file = scratch / "kept.txt"
            file.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
            settings = dataclasses.replace(request.settings, constraints=(*request.settings.constraints, file))
            request = request._replace(settings=settings)
        return pipeline.resolve(Job(request, scratch, self.reporter), user_store(request.settings.fallback_store))


def _is_named(name: NormalizedName, output: str) -> bool:
    """Whether pip says of a version that was to be kept that it is in the way, or not to be had any more."""
    pattern = "[-_.]+".join(map(re.escape, name.split("-")))
    return bool(
        re.search(
            rf"\(constraint\) {pattern}==|No matching distribution found for {pattern}(?![\w.-])", output, re.IGNORECASE
        )
    )
