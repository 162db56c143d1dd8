"""The build hook `lambda`: runs the pipeline and hands the bundle to the builder in Hatch's build data."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from hatch_lambda.plugin import HOOK, TARGET

if TYPE_CHECKING:
    from hatch_lambda.plugin.builder import LambdaBuilder


class LambdaBuildHook(BuildHookInterface[Any]):
    """Resolves the project's dependencies for Lambda and lays them out, for the target `lambda` only.

    For other targets it imports nothing of the pipeline and only keeps the build directory out of their archives;
    with `with-wheel` it also builds the target `lambda` after the wheel.
    """

    PLUGIN_NAME = HOOK

    cleaned: tuple[str, ...] = ()
    """The versions of the target to build from scratch."""
    _record: Path | None = None
    """The record of local projects, until the sdist is written."""

    def clean(self, versions: list[str]) -> None:
        """Forget what was resolved and laid out for this target; bundles for other targets stay."""
        if self._builds_zip_after_wheel(versions):
            self.cleaned = tuple(versions)
            self._build_zips(self.directory, clean_only=True)
        elif self.target_name == TARGET:
            self.cleaned = tuple(versions) or tuple(self._builder.current.settings)
            self._builder.current.forget(self.cleaned)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == TARGET:
            self._builder.current.prepare(version, build_data, cleaned=self.cleaned)
        elif "build-directory" in self.config:  # Hatch itself leaves out `.hatch`
            from hatch_lambda.plugin.display import aborting
            from hatch_lambda.plugin.selection import leave_out_build_directory

            with aborting(self.app):
                leave_out_build_directory(self.build_config.builder, self.config)
        if self.target_name == "sdist":
            self._record_local_projects(build_data)

    def _record_local_projects(self, build_data: dict[str, Any]) -> None:
        """Tell builds from the sdist which requirements are local projects, which an index may have others of."""
        from hatch_lambda.common import tempfiles
        from hatch_lambda.config.workspace import RECORD, Workspace

        self._record = Path(tempfile.mkdtemp(prefix=tempfiles.marked(tempfiles.SCRATCH)), RECORD)
        if Workspace(Path(self.root), self.metadata.name).write_record(self._record):
            build_data["force_include"][str(self._record)] = RECORD

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del build_data
        if self._record:
            shutil.rmtree(self._record.parent, ignore_errors=True)
        if self._builds_zip_after_wheel([version]):
            self._build_zips(str(Path(artifact_path).parent), clean=bool(self.cleaned) or None)

    @cached_property
    def _builder(self) -> LambdaBuilder:
        """The builder that runs this hook; in the build of a wheel, another one for the zips."""
        from hatch_lambda.plugin.builder import LambdaBuilder

        builder = self.build_config.builder
        if isinstance(builder, LambdaBuilder):
            return builder
        return LambdaBuilder(self.root, plugin_manager=builder.plugin_manager, metadata=self.metadata, app=self.app)

    def _builds_zip_after_wheel(self, versions: list[str]) -> bool:
        """Whether this is the build of a wheel, with `with-wheel` set."""
        if self.target_name != "wheel" or not self.config.get("with-wheel") or versions == ["editable"]:
            return False
        from hatch_lambda.plugin.project_wheel import ProjectWheelBuilder

        return not isinstance(self.build_config.builder, ProjectWheelBuilder)

    def _build_zips(self, directory: str, **options: Any) -> None:
        for _path in self._builder.build(directory=directory, **options):
            pass  # the build reports its zips itself
