"""Starting pip: through `for_target` to resolve for the target, and as it is to build wheels."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet

from hatch_lambda.common.errors import UnsupportedPipError
from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.common.process import Completed, leaving_none, run
from hatch_lambda.common.source_trees import setuptools_aside
from hatch_lambda.resolve.cross.for_metadata import with_compiler, zig_for_metadata
from hatch_lambda.resolve.pip import for_target
from hatch_lambda.resolve.pip.installed import install_once
from hatch_lambda.resolve.pip.listener import PROGRESS, Listener
from hatch_lambda.resolve.pip.variables import NOT_FOR_US
from hatch_lambda.resolve.pip.words import error_lines, has_failed_backend
from hatch_lambda.wheels.store import user_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.cross.zig import Zig
    from hatch_lambda.resolve.job import Job

_QUIET_AND_UNATTENDED = ("--disable-pip-version-check", "--no-color", "--no-input")
_TEMPORARY_FOLDER = ("TMPDIR", "TEMP", "TMP")
"""The environment variables that set the folder for temporary files."""


@dataclass(frozen=True)
class PipAnswer:
    """How a pip for the target ended, and what its patches found out (see `for_target.patches.Findings`)."""

    completed: Completed
    findings: Mapping[str, Any]
    interpreter: Interpreter

    @property
    def succeeded(self) -> bool:
        return self.completed.exit_code == 0 and "resolved" in self.findings


def pip_version() -> str:
    try:
        return importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise UnsupportedPipError(
            "pip is not installed in the build environment; hatch-lambda resolves and builds with it.\n"
            'Add "pip>=25.0" to `build-system.requires`, or install it next to hatch-lambda.'
        ) from None


def pip_download(  # noqa: PLR0913 - what it is asked, and how
    job: Job,
    destination: Path,
    arguments: Sequence[str],
    *,
    ignore_tags: Iterable[str] = (),
    interpreter: Interpreter | None = None,
    zig: Zig | None = None,
) -> PipAnswer:
    """`pip download` as the target would run it. The arguments travel in a file, as they may contain credentials.

    `interpreter`: which runs pip; by default the job's, or the running one. `zig`: is the compiler, where this machine
    has none. If a backend fails, pip is run again: with Zig, if it is needed and there, and then with the interpreter
    that is to build the wheel.
    """
    version, target = pip_version(), job.target
    folder = Path(tempfile.mkdtemp(prefix="pip-", dir=job.scratch))
    request, report = folder / "request.json", folder / "report.json"
    request.write_text(
        json.dumps(
            {
                "arguments": ["download", *_target_arguments(job), "--dest", str(destination), *arguments],
                "cached_wheels": user_store(job.settings.fallback_store).wheel_template,
                "ignore_tags": sorted(ignore_tags),
                "interpreter": _interpreter(target),
                "marker_environment": target.marker_environment,
                "report": str(report),
            }
        ),
        encoding="utf-8",
    )
    interpreter = interpreter or job.resolver
    running = interpreter or Interpreter(Path(sys.executable), sys.version_info[:2])
    command = [str(running.path), str(for_target.PROGRAM), str(request)]
    if interpreter:  # which need not have pip
        command.append(str(_folder_of_pip(job, interpreter.python)))
    environment = {**pip_environment(job), **setuptools_aside(_temporary_folder(job))}
    if zig:
        cache = user_store(job.settings.fallback_store).compiler(zig.version)
        environment = with_compiler(environment, zig, running, cache, folder / "compiler")
    with leaving_none(_mark(job)):
        completed = run(
            command,
            directory=job.settings.root,
            environment=environment,
            on_line=Listener(job.reporter).hear,
            is_passing=PROGRESS.fullmatch,
        )
    if completed.exit_code == for_target.EXIT_UNSUPPORTED_PIP:
        raise UnsupportedPipError(
            f"pip {version} cannot resolve for {target.description}: {completed.output}.\n"
            "hatch-lambda is tested with pip 25.0 and newer. Install another version of pip in the build environment, "
            "and please report this one."
        )
    findings = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
    answer = PipAnswer(completed, findings, running)
    # The latter also if there are no build requirements for this Python.
    is_failed_build = has_failed_backend(completed.output) or "ERROR: Failed to build " in completed.output
    if answer.succeeded or not is_failed_build:
        return answer
    if not zig and job.settings.cross and (zig := zig_for_metadata(running)):
        job.reporter.line(f"  An sdist cannot be prepared without a compiler; retrying with zig {zig.version}")
        return pip_download(job, destination, arguments, ignore_tags=ignore_tags, interpreter=interpreter, zig=zig)
    if interpreter or job.interpreter.python == running.python:
        return answer
    other = job.interpreter
    job.reporter.line(f"  An sdist cannot be prepared with {running}; retrying with {other}")
    zig = zig and zig_for_metadata(other)
    with contextlib.suppress(UnsupportedPipError):
        again = pip_download(job, destination, arguments, ignore_tags=ignore_tags, interpreter=other, zig=zig)
        return again if again.findings else answer  # none if pip does not support that Python
    return answer


def pip_wheel(  # noqa: PLR0913 - what a build depends on, and its name
    job: Job,
    requirements_file: Path,
    destination: Path,
    *,
    interpreter: Path,
    environment: Mapping[str, str],
    subject: str = "",
) -> Completed:
    """`pip wheel`: an isolated PEP 517 build, with an interpreter that does not need pip.

    pip's cache of built wheels is not used: a wheel built without a compiler must not be served to others. Build
    requirements do come from pip's cache, in the processes that pip starts for them.
    `subject`: what is built, for progress.
    """
    try:
        runner = _folder_of_pip(job, job.interpreter.python) / "pip" / "__pip-runner__.py"
    except UnsupportedPipError as error:
        return Completed(1, str(error))
    command = [
        *(str(interpreter), str(runner), "wheel", *_QUIET_AND_UNATTENDED, "--progress-bar=off", "--no-cache-dir"),
        # Stage 1 has checked Requires-Python for the target; this interpreter may be another.
        *("--no-deps", "--ignore-requires-python"),
        *("--wheel-dir", str(destination), "--requirement", str(requirements_file)),
    ]
    with leaving_none(_mark(job)):
        on_line = Listener(job.reporter, subject).hear
        return run(command, directory=job.settings.root, environment=environment, on_line=on_line)


def _folder_of_pip(job: Job, python: tuple[int, int]) -> Path:
    """The directory that a Python can import pip from; for old Pythons, a pip that supports them is downloaded once.

    Raises `UnsupportedPipError`.
    """
    pip, version = importlib.metadata.distribution("pip"), "{}.{}".format(*python)
    if SpecifierSet(pip.metadata["Requires-Python"] or "").contains(version):
        return Path(str(pip.locate_file("")))
    folder = user_store(job.settings.fallback_store).pips / f"python{version}"
    if output := install_once("pip>=25.0", folder, python, ["--no-deps", *job.settings.pip_args]):
        raise UnsupportedPipError(
            f"error: pip {pip.version} does not support Python {version}, and one that does cannot be downloaded:\n"
            + "\n".join(error_lines(output))
        )
    return folder


def pip_environment(job: Job) -> dict[str, str]:
    """The environment of this process, without what would redirect pip.

    pip's temporary folders are in the scratch directory, which is removed even if pip is interrupted.
    """
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_US}
    environment.update(dict.fromkeys(_TEMPORARY_FOLDER, str(_temporary_folder(job))))
    environment["PYTHONIOENCODING"] = "utf-8"
    environment["PYTHONUNBUFFERED"] = "1"  # lines are shown as they come
    environment["_PIP_RUNNING_IN_SUBPROCESS"] = "1"  # else `python` in pip.conf makes pip run itself in another Python
    return environment


def _mark(job: Job) -> str:
    """A variable that only what pip starts has."""
    return f"{_TEMPORARY_FOLDER[0]}={_temporary_folder(job)}"


def _temporary_folder(job: Job) -> Path:
    folder = job.scratch / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def _interpreter(target: Target) -> dict[str, Any]:
    """The same as in `_target_arguments`, as arguments of pip's `get_supported`."""
    version = "{}{}".format(*target.runtime.python)
    return {"version": version, "platforms": target.platforms, "impl": "cp", "abis": [target.interpreter]}


def _target_arguments(job: Job) -> list[str]:
    target, constraints = job.target, [*job.settings.constraints]
    if job.request.constraints:
        constraints.append(job.scratch / "constraints.txt")
        constraints[-1].write_text("\n".join(job.request.constraints) + "\n", encoding="utf-8")
    return [
        *_QUIET_AND_UNATTENDED,
        "--progress-bar=raw",  # made for programs: plain lines, on any stdout
        *("--python-version", target.runtime.full_version),
        *("--implementation", "cp"),
        *("--abi", target.interpreter),
        *(argument for platform in target.platforms for argument in ("--platform", platform)),
        *("--src", str(job.scratch / "src")),
        *(["--prefer-binary"] if job.settings.prefer_binary else []),
        *(argument for path in constraints for argument in ("--constraint", str(path))),
        *job.settings.pip_args,
    ]
