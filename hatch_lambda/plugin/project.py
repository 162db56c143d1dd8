"""The project in a folder, for commands that need what a build of it would ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.plugin.requests import load_settings, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.config.request import Request


def requests_of_project(root: Path) -> dict[str, Request]:
    """What the project in a folder asks for: the bundles by version of the target.

    Raises `LambdaBuildError` where it has no such table, or one with faults.
    """
    from hatch_lambda.common.errors import LambdaBuildError
    from hatch_lambda.config.settings import missing_table_message
    from hatch_lambda.plugin.builder import LambdaBuilder
    from hatch_lambda.plugin.prepared import HOOK

    builder = LambdaBuilder(str(root))
    if HOOK not in builder.config.hook_config:
        raise LambdaBuildError(missing_table_message())
    of_versions = load_settings(builder.config.hook_config[HOOK], builder.config, str(root))
    return {version: request_of(version, of_versions, builder.metadata) for version in of_versions}
