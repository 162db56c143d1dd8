"""The nine stages, from what a project requires to a bundle for its target."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.assemble import assemble, with_bytecode
from hatch_lambda.bundle.strip import with_stripped
from hatch_lambda.bundle.unpack import unpack
from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import ConfigurationError, ResolutionError
from hatch_lambda.common.ui import Reporter, counted
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.resolve import saved_resolution
from hatch_lambda.resolve.fingerprint import fingerprint
from hatch_lambda.resolve.graph import naming_requirers
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.layers import conflict, without_layers
from hatch_lambda.resolve.origins import Origins
from hatch_lambda.wheels import locks
from hatch_lambda.wheels.store import user_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_lambda.bundle.assemble import FileList
    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.config.request import Request
    from hatch_lambda.resolve.agree import Agreed
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.layers import Layer
    from hatch_lambda.wheels.store import Store, StoredWheel


class Shared:
    """What the bundles of one build have in common: a store that hashes a wheel once, fingerprints, lists of files."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lists: dict[str, FileList] = {}
        self.compiled: dict[object, Bundle] = {}
        self.agreed: dict[object, Agreed] = {}
        self.runtimes: set[Runtime] = set()
        """Those of which the user was warned, if there was a reason."""
        self._fingerprints: dict[object, str | None] = {}

    def key(self, request: Request, together: Sequence[Request] = ()) -> str | None:
        """A hash of all that a request's resolution depends on; None if a part of it is unknown."""
        keys = [self._fingerprint(each) for each in (request, *together)]
        known = [key for key in keys if key]
        if len(known) < len(keys):
            return None
        return hashlib.sha256("".join(known).encode()).hexdigest() if together else known[0]

    def _fingerprint(self, request: Request) -> str | None:
        """As `resolve.fingerprint`; the same for all functions with the same inputs, though files may change."""
        settings, requirements, constraints = request.settings, request.requirements, request.constraints
        inputs = (*settings.facts("resolution").items(), requirements, constraints)
        if inputs not in self._fingerprints:
            self._fingerprints[inputs] = fingerprint(settings, requirements, constraints)
        return self._fingerprints[inputs]

    def agree(self, together: Sequence[Request], scratch: Path, reporter: Reporter) -> Agreed:
        """As `agreed_versions`, once for all layers that agree. Raises `ResolutionError`."""
        from hatch_lambda.resolve import stages as do

        inputs = tuple((each.requirements, each.constraints, each.settings) for each in together)
        if inputs not in self.agreed:
            names = ", ".join(each.settings.variant or "" for each in together)
            reporter.line(f"  Resolving together: {names}")
            with reporter.at_work("resolving together"):
                self.agreed[inputs] = do.agreed_versions(together, Job(together[0], scratch, reporter), self.store)
        return self.agreed[inputs]


class _Resolved(NamedTuple):
    """The wheels of a bundle. `required_by`: as `Closure.required_by`. `users`: those in functions that use a layer."""

    wheels: tuple[StoredWheel, ...]
    required_by: Mapping[str, str]
    users: tuple[StoredWheel, ...]


def run(request: Request, reporter: Reporter) -> Bundle:
    """As `make_bundle`, with the bundle directory locked."""
    store = user_store(request.settings.fallback_store)
    with locks.building(store, request.directory, reporter.line):
        return make_bundle(request, reporter, Shared(store))


def make_bundle(
    request: Request,
    reporter: Reporter,
    shared: Shared,
    *,
    layers: Sequence[Layer] = (),
    together: Sequence[Request] = (),
) -> Bundle:
    """Resolve for the target and lay the result out in the bundle directory, which the caller has locked.

    `layers`: of a function; what they bring is left out. `together`: for a layer, the requests with which it agrees on
    versions. Raises `LambdaBuildError`; the bundle directory is then as it was.
    """
    settings, state, store = request.settings, request.state, shared.store
    kind = "layer" if settings.is_layer else "function"
    subject = f" of the {kind} `{settings.variant}`" if settings.variant else ""
    request = request._replace(
        constraints=(*request.constraints, *dict.fromkeys(each for layer in layers for each in layer.constraints))
    )
    with reporter.group(f"Bundle{subject} for {settings.target.description}"):
        _check(request, shared, reporter)
        store.tidy()
        if state:
            tempfiles.sweep(state, tempfiles.PART)
        key = shared.key(request, together) if state else None
        if state and key and (reused := _reuse(request, state, key, store, reporter, layers=layers)):
            return replace(_lay_out(reused, request, shared, reporter), origins=Origins(cached=len(reused.wheels)))
        if state:
            saved_resolution.forget(state)
        with scratch_folder(reporter) as scratch:
            from hatch_lambda.resolve.audit import audit

            agreed = shared.agree(together, scratch, reporter) if together else None
            if agreed:
                request = request._replace(constraints=(*request.constraints, *agreed.constraints))
            try:
                closure = resolve(Job(request, scratch, reporter), store)
            except ResolutionError as error:
                raise conflict(error, layers, settings) from None
            wheels = tuple(
                store.keep(found.wheel.path, found.name, str(found.version), scratch=scratch)
                for found in closure.distributions
                if found.wheel
            )
            names = {wheel.name for wheel in wheels}
            users = tuple(wheel for wheel in agreed.wheels if wheel.name not in names) if agreed else ()
            if state and key and not (closure.left_out or closure.unreachable):  # else the next build is to warn again
                saved_resolution.keep(state, key, closure, wheels, settings, users=users)
            if layers:
                wheels = without_layers(wheels, layers, settings, reporter)
                closure = replace(closure, distributions=closure.of({wheel.name for wheel in wheels}))
            audit(wheels, closure.required_by, request, store, reporter, layers=layers)
            if state and not layers:
                saved_resolution.note_audit(state, request)
            resolved = _Resolved(wheels, closure.required_by, users)
            bundle = _lay_out(resolved, request, shared, reporter)
            return replace(bundle, origins=closure.origins)


def resolve(job: Job, store: Store) -> Closure:
    """Stages 1 to 7: choose the closure and get a wheel for the target of each distribution in it.

    Raises `LambdaBuildError`.
    """
    from hatch_lambda.resolve import stages as do  # most builds reuse what an earlier one has resolved

    stage = job.reporter.stage
    downloaded = stage(1, "download", lambda: do.download(job, store), do.after_download)
    needed = do.leave_out(downloaded, job)
    found = stage(2, "sort", lambda: do.sort(needed, job, store), do.after_sort)
    more = stage(3, "download wheels", lambda: do.download_wheels(found, job), partial(do.gain, "downloaded", found))
    try:
        built = stage(4, "build", lambda: do.compile_sources(more, job, store), partial(do.gain, "built", more))
        pure = stage(
            *(5, "build without compiler"),
            lambda: do.build(built, job, do.NoCompilers(), store),
            partial(do.gain, "built", built),
        )
    except do.OtherMetadataError as error:
        job.reporter.line(f"  {error}; resolving again with {job.interpreter}")
        again = job.scratch / "again"
        again.mkdir()
        return resolve(replace(job, scratch=again, resolver=job.interpreter), store)
    allowed = stage(6, "allow", lambda: do.allow(pure, job.settings), partial(do.gain, "allowed", pure))
    return stage(
        *(7, "report unmet"),
        lambda: do.check_closure(do.report_unmet(allowed, job), downloaded, job, store),
        do.after_check,
    )


def _lay_out(resolved: _Resolved, request: Request, shared: Shared, reporter: Reporter) -> Bundle:
    """Stage 8."""

    def work() -> Bundle:
        wheels, required_by, users = resolved
        with naming_requirers(required_by):
            bundle = assemble(wheels, request.settings, request.directory, request.state, shared.lists, users=users)
        if "debug" in request.settings.prune:
            bundle = with_stripped(bundle, shared.store, shared.compiled)
        if request.settings.compile_bytecode:
            bundle = with_bytecode(bundle, request.settings, shared.store, request.place, shared.compiled)
            reporter.detail(bundle.compiled)
        for line in bundle.kept:
            reporter.detail(line)
        return unpack(bundle, request.state)

    return reporter.stage(
        *(8, "unpack", work),
        lambda bundle: f"{counted(len(bundle.files), 'file')} of {counted(len(bundle.wheels), 'distribution')}",
    )


@contextmanager
def scratch_folder(reporter: Reporter) -> Iterator[Path]:
    """Stage 9: remove the scratch directory, whatever happened in it."""
    tempfiles.sweep(Path(tempfile.gettempdir()), tempfiles.SCRATCH)
    # Resolved, since paths are compared and on macOS the temporary folder is a link, which pip follows.
    scratch = Path(tempfile.mkdtemp(prefix=tempfiles.marked(tempfiles.SCRATCH))).resolve()
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    reporter.stage(
        9, "clean up", lambda: shutil.rmtree(scratch, ignore_errors=True), lambda _: "temporary files removed"
    )


def _check(request: Request, shared: Shared, reporter: Reporter) -> None:
    """Report what can be known before anything is downloaded. Raises `LambdaBuildError`."""
    settings, runtime = request.settings, request.settings.target.runtime
    if runtime not in shared.runtimes:
        shared.runtimes.add(runtime)
        if runtime.deprecated is None:
            reporter.line(f"  Note: {runtime.name} is a public preview at AWS, which is not for production.")
        elif runtime.is_deprecated:
            ended = f"{runtime.name} reached end of support on {runtime.deprecated} (AWS)"
            reporter.warn(f"{ended}; consider a newer runtime.")
    if not settings.lock_file:
        for warning in request.ignored:
            reporter.warn(warning)
    if settings.locked and not settings.lock_file and (settings.requirements or request.requirements):
        raise ConfigurationError(
            [
                (
                    f"Environment variable `{ENVIRONMENT_VARIABLES['locked']}` requires all dependencies to be locked, "
                    f"but field `{settings.table}.lock-file` is not set. `hatch-lambda lock` writes a lock file."
                )
            ]
        )
    if settings.compile_bytecode:
        from hatch_lambda.bundle.bytecode.interpreter import interpreter_to_compile_with

        interpreter_to_compile_with(settings, shared.store)


def _reuse(  # noqa: PLR0913 - a build's facts
    request: Request, state: Path, key: str, store: Store, reporter: Reporter, *, layers: Sequence[Layer]
) -> _Resolved | None:
    """What an earlier build resolved, if nothing that it depended on has changed."""
    settings = request.settings
    earlier = saved_resolution.recall(state, key, settings) or saved_resolution.borrow(
        state, key, settings, request.neighbours
    )
    if earlier is None:
        return None
    wanted = (*earlier.wheels, *earlier.users)
    found = store.find_all(wanted)
    if lost := [each.filename for each, wheel in zip(wanted, found, strict=True) if not wheel]:
        reporter.warn(f"Cached wheels missing or modified; downloading again: {', '.join(lost)}")
        return None
    kept = tuple(wheel for wheel in found if wheel)
    wheels, users = kept[: len(earlier.wheels)], kept[len(earlier.wheels) :]
    reporter.line(f"  Reusing the resolution from {earlier.resolved} (run with -c to resolve again)")
    wheels = without_layers(wheels, layers, settings, reporter) if layers else wheels
    if layers or not earlier.audited:
        from hatch_lambda.resolve.audit import audit

        audit(wheels, earlier.required_by, request, store, reporter, layers=layers)
    if not layers and not earlier.audited:
        saved_resolution.note_audit(state, request)
    if earlier.pure:
        from hatch_lambda.resolve.fallbacks import warning_about

        reporter.warn(warning_about(earlier.pure))
    return _Resolved(wheels, earlier.required_by, users)
