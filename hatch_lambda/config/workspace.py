"""Replaces the names of workspace members, and of what `sources` tables list, by direct references.

Workspace members depend on each other by name; the index has nothing of that name, or somebody else's project.
uv: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources and .../workspaces;
Hatch: https://hatch.pypa.io/latest/config/environment/overview/ (`workspace` and `sources` of environments).
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.files import path_of_url
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.validators import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings

_PYPROJECT = "pyproject.toml"
# With these, uv and Hatch resolve as if there was no workspace.
_SWITCHED_OFF_BY = ("HATCH_NO_SOURCES", "UV_NO_SOURCES")


def with_local_sources(requirements: tuple[str, ...], settings: Settings, project: str) -> tuple[str, ...]:
    """Replace the names of neighbours by direct references.

    What neighbours require of each other is added, since an installer would not find it. `project`: its name, as it
    may be a member itself. Raises `ConfigurationError`.
    """
    if any(os.environ.get(name) for name in _SWITCHED_OFF_BY):
        return requirements
    neighbourhood = _Neighbourhood(settings.root, settings, canonicalize_name(project))
    if not neighbourhood.is_there:
        return requirements
    direct = [neighbourhood.direct(text, settings.root) for text in requirements]
    seen = {canonicalize_name(Requirement(text).name) for text in direct}
    waiting = list(direct)
    while waiting:
        for text in neighbourhood.neighbours_of(Requirement(waiting.pop())):
            name = canonicalize_name(Requirement(text).name)
            if name not in seen:
                seen.add(name)
                direct.append(text)
                waiting.append(text)
    return tuple(direct)


class _Source(NamedTuple):
    """An entry of a `sources` table. `folder`: the base of its paths. `table`: its name in messages."""

    entry: Mapping[str, Any]
    folder: Path
    table: str


class _Neighbourhood:
    """A project with the workspace around it."""

    def __init__(self, root: Path, settings: Settings, project: NormalizedName) -> None:
        self.root = root
        self.settings = settings
        self.project = project
        self.parsed: dict[Path, Mapping[str, Any]] = {}

    @property
    def is_there(self) -> bool:
        return bool(self.members or self._sources(self.root))

    @cached_property
    def members(self) -> Mapping[NormalizedName, Path]:
        """The projects of the workspace by name, except this one."""
        folders = [*self._uv_members(), *self._hatch_members()]
        named = {self._name(folder): folder for folder in folders if folder != self.root}
        return {name: folder for name, folder in named.items() if name and name != self.project}

    def direct(self, text: str, folder: Path) -> str:
        """A requirement of the project in a folder, with its source as a direct reference."""
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.url or name == self.project:
            return text
        source = self._source(name, folder)
        url = self._url(source, name) if source else None
        if url is None and (source is None or source.entry.get("workspace")) and name in self.members:
            url = self.members[name].as_uri()
        if url is None:
            return text
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        return f"{requirement.name}{extras} @ {url}{marker}"

    def neighbours_of(self, requirement: Requirement) -> Iterator[str]:
        """What a neighbour requires of others, as direct references without markers, which are evaluated here."""
        folder = _folder_of(requirement.url)
        if folder is None or not self._applies(requirement.marker):
            return
        for text in self._dependencies(folder, requirement.extras):
            direct = Requirement(self.direct(text, folder))
            if direct.url and not Requirement(text).url:
                direct.marker = None
                yield str(direct)

    def _dependencies(self, folder: Path, extras: Iterable[str]) -> Iterator[str]:
        """The requirements in a project's pyproject.toml whose markers match the target."""
        project = self._pyproject(folder).get("project", {})
        optional = {canonicalize_name(name): texts for name, texts in project.get("optional-dependencies", {}).items()}
        wanted = [canonicalize_name(extra) for extra in extras]
        for text in (*project.get("dependencies", ()), *(one for name in wanted for one in optional.get(name, ()))):
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue  # with a context field of Hatch, or invalid: its own build says so
            if self._applies(requirement.marker):
                yield text

    def _applies(self, marker: Marker | None) -> bool:
        return marker is None or marker.evaluate({**self.settings.target.marker_environment, "extra": ""})

    def _source(self, name: NormalizedName, folder: Path) -> _Source | None:
        """A project's source for a name; of several entries the first for the target."""
        return next((source for own, source in self._sources(folder) if own == name and self._is_for_us(source)), None)

    def _is_for_us(self, source: _Source) -> bool:
        entry, settings = source.entry, self.settings
        return (
            ("marker" not in entry or self._applies(Marker(entry["marker"])))
            and ("extra" not in entry or canonicalize_name(entry["extra"]) in settings.extras)
            and ("group" not in entry or canonicalize_name(entry["group"]) in settings.dependency_groups)
        )

    def _sources(self, folder: Path) -> list[tuple[NormalizedName, _Source]]:
        """The sources of a folder's project, then those of its workspace for all members (uv's rule)."""
        hatch = self._pyproject(folder).get("tool", {}).get("hatch", {}).get("envs", {}).get("default", {})
        tables = [
            (hatch.get("sources", {}), folder, "tool.hatch.envs.default.sources"),
            *(
                (self._uv(place).get("sources", {}), place, "tool.uv.sources")
                for place in dict.fromkeys((folder, self._uv_root or folder))
            ),
        ]
        return [
            (canonicalize_name(name), _Source(entry, place, f"{table}.{name}"))
            for table_content, place, table in tables
            for name, entries in table_content.items()
            for entry in (entries if isinstance(entries, list) else [entries])
            if isinstance(entry, dict)
        ]

    def _url(self, source: _Source, name: NormalizedName) -> str | None:
        """The direct reference of a source; None if it names only an index, or a workspace member."""
        entry = source.entry
        fragment = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
        if "path" in entry:
            path = Path(os.path.abspath(source.folder / entry["path"]))  # noqa: PTH100 - `resolve` would follow links
            if not path.exists():
                raise ConfigurationError([f"`{source.table}` is {str(path)!r}, but no such file or directory exists"])
            return f"{path.as_uri()}{fragment}"
        if "git" in entry:
            revision = next((entry[key] for key in ("rev", "tag", "branch") if key in entry), None)
            repository = entry["git"] if entry["git"].startswith("git+") else f"git+{entry['git']}"
            return f"{repository}{f'@{revision}' if revision else ''}{fragment}"
        if "url" in entry:
            return f"{entry['url']}{fragment}"
        if entry.get("workspace") and name not in self.members and name != self.project:
            has = f"it has {listed(sorted(self.members))}" if self.members else "the project is not in one"
            raise ConfigurationError(
                [f"`{source.table}` names a member that the workspace of {self.project} does not have; {has}"]
            )
        return None

    @cached_property
    def _uv_root(self) -> Path | None:
        """The root of the uv workspace that contains the project."""
        for folder in (self.root, *self.root.parents):
            if "workspace" in self._uv(folder):
                return folder if folder == self.root or self.root in self._members_below(folder) else None
        return None

    def _uv_members(self) -> Iterator[Path]:
        if self._uv_root:
            yield self._uv_root
            yield from self._members_below(self._uv_root)

    def _members_below(self, folder: Path) -> list[Path]:
        workspace = self._uv(folder).get("workspace", {})
        excluded = {path for pattern in workspace.get("exclude", ()) for path in folder.glob(pattern)}
        found = [path for pattern in workspace.get("members", ()) for path in sorted(folder.glob(pattern))]
        return [path for path in found if path not in excluded and (path / _PYPROJECT).is_file()]

    def _hatch_members(self) -> Iterator[Path]:
        """The members of all environments."""
        for environment in self._pyproject(self.root).get("tool", {}).get("hatch", {}).get("envs", {}).values():
            workspace = environment.get("workspace", {})
            excluded = {path for pattern in workspace.get("exclude", ()) for path in self.root.glob(pattern)}
            for member in workspace.get("members", ()):
                pattern = member["path"] if isinstance(member, dict) else member
                pattern = pattern.removeprefix("{root}/").removeprefix("./")
                upwards = Path(os.path.abspath(self.root / pattern))  # noqa: PTH100 - globs have no `..`
                found = (
                    sorted(upwards.parent.glob(upwards.name)) if ".." in pattern else sorted(self.root.glob(pattern))
                )
                yield from (path for path in found if path not in excluded and (path / _PYPROJECT).is_file())

    def _name(self, folder: Path) -> NormalizedName | None:
        name = self._pyproject(folder).get("project", {}).get("name")
        return canonicalize_name(name) if isinstance(name, str) else None

    def _uv(self, folder: Path) -> Mapping[str, Any]:
        uv = self._pyproject(folder).get("tool", {}).get("uv", {})
        return uv if isinstance(uv, dict) else {}

    def _pyproject(self, folder: Path) -> Mapping[str, Any]:
        if folder not in self.parsed:
            try:
                self.parsed[folder] = tomllib.loads((folder / _PYPROJECT).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self.parsed[folder] = {}  # not a project, or invalid: its own build says so
        return self.parsed[folder]


def _folder_of(url: str | None) -> Path | None:
    folder = path_of_url(url) if url and url.startswith("file:") else None
    return folder if folder and folder.is_dir() else None
