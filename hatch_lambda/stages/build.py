"""Stages 4 and 5: build what came as sources, by PEP 517; the two differ in their toolchain only."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hatch_lambda import pip_process
from hatch_lambda.distributions import Attempt, Sdist
from hatch_lambda.interpreters import interpreter_to_build_with
from hatch_lambda.process import telling_lines
from hatch_lambda.verdicts import judge

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.distributions import Closure, Distribution, SourceTree
    from hatch_lambda.job import Job
    from hatch_lambda.toolchains import Toolchain

# What a source folder may hold that is not its source: earlier builds, environments, caches.
_NOT_SOURCES = shutil.ignore_patterns(
    "build", "dist", "*.egg-info", "__pycache__", ".venv", "venv", ".tox", ".nox", "node_modules", ".hatch"
)


def build(closure: Closure, job: Job, toolchain: Toolchain) -> Closure:
    """Build each unmet distribution that has sources; a build that fails is kept as an attempt."""
    return closure.each_unmet(
        lambda found: _build_one(found, found.source, closure, job, toolchain) if found.source else found
    )


def _build_one(
    found: Distribution, source: Sdist | SourceTree, closure: Closure, job: Job, toolchain: Toolchain
) -> Distribution:
    interpreter = interpreter_to_build_with(job.settings)
    scratch = job.scratch / f"stage-{toolchain.stage}" / found.name
    scratch.mkdir(parents=True)
    requirements = scratch / "requirements.txt"
    line = _requirement(found, source, toolchain, scratch)
    requirements.write_text("\n".join([*closure.index_options, line]) + "\n", encoding="utf-8")
    environment = pip_process.pip_environment()
    # Backends that know it make the same wheel at any time (https://reproducible-builds.org/specs/source-date-epoch/).
    environment.setdefault("SOURCE_DATE_EPOCH", "1580601600")
    completed = pip_process.build_wheel(
        job,
        requirements,
        scratch / "wheels",
        interpreter=interpreter.path,
        environment=toolchain.environment(environment, scratch),
    )
    tried = f"building {source.label} with {interpreter}, {toolchain.description}"
    built = sorted((scratch / "wheels").glob("*.whl"))
    if completed.exit_code != 0 or not built:
        words = telling_lines(completed.output)
        return found.after(Attempt(toolchain.stage, tried, succeeded=False, outcome="the build failed", words=words))
    wheel = judge(built[0], f"built by stage {toolchain.stage}", job.target)
    outcome = "a wheel that fits" if wheel.verdict.compatible else f"a wheel that does not fit: {wheel.verdict.reason}"
    return found.after(Attempt(toolchain.stage, tried, wheel.verdict.compatible, outcome), wheel)


def _requirement(found: Distribution, source: Sdist | SourceTree, toolchain: Toolchain, scratch: Path) -> str:
    if isinstance(source, Sdist):
        return f"{found.name} @ {source.path.as_uri()} --hash=sha256:{source.sha256}"
    if source.folder and toolchain.needs_fresh_tree:
        copy = scratch / "source" / source.folder.name
        shutil.copytree(source.folder, copy, symlinks=True, ignore=_NOT_SOURCES)
        return f"{found.name} @ {copy.as_uri()}"
    return f"{found.name} @ {source.folder.as_uri() if source.folder else source.url}"
