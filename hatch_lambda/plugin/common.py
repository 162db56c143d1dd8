"""What the zips of one build have in common, found out once, unless hooks may change the project for each of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda import pipeline
from hatch_lambda.config.settings import FUNCTION
from hatch_lambda.config.workspace import Workspace
from hatch_lambda.plugin import HOOK
from hatch_lambda.plugin.own_extensions import cross_compiler_for
from hatch_lambda.plugin.own_files import OwnWheel, own_wheel
from hatch_lambda.wheels.store import user_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.plugin.prepared import Prepared


class Common:
    """`layers`: those that are prepared. `settings`: by version. `directories`: where a version's state is.
    `has_several`: several zips have the project.

    Hooks of the target may change the project for each zip; those of the wheel cannot know which zip it is for.
    """

    def __init__(self, builder: BuilderInterface[Any, Any], settings: Mapping[str, Settings]) -> None:
        self.has_several = False
        self.store = user_store(settings[FUNCTION].fallback_store)
        self.directories = {version: each.target_directory for version, each in settings.items()}
        self.builder = builder
        self._may_change = bool(builder.target_config.get("hooks", {}).keys() - {HOOK})
        self._wheels: dict[object, OwnWheel] = {}
        self._held = ExitStack()
        self._begin()

    def _begin(self) -> None:
        self.layers: dict[str, Prepared] = {}
        self.bundles = pipeline.Shared(self.store)
        self.workspace = Workspace(Path(self.builder.root), self.builder.metadata.core.name)

    def before_each(self) -> None:
        if self._may_change:
            self._begin()

    def wheel(self, build_data: dict[str, Any], settings: Settings, its_own: ExitStack) -> OwnWheel:
        """The project's wheel. `its_own`: closes one that is for this zip alone. Raises `LambdaBuildError`."""
        if self._may_change or not self.has_several:
            return its_own.enter_context(own_wheel(self.builder, build_data, settings, self.store, is_shared=False))
        # With the cross compiler, hooks of the wheel do know the target.
        target = settings.target if cross_compiler_for(self.builder, settings) else None
        key = settings.sources, settings.force_include, target
        if key not in self._wheels:
            self._wheels[key] = self._held.enter_context(
                own_wheel(self.builder, build_data, settings, self.store, is_shared=True)
            )
        return self._wheels[key]

    def close(self) -> None:
        """Remove the wheels."""
        self._held.close()
