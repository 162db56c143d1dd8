"""The workspace around a project, and the sources of its dependencies, in the tables of uv and Hatch.

An sdist leaves the workspace behind, so it gets a record of the names of local projects.
uv: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources and .../workspaces;
Hatch: https://hatch.pypa.io/latest/config/environment/overview/ (`workspace` and `sources` of environments).
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda.common.files import read_regular
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.unpacked_sdist import is_unpacked_sdist

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

PYPROJECT = "pyproject.toml"
RECORD = ".hatch-lambda.json"
"""The file of an sdist that lists the names of local projects: `{"local": ["acme-lib"]}`."""


class Source(NamedTuple):
    """An entry of a `sources` table. `folder`: the base of its paths. `table`: its name in messages."""

    entry: Mapping[str, Any]
    folder: Path
    table: str


class Workspace:
    """The tables of a project and of the workspace around it."""

    def __init__(self, root: Path, project: str) -> None:
        self.root = root
        self.project = canonicalize_name(project)
        self._parsed: dict[Path, Mapping[str, Any]] = {}

    @cached_property
    def members(self) -> Mapping[NormalizedName, Path]:
        """The projects of the workspace by name, except this one."""
        uv, hatch = self._uv_root, self.pyproject(self.root).get("tool", {}).get("hatch", {})
        folders = [uv, *_members(uv, self.uv(uv)["workspace"])] if uv else []
        for environment in hatch.get("envs", {}).values():
            folders += _members(self.root, environment.get("workspace", {}))
        others = [folder for folder in folders if folder != self.root]
        names = [self.pyproject(folder).get("project", {}).get("name") for folder in others]
        named = {
            canonicalize_name(name): other for name, other in zip(names, others, strict=True) if isinstance(name, str)
        }
        return {name: folder for name, folder in named.items() if name != self.project}

    def sources(self, folder: Path) -> list[tuple[NormalizedName, Source]]:
        """The sources of a folder's project, then those of its workspace for all members (uv's rule)."""
        hatch = self.pyproject(folder).get("tool", {}).get("hatch", {}).get("envs", {}).get("default", {})
        tables = [
            (hatch.get("sources", {}), folder, "tool.hatch.envs.default.sources"),
            *(
                (self.uv(place).get("sources", {}), place, "tool.uv.sources")
                for place in dict.fromkeys((folder, self._uv_root or folder))
            ),
        ]
        return [
            (canonicalize_name(name), Source(entry, place, f"{table}.{name}"))
            for table_content, place, table in tables
            for name, entries in table_content.items()
            for entry in (entries if isinstance(entries, list) else [entries])
            if isinstance(entry, dict)
        ]

    @cached_property
    def recorded(self) -> frozenset[NormalizedName]:
        """In an unpacked sdist, the names that were local where it was made."""
        try:
            names = json.loads(read_regular(self.root / RECORD))["local"]
            return frozenset(map(canonicalize_name, names)) if is_unpacked_sdist(self.root) else frozenset()
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()

    def write_record(self, path: Path) -> bool:
        """Write the record of the names that do not come from an index; return whether there are any."""
        elsewhere = {"path", "git", "url", "workspace"}
        sources = {name for name, source in self.sources(self.root) if elsewhere & source.entry.keys()}
        names = sorted((sources | self.members.keys() | self.recorded) - {self.project})
        if names:
            path.write_text(json.dumps({"local": names}) + "\n", encoding="utf-8")
        return bool(names)

    def uv_setting(self, key: str) -> object:
        """A value of uv's table, of those that uv reads at the root of the workspace alone; None without it."""
        return self.uv(self._uv_root or self.root).get(key)

    def uv(self, folder: Path) -> Mapping[str, Any]:
        uv = self.pyproject(folder).get("tool", {}).get("uv", {})
        return uv if isinstance(uv, dict) else {}

    def pyproject(self, folder: Path) -> Mapping[str, Any]:
        if folder not in self._parsed:
            try:
                self._parsed[folder] = tomllib.loads(read_regular(folder / PYPROJECT).decode("utf-8"))
            except (OSError, ValueError, RecursionError):
                self._parsed[folder] = {}  # not a project, or invalid: its own build says so
        return self._parsed[folder]

    @cached_property
    def _uv_root(self) -> Path | None:
        """The root of the uv workspace that contains the project."""
        for folder in (self.root, *self.root.parents):
            if "workspace" in self.uv(folder):
                return (
                    folder
                    if folder == self.root or self.root in _members(folder, self.uv(folder)["workspace"])
                    else None
                )
        return None


def _members(folder: Path, workspace: Mapping[str, Any]) -> list[Path]:
    """The projects that a `workspace` table selects by globs from a folder."""
    excluded = {path for pattern in workspace.get("exclude", ()) for path in folder.glob(pattern)}
    found = []
    for member in workspace.get("members", ()):
        pattern = member["path"] if isinstance(member, dict) else member
        pattern = pattern.removeprefix("{root}/").removeprefix("./")
        upwards = Path(os.path.abspath(folder / pattern))  # noqa: PTH100 - globs have no `..`
        found += sorted(upwards.parent.glob(upwards.name) if ".." in pattern else folder.glob(pattern))
    return [path for path in found if path not in excluded and (path / PYPROJECT).is_file()]
