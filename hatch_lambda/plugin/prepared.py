"""What the hook hands to the builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings


HOOK = TARGET = "lambda"
PREPARED_KEY = "lambda_prepared"
"""Where in Hatch's build data what the hook has prepared travels to the builder."""


WAITING_PIP_KEY = "lambda_waiting_pip"
"""The way back: where the builder hands a pip that it has started to the hook."""


class Prepared(NamedTuple):
    """What the hook leaves for the builder. `version`: of the target, for which the bundle was asked."""

    version: str
    request: Request
    bundle: Bundle
    reporter: Reporter
    """It has the warnings that were given so far."""

    @property
    def settings(self) -> Settings:
        return self.request.settings
