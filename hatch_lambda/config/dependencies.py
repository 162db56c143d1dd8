"""A project's dependencies for the target: local projects as direct references, and what uv's tables say of versions.

A workspace's projects depend on each other by name alone; asking an index for that name finds nothing, or somebody
else's project. So such requirements become direct references, here and in what the neighbors require in turn.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.files import local_path
from hatch_lambda.config import uv_settings
from hatch_lambda.config.project_requirements import under
from hatch_lambda.config.requirements_files import values_of
from hatch_lambda.config.unpacked_sdist import FROM_THE_PROJECT, is_unpacked_sdist, missing_from_sdist
from hatch_lambda.config.uv_settings import LOCK_FILE
from hatch_lambda.config.validators import listed
from hatch_lambda.config.workspace import PYPROJECT, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.config.workspace import Source

# With these, uv and Hatch resolve as if there was no workspace.
_SWITCHED_OFF_BY = ("HATCH_NO_SOURCES", "UV_NO_SOURCES")


class Dependencies(NamedTuple):
    """A project's dependencies (PEP 508), and what its tables say about them.

    `constraints`: like those of a constraints file. `ignored`: warnings about settings that pip has no equivalent for.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def with_local_sources(requirements: tuple[str, ...], settings: Settings, workspace: Workspace) -> Dependencies:
    """Replace the names of local projects by direct references to them.

    What neighbors require of other neighbors is added, since an installer would not find them. Raises
    `ConfigurationError`.
    """
    if is_unpacked_sdist(settings.root):
        _check_paths(requirements, settings)
    constraints = uv_settings.constraints(workspace)
    requires_any = requirements or settings.requirements
    ignored = tuple(uv_settings.ignored(workspace, settings)) if requires_any else ()
    has_local_projects = workspace.members or workspace.sources(workspace.root) or workspace.recorded
    if not has_local_projects or any(os.environ.get(name) for name in _SWITCHED_OFF_BY):
        return Dependencies(requirements, constraints, ignored)
    local = _LocalProjects(workspace, settings)
    direct = [each for text in requirements for each in local.packages(text, settings.root)]
    ignored += (*local.pins(direct), *local.unknown)
    seen = {canonicalize_name(Requirement(text).name) for text in direct}
    for text in direct:  # grows while it is read
        for neighbor in local.neighbors_of(Requirement(text)):
            name = canonicalize_name(Requirement(neighbor).name)
            if name not in seen:
                seen.add(name)
                direct.append(neighbor)
    return Dependencies(tuple(direct), constraints, ignored)


def declared_in(folder: Path, extras: Iterable[str], settings: Settings) -> Iterator[str]:
    """The requirements in a project's pyproject.toml, with those of extras, whose markers match the target."""
    return _LocalProjects(Workspace(folder, ""), settings).dependencies(folder, extras)


def _check_paths(requirements: tuple[str, ...], settings: Settings) -> None:
    """Find direct references and directories of links that are not in an unpacked sdist. Raises `ConfigurationError`.

    pip ignores the directories: what they have would come from an index.
    """
    direct = [Requirement(text) for text in requirements]
    named = [
        (f"`{each}`", place)
        for each in direct
        if canonicalize_name(each.name) not in settings.provided
        and (each.marker is None or each.marker.evaluate({**settings.target.marker_environment, "extra": ""}))
        for place in [local_path(each.url or "")]
    ]
    named += [
        (f"`{settings.table}.pip-args` has `--find-links {value}`", local_path(value) or settings.root / value)
        for value in values_of(("-f", "--find-links"), settings.pip_args)
        if "://" not in value or value.startswith("file:")
    ]
    if faults := [
        f"{label}: no such file or directory exists. {FROM_THE_PROJECT}"
        for label, place in named
        if place is not None and not place.exists()
    ]:
        raise ConfigurationError(faults)


class _LocalProjects:
    """What requirements mean in a workspace, on the target of the settings."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self.workspace = workspace
        self.settings = settings
        self.unknown: list[str] = []
        """Warnings about projects whose dependencies are unknown."""

    def pins(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """A warning for each required name that uv would take from a certain index."""
        pinned = {
            name: source
            for text in requirements
            for name in [canonicalize_name(Requirement(text).name)]
            if (source := self._source(name, self.workspace.root)) and "index" in source.entry
        }
        return tuple(
            f"`{source.table}` is ignored: pip takes {name} from any of its indexes, not from "
            f"`{source.entry['index']}` alone. {LOCK_FILE}"
            for name, source in sorted(pinned.items())
        )

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
        project = self.workspace.pyproject(place).get("project", {})
        if "name" not in project or "dependencies" in project.get("dynamic", ()):
            self.unknown.append(
                f"{requirement.name} is not packaged (`package = false`), and its dependencies are unknown: "
                f"{place / PYPROJECT} does not list them in `[project] dependencies`. List them there. {LOCK_FILE}"
            )
        for inner in self.dependencies(place, requirement.extras):
            yield from self.packages(under(requirement.marker, inner), place, seen | {place})

    def direct(self, text: str, folder: Path) -> str:
        """A requirement of the project in a folder, by where it comes from. Raises `ConfigurationError`."""
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.url or name == self.workspace.project:
            return text
        source = self._source(name, folder)
        url = self._url(source, name) if source else None
        if url is None and (source is None or source.entry.get("workspace")) and name in self.workspace.members:
            url = self.workspace.members[name].as_uri()
        if url is None:
            if name in self.workspace.recorded and self._applies(requirement.marker):
                raise ConfigurationError([f"`{name}` is a local project, not one of an index. {FROM_THE_PROJECT}"])
            return text
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        marker = f" ; {requirement.marker}" if requirement.marker else ""
        return f"{requirement.name}{extras} @ {url}{marker}"

    def _is_package(self, name: NormalizedName, place: Path, requiring: Path) -> bool:
        """Whether a local project is to be built, as opposed to having nothing but dependencies (uv's `package`)."""
        source = self._source(name, requiring)
        said = source.entry.get("package") if source else None
        return (self.workspace.uv(place).get("package") if said is None else said) is not False

    def neighbors_of(self, requirement: Requirement) -> Iterator[str]:
        """What a neighbor requires of others, as direct references without markers, which have been evaluated."""
        folder = _folder_of(requirement.url)
        if folder is None or not self._applies(requirement.marker):
            return
        for text in self.dependencies(folder, requirement.extras):
            direct = Requirement(self.direct(text, folder))
            if direct.url and not Requirement(text).url:
                place = _folder_of(direct.url)
                if place and not self._is_package(canonicalize_name(direct.name), place, folder):
                    fault = (
                        f"{requirement.name} requires {direct.name}, which is not a package "
                        f"(`package = false` in {place / PYPROJECT} or in its source), so no wheel can satisfy it"
                    )
                    raise ConfigurationError([fault])
                direct.marker = None
                yield str(direct)

    def dependencies(self, folder: Path, extras: Iterable[str]) -> Iterator[str]:
        """The requirements in a project's pyproject.toml whose markers match the target."""
        project = self.workspace.pyproject(folder).get("project", {})
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

    def _source(self, name: NormalizedName, folder: Path) -> Source | None:
        """A project's source for a name; of several entries the first for the target."""
        sources = (source for own, source in self.workspace.sources(folder) if own == name)
        return next(filter(self._is_for_us, sources), None)

    def _is_for_us(self, source: Source) -> bool:
        entry, settings = source.entry, self.settings
        return (
            ("marker" not in entry or self._applies(Marker(entry["marker"])))
            and ("extra" not in entry or canonicalize_name(entry["extra"]) in settings.extras)
            and ("group" not in entry or canonicalize_name(entry["group"]) in settings.dependency_groups)
        )

    def _url(self, source: Source, name: NormalizedName) -> str | None:
        """The direct reference of a source; None if it names only an index, or a workspace member."""
        entry = source.entry
        fragment = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
        if "path" in entry:
            path = Path(os.path.abspath(source.folder / entry["path"]))  # noqa: PTH100 - `resolve` would follow links
            if not path.exists():
                fault = f"`{source.table}` is {str(path)!r}, but no such file or directory exists"
                raise ConfigurationError([f"{fault}{missing_from_sdist(self.workspace.root)}"])
            return f"{path.as_uri()}{fragment}"
        if "git" in entry:
            revision = next((entry[key] for key in ("rev", "tag", "branch") if key in entry), None)
            repository = entry["git"] if entry["git"].startswith("git+") else f"git+{entry['git']}"
            return f"{repository}{f'@{revision}' if revision else ''}{fragment}"
        if "url" in entry:
            return f"{entry['url']}{fragment}"
        if entry.get("workspace") and name not in self.workspace.members and name != self.workspace.project:
            if is_unpacked_sdist(self.workspace.root):
                raise ConfigurationError([f"`{source.table}` is a workspace member. {FROM_THE_PROJECT}"])
            members = sorted(self.workspace.members)
            has = f"it has {listed(members)}" if members else "the project is not in one"
            raise ConfigurationError(
                [f"`{source.table}` names a member that the workspace of {self.workspace.project} does not have; {has}"]
            )
        return None


def _folder_of(url: str | None) -> Path | None:
    folder = local_path(url or "")
    return folder if folder and folder.is_dir() else None
