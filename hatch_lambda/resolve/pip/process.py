"""Starting pip: for the target by way of `pip_for_target`, and for builds as it is."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import UnsupportedPipError
from hatch_lambda.common.process import Completed, end, follow, run, start
from hatch_lambda.resolve.pip import for_target
from hatch_lambda.resolve.pip.listener import PASSING, Listener
from hatch_lambda.resolve.pip.variables import NOT_FOR_US
from hatch_lambda.wheels.store import user_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.config.request import Job
    from hatch_lambda.resolve.prefetch import Ahead

_QUIET_AND_UNATTENDED = (
    "--disable-pip-version-check",
    "--no-color",
    "--no-input",
)


@dataclass(frozen=True)
class PipAnswer:
    """How a pip for the target ended, and what was heard at its seams (see `pip_for_target.seams.Findings`)."""

    completed: Completed
    findings: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        return self.completed.exit_code == 0 and "resolved" in self.findings


def pip_version() -> str:
    try:
        return importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise UnsupportedPipError(
            "pip is not installed in the build environment; hatch-lambda resolves and builds with it.\n"
            'Add "pip>=25.0" to build-system.requires or install it beside hatch-lambda.'
        ) from None


def download(
    job: Job,
    destination: Path,
    arguments: Sequence[str],
    *,
    misdeclared: Iterable[str] = (),
    ahead: Ahead | None = None,
) -> PipAnswer:
    """`pip download` as the target would run it. The arguments travel in a file, for they may carry credentials.

    `ahead`: gets each wheel as soon as it is there, at a place of its own; pip may still drop it.
    """
    version = pip_version()
    folder = Path(tempfile.mkdtemp(prefix="pip-", dir=job.scratch))
    request, report, early = folder / "request.json", folder / "report.json", folder / "early"
    early.mkdir()
    request.write_text(
        json.dumps(
            {
                "arguments": ["download", *_target_arguments(job), "--dest", str(destination), *arguments],
                "interpreter": _interpreter(job.target),
                "early": str(early),
                "kept": str(user_store(job.settings.fallback_store).wheels),
                "marker_environment": job.target.marker_environment,
                "misdeclared": sorted(misdeclared),
                "report": str(report),
                "temporary": str(_temporary_folder(job)),
            }
        ),
        encoding="utf-8",
    )
    listener = Listener(job.reporter, ahead=ahead)
    process = _WAITING.take(job.settings.root) or _start(job.settings.root)
    completed = follow(process, listener.hear, PASSING.match, order=f"{json.dumps(str(request))}\n")
    if completed.exit_code == for_target.EXIT_UNSUPPORTED_PIP:
        raise UnsupportedPipError(
            f"pip {version} cannot be made to resolve for {job.target.description}: {completed.output}.\n"
            "hatch-lambda is tested with pip 25.0 and newer; install another version of pip beside it, "
            "and please report this one."
        )
    findings = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    return PipAnswer(completed, findings)


@contextlib.contextmanager
def starting_ahead(root: Path) -> Iterator[None]:
    """Start the pip that the build of a project will need, as it takes its time to come up.

    It waits for its request; if it has got none in the end, it is ended.
    """
    _WAITING.start(root)
    try:
        yield
    finally:
        _WAITING.end()


class _Waiting:
    """At most one pip that waits for its request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._started_for: tuple[Path, dict[str, str]] | None = None

    def start(self, root: Path) -> None:
        self.end()
        self._process, self._started_for = _start(root), (root, _environment())

    def take(self, root: Path) -> subprocess.Popen[str] | None:
        """The one that was started, if it is still there and things are as they were."""
        if self._process and (self._process.poll() is not None or self._started_for != (root, _environment())):
            self.end()
        process, self._process = self._process, None
        return process

    def end(self) -> None:
        process, self._process = self._process, None
        if process:
            end(process)


_WAITING = _Waiting()


def _start(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(for_target.PROGRAM)]
    return start(command, directory=root, environment=_environment(), stdin=subprocess.PIPE)


def build_wheel(  # noqa: PLR0913 - one for each thing that a build depends on, and its name
    job: Job,
    requirements_file: Path,
    destination: Path,
    *,
    interpreter: Path,
    environment: Mapping[str, str],
    subject: str = "",
) -> Completed:
    """`pip wheel` by PEP 517, isolated, with an interpreter that need not have a pip.

    pip's cache of built wheels stays out of it: a wheel made without a compiler must not be served to others. What
    is downloaded for the build itself does come from pip's cache, in the processes that pip starts for that.
    `subject`: what is built, as its user knows it.
    """
    runner = Path(_pip_folder()) / "__pip-runner__.py"
    return run(
        [
            *(str(interpreter), str(runner), "wheel", *_QUIET_AND_UNATTENDED, "--progress-bar=off", "--no-cache-dir"),
            # Whether the target may have it was decided in stage 1; the interpreter here may be another.
            *("--no-deps", "--ignore-requires-python"),
            *("--wheel-dir", str(destination), "--requirement", str(requirements_file)),
        ],
        directory=job.settings.root,
        environment=environment,
        on_line=Listener(job.reporter, subject).hear,
    )


def pip_environment(job: Job) -> dict[str, str]:
    """The environment of this process, less what would send pip elsewhere.

    pip's own temporary folders are in the job's, so that they go with it when pip is interrupted.
    """
    return {**_environment(), **dict.fromkeys(for_target.TEMPORARY_FOLDER, str(_temporary_folder(job)))}


def _temporary_folder(job: Job) -> Path:
    folder = job.scratch / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_US}
    environment["PYTHONIOENCODING"] = "utf-8"
    environment["PYTHONUNBUFFERED"] = "1"  # lines are shown as they come
    return environment


def _interpreter(target: Target) -> dict[str, str | list[str]]:
    """The same as what `_target_arguments` says of it, as pip's `get_supported` takes it."""
    major, minor = target.runtime.python
    return {
        "version": f"{major}{minor}",
        "platforms": list(target.platforms),
        "impl": "cp",
        "abis": [target.interpreter],
    }


def _target_arguments(job: Job) -> list[str]:
    target = job.target
    platforms = [argument for platform in target.platforms for argument in ("--platform", platform)]
    return [
        *_QUIET_AND_UNATTENDED,
        "--progress-bar=raw",  # for programs: a line now and then, on any stdout
        *("--python-version", target.runtime.full_version),
        *("--implementation", "cp"),
        *("--abi", target.interpreter),
        *platforms,
        *("--src", str(job.scratch / "src")),
        *(["--prefer-binary"] if job.settings.prefer_binary else []),
        *(argument for path in job.settings.constraints for argument in ("--constraint", str(path))),
        *job.settings.pip_args,
    ]


def _pip_folder() -> str:
    spec = importlib.util.find_spec("pip")
    if spec is None or not spec.submodule_search_locations:
        pip_version()
        raise UnsupportedPipError("pip's files cannot be found")
    return spec.submodule_search_locations[0]
