"""Registers the plugins with Hatch; named by the entry point in pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_lambda.plugin.build_hook import LambdaBuildHook
    from hatch_lambda.plugin.builder import LambdaBuilder
    from hatch_lambda.plugin.publisher import LambdaPublisher


@hookimpl
def hatch_register_build_hook() -> type[LambdaBuildHook]:
    from hatch_lambda.plugin.build_hook import LambdaBuildHook

    return LambdaBuildHook


@hookimpl
def hatch_register_builder() -> type[LambdaBuilder]:
    from hatch_lambda.plugin.builder import LambdaBuilder

    return LambdaBuilder


@hookimpl
def hatch_register_publisher() -> type[LambdaPublisher]:
    from hatch_lambda.plugin.publisher import LambdaPublisher

    return LambdaPublisher
