"""`hatch-lambda lock`: resolve a project's dependencies once and write them to a lock file to commit."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
from packaging.utils import NormalizedName, canonicalize_name

from hatch_lambda import pipeline
from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.common.ui import counted
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.display import aborting
from hatch_lambda.resolve.agree import agreed_versions
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.lock.coverage import check_coverage
from hatch_lambda.resolve.lock.download import in_store
from hatch_lambda.resolve.lock.export import load
from hatch_lambda.resolve.lock.read import LockFileError, label, read
from hatch_lambda.resolve.lock.select import packages_for, select, versions
from hatch_lambda.resolve.lock.write import changes, machine_bound, write
from hatch_lambda.resolve.pip.words import is_not_found, spellings_of
from hatch_lambda.wheels import locks
from hatch_lambda.wheels.store import user_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.version import Version

    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.wheels.store import Store


@click.command
@click.argument("project", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--function", "-f", "names", multiple=True, metavar="NAME", help="Lock only this function (repeatable).")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a lock file does not cover the project.")
@click.option("--upgrade", "-U", is_flag=True, help="Ignore existing pins and upgrade everything.")
@click.option(
    "--upgrade-package",
    "-P",
    "upgraded",
    multiple=True,
    metavar="NAME",
    help="Allow this package to be upgraded (repeatable).",
)
@click.option("--verbose", "-v", is_flag=True, help="Show pip's output.")
def lock(  # noqa: PLR0913 - click passes each option
    *, project: Path, names: tuple[str, ...], check: bool, upgrade: bool, upgraded: tuple[str, ...], verbose: bool
) -> None:
    """Write or update the lock files of PROJECT (default: the current directory), one for each target.

    The field `lock-file` of the hook's table names them: `lock-file = "pylock.{target}.toml"`. Locked versions are kept
    as long as the project's dependencies allow them. Commit the files; builds then package exactly what they list.
    To lock for another target, set HATCH_LAMBDA_RUNTIME and HATCH_LAMBDA_ARCHITECTURE, as for a build.

    `--check` needs no network. It checks that the files exist, fit their target and cover the dependencies.
    """
    if check and (upgrade or upgraded):
        raise click.UsageError("--check writes nothing, so it cannot be combined with --upgrade or --upgrade-package.")
    build = LambdaBuilder(str(project.resolve())).current
    with aborting(build.builder.app):
        requests = _by_file({version: build.requests.of(version) for version in build.settings}, names)
        if not check:
            _refuse_other_tools(requests)
    if check:
        _check((path, _as_layers_have_it(request, build.settings)) for path, request in requests)
        return
    reporter = build.reporter(verbose=verbose)
    for path, request in requests:  # those of layers first
        store, variant = user_store(request.settings.fallback_store), request.settings.variant
        together = build.requests.together(variant) if variant else ()
        with locks.building(store, request.directory, reporter.line):
            upgrades = None if upgrade else frozenset(map(canonicalize_name, upgraded))
            pinned = _as_layers_have_it(request, build.settings)
            _update(path, pinned, upgrades, store, reporter, together=together)


def _as_layers_have_it(request: Request, versions: Mapping[str, Settings]) -> Request:
    """The request with what the lock files of its layers have as constraints."""
    layers = [(versions[name].lock_file, versions[name]) for name in request.settings.layers]
    locked = [each for path, of in layers if path and path.is_file() for each in select(load(path, of))]
    pins = dict.fromkeys(f"{each.name}=={each.package.version}" for each in locked if each.package.version)
    return request._replace(constraints=(*request.constraints, *pins))


def _refuse_other_tools(requests: Iterable[tuple[Path, Request]]) -> None:
    for path, request in requests:
        if tool := LOCK_TOOLS.get(path.name):
            raise LambdaBuildError(
                f"{label(path, request.settings)} is written by {tool.name}: `{tool.lock}` updates it, and "
                "`hatch-lambda lock --check` checks it."
            )


def _by_file(requests: Mapping[str, Request], names: tuple[str, ...]) -> list[tuple[Path, Request]]:
    """The requests that each lock file is for.

    Those of other tools may be for several. Raises `LambdaBuildError` if two different ones share one of ours.
    """
    if unknown := sorted(set(names) - set(requests)):
        raise LambdaBuildError(f"This project has no {', '.join(unknown)}; it has {', '.join(requests)}.")
    chosen = {name: request for name, request in requests.items() if not names or name in names}
    found: dict[tuple[Path, object], tuple[str, Request]] = {}
    for name, request in chosen.items():
        path = request.settings.lock_file
        if path is None:
            continue
        shared = _inputs(request) if path.name in LOCK_TOOLS else None
        other_name, other = found.setdefault((path, shared), (name, request))
        if _inputs(other) != _inputs(request):
            raise LambdaBuildError(
                f"`{other_name}` and `{name}` resolve differently (dependencies or settings), so they cannot share the "
                f"lock file {path.name}. Give each its own `lock-file`."
            )
    if not found:
        table = next(iter(chosen.values())).settings.table
        raise LambdaBuildError(
            f"There is no lock file to write: `{table}.lock-file` is not set. Add to pyproject.toml:\n\n"
            f'[{table}]\nlock-file = "pylock.{{target}}.toml"'
        )
    return [(path, request) for (path, _shared), (_name, request) in found.items()]


def _inputs(request: Request) -> tuple[object, ...]:
    """All that a lock file depends on; extras and groups are in the requirements already."""
    settings = dataclasses.replace(
        request.settings, lock_file=None, on_missing="error", extras=frozenset(), dependency_groups=frozenset()
    )
    return (request.requirements, request.constraints, settings.compatible, *settings.facts("resolution").items())


def _check(requests: Iterable[tuple[Path, Request]]) -> None:
    faults = []
    for path, request in requests:
        settings = request.settings
        try:
            present = load(path, settings)
            chosen = select(present)
            cached = in_store(chosen, settings)
            check_coverage(present, chosen, request, cached)
        except LambdaBuildError as error:
            faults.append(str(error))
            continue
        covers = f"{present.label} covers {request.subject} for {settings.target.description}"
        click.echo(f"{covers}: {counted(len(chosen), 'distribution')}")
        for doubt in present.doubts:
            click.echo(f"  ({doubt})")
        if unseen := len(chosen) - len(cached):
            is_not, they_require = ("is not", "it requires") if unseen == 1 else ("are not", "they require")
            click.echo(f"  ({unseen} of them {is_not} cached, so only a build can check what {they_require}.)")
    if faults:
        raise LambdaBuildError("\n\n".join(faults))


def _update(  # noqa: PLR0913 - how to lock, and what
    path: Path,
    request: Request,
    upgraded: frozenset[NormalizedName] | None,
    store: Store,
    reporter: Reporter,
    *,
    together: tuple[Request, ...],
) -> None:
    """Resolve and write. `together`: the requests with which a layer agrees on versions.

    `upgraded`: the packages whose pins are ignored; None for all.
    """
    settings = request.settings
    reporter.line(f"Lock file for {settings.target.description}")
    for warning in request.ignored:
        reporter.warn(warning)
    former = None
    if path.is_file():
        try:
            former = read(path, settings)
        except LockFileError as error:
            reporter.warn(f"existing pins are ignored: {str(error).partition(chr(10))[0]}")
    pins: dict[NormalizedName, Version] = {}
    if former is not None and upgraded is not None:
        locked = versions(former)
        if unknown := sorted(upgraded - locked.keys()):
            reporter.warn(f"not locked, so there is nothing to upgrade: {', '.join(unknown)}")
        pins = {name: version for name, version in locked.items() if name not in upgraded}
    with pipeline.scratch_folder(reporter) as scratch:
        # Resolve from scratch; a lock file is for everyone, so nothing may be missing in it.
        fresh = dataclasses.replace(settings, lock_file=None, on_missing="error")
        job = Job(request._replace(settings=fresh, state=None), scratch, reporter)
        closure = _resolve_with(pins, job, together, store)
        for found in closure.distributions:
            if found.wheel:
                store.keep(found.wheel.path, found.name, str(found.version), scratch=scratch)
        if bound := machine_bound(closure, settings.root):
            reporter.warn(f"locked as local files, which other machines may not have: {', '.join(bound)}")
        write(path, closure, settings.target)
    present = read(path, settings)
    before = packages_for(former) if former else ()
    lines = changes(before, present.content.packages)
    outcome = "written" if former is None else "updated" if lines else "unchanged"
    count = counted(len(present.content.packages), "distribution")
    click.echo(f"{present.label}: {outcome}, {count}")
    for line in lines:
        click.echo(f"  {line}")


def _resolve_with(
    pins: Mapping[NormalizedName, Version], job: Job, together: tuple[Request, ...], store: Store
) -> Closure:
    """Resolve with as many pins as possible: drop those that pip reports in the way, and in the end all."""
    tries = 0
    while True:
        tries += 1
        scratch = job.scratch / f"try-{tries}"
        scratch.mkdir()
        pinned = tuple(f"{name}=={version}" for name, version in pins.items())
        request = job.request._replace(constraints=(*job.request.constraints, *pinned))
        try:
            if together:
                members = [each._replace(constraints=(*each.constraints, *pinned)) for each in together]
                agreed = agreed_versions(members, Job(request, scratch, job.reporter), store).constraints
                request = request._replace(constraints=(*request.constraints, *agreed))
            return pipeline.resolve(Job(request, scratch, job.reporter), store)
        except ResolutionError as error:
            if not pins:
                raise
            # pip reports that a pin conflicts, or that its version is no longer available.
            blamed = {
                name
                for name in pins
                if re.search(rf"\(constraint\) {spellings_of(name)}==", error.output, re.IGNORECASE)
                or is_not_found(name, error.output)
            }
            subject = ", ".join(sorted(blamed)) or "the existing pins"
            job.reporter.line(f"  Cannot keep {subject} as locked; resolving again")
            pins = {name: version for name, version in pins.items() if blamed and name not in blamed}
