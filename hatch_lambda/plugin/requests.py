"""From Hatch's configuration and metadata to the requests of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda.plugin.prepared import HOOK

if TYPE_CHECKING:
    from hatchling.builders.config import BuilderConfig
    from hatchling.metadata.core import ProjectMetadata

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings


# What Hatch itself reads in every hook's table.
_HATCH_OWN_KEYS = frozenset(
    {"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"}
)


def load_settings(table: dict[str, Any], config: BuilderConfig, root: str) -> dict[str, Settings]:
    """The hook's table as settings by version, under the name that it has in the project.

    Raises `ConfigurationError`.
    """
    from hatch_lambda.config.settings import HOOK_TABLE, TARGET_TABLE, load_all

    # A hook's table under a target replaces the general one (https://hatch.pypa.io/latest/config/build/#build-hooks).
    of_target = HOOK in config.target_config.get("hooks", {})
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


def _declared(metadata: ProjectMetadata[Any]) -> Any:
    """What the project declares, with what metadata hooks make of it and Hatch's context fields filled in."""
    from hatch_lambda.config.project_requirements import Declared

    core = metadata.core
    return Declared(
        core.name, tuple(core.dependencies), core.optional_dependencies, metadata.config.get("dependency-groups", {})
    )
