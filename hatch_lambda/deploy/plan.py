"""Which zip goes to which function or layer, in which order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.config.validators import listed
from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.settings import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hatch_lambda.deploy.project import Project
    from hatch_lambda.deploy.settings import DeploySettings, PerVariant
    from hatch_lambda.deploy.zips import Zip

_ARN = re.compile(r"arn:[\w-]+:lambda:(?P<region>[\w-]+):\d{12}:(?:function|layer):(?P<name>[\w-]+)")
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html, API_PublishLayerVersion.html
_LONGEST = {"function": 64, "layer": 140}

# As builds name them: the whole project in one zip, or its code alone.
_WITHOUT_NAME = (None, "function", "code")


@dataclass(frozen=True)
class Step:
    """A zip and where it goes. `name`: of the function or layer, or its ARN. `handler`: for a function to create."""

    zip: Zip
    name: str
    handler: str | None = None

    @property
    def kind(self) -> str:
        return "layer" if self.zip.is_layer else "function"

    @property
    def short_name(self) -> str:
        match = _ARN.fullmatch(self.name)
        return match["name"] if match else self.name

    @property
    def region(self) -> str | None:
        """That of its ARN."""
        match = _ARN.fullmatch(self.name)
        return match["region"] if match else None

    def __str__(self) -> str:
        return f"{self.kind} {self.short_name}"


@dataclass(frozen=True)
class Plan:
    """`steps`: layers first. `description`: of what is deployed."""

    steps: tuple[Step, ...]
    description: str

    @property
    def regions(self) -> frozenset[str]:
        """Those that ARNs name."""
        return frozenset(step.region for step in self.steps if step.region)


@dataclass(frozen=True)
class Display:
    """Where lines go: what was done to each function and layer; what is in progress, and warnings."""

    result: Callable[[str], object]
    progress: Callable[[str], object]


def plan(zips: Sequence[Zip], settings: DeploySettings, project: Project | None) -> Plan:
    """Raises `DeployError` if two zips go to the same place, or one has none."""
    known = {each.name for each in project.variants.values()} if project else set()
    if project:
        _check_variants(settings, known)
    steps = tuple(
        Step(each, _name_of(each, settings, project), settings.handler.of(each.variant_name) or _handler(each))
        for each in sorted(zips, key=lambda one: not one.is_layer)
    )
    counts = Counter((step.kind, step.short_name) for step in steps)
    for (kind, name), count in counts.items():
        if count > 1:
            names = ", ".join(step.zip.name for step in steps if (step.kind, step.short_name) == (kind, name))
            key = "layer-name" if kind == "layer" else "function"
            raise DeployError(
                f"{count} zips would go to the {kind} {name}: {names}.\n"
                f"What you can do: give each its own in `{TABLE}.{key}`, by `{{variant}}` or `{{architecture}}` in the "
                f"name or by a table of variants; or name the zip to deploy."
            )
    version = f" {project.version}" if project and project.version else ""
    return Plan(steps, f"{project.name}{version}" if project else ", ".join(each.name for each in zips))


def _handler(each: Zip) -> str | None:
    return each.variant.handler if each.variant else None


def _check_variants(settings: DeploySettings, known: set[str]) -> None:
    tables: dict[str, PerVariant[str] | PerVariant[int]] = {
        "function": settings.function,
        "layer-name": settings.layer_name,
        "role": settings.role,
        "handler": settings.handler,
        "memory": settings.memory,
        "timeout": settings.timeout,
    }
    for key, values in tables.items():
        if unknown := sorted(values.by_variant.keys() - known):
            raise DeployError(
                f"`{TABLE}.{key}` names {listed(unknown)}, and the project builds no such zip; it has {listed(known)}."
            )


def _name_of(each: Zip, settings: DeploySettings, project: Project | None) -> str:
    """The name or ARN that the settings give, or else the project's name, with the variant's if it has one."""
    variant = each.variant_name
    template = (settings.layer_name if each.is_layer else settings.function).of(variant)
    if template is None:
        if not project:
            option = "--layer-name" if each.is_layer else "--function"
            raise DeployError(f"Where {each.name} goes is not known: pass {option} NAME.")
        template = "{name}" if variant in _WITHOUT_NAME else "{name}-{variant}"
    name = template.format_map(dict(_placeholders(each, project, template)))
    longest = _LONGEST["layer" if each.is_layer else "function"]
    if len(name.rpartition(":")[2]) > longest:
        raise DeployError(f"The name {name} is longer than the {longest} characters that Lambda allows.")
    return name


def _placeholders(each: Zip, project: Project | None, template: str) -> Iterator[tuple[str, str]]:
    values = {
        "name": canonicalize_name(project.name) if project else None,
        "variant": each.variant_name,
        "architecture": each.target.architecture.name if each.target else None,
    }
    for name, value in values.items():
        if value is None and f"{{{name}}}" in template:
            raise DeployError(
                f"`{template}` has `{{{name}}}`, which is not known for {each.name}.\n"
                "What you can do: name the function or layer in full, or keep the name that the build gave the zip."
            )
        yield name, value or ""
