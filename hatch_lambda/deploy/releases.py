"""A function's version is published, and its alias moved to it, as the last thing; needs the extra `aws`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from hatch_lambda.deploy.failures import code_of, explained
from hatch_lambda.deploy.functions import successful
from hatch_lambda.deploy.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.deploy.clients import Clients
    from hatch_lambda.deploy.plan import Step
    from hatch_lambda.deploy.settings import DeploySettings

# What a version is published of: the members of `UpdateFunctionConfiguration`, without the description, which a version
# may have its own of.
_PUBLISHED = (
    *("CodeSha256", "Runtime", "Architectures", "Handler", "Role", "MemorySize", "Timeout", "Environment", "Layers"),
    *("VpcConfig", "DeadLetterConfig", "KMSKeyArn", "TracingConfig", "FileSystemConfigs", "EphemeralStorage"),
    *("LoggingConfig", "ImageConfigResponse", "DurableConfig"),
)


class Alias(NamedTuple):
    """`version`: where it is; None if there is no such alias. `others`: versions that its weights send events to."""

    name: str
    version: str | None
    others: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        return f" (its weights still send events to {', '.join(self.others)}, too)" if self.others else ""

    @property
    def unmoved(self) -> str:
        return f"alias {self.name} is there already{self.note}"


def look_up(step: Step, name: str, clients: Clients) -> Alias:
    """Raises `DeployError`."""
    with explained("lambda:GetAlias", f"the alias {name} of the {step}"):
        try:
            found = clients.functions.get_alias(FunctionName=step.name, Name=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return Alias(name, None)
    weights = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Alias(name, str(found["FunctionVersion"]), tuple(sorted(weights)))


def is_current(step: Step, alias: Alias, latest: Mapping[str, Any], clients: Clients) -> bool:
    """Whether an alias is at a version of the function as it is now. Raises `DeployError`."""
    if alias.version is None:
        return False
    with explained("lambda:GetFunctionConfiguration", f"version {alias.version} of the {step}"):
        version = clients.functions.get_function_configuration(FunctionName=step.name, Qualifier=alias.version)
    return all(version.get(key) == latest.get(key) for key in _PUBLISHED)


def publish(step: Step, settings: DeploySettings, clients: Clients, progress: Callable[[str], None]) -> str:
    """Publish a version of the code that was just deployed; AWS gives the newest again if nothing has changed.

    Returns its number when it is ready. Raises `DeployError`.
    """
    patience = Patience(clients, step.name, settings.wait, progress)
    made = patience.persistently(
        "lambda:PublishVersion",
        lambda: clients.functions.publish_version(FunctionName=step.name, CodeSha256=step.zip.code_sha256),
    )
    version = str(made["Version"])
    successful(patience.settled(made, version=version), step)
    return version


def move(step: Step, alias: Alias, version: str, clients: Clients) -> str:
    """Let an alias name a version. Returns what was done. Raises `DeployError`."""
    request = {"FunctionName": step.name, "Name": alias.name, "FunctionVersion": version}
    if alias.version is None:
        with explained("lambda:CreateAlias", f"the alias {alias.name} of the {step}"):
            clients.functions.create_alias(**request)
        return f"alias {alias.name} created"
    if alias.version == version:
        return alias.unmoved
    with explained("lambda:UpdateAlias", f"the alias {alias.name} of the {step}"):
        clients.functions.update_alias(**request)
    return f"alias {alias.name} moved from {alias.version}{alias.note}"
