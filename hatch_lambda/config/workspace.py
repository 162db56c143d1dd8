"""What tables of uv and Hatch say about a project's dependencies: its workspace, sources and constraints.

A workspace's projects depend on each other by name alone; asking an index for that name finds nothing, or somebody
else's project. So such requirements become direct references, here and in what the neighbors require in turn. An sdist
leaves the workspace behind, so it gets a record of these names (`write_record`).
uv: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources and .../workspaces;
Hatch: https://hatch.pypa.io/latest/config/environment/overview/ (`workspace` and `sources` of environments).
"""

from __future__ import annotations

import json
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
from hatch_lambda.config.project_requirements import under
from hatch_lambda.config.validators import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings

_PYPROJECT = "pyproject.toml"
_LOCK_FILE = (
    "A lock file holds it: `uv export --format pylock.toml -o pylock.toml`, and `lock-file` in the hook's table."
)
# With these, uv and Hatch resolve as if there was no workspace.
_SWITCHED_OFF_BY = ("HATCH_NO_SOURCES", "UV_NO_SOURCES")


RECORD = ".hatch-lambda.json"
"""The file of an sdist that lists the names of local projects: `{"local": ["acme-lib"]}`."""
_SDIST = "PKG-INFO"
"""The file that an unpacked sdist has at its top, and a project does not."""
_FROM_THE_PROJECT = (
    "This directory is an unpacked sdist, which does not contain it. What you can do: build from the project's own "
    "directory, with `hatch build` or, for other build tools, without going through the sdist: "
    "`python -m build --wheel`, `uv build --wheel`"
)


class Dependencies(NamedTuple):
    """A project's dependencies (PEP 508), and what its tables say about them.

    `constraints`: like those of a constraints file. `ignored`: warnings about settings that pip has no equivalent for.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def with_local_sources(requirements: tuple[str, ...], settings: Settings, project: str) -> Dependencies:
    """Replace the names of local projects by direct references to them.

    What neighbors require of other neighbors is added, since an installer would not find them. `project`: its name,
    as it may be a member itself. Raises `ConfigurationError`.
    """
    neighbourhood = _Neighbourhood(settings.root, settings, canonicalize_name(project))
    constraints, ignored = neighbourhood.constraints(), neighbourhood.overrides()
    if any(os.environ.get(name) for name in _SWITCHED_OFF_BY) or not neighbourhood.is_there:
        return Dependencies(requirements, constraints, ignored)
    direct = [each for text in requirements for each in neighbourhood.packages(text, settings.root)]
    ignored += neighbourhood.pins(direct)
    seen = {canonicalize_name(Requirement(text).name) for text in direct}
    waiting = list(direct)
    while waiting:
        for text in neighbourhood.neighbours_of(Requirement(waiting.pop())):
            name = canonicalize_name(Requirement(text).name)
            if name not in seen:
                seen.add(name)
                direct.append(text)
                waiting.append(text)
    return Dependencies(tuple(direct), constraints, ignored)


def write_record(root: Path, project: str, path: Path) -> bool:
    """Write the record for an sdist of a project; return whether there is anything to record."""
    neighbourhood = _Neighbourhood(root, None, canonicalize_name(project))
    names = sorted(neighbourhood.local_names)
    if names:
        path.write_text(json.dumps({"local": names}) + "\n", encoding="utf-8")
    return bool(names)


class _Source(NamedTuple):
    """An entry of a `sources` table. `folder`: the base of its paths. `table`: its name in messages."""

    entry: Mapping[str, Any]
    folder: Path
    table: str


class _Neighbourhood:
    """A project with the workspace around it."""

    def __init__(self, root: Path, settings: Settings | None, project: NormalizedName) -> None:
        self.root = root
        self.settings = settings
        self.project = project
        self.parsed: dict[Path, Mapping[str, Any]] = {}

    @property
    def is_there(self) -> bool:
        return bool(self.members or self._sources(self.root) or self.recorded)

    @cached_property
    def recorded(self) -> frozenset[NormalizedName]:
        """In an unpacked sdist, the names that were local where it was made."""
        try:
            names = json.loads((self.root / RECORD).read_text(encoding="utf-8"))["local"]
            return frozenset(map(canonicalize_name, names)) if (self.root / _SDIST).is_file() else frozenset()
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()

    @property
    def local_names(self) -> frozenset[NormalizedName]:
        """The names that do not come from an index."""
        elsewhere = {"path", "git", "url", "workspace"}
        sources = {name for name, source in self._sources(self.root) if elsewhere & source.entry.keys()}
        return frozenset(sources | self.members.keys() | self.recorded) - {self.project}

    def constraints(self) -> tuple[str, ...]:
        """Uv's constraints, which it reads at the root of the workspace alone. Raises `ConfigurationError`."""
        found = []
        for text in self._of_root("constraint-dependencies"):
            try:
                constraint = Requirement(text)
            except InvalidRequirement as error:
                fault = f"`tool.uv.constraint-dependencies` has {text!r}, which is not a requirement: {error}"
                raise ConfigurationError([fault.partition("\n")[0]]) from None
            constraint.extras = set()  # pip takes none in constraints
            found.append(str(constraint))
        return tuple(found)

    def overrides(self) -> tuple[str, ...]:
        """A warning about uv's overrides."""
        names = ", ".join(text.strip() for text in self._of_root("override-dependencies"))
        if not names:
            return ()
        return (f"`tool.uv.override-dependencies` is ignored ({names}): pip has no overrides. {_LOCK_FILE}",)

    def pins(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """A warning for each required name that uv would take from a certain index."""
        pinned = {
            name: source
            for text in requirements
            for name in [canonicalize_name(Requirement(text).name)]
            if (source := self._source(name, self.root)) and "index" in source.entry
        }
        return tuple(
            f"`{source.table}` is ignored: pip takes {name} from any of its indexes, not from "
            f"`{source.entry['index']}` alone. {_LOCK_FILE}"
            for name, source in sorted(pinned.items())
        )

    def _of_root(self, key: str) -> list[str]:
        values = self._uv(self._uv_root or self.root).get(key, [])
        return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []

    @cached_property
    def members(self) -> Mapping[NormalizedName, Path]:
        """The projects of the workspace by name, except this one."""
        folders = [*self._uv_members(), *self._hatch_members()]
        named = {self._name(folder): folder for folder in folders if folder != self.root}
        return {name: folder for name, folder in named.items() if name and name != self.project}

    def packages(self, text: str, folder: Path, seen: frozenset[Path] = frozenset()) -> Iterator[str]:
        """A requirement by where it comes from; if it is not a package, what it requires in turn."""
        direct = self.direct(text, folder)
        requirement = Requirement(direct)
        place = _folder_of(requirement.url)
        if place is None or self._is_package(canonicalize_name(requirement.name), place, folder):
            yield direct
            return
        if place in seen or not self._applies(requirement.marker):
            return
        for inner in self._dependencies(place, requirement.extras):
            yield from self.packages(under(requirement.marker, inner), place, seen | {place})

    def direct(self, text: str, folder: Path) -> str:
        """A requirement of the project in a folder, by where it comes from. Raises `ConfigurationError`."""
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.url or name == self.project:
            return text
        source = self._source(name, folder)
        url = self._url(source, name) if source else None
        if url is None and (source is None or source.entry.get("workspace")) and name in self.members:
            url = self.members[name].as_uri()
        if url is None:
            if name in self.recorded and self._applies(requirement.marker):
                raise ConfigurationError([f"`{name}` is a local project, not one of an index. {_FROM_THE_PROJECT}"])
            return text
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        return f"{requirement.name}{extras} @ {url}{marker}"

    def _is_package(self, name: NormalizedName, place: Path, requiring: Path) -> bool:
        """Whether a local project is to be built, as opposed to having nothing but dependencies (uv's `package`)."""
        source = self._source(name, requiring)
        said = source.entry.get("package") if source else None
        return (self._uv(place).get("package") if said is None else said) is not False

    def neighbours_of(self, requirement: Requirement) -> Iterator[str]:
        """What a neighbor requires of others, as direct references without markers, which have been evaluated."""
        folder = _folder_of(requirement.url)
        if folder is None or not self._applies(requirement.marker):
            return
        for text in self._dependencies(folder, requirement.extras):
            direct = Requirement(self.direct(text, folder))
            if direct.url and not Requirement(text).url:
                place = _folder_of(direct.url)
                if place and not self._is_package(canonicalize_name(direct.name), place, folder):
                    fault = (
                        f"{requirement.name} requires {direct.name}, which is not a package "
                        f"(`package = false` in {place / _PYPROJECT} or in its source), so no wheel can satisfy it"
                    )
                    raise ConfigurationError([fault])
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
        return (
            marker is None
            or self.settings is None  # for any target
            or marker.evaluate({**self.settings.target.marker_environment, "extra": ""})
        )

    def _source(self, name: NormalizedName, folder: Path) -> _Source | None:
        """A project's source for a name; of several entries the first for the target."""
        return next((source for own, source in self._sources(folder) if own == name and self._is_for_us(source)), None)

    def _is_for_us(self, source: _Source) -> bool:
        entry, settings = source.entry, self.settings
        return settings is None or (
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
                if (self.root / _SDIST).is_file():
                    raise ConfigurationError([f"`{source.table}` is {entry['path']!r}. {_FROM_THE_PROJECT}"])
                raise ConfigurationError([f"`{source.table}` is {str(path)!r}, but no such file or directory exists"])
            return f"{path.as_uri()}{fragment}"
        if "git" in entry:
            revision = next((entry[key] for key in ("rev", "tag", "branch") if key in entry), None)
            repository = entry["git"] if entry["git"].startswith("git+") else f"git+{entry['git']}"
            return f"{repository}{f'@{revision}' if revision else ''}{fragment}"
        if "url" in entry:
            return f"{entry['url']}{fragment}"
        if entry.get("workspace") and name not in self.members and name != self.project:
            if (self.root / _SDIST).is_file():
                raise ConfigurationError([f"`{source.table}` is a workspace member. {_FROM_THE_PROJECT}"])
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
