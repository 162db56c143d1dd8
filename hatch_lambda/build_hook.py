"""The build hook `lambda`: from Hatch to the pipeline, and its bundle to Hatch's build data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from hatchling.builders.config import BuilderConfig

    from hatch_lambda.settings import Settings

TARGET = "lambda"
BUNDLE_KEY = "lambda_bundle"
"""Where in Hatch's build data the bundle travels to the builder."""
SETTINGS_KEY = "lambda_settings"

# What Hatch itself reads in every hook's table.
_HATCH_OWN_KEYS = frozenset(
    {"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"}
)


class LambdaBuildHook(BuildHookInterface[Any]):
    """Resolves the project's dependencies for Lambda and lays them out, for the target `lambda` alone.

    For all other targets it does nothing, and imports nothing of the pipeline.
    """

    PLUGIN_NAME = "lambda"

    cleaned = False

    def clean(self, versions: list[str]) -> None:
        """Forget what was resolved and laid out for this target; that for others stays."""
        del versions
        if self.target_name != TARGET:
            return
        from hatch_lambda.hatch_ui import aborting
        from hatch_lambda.litter import remove
        from hatch_lambda.store import user_store

        self.cleaned = True
        with aborting(self.app):
            settings = self._settings()
            store = user_store(settings.fallback_store)
            with store.alone_with(settings.bundle_directory, lambda: None):
                remove(settings.target_directory)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        if self.target_name != TARGET:
            return
        from hatch_lambda import pipeline
        from hatch_lambda.hatch_ui import HatchUI, aborting
        from hatch_lambda.job import Request
        from hatch_lambda.ui import Reporter

        with aborting(self.app):
            settings = self._settings()
            build_data[SETTINGS_KEY] = settings
            request = Request(
                settings,
                settings.bundle_directory,
                subject=self.metadata.name,
                requirements=self._dependencies(),
                state=settings.target_directory,
                anew=self.cleaned,
            )
            build_data[BUNDLE_KEY] = pipeline.run(request, Reporter(HatchUI(self.app), verbose=self.app.verbosity > 0))

    def _settings(self) -> Settings:
        return load_settings(self.config, self.build_config, self.root)

    def _dependencies(self) -> tuple[str, ...]:
        """`[project] dependencies`, with what metadata hooks make of them and Hatch's context fields filled in."""
        return tuple(self.metadata.core.dependencies)


def load_settings(table: dict[str, Any], config: BuilderConfig, root: str) -> Settings:
    """The hook's table as settings, under the name that it has in the project. Raises `ConfigurationError`."""
    from hatch_lambda.settings import HOOK_TABLE, TARGET_TABLE, load

    # A hook's table under a target replaces the general one (https://hatch.pypa.io/latest/config/build/#build-hooks).
    of_target = LambdaBuildHook.PLUGIN_NAME in config.target_config.get("hooks", {})
    own = {key: value for key, value in table.items() if key not in _HATCH_OWN_KEYS}
    return load(own, Path(root), name=f"{TARGET_TABLE}.hooks.lambda" if of_target else HOOK_TABLE)
