"""From what a project needs to a bundle for its target, in nine stages."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.bundle.assemble import assemble, with_bytecode
from hatch_lambda.bundle.unpack import unpack
from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.ui import Reporter, counted
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.resolve import saved_resolution
from hatch_lambda.resolve.closure import Origins
from hatch_lambda.resolve.fingerprint import fingerprint
from hatch_lambda.resolve.job import Job
from hatch_lambda.wheels.store import PART, user_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.config.request import Request
    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.pip.process import WaitingPip
    from hatch_lambda.wheels.store import Store, StoredWheel


def run(request: Request, reporter: Reporter, waiting_pip: WaitingPip | None = None) -> Bundle:
    """Resolve for the target and lay the result out in the bundle directory.

    Raises `LambdaBuildError`; what stood in the bundle directory is then as it was.
    """
    target = request.settings.target
    function = f" of the function `{request.settings.function}`" if request.settings.function else ""
    with reporter.group(f"Bundle{function} for {target.description}"):
        _warn_of_deprecation(target.runtime, reporter)
        store = user_store(request.settings.fallback_store)
        store.tidy()
        if request.state:
            tempfiles.sweep(request.state, PART)
        with store.alone_with(
            request.directory, lambda: reporter.line("  waiting for another build of the same bundle")
        ):
            return _run(request, store, reporter, waiting_pip)


def _run(request: Request, store: Store, reporter: Reporter, waiting_pip: WaitingPip | None) -> Bundle:
    _insist_on_a_lock(request)
    if request.settings.compile_bytecode:
        # For want of it the build stops, and that is to be told before anything is downloaded.
        from hatch_lambda.bundle.bytecode.interpreter import interpreter_to_compile_with

        interpreter_to_compile_with(request.settings, store)
    key = fingerprint(request.settings, request.requirements) if request.state else None
    kept = _reuse(request, request.state, key, store, reporter) if request.state and key else None
    if kept is not None:
        return replace(_lay_out(kept, request, store, reporter), origins=Origins(kept=len(kept)))
    if request.state:
        saved_resolution.forget(request.state)
    with scratch_folder(reporter) as scratch:
        closure = resolve(Job(request, scratch, reporter, waiting_pip), store)
        wheels = tuple(
            store.keep(found.wheel.path, str(found), scratch=scratch) for found in closure.distributions if found.wheel
        )
        if request.state and key and not closure.left_out:  # the next build is to warn as well
            saved_resolution.keep(request.state, key, closure, wheels, request.settings)
        return replace(_lay_out(wheels, request, store, reporter), origins=closure.origins)


def _lay_out(wheels: tuple[StoredWheel, ...], request: Request, store: Store, reporter: Reporter) -> Bundle:
    def work() -> Bundle:
        bundle = assemble(wheels, request.settings, request.directory, request.state)
        if request.settings.compile_bytecode:
            bundle = with_bytecode(bundle, request.settings, store, request.place)
            reporter.detail(bundle.compiled)
        # Without a state the folder is its caller's, who may write to the files.
        return unpack(bundle, request.state, store.shelf(wheels, linking=request.state is not None))

    return reporter.stage(8, "unpack", work, _what_is_laid_out)


def resolve(job: Job, store: Store) -> Closure:
    """Stages 1 to 7: choose the closure, and come by a wheel for the target of each member.

    Raises `LambdaBuildError`.
    """
    # Imported here, for most builds reuse what an earlier one resolved.
    from hatch_lambda.resolve.download import download

    stage = job.reporter.stage
    came = stage(1, "download", lambda: download(job, store), _what_came)

    # What takes long of these was imported while pip was at work (see `ahead`).
    from hatch_lambda.resolve.allow import allow
    from hatch_lambda.resolve.audit import audit
    from hatch_lambda.resolve.build import build
    from hatch_lambda.resolve.download_wheels import download_wheels
    from hatch_lambda.resolve.provided import leave_out
    from hatch_lambda.resolve.report_unmet import report_unmet
    from hatch_lambda.resolve.sort import sort
    from hatch_lambda.resolve.toolchains import HostCompilers, NoCompilers

    chosen = leave_out(came, job)
    sorted_out = stage(2, "sort", lambda: sort(chosen, job.target, store), _what_serves)
    asked = stage(3, "download wheels", lambda: download_wheels(sorted_out, job), _gain(sorted_out))
    built = stage(4, "build", lambda: build(asked, job, HostCompilers(), store), _gain(asked))
    rebuilt = stage(5, "build without compiler", lambda: build(built, job, NoCompilers(), store), _gain(built))
    allowed = stage(6, "allow", lambda: allow(rebuilt, job.settings), _gain(rebuilt))
    return stage(7, "report unmet", lambda: audit(report_unmet(allowed, job), job, store), _what_is_left_out)


def _insist_on_a_lock(request: Request) -> None:
    settings = request.settings
    if settings.locked and not settings.lock_file and (settings.requirements or request.requirements):
        raise ConfigurationError(
            [
                (
                    f"Environment variable `{ENVIRONMENT_VARIABLES['locked']}` requires all dependencies to be locked, "
                    f"but field `{settings.table}.lock-file` is not set. `hatch-lambda lock` writes a lock file."
                )
            ]
        )


def _reuse(request: Request, state: Path, key: str, store: Store, reporter: Reporter) -> tuple[StoredWheel, ...] | None:
    """What an earlier build resolved, if nothing that it depended on has changed since."""
    earlier = saved_resolution.recall(state, key) or saved_resolution.borrow(state, key, request.neighbours)
    if earlier is None:
        return None
    found = store.find_all(earlier.wheels)
    if lost := [wanted.filename for wanted, wheel in zip(earlier.wheels, found, strict=True) if not wheel]:
        reporter.warn(f"not in the store any more as it was, so fetched again: {', '.join(lost)}")
        return None
    wheels = tuple(wheel for wheel in found if wheel)
    if earlier.audited_without != request.settings.exclude:
        # Files that were left out then may come along now; nothing else that the audit looks at can have changed.
        from hatch_lambda.resolve.audit import audit_wheels

        audit_wheels([(wheel.distribution, wheel.path) for wheel in wheels], request.settings, store)
        saved_resolution.note_audit(state, request.settings.exclude)
    reporter.line(f"  resolution of {earlier.resolved} reused; `-c` resolves anew")
    return wheels


def _warn_of_deprecation(runtime: Runtime, reporter: Reporter) -> None:
    if runtime.deprecated <= datetime.now(tz=timezone.utc).date():
        reporter.warn(f"AWS meant to deprecate {runtime.name} on {runtime.deprecated}; think of a newer runtime.")


@contextmanager
def scratch_folder(reporter: Reporter) -> Iterator[Path]:
    """Stage 9: the scratch directory goes, whatever happened in it."""
    # Resolved, since pip and Python's own temporary folders differ in that on macOS, and paths are compared.
    tempfiles.sweep(Path(tempfile.gettempdir()), tempfiles.SCRATCH)
    scratch = Path(tempfile.mkdtemp(prefix=tempfiles.marked(tempfiles.SCRATCH))).resolve()
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    reporter.stage(9, "clean up", lambda: shutil.rmtree(scratch, ignore_errors=True), lambda _: "scratch removed")


def _what_came(closure: Closure) -> str:
    from hatch_lambda.resolve.closure import SourceTree

    wheels = sum(bool(found.wheels) for found in closure.distributions)
    trees = sum(isinstance(found.source, SourceTree) for found in closure.distributions)
    sdists = len(closure.distributions) - wheels - trees
    kinds = [counted(wheels, "wheel"), counted(sdists, "sdist"), counted(trees, "source tree")]
    came = [kind for number, kind in zip((wheels, sdists, trees), kinds, strict=True) if number]
    return f"{counted(len(closure.distributions), 'distribution')}{': ' if came else ''}{', '.join(came)}"


def _what_serves(closure: Closure) -> str:
    return f"{counted(len(closure.wheels), 'compatible wheel')}, {len(closure.unmet)} to be met"


def _gain(before: Closure) -> Callable[[Closure], str]:
    """What a stage that may fail has added to the closure that it was given."""

    def tell(after: Closure) -> str:
        wanted, left = before.unmet, {found.name for found in after.unmet}
        if not wanted:
            return "nothing to do"
        met = [str(found) for found in wanted if found.name not in left]
        return f"met {', '.join(met)}" if met else f"{counted(len(wanted), 'distribution')} still to be met"

    return tell


def _what_is_left_out(closure: Closure) -> str:
    missing = f"{', '.join(closure.left_out)} left out" if closure.left_out else "nothing is missing"
    return f"{missing}, all machine code fits"


def _what_is_laid_out(bundle: Bundle) -> str:
    return f"{counted(len(bundle.files), 'file')} of {counted(len(bundle.wheels), 'distribution')}"
