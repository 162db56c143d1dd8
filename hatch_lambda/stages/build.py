"""Stages 4 and 5: build what came as sources, by PEP 517; the two differ in their toolchain only."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_lambda import pip_process
from hatch_lambda.distributions import Attempt, Sdist, Wheel
from hatch_lambda.fingerprint import telling_environment, this_machine
from hatch_lambda.interpreters import interpreter_to_build_with
from hatch_lambda.process import telling_lines
from hatch_lambda.verdicts import judge

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.distributions import Closure, Distribution, SourceTree
    from hatch_lambda.interpreters import Interpreter
    from hatch_lambda.job import Job
    from hatch_lambda.process import Completed
    from hatch_lambda.store import Store
    from hatch_lambda.toolchains import Toolchain

# What a source folder may hold that is not its source: earlier builds, environments, caches.
_NOT_SOURCES = shutil.ignore_patterns(
    "build", "dist", "*.egg-info", "__pycache__", ".venv", "venv", ".tox", ".nox", "node_modules", ".hatch"
)


def build(closure: Closure, job: Job, toolchain: Toolchain, store: Store) -> Closure:
    """Build each unmet distribution that has sources; a build that fails is kept as an attempt.

    The wheel of an sdist is kept in the store; folders and repositories are built every time.
    """
    return closure.each_unmet(
        lambda found: _Build(found, found.source, closure, job, toolchain).with_wheel(store) if found.source else found
    )


@dataclass(frozen=True)
class _Build:
    """One build: of a distribution's sources, with a toolchain."""

    found: Distribution
    source: Sdist | SourceTree
    closure: Closure
    job: Job
    toolchain: Toolchain

    def with_wheel(self, store: Store) -> Distribution:
        recipe = self._recipe()
        if recipe and (kept := store.built(recipe, str(self.found))):
            return self._after("kept from an earlier build", kept.path)
        completed, path = self._run()
        if path is None:
            words = telling_lines(completed.output)
            attempt = Attempt(
                self.toolchain.stage, self._tried, succeeded=False, outcome="the build failed", words=words
            )
            return self.found.after(attempt)
        after = self._after("a wheel that fits", path)
        if recipe and after.wheel:
            store.remember_built(recipe, store.keep(path, str(self.found)))
        return after

    @property
    def _interpreter(self) -> Interpreter:
        return interpreter_to_build_with(self.job.settings)

    @property
    def _tried(self) -> str:
        return f"building {self.source.label} with {self._interpreter}, {self.toolchain.description}"

    def _after(self, outcome: str, path: Path) -> Distribution:
        wheel = Wheel(path, f"built by stage {self.toolchain.stage}", judge(path, self.job.target))
        if not wheel.verdict.compatible:
            outcome = f"a wheel that does not fit: {wheel.verdict.reason}"
        return self.found.after(Attempt(self.toolchain.stage, self._tried, wheel.verdict.compatible, outcome), wheel)

    def _run(self) -> tuple[Completed, Path | None]:
        scratch = self.job.scratch / f"stage-{self.toolchain.stage}" / self.found.name
        scratch.mkdir(parents=True)
        requirements = scratch / "requirements.txt"
        lines = [*self.closure.index_options, self._requirement(scratch)]
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        completed = pip_process.build_wheel(
            self.job,
            requirements,
            scratch / "wheels",
            interpreter=self._interpreter.path,
            environment=self.toolchain.environment(_build_environment(self.job), scratch),
        )
        built = sorted((scratch / "wheels").glob("*.whl"))
        return completed, built[0] if built and completed.exit_code == 0 else None

    def _requirement(self, scratch: Path) -> str:
        if isinstance(self.source, Sdist):
            return f"{self.found.name} @ {self.source.path.as_uri()} --hash=sha256:{self.source.sha256}"
        if self.source.folder and self.toolchain.needs_fresh_tree:
            copy = scratch / "source" / self.source.folder.name
            shutil.copytree(self.source.folder, copy, symlinks=True, ignore=_NOT_SOURCES)
            return f"{self.found.name} @ {copy.as_uri()}"
        return f"{self.found.name} @ {self.source.folder.as_uri() if self.source.folder else self.source.url}"

    def _recipe(self) -> str | None:
        """A hash of what the wheel of an sdist depends on; none for sources that are not one file."""
        if not isinstance(self.source, Sdist):
            return None
        facts = [
            *(self.source.sha256, self.toolchain.stage, str(self.job.target), pip_process.pip_version()),
            *(str(self._interpreter.path), self._interpreter.python, *this_machine()),
            telling_environment(_build_environment(self.job)),
        ]
        return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _build_environment(job: Job) -> dict[str, str]:
    environment = pip_process.pip_environment(job)
    # Backends that know it make the same wheel at any time (https://reproducible-builds.org/specs/source-date-epoch/).
    environment.setdefault("SOURCE_DATE_EPOCH", "1580601600")
    return environment
