"""The build target `lambda`: one zip for each version, with the project's wheel, the hook's bundle or both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig, env_var_enabled
from hatchling.builders.constants import BuildEnvVars
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager

from hatch_lambda.plugin import HOOK, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    from hatch_lambda.plugin.build import Build


class LambdaBuilderConfig(BuilderConfig):
    """Hatch installs for the target `lambda` what it installs for the wheel, which is built for it with its hooks."""

    @cached_property
    def dependencies(self) -> list[str]:
        from hatchling.builders.wheel import WheelBuilder

        builder = self.builder
        wheel = WheelBuilder(
            self.root, plugin_manager=builder.plugin_manager, metadata=builder.metadata, app=builder.app
        )
        return list(dict.fromkeys([*super().dependencies, *wheel.config.dependencies]))


class LambdaBuilder(BuilderInterface[LambdaBuilderConfig, PluginManager]):
    """Builds the zips to upload to Lambda.

    Hatch imports this module for every target of a project, so the work is in `Build`.
    """

    PLUGIN_NAME = TARGET

    _hooks_only = False

    @cached_property
    def current(self) -> Build:
        """What this builder and the hook share."""
        from hatch_lambda.plugin.build import Build

        return Build(self)

    @classmethod
    def get_config_class(cls) -> type[LambdaBuilderConfig]:
        return LambdaBuilderConfig

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        return dict.fromkeys(["function", "layer", "code", *self._named], self.build_zip)

    def get_default_versions(self) -> list[str]:
        """All layers and functions of a project that has some."""
        return self._named or ["function"]

    def build(
        self, *, versions: list[str] | None = None, clean_only: bool | None = False, **options: Any
    ) -> Generator[str, None, None]:
        from hatch_lambda.common.streams import dependable_streams
        from hatch_lambda.plugin.display import aborting

        with dependable_streams(), aborting(self.app), self.current:
            if not clean_only:
                self.current.check(versions or self.config.versions)
                self._hooks_only = options.get("hooks_only") or env_var_enabled(BuildEnvVars.HOOKS_ONLY)
            yield from super().build(versions=versions, clean_only=clean_only, **options)
            self.current.compare_zips()

    def get_build_hooks(self, directory: str) -> dict[str, BuildHookInterface[Any]]:
        """The hooks of all targets run as for any wheel when the project's is built, and not a second time here."""
        hooks = super().get_build_hooks(directory)
        if not self._hooks_only:
            for name in hooks.keys() - self.target_config.get("hooks", {}).keys() - {HOOK}:
                vars(hooks[name]).update(dict.fromkeys(("initialize", "finalize"), lambda *_: None))
        return hooks

    def get_default_build_data(self) -> dict[str, Any]:
        """Those of a wheel, which hooks may have been written for; its builder takes them over."""
        return self.current.default_build_data()

    def build_zip(self, directory: str, **build_data: Any) -> str:
        return self.current.build_zip(directory, build_data)

    def clean(self, directory: str, versions: list[str]) -> None:
        self.current.clean(directory, versions)

    @property
    def _named(self) -> list[str]:
        """The names of layers and functions; faults in the tables are reported when they are loaded."""
        table = self.config.hook_config.get(HOOK)
        tables = [table.get(kind) for kind in ("layers", "functions")] if isinstance(table, dict) else []
        return [name for each in tables if isinstance(each, dict) for name in each if isinstance(name, str)]
