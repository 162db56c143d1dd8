"""Stages 4 and 5: build sources (PEP 517). The two differ only in their toolchain."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from hatch_lambda.common import source_trees
from hatch_lambda.resolve.closure import Attempt, Sdist, Wheel
from hatch_lambda.resolve.fingerprint import build_facts, digest_of, this_machine
from hatch_lambda.resolve.graph import parsed, required_names
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.pip.words import error_lines
from hatch_lambda.resolve.reasons import last_failure, reason_of, why_without_extensions
from hatch_lambda.resolve.source_files import build_system_of
from hatch_lambda.resolve.toolchains import NoCompilers, version_of
from hatch_lambda.wheels.build_record import WITHOUT_COMPILER, BuildRecord, add_record
from hatch_lambda.wheels.compatibility import judge
from hatch_lambda.wheels.metadata import metadata_of
from hatch_lambda.wheels.signatures import may_have_machine_code

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_lambda.common.process import Completed
    from hatch_lambda.resolve.closure import Closure, Distribution, SourceTree
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.reasons import Reason
    from hatch_lambda.resolve.toolchains import Toolchain
    from hatch_lambda.wheels.store import Store


_RECIPES = 1
"""Increase it whenever the same sources may give other wheels."""
_RUST = re.compile(r"maturin|setuptools[-_]rust")


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
        if recipe and cached and not self._fault_of(cached.path):
            by = "an earlier build" if is_sdist else "this build"
            why = store.built_without_extensions(recipe)
            return self._after(f"cached from {by}", cached.path, f"built by {by}", why)
        self.job.reporter.now(f"building {self.label}")
        self._scratch.mkdir(parents=True)
        completed, path = self._run()
        calls = self.toolchain.calls(self._scratch)
        if path is None:
            is_last = self.toolchain.stage == NoCompilers.stage
            reason = None if is_last else reason_of(completed.output, calls or (), self.job.target)
            outcome = f"the build failed: {reason.text}" if reason and calls is not None else "the build failed"
            return self._failed(outcome, error_lines(completed.output), reason)
        if fault := self._fault_of(path):
            return self._failed(fault)
        add_record(path, name, version, self._record(path))
        why = why_without_extensions(calls)
        after = self._after("a compatible wheel", path, f"built by stage {self.toolchain.stage}", why)
        if after.wheel and after.wheel.without_extensions and (failure := last_failure(calls)):
            for line in failure.words.splitlines():  # pip shows the output of failed builds only
                self.job.reporter.detail(line)
        if recipe and after.wheel:
            kept = store.keep(path, name, version, scratch=self.job.scratch)
            store.remember_built(recipe, kept, after.wheel.without_extensions)
        return after

    def _record(self, wheel: Path) -> BuildRecord:
        record = BuildRecord(WITHOUT_COMPILER)
        if may_have_machine_code(wheel):
            record = self.toolchain.record(self.job.interpreter)
            if _RUST.search(str(build_system_of(self.source))):
                record = record._replace(toolchain=", ".join(filter(None, [version_of(["rustc"]), record.toolchain])))
        if isinstance(self.source, Sdist):
            record = record._replace(sdist=self.source.label, sdist_sha256=self.source.sha256)
        return record

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

    def _failed(self, outcome: str, words: tuple[str, ...] = (), reason: Reason | None = None) -> Distribution:
        return self.found.after(
            Attempt(self.toolchain.stage, self._tried, succeeded=False, outcome=outcome, words=words, reason=reason)
        )

    def _after(self, outcome: str, path: Path, origin: str, why_without: str | None) -> Distribution:
        """`why_without`: the reason if there are no extension modules in it."""
        is_native = may_have_machine_code(path)
        wheel = Wheel(
            *(path, f"{origin}{self.toolchain.made if is_native else ''}", judge(path, self.job.target)),
            without_extensions=None if is_native else why_without,
        )
        if not wheel.verdict.compatible:
            outcome = f"an incompatible wheel: {wheel.verdict.reason}"
        return self.found.after(Attempt(self.toolchain.stage, self._tried, wheel.verdict.compatible, outcome), wheel)

    @property
    def _scratch(self) -> Path:
        """A directory for this build alone."""
        return self.job.scratch / f"stage-{self.toolchain.stage}-{type(self.toolchain).__name__}" / self.found.name

    def _run(self) -> tuple[Completed, Path | None]:
        scratch = self._scratch
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
                interpreter=self.toolchain.interpreter(self.job.interpreter, scratch),
                environment={**environment, **source_trees.setuptools_aside(scratch)} if tree else environment,
                subject=self.label,
            )
        built = sorted((scratch / "wheels").glob("*.whl"))
        return completed, built[0] if built and completed.exit_code == 0 else None

    def _requirement(self, scratch: Path) -> str:
        """A line of a requirements file that points to exactly these sources."""
        name, source = self.found.name, self.source
        fragment = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        options = self.toolchain.options(build_system := build_system_of(source), scratch)
        if isinstance(source, Sdist):
            return f"{name} @ {source.path.as_uri()}{fragment} --hash=sha256:{source.sha256}{options}"
        if source.folder is None:
            return f"{name} @ {source.url}"  # with its fragment
        return f"{name} @ {source.folder.as_uri()}{fragment}{options}{_build_options(build_system, scratch / 'build')}"

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
            _RECIPES,
            *(str(self.found), sources, self.source.subdirectory, *self.toolchain.facts()),
            *(str(self.job.target), process.pip_version(), self.closure.index_options),
            *(os.path.realpath(interpreter.path), interpreter.python, *this_machine()),
            listened_to,
        ]
        return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _build_options(build_system: Mapping[str, object], build_base: Path) -> str:
    """Options of a requirement by which setuptools does not build in the project's `build` directory.

    With its configuration (see `source_trees.setuptools_aside`), what it requires would be built there, too.
    """
    backend = str(build_system.get("build-backend", "setuptools"))  # the default of PEP 517
    is_wrapped = "backend-path" in build_system and "setuptools" in str(build_system.get("requires"))
    if not (is_wrapped or backend.startswith("setuptools")):
        return ""  # others may refuse options that they do not know
    words = f"build --build-base={shlex.quote(build_base.as_posix())}"
    return f" --config-settings={shlex.quote(f'--build-option={words}')}"


def _build_environment(job: Job) -> dict[str, str]:
    """With a fixed `SOURCE_DATE_EPOCH` (https://reproducible-builds.org/specs/source-date-epoch/).

    Not the user's, which may be the time of each commit: a wheel is built once.
    """
    return {**process.pip_environment(job), "SOURCE_DATE_EPOCH": "1580601600"}
