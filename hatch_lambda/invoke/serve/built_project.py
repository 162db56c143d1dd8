"""What the process that builds a project tells the one that serves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class BuiltFunction:
    """`layers`: their zips. `table`: where its settings are."""

    name: str
    zip: str
    layers: tuple[str, ...]
    handler: str | None
    runtime: str
    table: str


@dataclass(frozen=True)
class BuiltProject:
    """`sources`: the files and directories that it was built from. `outputs`: those that builds write."""

    functions: tuple[BuiltFunction, ...]
    sources: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def read(cls, answer: Path) -> BuiltProject:
        fields: dict[str, Any] = json.loads(answer.read_bytes())
        functions = tuple(
            BuiltFunction(**{**each, "layers": tuple(each["layers"])}) for each in fields.pop("functions")
        )
        return cls(functions, **{name: tuple(paths) for name, paths in fields.items()})
