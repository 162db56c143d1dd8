"""What the hook hands to the builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.config.settings import LAYER

if TYPE_CHECKING:
    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings

PREPARED_KEY = "lambda_prepared"
"""Where Hatch's build data hold it."""


class Prepared(NamedTuple):
    """What the hook prepares for one version of the target.

    `reporter` keeps the warnings given so far. `layers`: those that a function uses.
    """

    version: str
    request: Request
    bundle: Bundle
    reporter: Reporter
    layers: tuple[Prepared, ...] = ()

    @property
    def settings(self) -> Settings:
        return self.request.settings


def is_layer(version: str, settings: Settings) -> bool:
    return version == LAYER or settings.is_layer


def has_project(version: str, settings: Settings) -> bool:
    """Whether the zip has files of the project."""
    return settings.project or not is_layer(version, settings)
