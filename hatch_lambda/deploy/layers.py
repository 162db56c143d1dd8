"""A layer's zip becomes a new version of it, if its bytes are not those of the newest; needs the extra `aws`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hatch_lambda.deploy.failures import code_of, explained
from hatch_lambda.deploy.uploads import check_way, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.deploy.clients import Clients
    from hatch_lambda.deploy.plan import Step
    from hatch_lambda.deploy.settings import DeploySettings


@dataclass(frozen=True)
class LayerVersion:
    """`arn`: of the version; None for one that is still to be published."""

    step: Step
    arn: str | None
    is_new: bool

    @property
    def version(self) -> str | None:
        return self.arn.rpartition(":")[2] if self.arn else None


def existing(step: Step, settings: DeploySettings, clients: Clients) -> LayerVersion:
    """The newest version if it has these bytes. Raises `DeployError` also if a new one could not be uploaded."""
    newest = _newest(step, clients)
    if newest:
        with explained("lambda:GetLayerVersion", f"the {step}, version {newest['Version']}"):
            found = clients.functions.get_layer_version(LayerName=step.name, VersionNumber=newest["Version"])
        if found["Content"]["CodeSha256"] == step.zip.code_sha256:
            return LayerVersion(step, newest["LayerVersionArn"], is_new=False)
    check_way(step.zip, settings)
    return LayerVersion(step, None, is_new=True)


def publish(
    step: Step, settings: DeploySettings, clients: Clients, description: str, progress: Callable[[str], None]
) -> LayerVersion:
    """Raises `DeployError`."""
    targets = step.zip.fits
    compatible = {
        "CompatibleRuntimes": list(dict.fromkeys(target.runtime.name for target in targets)),
        "CompatibleArchitectures": list(dict.fromkeys(target.architecture.name for target in targets)),
    }
    content = sent(step.zip, settings, clients, progress)
    with explained("lambda:PublishLayerVersion", f"the {step}"):
        made = clients.functions.publish_layer_version(
            LayerName=step.name,
            Content=content,
            Description=description,
            **{key: value for key, value in compatible.items() if value},
        )
    return LayerVersion(step, made["LayerVersionArn"], is_new=True)


def _newest(step: Step, clients: Clients) -> Mapping[str, Any] | None:
    with explained("lambda:ListLayerVersions", f"the {step}"):
        try:
            pages = clients.functions.get_paginator("list_layer_versions").paginate(LayerName=step.name)
            versions = [version for page in pages for version in page["LayerVersions"]]
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return None
    return max(versions, key=lambda version: int(version["Version"]), default=None)
