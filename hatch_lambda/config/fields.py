"""How a setting is declared: its type, default and check, where users write it, and what it affects."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hatch_lambda.config import validators

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

Part = Literal["resolution", "audit", "bundle", "zip", "place"]
"""What a setting can affect: which distributions are chosen and built, whether they pass the audit, which of their
files are packaged, what else the zip holds, or where files lie and what messages call them."""

ALL: frozenset[Part] = frozenset({"resolution", "audit", "bundle", "zip", "place"})

TABLES = ("hook", "function", "layer")
"""The tables whose keys are inherited from the hook's."""


class Field(NamedTuple):
    """A setting: a key of a table, an environment variable, or both. `type` is for the documentation."""

    key: str
    type: str
    default: Any
    check: Callable[[object, Path], Any]
    """Takes the raw value and the project's root; raises `ValueError` with a predicate such as `must be …`."""
    affects: frozenset[Part]
    """Empty for what decides whether or when something is built, but not what."""
    tables: Collection[str] = TABLES
    """Which tables may have it."""
    variable: str | None = None
    """The environment variable that overrides it."""


def setting(  # noqa: PLR0913 - the columns of the table
    type_: str,
    check: Callable[[object, Path], Any],
    *,
    default: Any = dataclasses.MISSING,
    affects: Iterable[Part],
    tables: Collection[str] = TABLES,
    variable: str | None = None,
) -> Any:
    """A dataclass field that users set by the key of its name, with `-` for `_`; required if it has no default."""
    field = Field("", type_, default, check, frozenset(affects), tables, variable)
    return dataclasses.field(default=default, metadata={"setting": field})


def derived(default: Any = dataclasses.MISSING, *, affects: Iterable[Part]) -> Any:
    """A dataclass field that users cannot set."""
    return setting("", validators.strings, default=default, affects=affects, tables=())


class Facts:
    """What settings of either kind have in common."""

    def facts(self, part: Part) -> dict[str, str]:
        """The values that affect a part, by name, for a key: equal in each process if they are equal."""
        return {
            name: str(sorted(value) if isinstance(value, frozenset) else value)
            for name, field in fields_of(type(self)).items()
            if part in field.affects
            for value in [getattr(self, name)]
        }


def fields_of(owner: type[Facts]) -> Mapping[str, Field]:
    """The settings by attribute. Raises `KeyError` for a field that does not say what it affects."""
    return {
        field.name: field.metadata["setting"]._replace(key=field.name.replace("_", "-"))
        for field in dataclasses.fields(owner)  # type: ignore[arg-type]  # both of its kinds are dataclasses
    }
