"""A function gets the code of its zip, and the layers, runtime and architecture that it is for; needs the extra `aws`.

Code, configuration, then (in `releases`) version and alias: each waits for the one before, so whatever fails leaves the
alias where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hatch_lambda.common.limits import MOST_LAYERS
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.ui import megabytes
from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.failures import code_of, explained
from hatch_lambda.deploy.patience import Patience
from hatch_lambda.deploy.settings import TABLE
from hatch_lambda.deploy.uploads import check_way, sent
from hatch_lambda.inspect import contents, fitness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hatch_lambda.deploy.clients import Clients
    from hatch_lambda.deploy.layers import LayerVersion
    from hatch_lambda.deploy.plan import Step
    from hatch_lambda.deploy.settings import DeploySettings

Configuration = Any  # `FunctionConfiguration` of the API

_SHOWN_FAULTS = 3


@dataclass(frozen=True)
class Change:
    """What differs between a function and what it is to be. `layers`: the whole list, as far as it is known by now.

    None, or False, for what stays.
    """

    code: bool
    architecture: str | None = None
    runtime: str | None = None
    layers: tuple[str, ...] | None = None

    @property
    def configuration(self) -> dict[str, Any]:
        """For `UpdateFunctionConfiguration`."""
        layers = {} if self.layers is None else {"Layers": list(self.layers)}
        return {**({"Runtime": self.runtime} if self.runtime else {}), **layers}

    @property
    def is_empty(self) -> bool:
        return not (self.code or self.architecture or self.configuration)

    def words(self, size: int) -> Iterator[tuple[str, str]]:
        """As a participle, and as an infinitive."""
        if self.code:
            yield f"code updated ({megabytes(size)})", f"update the code ({megabytes(size)})"
        for what, value in (("architecture", self.architecture), ("runtime", self.runtime)):
            if value:
                yield f"{what} now {value}", f"change the {what} to {value}"
        if self.layers is not None:
            names = ", ".join(":".join(arn.split(":")[-2:]) for arn in self.layers)
            yield f"layers now {names}", f"set the layers to {names}"


def look_up(step: Step, clients: Clients) -> Configuration | None:
    """The function as it is; None if there is none. Raises `DeployError`."""
    with explained("lambda:GetFunctionConfiguration", f"the {step}"):
        try:
            return clients.functions.get_function_configuration(FunctionName=step.name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return None


def check_new(step: Step, settings: DeploySettings, clients: Clients) -> None:
    """Raise `DeployError` if a function that there is not cannot be created."""
    if not settings.role.of(step.zip.variant_name):
        raise DeployError(
            f"There is no {step} in {clients.region}.\n"
            f"What you can do: set `{TABLE}.function` (`--function`), `region` or `profile` right; or set "
            f"`{TABLE}.role` to the ARN of an execution role, and it is created."
        )
    if not step.handler:
        raise DeployError(
            f"The {step} cannot be created without a handler.\n"
            'What you can do: set `handler = "orders.app.handler"` in `[tool.hatch.build.targets.lambda]`, in the '
            f"function's table, or in `[{TABLE}]`."
        )
    target_of_new(step)
    check_way(step.zip, settings)


def change_of(found: Configuration, step: Step, settings: DeploySettings, layers: Sequence[LayerVersion]) -> Change:
    """Compare a function with its zip. Raises `DeployError` if they do not agree, or the zip could not be sent."""
    if found.get("PackageType") == "Image":
        raise DeployError(
            f"The {step} is a container image, which a zip cannot replace.\n"
            f"What you can do: set `{TABLE}.function` to a function of package type Zip, or delete this one first."
        )
    runtime, architecture = _changed_target(found, step, settings)
    has = [layer["Arn"] for layer in found.get("Layers") or ()]
    wanted = _with_layers(found, has, layers, step)
    change = Change(
        found["CodeSha256"] != step.zip.code_sha256 or found.get("LastUpdateStatus") == "Failed",
        architecture,
        runtime,
        None if wanted == has else tuple(wanted),
    )
    if change.code or architecture:
        check_way(step.zip, settings)
    return change


def _changed_target(found: Configuration, step: Step, settings: DeploySettings) -> tuple[str | None, str | None]:
    """The runtime and the architecture that the function has to get; None for what it has. Raises `DeployError`."""
    runtime, architecture = found.get("Runtime") or "no runtime", (found.get("Architectures") or ["x86_64"])[0]
    fits = step.zip.fits
    if any((each.runtime.name, each.architecture.name) == (runtime, architecture) for each in fits):
        return None, None
    if len(fits) == 1 and settings.change_target:
        (target,) = fits
        name, machine = target.runtime.name, target.architecture.name
        return name if name != runtime else None, machine if machine != architecture else None
    raise DeployError(
        f"{step.zip.name} is {_described(step)}, but the {step} has {runtime} on {architecture}.\n"
        f"What you can do: build it for that (`runtime`, `architecture` in `[tool.hatch.build.hooks.lambda]`), or "
        f"change the function with the zip: `{TABLE}.change-target = true` (`--change-target`)."
        + _faults(step, runtime, architecture)
    )


def _described(step: Step) -> str:
    fits = step.zip.fits
    if len(fits) == 1:
        return f"for {fits[0].runtime.name} on {fits[0].architecture.name}"
    return f"for one of {', '.join(map(str, fits))}" if fits else "for no runtime of Lambda"


def _faults(step: Step, runtime: str, architecture: str) -> str:
    """What in a zip without a known target keeps the function from running it."""
    if step.zip.target or runtime not in RUNTIMES or architecture not in ARCHITECTURES:
        return ""
    faults = fitness.faults(contents.read(step.zip.path), Target(RUNTIMES[runtime], ARCHITECTURES[architecture]))
    return "".join(f"\n  {fault.path}: needs {fault.needs}" for fault in faults[:_SHOWN_FAULTS])


def _with_layers(found: Configuration, has: Sequence[str], layers: Sequence[LayerVersion], step: Step) -> list[str]:
    """The list of ARNs with these versions in the place of others of the same layer, or at its end."""
    arns = [each.arn or _future(each, found["FunctionArn"]) for each in layers]
    new = {_layer_of(arn): arn for arn in arns}
    result = [new.pop(_layer_of(arn), arn) for arn in has] + list(new.values())
    if len(result) > MOST_LAYERS:
        raise DeployError(
            f"The {step} would have {len(result)} layers: {', '.join(result)}. Lambda allows {MOST_LAYERS}.\n"
            "What you can do: take those off the function that it does not need, or let the project have fewer layers."
        )
    return result


def _layer_of(version_arn: str) -> str:
    """Other accounts may have layers of the same name."""
    return version_arn.rpartition(":")[0]


def _future(layer: LayerVersion, function_arn: str) -> str:
    """Stands for a version that is not published yet, in the function's account and region."""
    return f"{function_arn.partition(':function:')[0]}:layer:{layer.step.short_name}:(new version)"


def create(
    step: Step,
    settings: DeploySettings,
    clients: Clients,
    layers: Sequence[LayerVersion],
    progress: Callable[[str], None],
) -> None:
    """Create the function with this code, and wait for it. Raises `DeployError`."""
    variant, target = step.zip.variant_name, target_of_new(step)
    sizes = {"MemorySize": settings.memory.of(variant), "Timeout": settings.timeout.of(variant)}
    code = sent(step.zip, settings, clients, progress)
    with explained("lambda:CreateFunction", f"the {step}"):
        made = clients.functions.create_function(
            FunctionName=step.name,
            Role=settings.role.of(variant),
            Runtime=target.runtime.name,
            Architectures=[target.architecture.name],
            Handler=step.handler,
            Code=code,
            PackageType="Zip",
            Layers=[layer.arn for layer in layers],
            **{key: value for key, value in sizes.items() if value is not None},
        )
    successful(Patience(clients, step.name, settings.wait, progress).settled(made), step)


def target_of_new(step: Step) -> Target:
    if len(step.zip.fits) == 1:
        return step.zip.fits[0]
    variant = step.zip.variant
    if variant and variant.target in step.zip.fits:
        return variant.target
    raise DeployError(
        f"Neither the name nor the files of {step.zip.name} say which runtime it is for, so the {step} cannot be "
        "created.\n"
        "What you can do: keep the name that the build gave the zip (`…-python3.13-arm64.zip`), or create the "
        "function first."
    )


def update(
    change: Change,
    step: Step,
    settings: DeploySettings,
    clients: Clients,
    progress: Callable[[str], None],
) -> None:
    """Change the code, then the configuration, each when the former is done. Raises `DeployError`."""
    patience = Patience(clients, step.name, settings.wait, progress)
    if change.code or change.architecture:
        code = sent(step.zip, settings, clients, progress)
        architectures = {"Architectures": [change.architecture]} if change.architecture else {}
        found = _settled(
            patience,
            step,
            "lambda:UpdateFunctionCode",
            lambda: clients.functions.update_function_code(FunctionName=step.name, **code, **architectures),
        )
        if found["CodeSha256"] != step.zip.code_sha256:
            raise DeployError(
                f"The {step} has other code than {step.zip.name} after the update: it was changed at the same time, "
                "here or there.\nWhat you can do: make sure that only one deployment runs at a time, and deploy again."
            )
    if change.configuration:
        _settled(
            patience,
            step,
            "lambda:UpdateFunctionConfiguration",
            lambda: clients.functions.update_function_configuration(FunctionName=step.name, **change.configuration),
        )


def _settled(patience: Patience, step: Step, action: str, request: Callable[[], Configuration]) -> Configuration:
    return successful(patience.settled(patience.persistently(action, request)), step)


def successful(found: Mapping[str, Any], step: Step) -> Configuration:
    """Raise `DeployError` for an update or creation that has failed after AWS had accepted it."""
    if found.get("LastUpdateStatus") == "Failed" or found.get("State") == "Failed":
        kind = "LastUpdateStatus" if found.get("LastUpdateStatus") == "Failed" else "State"
        reason, code = found.get(f"{kind}Reason"), found.get(f"{kind}ReasonCode")
        raise DeployError(
            f"AWS could not complete the update of the {step}: {reason or 'no reason given'}"
            f"{f' ({code})' if code else ''}.\n"
            "No version was published, and no alias moved.\n"
            "What you can do: mend what the reason names in the function's configuration, and deploy again."
        )
    return found
