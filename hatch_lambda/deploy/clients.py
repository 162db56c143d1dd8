"""The clients of AWS's APIs, made by boto3 from the user's own configuration; needs the extra `aws`."""

from __future__ import annotations

import os
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.failures import explained

if TYPE_CHECKING:
    from collections.abc import Collection

    from hatch_lambda.deploy.settings import DeploySettings

_ATTEMPTS = 5
_READ_TIMEOUT = 120  # seconds; Lambda checks a zip before it answers


class Clients:
    """`regions`: those of the ARNs that are deployed to. Credentials stay with boto3."""

    def __init__(self, settings: DeploySettings, regions: Collection[str]) -> None:
        with explained("", "the AWS configuration"):
            self._session = boto3.Session(profile_name=settings.profile)
        self.region = _region(settings, regions, self._session)

    @cached_property
    def functions(self) -> Any:
        return self._client("lambda")

    @cached_property
    def buckets(self) -> Any:
        return self._client("s3")

    def identity(self) -> str:
        """Who the credentials are of, as AWS says."""
        with explained("sts:GetCallerIdentity", "the caller's identity"):
            arn: str = self._client("sts").get_caller_identity()["Arn"]
            return arn

    def _client(self, service: str) -> Any:
        # botocore waits and tries again where AWS throttles; what the user has set about that stays.
        set_by_user = os.environ.keys() & {"AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"}
        retries = None if set_by_user else {"mode": "standard", "total_max_attempts": _ATTEMPTS}
        config = Config(
            retries=retries,
            read_timeout=_READ_TIMEOUT,
            user_agent_extra=f"hatch-lambda/{metadata.version('hatch-lambda')}",
        )
        with explained("", "the AWS configuration"):
            return self._session.client(service, region_name=self.region, config=config)


def _region(settings: DeploySettings, regions: Collection[str], session: Any) -> str:
    """The one that is set, or that of the ARNs, or else boto3's. Raises `DeployError`."""
    if len(regions) > 1:
        raise DeployError(f"The ARNs are of several regions: {', '.join(sorted(regions))}. Deploy to one at a time.")
    (of_arn,) = regions or (None,)
    region: str | None = settings.region or of_arn or session.region_name or os.environ.get("AWS_REGION")
    if not region:
        raise DeployError(
            "No AWS region is set.\n"
            'What you can do: set `region = "eu-central-1"` in `[tool.hatch.publish.lambda]`, pass it as an option '
            "(`--region`, `hatch publish -o region=…`), set AWS_DEFAULT_REGION, or give your profile one "
            "(`aws configure`)."
        )
    if of_arn not in {None, region}:
        raise DeployError(f"The region is {region}, but the ARN to deploy to is in {of_arn}; set one of them right.")
    return region
