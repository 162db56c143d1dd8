"""The exceptions of deploying."""

from __future__ import annotations

from hatch_lambda.common.errors import LambdaBuildError


class DeployError(LambdaBuildError):
    """A zip cannot be deployed, or AWS refuses it. The text has AWS's own words, and what to do."""
