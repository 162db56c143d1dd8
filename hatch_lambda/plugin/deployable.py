"""What a project says about its zips, for `deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.settings import CODE, FUNCTION, LAYER
from hatch_lambda.deploy.project import Project, Variant
from hatch_lambda.plugin import HOOK, made_zips
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.display import aborting
from hatch_lambda.plugin.prepared import is_layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import ProjectSettings

PUBLISHER = "lambda"


def project_in(directory: Path) -> tuple[Project | None, Mapping[str, Any]]:
    """The project and its table `publish.lambda`; none outside of projects that build zips. Ends as builds do."""
    pyproject = directory / "pyproject.toml"
    if not pyproject.is_file():
        return None, {}
    builder = LambdaBuilder(str(directory.resolve()))
    with aborting(builder.app):
        try:
            publish: Any = builder.metadata.hatch.config.get("publish", {})
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([f"{pyproject} is not valid TOML: {error}"]) from None
        table = publish.get(PUBLISHER, {}) if isinstance(publish, dict) else {}
        if not isinstance(table, dict):
            raise ConfigurationError([f"Field `tool.hatch.publish.{PUBLISHER}` must be a table"])
        return (_project(builder) if HOOK in builder.config.hook_config else None), table


def _project(builder: LambdaBuilder) -> Project:
    root, tables = Path(builder.root), builder.current.tables
    file_name_part = builder.normalize_file_name_component(builder.metadata.core.name)

    def file_name(variant: str, version: str, target: Target) -> str:
        return tables.zip.name_of(variant, project=file_name_part, project_version=version, target=target)

    return Project(
        root,
        canonicalize_name(builder.metadata.core.name),
        _version(builder),
        Path(builder.config.directory),
        {name: _variant(name, tables) for name in tables.versions},
        tuple(builder.config.versions),
        file_name,
        made_zips.recorded(tables.versions[FUNCTION].build_directory, root),
    )


def _variant(name: str, tables: ProjectSettings) -> Variant:
    settings = tables.versions[name]
    layers = (LAYER,) if name == CODE else settings.layers
    handler = None if is_layer(name, settings) else settings.handler or tables.zip.handler
    return Variant(name, is_layer(name, settings), settings.target, tuple(layers), handler)


def _version(builder: LambdaBuilder) -> str | None:
    """None if only a plugin knows it that the project's builds have and this environment has not."""
    try:
        return str(builder.metadata.version)
    except Exception:  # noqa: BLE001 - whatever such plugins, or their absence, raise
        return None
