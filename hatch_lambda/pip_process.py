"""Starting pip: for the target by way of `pip_for_target.py`, and for builds as it is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda import pip_for_target
from hatch_lambda.errors import UnsupportedPipError
from hatch_lambda.pip_variables import NOT_FOR_US
from hatch_lambda.process import Completed, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.job import Job

_QUIET_AND_UNATTENDED = (
    "--disable-pip-version-check",
    "--no-color",
    "--no-input",
)


@dataclass(frozen=True)
class PipAnswer:
    """How a pip for the target ended, and what was heard at its seams (see `pip_for_target.Findings`)."""

    completed: Completed
    findings: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        return self.completed.exit_code == 0


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
) -> PipAnswer:
    """`pip download` as the target would run it. The arguments travel in a file, for they may carry credentials."""
    version = pip_version()
    folder = Path(tempfile.mkdtemp(prefix="pip-", dir=job.scratch))
    request, report = folder / "request.json", folder / "report.json"
    request.write_text(
        json.dumps(
            {
                "arguments": ["download", *_target_arguments(job), "--dest", str(destination), *arguments],
                "marker_environment": job.target.marker_environment,
                "misdeclared": sorted(misdeclared),
                "report": str(report),
            }
        ),
        encoding="utf-8",
    )
    completed = run(
        [sys.executable, pip_for_target.__file__, str(request)],
        directory=job.settings.root,
        environment=pip_environment(job),
        on_line=job.reporter.detail,
    )
    if completed.exit_code == pip_for_target.EXIT_UNSUPPORTED_PIP:
        raise UnsupportedPipError(
            f"pip {version} cannot be made to resolve for {job.target.description}: {completed.output}.\n"
            "hatch-lambda is tested with pip 25.0 and newer; install another version of pip beside it, "
            "and please report this one."
        )
    findings = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    return PipAnswer(completed, findings)


def build_wheel(
    job: Job,
    requirements_file: Path,
    destination: Path,
    *,
    interpreter: Path,
    environment: Mapping[str, str],
) -> Completed:
    """`pip wheel` by PEP 517, isolated, with an interpreter that need not have a pip.

    pip's cache of built wheels stays out of it: a wheel made without a compiler must not be served to others. What
    is downloaded for the build itself does come from pip's cache, in the processes that pip starts for that.
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
        on_line=job.reporter.detail,
    )


def pip_environment(job: Job) -> dict[str, str]:
    """The environment of this process, less what would send pip elsewhere.

    pip's own temporary folders are in the job's, so that they go with it when pip is interrupted.
    """
    temporary = job.scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_US}
    environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)))
    environment["PYTHONIOENCODING"] = "utf-8"
    environment["PYTHONUNBUFFERED"] = "1"  # lines are shown as they come
    return environment


def _target_arguments(job: Job) -> list[str]:
    target = job.target
    platforms = [argument for platform in target.platforms for argument in ("--platform", platform)]
    return [
        *_QUIET_AND_UNATTENDED,
        "--progress-bar=off",
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
