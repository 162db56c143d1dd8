"""Writing tables into a pyproject.toml: comments, order and spelling of what is there stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.config.settings import HOOK_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tomlkit.items import Array

BACKEND = "hatchling.build"
_MOST_IN_A_LINE = 100

# Backends of plain Python projects, and what they are installed by: hatchling can take their place.
REPLACEABLE: Mapping[str, tuple[str, ...]] = {
    "setuptools.build_meta": ("setuptools", "wheel"),
    "setuptools.build_meta:__legacy__": ("setuptools", "wheel"),
    "poetry.core.masonry.api": ("poetry-core", "poetry"),
    "pdm.backend": ("pdm-backend",),
    "uv_build": ("uv-build",),
    "flit_core.buildapi": ("flit-core",),
}


@dataclass(frozen=True)
class Change:
    """What to write.

    `hook`: of the hook's table, `functions`: of the tables below it by name, `target`: of the target's table, `wheel`:
    of the wheel target's. `build_requires`: of the build besides hatchling and hatch-lambda. `project`: a new
    `[project]`, if there is none. `keep_unpackaged`: tell uv not to install the project, as it did not before.
    """

    hook: Mapping[str, Any]
    functions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    wheel: Mapping[str, Any] = field(default_factory=dict)
    build_requires: tuple[str, ...] = ()
    project: Mapping[str, Any] | None = None
    keep_unpackaged: bool = False


def edited(text: str, change: Change) -> str:
    """A pyproject.toml with the change. The text has to be valid, and without the hook's table."""
    document = tomlkit.parse(text)
    wanted = ("hatchling", "hatch-lambda", *change.build_requires)
    above: dict[str, Mapping[str, Any]] = {}
    if "build-system" in document:
        _change_build_system(document["build-system"], wanted)
    else:
        above["build-system"] = {"requires": [*wanted], "build-backend": BACKEND}
    if change.project:
        above["project"] = change.project
    below: dict[str, Mapping[str, Any]] = {HOOK_TABLE: change.hook}
    below |= {f"{HOOK_TABLE}.functions.{name}": table for name, table in change.functions.items()}
    tool: Any = document.get("tool", {})
    targets: Any = tool.get("hatch", {}).get("build", {}).get("targets", {})
    for name, options in (("wheel", change.wheel), ("lambda", change.target)):
        if name in targets:
            for key, value in options.items():
                targets[name][key] = value
        elif options:
            below[f"tool.hatch.build.targets.{name}"] = options
    if change.keep_unpackaged:
        if "uv" in tool:
            tool["uv"]["package"] = False
        else:
            below["tool.uv"] = {"package": False}
    kept = tomlkit.dumps(document)
    return "\n".join(
        [part for part in (_rendered(above), kept.rstrip() + "\n" if kept.strip() else "") if part] + [_rendered(below)]
    )


def _rendered(tables: Mapping[str, Mapping[str, Any]]) -> str:
    return "\n".join("".join(_lines(name, table)) for name, table in tables.items())


def _lines(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{name}]\n"
    for key, value in table.items():
        shown = tomlkit.item(value).as_string()
        if isinstance(value, list) and len(shown) > _MOST_IN_A_LINE:
            shown = "[\n" + "".join(f"    {tomlkit.item(each).as_string()},\n" for each in value) + "]"
        yield f"{key} = {shown}\n"


def _change_build_system(table: Any, wanted: Iterable[str]) -> None:
    former = table.get("build-backend", "setuptools.build_meta:__legacy__")
    requires: Array = table.setdefault("requires", tomlkit.array())
    if former != BACKEND:
        table["build-backend"] = BACKEND
        table["build-backend"].comment(f"was {former}: the target `lambda` requires hatchling")
        table["build-backend"].trivia.comment_ws = "  "
        replaced = REPLACEABLE.get(former, ())
        for position in reversed(range(len(requires))):
            if _name(requires[position]) in replaced:
                requires.pop(position)
    present = {_name(each) for each in requires}
    for each in wanted:
        if _name(each) not in present:
            requires.append(each)


def _name(requirement: object) -> str:
    try:
        return canonicalize_name(Requirement(str(requirement)).name)
    except InvalidRequirement:
        return ""
