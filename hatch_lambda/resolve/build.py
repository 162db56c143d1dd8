"""Stages 4 and 5: build what came as sources, by PEP 517; the two differ in their toolchain only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from hatch_lambda.common.interpreters import interpreter_to_build_with
from hatch_lambda.common.process import telling_lines
from hatch_lambda.resolve.closure import Attempt, Sdist, Wheel
from hatch_lambda.resolve.fingerprint import build_facts, is_no_source, this_machine
from hatch_lambda.resolve.graph import parsed, required_names
from hatch_lambda.resolve.pip import process
from hatch_lambda.wheels.compatibility import judge, requires_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.common.process import Completed
    from hatch_lambda.resolve.closure import Closure, Distribution, SourceTree
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.toolchains import Toolchain
    from hatch_lambda.wheels.store import Store


def build(closure: Closure, job: Job, toolchain: Toolchain, store: Store) -> Closure:
    """Build each unmet distribution that has sources; a build that fails is kept as an attempt.

    The wheel of an sdist is kept in the store; folders and repositories are built every time.
    """
    labels = _labels([found for found in closure.unmet if found.source])
    return closure.each_unmet(
        lambda found: (
            _Build(found, found.source, closure, job, toolchain, labels[found.name]).with_wheel(store)
            if found.source
            else found
        )
    )


def _labels(unmet: Sequence[Distribution]) -> dict[str, str]:
    """What those who watch read of each build."""
    if len(unmet) == 1:
        return {unmet[0].name: str(unmet[0])}
    return {found.name: f"{found} ({number} of {len(unmet)})" for number, found in enumerate(unmet, 1)}


@dataclass(frozen=True)
class _Build:
    """One build: of a distribution's sources, with a toolchain."""

    found: Distribution
    source: Sdist | SourceTree
    closure: Closure
    job: Job
    toolchain: Toolchain
    label: str

    def with_wheel(self, store: Store) -> Distribution:
        recipe = self._recipe()
        kept = store.built(recipe, str(self.found)) if recipe and not self.job.request.anew else None
        if kept and not self._fault_of(kept.path):
            return self._after("kept from an earlier build", kept.path, "built by an earlier build")
        self.job.reporter.now(f"building {self.label}")
        completed, path = self._run()
        if path is None:
            words = telling_lines(completed.output)
            attempt = Attempt(
                self.toolchain.stage, self._tried, succeeded=False, outcome="the build failed", words=words
            )
            return self.found.after(attempt)
        if fault := self._fault_of(path):
            return self.found.after(Attempt(self.toolchain.stage, self._tried, succeeded=False, outcome=fault))
        after = self._after("a wheel that fits", path, f"built by stage {self.toolchain.stage}")
        if recipe and after.wheel:
            store.remember_built(recipe, store.keep(path, str(self.found), scratch=self.job.scratch))
        return after

    def _fault_of(self, wheel: Path) -> str | None:
        """Whether a wheel is what was resolved: its backend may say one thing and do another."""
        try:
            if parse_wheel_filename(wheel.name)[:2] != (self.found.name, self.found.version):
                return f"the backend made {wheel.name}, which is not {self.found}"
        except InvalidWheelFilename as error:
            return str(error)
        resolved = {found.name for found in self.closure.distributions}
        unknown = required_names(parsed(requires_of(wheel)), self.found.extras, self.job.target) - resolved
        if unknown:
            return f"the backend made a wheel that requires {', '.join(sorted(unknown))}, which its metadata did not"
        return None

    @property
    def _interpreter(self) -> Interpreter:
        return interpreter_to_build_with(self.job.settings.python, self.job.target.runtime.python)

    @property
    def _tried(self) -> str:
        return f"building {self.source.label} with {self._interpreter}, {self.toolchain.description}"

    def _after(self, outcome: str, path: Path, origin: str) -> Distribution:
        wheel = Wheel(path, origin, judge(path, self.job.target))
        if not wheel.verdict.compatible:
            outcome = f"a wheel that does not fit: {wheel.verdict.reason}"
        return self.found.after(Attempt(self.toolchain.stage, self._tried, wheel.verdict.compatible, outcome), wheel)

    def _run(self) -> tuple[Completed, Path | None]:
        scratch = self.job.scratch / f"stage-{self.toolchain.stage}" / self.found.name
        scratch.mkdir(parents=True)
        requirements = scratch / "requirements.txt"
        lines = [*self.closure.index_options, self._requirement(scratch)]
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        completed = process.pip_wheel(
            self.job,
            requirements,
            scratch / "wheels",
            interpreter=self._interpreter.path,
            environment=self.toolchain.environment(_build_environment(self.job), scratch),
            subject=self.label,
        )
        built = sorted((scratch / "wheels").glob("*.whl"))
        return completed, built[0] if built and completed.exit_code == 0 else None

    def _requirement(self, scratch: Path) -> str:
        """A line of a requirements file that names the sources, and no others."""
        name, source = self.found.name, self.source
        fragment = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        if isinstance(source, Sdist):
            return f"{name} @ {source.path.as_uri()}{fragment} --hash=sha256:{source.sha256}"
        if source.folder is None:
            return f"{name} @ {source.url}"  # with its fragment
        folder = source.folder
        if self.toolchain.needs_fresh_tree:
            folder = scratch / "source" / folder.name
            shutil.copytree(source.folder, folder, symlinks=True, ignore=_not_sources_of(source.folder))
        return f"{name} @ {folder.as_uri()}{fragment}"

    def _recipe(self) -> str | None:
        """A hash of what the wheel of an sdist depends on; None if that is not known."""
        listened_to = build_facts(_build_environment(self.job), self.job.settings.root)
        if not isinstance(self.source, Sdist) or listened_to is None:
            return None
        facts = [
            *(str(self.found), self.source.sha256, self.source.subdirectory, self.toolchain.stage),
            *(str(self.job.target), process.pip_version(), self.closure.index_options),
            *(os.path.realpath(self._interpreter.path), self._interpreter.python, *this_machine()),
            listened_to,
            [
                os.path.realpath(shutil.which(name) or name)
                for name in ("cc", "c++", "gfortran", "rustc", "cargo", "go")
            ],
        ]
        return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _not_sources_of(root: Path) -> Callable[[str, list[str]], set[str]]:
    """What `shutil.copytree` is to leave out; below the top, `build` may well be a package."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if is_no_source(name, at_the_top=Path(folder) == root)}

    return ignored


def _build_environment(job: Job) -> dict[str, str]:
    """Fixed in time, for backends that heed it (https://reproducible-builds.org/specs/source-date-epoch/).

    The moment is not the user's, who may set it to that of each commit: a wheel is built once.
    """
    return {**process.pip_environment(job), "SOURCE_DATE_EPOCH": "1580601600"}
