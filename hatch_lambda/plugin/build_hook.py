"""The build hook `lambda`: from Hatch to the pipeline, and its bundle to Hatch's build data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from hatch_lambda.plugin.prepared import PREPARED_KEY, TARGET, WAITING_PIP_KEY
from hatch_lambda.plugin.requests import load_settings, request_of

if TYPE_CHECKING:
    from hatch_lambda.config.settings import Settings


class LambdaBuildHook(BuildHookInterface[Any]):
    """Resolves the project's dependencies for Lambda and lays them out, for the target `lambda` alone.

    For all other targets it does nothing, and imports nothing of the pipeline; but with `with-wheel`, it has the target
    `lambda` built when a wheel was.
    """

    PLUGIN_NAME = "lambda"

    cleaned: tuple[str, ...] = ()
    """The versions of the target that are to be made anew."""

    def clean(self, versions: list[str]) -> None:
        """Forget what was resolved and laid out for this target; that for others stays."""
        if self._comes_with_the_wheel(versions):
            self.cleaned = tuple(versions)
            self._build_zips(self.directory, clean_only=True)
        if self.target_name != TARGET:
            return
        from hatch_lambda.common.tempfiles import remove
        from hatch_lambda.plugin.display import aborting
        from hatch_lambda.wheels.store import user_store

        with aborting(self.app):
            of_versions = self._settings()
            self.cleaned = tuple(versions or of_versions)
            for settings in dict.fromkeys(of_versions[version] for version in self.cleaned):
                store = user_store(settings.fallback_store)
                with store.alone_with(settings.bundle_directory, lambda: None):
                    remove(settings.target_directory)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != TARGET:
            return
        from hatch_lambda import pipeline
        from hatch_lambda.common.ui import Reporter
        from hatch_lambda.plugin.display import HatchUI, aborting
        from hatch_lambda.plugin.prepared import Prepared

        with aborting(self.app):
            of_versions = self._settings()
            request = request_of(version, of_versions, self.metadata, cleaned=self.cleaned)
            reporter = Reporter(HatchUI(self.app), verbose=self.app.verbosity > 0)
            bundle = pipeline.run(request, reporter, build_data.pop(WAITING_PIP_KEY, None))
            build_data[PREPARED_KEY] = Prepared(version, request, bundle, reporter)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del build_data
        if not self._comes_with_the_wheel([version]):
            return
        self._build_zips(str(Path(artifact_path).parent), clean=bool(self.cleaned) or None)

    def _settings(self) -> dict[str, Settings]:
        return load_settings(self.config, self.build_config, self.root)

    def _comes_with_the_wheel(self, versions: list[str]) -> bool:
        """Whether this is the build of a wheel that is to have the zip beside it."""
        if self.target_name != "wheel" or not self.config.get("with-wheel") or versions == ["editable"]:
            return False
        from hatch_lambda.plugin.project_wheel import is_made_for_a_zip

        return not is_made_for_a_zip(self.build_config.builder)

    def _build_zips(self, directory: str, **options: Any) -> None:
        """Build, or clean, the target `lambda` of the project at hand."""
        from hatch_lambda.plugin.builder import LambdaBuilder

        manager = self.build_config.builder.plugin_manager
        builder = LambdaBuilder(self.root, plugin_manager=manager, metadata=self.metadata, app=self.app)
        for _zip in builder.build(directory=directory, **options):
            pass  # its own lines have told of it
