"""`[tool.hatch.publish.lambda]`, checked and frozen, with options over it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.config import validators
from hatch_lambda.config.validators import listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Value = TypeVar("Value")

TABLE = "tool.hatch.publish.lambda"
PLACEHOLDERS = ("name", "variant", "architecture")
"""Of names of functions and layers."""

DEFAULT_WAIT = 300
_HATCH_OWN_KEYS = frozenset({"disable"})  # read by Hatch in the table of any publisher


@dataclass(frozen=True)
class PerVariant(Generic[Value]):
    """One value for all zips of a project, or values by the zip's variant."""

    value: Value | None = None
    by_variant: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, variant: str | None) -> Value | None:
        return self.by_variant.get(variant or "", self.value)


class Field(NamedTuple):
    """A key of the table, and the option of the same name. `type` is for the documentation."""

    type: str
    check: Callable[[object, Path], Any]
    """As in `config.validators`."""
    help: str
    parse: Callable[[str], object] = str
    """What an option's text means; raises `ValueError`."""
    default: Any = None
    per_variant: bool = False


def _text(what: str, pattern: str = r"\S(?:.*\S)?") -> Callable[[object, Path], str]:
    def check(value: object, _root: Path) -> str:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        raise ValueError(f"must be {what}, not {shown(value)}")

    return check


def _template(what: str) -> Callable[[object, Path], str]:
    """A name of at most these characters, or an ARN without a version, with placeholders in braces."""

    def check(value: object, _root: Path) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(f"must be {what}, not {shown(value)}")
        if unknown := set(re.findall(r"\{([^{}]*)\}", value)) - set(PLACEHOLDERS):
            known, odd = (listed(f"{{{name}}}" for name in names) for names in (PLACEHOLDERS, sorted(unknown)))
            raise ValueError(f"has unknown placeholders: {odd}; known placeholders: {known}")
        name = re.sub(r"\{[a-z]+\}", "x", value)
        if not re.fullmatch(r"(?:arn:[\w-]+:lambda:[\w-]+:\d{12}:(?:function|layer):)?[A-Za-z0-9_-]+", name):
            advice = "; an alias or a version is not part of it" if name.startswith("arn:") else ""
            raise ValueError(f"must be {what} (letters, digits, `-` and `_`), not {shown(value)}{advice}")
        return value

    return check


def _boolean(text: str) -> object:
    return {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
        text.lower(), text
    )


def _number(text: str) -> object:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else text


_ROLE = r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+"

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "function": Field(
            "name, ARN or template",
            _template("the name or ARN of a function"),
            "The function to update; `{name}`: the project, `{variant}`: which of its zips, `{architecture}`.",
            per_variant=True,
        ),
        "layer-name": Field(
            "name or template",
            _template("the name of a layer"),
            "The layer to publish versions of.",
            per_variant=True,
        ),
        "alias": Field(
            "string",
            _text("the name of an alias (letters, digits, `-` and `_`, not only digits)", r"(?!\d+$)[\w-]{1,128}"),
            "Publish a version, and move this alias to it when everything else is done.",
        ),
        "publish-version": Field(
            "boolean", validators.boolean, "Publish a version of the function.", _boolean, default=False
        ),
        "bucket": Field(
            "string",
            _text("the name of a bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
            "The S3 bucket for zips over 50 MB, in the function's region.",
        ),
        "prefix": Field("string", _text("the beginning of a key in a bucket"), "What keys in the bucket begin with."),
        "region": Field("string", _text("the name of a region", r"[a-z]{2,}(?:-[a-z]+)+-\d"), "The AWS region."),
        "profile": Field("string", _text("the name of a profile"), "The profile of the AWS configuration."),
        "role": Field(
            "ARN",
            _text("the ARN of a role, as in `arn:aws:iam::123456789012:role/orders`", _ROLE),
            "Create the function with this execution role if there is none.",
            per_variant=True,
        ),
        "handler": Field(
            "string",
            validators.handler,
            "For a function that is created: its handler, if no table of the build has one.",
            per_variant=True,
        ),
        "memory": Field(
            "integer",
            validators.whole_number(128, 32768),
            "For a function that is created: its memory in MB.",
            _number,
            per_variant=True,
        ),
        "timeout": Field(
            "integer",
            validators.whole_number(1, 900),
            "For a function that is created: its timeout in seconds.",
            _number,
            per_variant=True,
        ),
        "change-target": Field(
            "boolean",
            validators.boolean,
            "Give the function the runtime and architecture of the zip where they differ.",
            _boolean,
            default=False,
        ),
        "wait": Field(
            "integer",
            validators.whole_number(1, 3600),
            "How many seconds to wait for an update to end.",
            _number,
            default=DEFAULT_WAIT,
        ),
    }
)


@dataclass(frozen=True)
class DeploySettings:
    """The keys of the table; see `FIELDS`."""

    function: PerVariant[str]
    layer_name: PerVariant[str]
    role: PerVariant[str]
    handler: PerVariant[str]
    memory: PerVariant[int]
    timeout: PerVariant[int]
    alias: str | None
    publish_version: bool
    bucket: str | None
    prefix: str | None
    region: str | None
    profile: str | None
    change_target: bool
    wait: int


def load(
    table: Mapping[str, object],
    options: Iterable[tuple[str, str]] = (),
    *,
    personal: Mapping[str, object] = MappingProxyType({}),
) -> DeploySettings:
    """Check everything. `options`: key and text, the later ones winning. `personal`: of Hatch's configuration file.

    Options win over the project's table, and this over the personal one. Raises `ConfigurationError` with all faults.
    """
    faults: list[str] = []
    values: dict[str, Any] = {
        key: PerVariant(each.default) if each.per_variant else each.default for key, each in FIELDS.items()
    }
    for source, name in ((personal, "publish.lambda"), (table, TABLE)):
        for key, value in source.items():
            if key not in _HATCH_OWN_KEYS:
                _take(values, key, value, f"Field `{name}.{key}`", faults)
    for key, text in options:
        _take_text(values, key, text, faults)
    if faults:
        raise ConfigurationError(faults)
    return DeploySettings(**{key.replace("-", "_"): value for key, value in values.items()})


def _take(values: dict[str, Any], key: str, value: object, label: str, faults: list[str]) -> None:
    known = FIELDS.get(key)
    if known is None:
        faults.append(_unknown(key, label))
    elif known.per_variant and isinstance(value, dict):
        former: PerVariant[Any] = values[key]
        checked = {
            variant: _checked(known, its_own, f"{label[:-1]}.{variant}`", faults) for variant, its_own in value.items()
        }
        values[key] = PerVariant(former.value, {**former.by_variant, **checked})
    else:
        checked_value = _checked(known, value, label, faults)
        values[key] = PerVariant(checked_value) if known.per_variant else checked_value


def _take_text(values: dict[str, Any], key: str, text: str, faults: list[str]) -> None:
    """An option; `VARIANT=VALUE` is for one variant."""
    label, known = f"Option `{key}`", FIELDS.get(key)
    variant, equals, rest = text.partition("=")
    if known and known.per_variant and equals and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", variant):
        _take(values, key, {variant: known.parse(rest)}, label, faults)
    else:
        _take(values, key, known.parse(text) if known else text, label, faults)


def _checked(known: Field, value: object, label: str, faults: list[str]) -> Any:
    try:
        return known.check(value, Path())
    except ValueError as error:
        faults.append(f"{label} {error}")
        return None


def _unknown(key: str, label: str) -> str:
    hint = validators.did_you_mean(key, FIELDS) or f"; known: {listed(FIELDS)}"
    return f"Unknown {label[0].lower()}{label[1:]}{hint}"


def without_dry_run(options: Iterable[tuple[str, str]]) -> tuple[bool, list[tuple[str, str]]]:
    """Whether options ask for a dry run, which no table can, and the others. Raises `ConfigurationError`."""
    dry_run, others = False, []
    for key, text in options:
        if key.replace("_", "-") != "dry-run":
            others.append((key, text))
            continue
        value = _boolean(text)
        if not isinstance(value, bool):
            raise ConfigurationError([f"Option `dry-run` must be a boolean, not {shown(text)}"])
        dry_run = value
    return dry_run, others
