"""Stages 4 and 5: build sources (PEP 517). The two differ only in their toolchain."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from hatch_lambda.common import source_trees
from hatch_lambda.common.toml import tomllib
from hatch_lambda.resolve.closure import Attempt, Sdist, Wheel
from hatch_lambda.resolve.fingerprint import build_facts, digest_of, this_machine
from hatch_lambda.resolve.graph import parsed, required_names
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.words import error_lines
from hatch_lambda.wheels.compatibility import judge
from hatch_lambda.wheels.metadata import metadata_of

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.common.process import Completed
    from hatch_lambda.resolve.closure import Closure, Distribution, SourceTree
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.toolchains import Toolchain
    from hatch_lambda.wheels.store import Store


class OtherMetadataError(Exception):
    """Another Python than that of stage 1 has built a wheel that requires more: stage 1 has to run with that one."""


def build(closure: Closure, job: Job, toolchain: Toolchain, store: Store) -> Closure:
    """Build each unmet distribution that has sources; a failed build is kept as an attempt.

    Raises `OtherMetadataError`.
    The wheel of an sdist is cached in the store; directories and repositories are built once in each build.
    """
    to_build = [found for found in closure.unmet if found.source]
    progress = {
        found.name: str(found) if len(to_build) == 1 else f"{found} ({number} of {len(to_build)})"
        for number, found in enumerate(to_build, 1)
    }
    return closure.each_unmet(
        lambda found: (
            _Build(found, found.source, closure, job, toolchain, progress[found.name]).with_wheel(store)
            if found.source
            else found
        )
    )


@dataclass(frozen=True)
class _Build:
    """One build: of a distribution's sources, with a toolchain. `label`: as in progress."""

    found: Distribution
    source: Sdist | SourceTree
    closure: Closure
    job: Job
    toolchain: Toolchain
    label: str

    def with_wheel(self, store: Store) -> Distribution:
        """The distribution with the wheel, from the cache or built, and the attempt."""
        recipe, is_sdist = self._recipe(), isinstance(self.source, Sdist)
        name, version = self.found.name, str(self.found.version)
        cached = store.built(recipe, name, version) if recipe and not (is_sdist and self.job.request.anew) else None
        if cached and not self._fault_of(cached.path):
            by = "an earlier build" if is_sdist else "this build"
            return self._after(f"cached from {by}", cached.path, f"built by {by}")
        self.job.reporter.now(f"building {self.label}")
        completed, path = self._run()
        if path is None:
            return self._failed("the build failed", error_lines(completed.output))
        if fault := self._fault_of(path):
            return self._failed(fault)
        after = self._after("a compatible wheel", path, f"built by stage {self.toolchain.stage}")
        if recipe and after.wheel:
            kept = store.keep(path, name, version, scratch=self.job.scratch)
            store.remember_built(recipe, kept)
        return after

    def _fault_of(self, wheel: Path) -> str | None:
        """How a wheel differs from what was resolved: a backend's metadata may not match its wheel."""
        try:
            if parse_wheel_filename(wheel.name)[:2] != (self.found.name, self.found.version):
                return f"the build backend made {wheel.name}, which is not {self.found}"
        except InvalidWheelFilename as error:
            return str(error)
        resolved = {found.name for found in self.closure.distributions}
        declared = required_names(self.found.requires, self.found.extras, self.job.target)
        required = required_names(parsed(metadata_of(wheel).requires), self.found.extras, self.job.target)
        if not (unknown := required - declared - resolved):
            return None
        fault = f"the built wheel requires {', '.join(sorted(unknown))}, which the metadata of its sources does not"
        if self.job.resolver is None and self.job.interpreter.python != sys.version_info[:2]:
            raise OtherMetadataError(f"{self.found}: {fault}")
        return fault

    @property
    def _tried(self) -> str:
        return f"building {self.source.label} with {self.job.interpreter}, {self.toolchain.description}"

    def _failed(self, outcome: str, words: tuple[str, ...] = ()) -> Distribution:
        return self.found.after(Attempt(self.toolchain.stage, self._tried, False, outcome, words))  # noqa: FBT003

    def _after(self, outcome: str, path: Path, origin: str) -> Distribution:
        wheel = Wheel(path, origin, judge(path, self.job.target))
        if not wheel.verdict.compatible:
            outcome = f"an incompatible wheel: {wheel.verdict.reason}"
        return self.found.after(Attempt(self.toolchain.stage, self._tried, wheel.verdict.compatible, outcome), wheel)

    def _run(self) -> tuple[Completed, Path | None]:
        scratch = self.job.scratch / f"stage-{self.toolchain.stage}" / self.found.name
        scratch.mkdir(parents=True)
        requirements = scratch / "requirements.txt"
        lines = [*self.closure.index_options, self._requirement(scratch)]
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        environment = self.toolchain.environment(_build_environment(self.job), scratch)
        tree = None if isinstance(self.source, Sdist) else self.source.project
        with source_trees.unlittered(tree) if tree else nullcontext():
            completed = process.pip_wheel(
                self.job,
                requirements,
                scratch / "wheels",
                interpreter=self.job.interpreter.path,
                environment={**environment, **source_trees.setuptools_aside(scratch)} if tree else environment,
                subject=self.label,
            )
        built = sorted((scratch / "wheels").glob("*.whl"))
        return completed, built[0] if built and completed.exit_code == 0 else None

    def _requirement(self, scratch: Path) -> str:
        """A line of a requirements file that points to exactly these sources."""
        name, source = self.found.name, self.source
        fragment = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        if isinstance(source, Sdist):
            return f"{name} @ {source.path.as_uri()}{fragment} --hash=sha256:{source.sha256}"
        if source.folder is None:
            return f"{name} @ {source.url}"  # with its fragment
        options = _build_options(source.folder / (source.subdirectory or ""), scratch / "build")
        return f"{name} @ {source.folder.as_uri()}{fragment}{options}"

    def _recipe(self) -> str | None:
        """A hash of what the wheel depends on; None if that is not known.

        A backend may look at more than the directory that it builds, so such a wheel serves only this one build.
        """
        listened_to = build_facts(_build_environment(self.job), self.job.settings.root)
        if isinstance(self.source, Sdist):
            sources = self.source.sha256
        elif build := self.job.request.build:
            sources = f"{build} {self.source.url} {digest_of(tree) if (tree := self.source.project) else ''}"
        else:
            return None
        if listened_to is None:
            return None
        interpreter = self.job.interpreter
        facts = [
            *(str(self.found), sources, self.source.subdirectory, self.toolchain.stage),
            *(str(self.job.target), process.pip_version(), self.closure.index_options),
            *(os.path.realpath(interpreter.path), interpreter.python, *this_machine()),
            listened_to,
            # Where one is missing, no path: it would be relative to the current directory.
            [
                (path := shutil.which(name)) and os.path.realpath(path)
                for name in ("cc", "c++", "gfortran", "rustc", "cargo", "go")
            ],
        ]
        return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _build_options(project: Path, build_base: Path) -> str:
    """Options of a requirement by which setuptools does not build in the project's `build` directory.

    With its configuration (see `source_trees.setuptools_aside`), what it requires would be built there, too.
    """
    try:
        table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("build-system", {})
    except (OSError, ValueError, RecursionError):
        table = {}
    backend = str(table.get("build-backend", "setuptools"))  # the default of PEP 517
    is_wrapped = "backend-path" in table and "setuptools" in str(table.get("requires"))
    if not (is_wrapped or backend.startswith("setuptools")):
        return ""  # others may refuse options that they do not know
    words = f"build --build-base={shlex.quote(build_base.as_posix())}"
    return f" --config-settings={shlex.quote(f'--build-option={words}')}"


def _build_environment(job: Job) -> dict[str, str]:
    """With a fixed `SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/).

    Not the user's, which may be the time of each commit: a wheel is built once.
    """
    return {**process.pip_environment(job), "SOURCE_DATE_EPOCH": "1580601600"}
