"""The build hook `lambda`: from Hatch to the pipeline, and its bundle to Hatch's build data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from hatchling.builders.config import BuilderConfig
    from hatchling.metadata.core import ProjectMetadata

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings

TARGET = "lambda"
PREPARED_KEY = "lambda_prepared"
"""Where in Hatch's build data what the hook has prepared travels to the builder."""

# What Hatch itself reads in every hook's table.
_HATCH_OWN_KEYS = frozenset(
    {"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"}
)


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
        from hatch_lambda.plugin.builder import Prepared
        from hatch_lambda.plugin.display import HatchUI, aborting

        with aborting(self.app):
            of_versions = self._settings()
            request = request_of(version, of_versions, self.metadata, cleaned=self.cleaned)
            reporter = Reporter(HatchUI(self.app), verbose=self.app.verbosity > 0)
            build_data[PREPARED_KEY] = Prepared(version, request, pipeline.run(request, reporter), reporter)

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


def load_settings(table: dict[str, Any], config: BuilderConfig, root: str) -> dict[str, Settings]:
    """The hook's table as settings by version, under the name that it has in the project.

    Raises `ConfigurationError`.
    """
    from hatch_lambda.config.settings import HOOK_TABLE, TARGET_TABLE, load_all

    # A hook's table under a target replaces the general one (https://hatch.pypa.io/latest/config/build/#build-hooks).
    of_target = LambdaBuildHook.PLUGIN_NAME in config.target_config.get("hooks", {})
    own = {key: value for key, value in table.items() if key not in _HATCH_OWN_KEYS}
    return load_all(own, Path(root), name=f"{TARGET_TABLE}.hooks.lambda" if of_target else HOOK_TABLE)


def request_of(
    version: str, of_versions: dict[str, Settings], metadata: ProjectMetadata[Any], *, cleaned: tuple[str, ...] = ()
) -> Request:
    """The bundle that a version of the target needs. Raises `ConfigurationError`.

    `cleaned`: the versions that are made anew. What others have resolved is older, and not taken over by these.
    """
    from hatch_lambda.config.project_requirements import requirements_of
    from hatch_lambda.config.request import LAYER_ROOT, TASK_ROOT, Request
    from hatch_lambda.config.settings import CODE, LAYER
    from hatch_lambda.config.workspace import with_local_sources

    settings = of_versions[version]
    requirements = requirements_of(_declared(metadata), settings)
    others = [of_versions[other] for other in cleaned or of_versions if of_versions[other] != settings]
    return Request(
        settings,
        settings.bundle_directory,
        subject=metadata.name,
        requirements=with_local_sources(requirements, settings, metadata.core.name),
        state=settings.target_directory,
        neighbours=tuple(dict.fromkeys(other.target_directory for other in others)),
        anew=bool(cleaned),
        place=LAYER_ROOT if version in {LAYER, CODE} else TASK_ROOT,
    )


def requests_of_project(root: Path) -> dict[str, Request]:
    """What the project in a folder asks for: the bundles by version of the target.

    Raises `LambdaBuildError` where it has no such table, or one with faults.
    """
    from hatch_lambda.common.errors import LambdaBuildError
    from hatch_lambda.config.settings import missing_table_message
    from hatch_lambda.plugin.builder import HOOK, LambdaBuilder

    builder = LambdaBuilder(str(root))
    if HOOK not in builder.config.hook_config:
        raise LambdaBuildError(missing_table_message())
    of_versions = load_settings(builder.config.hook_config[HOOK], builder.config, str(root))
    return {version: request_of(version, of_versions, builder.metadata) for version in of_versions}


def _declared(metadata: ProjectMetadata[Any]) -> Any:
    """What the project declares, with what metadata hooks make of it and Hatch's context fields filled in."""
    from hatch_lambda.config.project_requirements import Declared

    core = metadata.core
    return Declared(
        core.name, tuple(core.dependencies), core.optional_dependencies, metadata.config.get("dependency-groups", {})
    )
