"""Whether a lock file covers what the project requires on the target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.redact import redact, without_credentials
from hatch_lambda.config import requirements_files
from hatch_lambda.config.requirements_files import Unread
from hatch_lambda.resolve.graph import applies
from hatch_lambda.resolve.lock.read import LockFileError, how_to_lock, label
from hatch_lambda.resolve.provided import provided_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.requirements_files import RequirementsFile
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.lock.read import LockFile
    from hatch_lambda.resolve.lock.select import Locked


@dataclass(frozen=True)
class LockedMember:
    """A locked distribution. `requires`: None as long as its metadata is not at hand."""

    locked: Locked
    version: Version | None
    requires: tuple[Requirement, ...] | None = None

    def __str__(self) -> str:
        return f"{self.locked.name} {self.version}" if self.version else self.locked.name


@dataclass(frozen=True)
class Coverage:
    """What a project requires, compared with a lock file. `extras`: the requested ones, of each required member."""

    extras: Mapping[NormalizedName, frozenset[str]]
    requested: frozenset[NormalizedName]
    """Direct dependencies of the project."""
    faults: tuple[str, ...]
    doubts: tuple[str, ...]
    """What may be intended: a version that a member does not accept, a member that nothing requires."""


class _Need(NamedTuple):
    """`who`: as in messages. `by_project`: the project itself, or one of its requirements files."""

    who: str
    requirement: Requirement
    by_project: bool


def check_coverage(lock: LockFile, members: Iterable[LockedMember], request: Request) -> Coverage:
    """Compare a lock file with what a project requires, and, as far as known, with what its members require.

    Raises `LockFileError` with everything that is missing.
    """
    settings = request.settings
    found = _cover(list(members), request)
    if not found.faults:
        return found
    faults = "\n".join(f"- {fault}" for fault in found.faults)
    raise LockFileError(
        f"{label(lock.path, settings)} does not cover the dependencies of {request.subject} for "
        f"{settings.target.description}:\n\n{faults}\n\n{how_to_lock(settings, lock.content.created_by)}"
    )


def _cover(members: list[LockedMember], request: Request) -> Coverage:
    settings = request.settings
    by_name = {member.locked.name: member for member in members}
    files = _files_of(settings)
    unread = [file for file in files if isinstance(file, Unread)]
    wanted = list(_wanted_by_project(request, files))
    waiting = [need for need in wanted if applies(need.requirement, settings.target)]
    reached: dict[NormalizedName, set[str]] = {}
    faults = [f"{label(Path(file.name), settings)} cannot be read: {file.reason}" for file in unread if file.reason]
    faults += _against_constraints(by_name, request, files)
    doubts = [
        f"{redact(file.name)} is not checked: the build does not download it" for file in unread if not file.reason
    ]
    for need in waiting:  # grows while it is read
        name = canonicalize_name(need.requirement.name)
        member = by_name.get(name)
        if member is None:
            faults += [] if name in provided_names(settings) else [_says(need, "it is not locked")]
            continue
        if fault := _mismatch(need, member):
            (faults if need.by_project else doubts).append(_says(need, fault))
        known = reached.setdefault(name, set())
        for extra in sorted((_extras(need.requirement) | {""}) - known):
            known.add(extra)
            waiting += [
                _Need(str(member), requirement, by_project=False)
                for requirement in member.requires or ()
                if applies(requirement, settings.target, [extra])
            ]
    if all(member.requires is not None for member in members):
        doubts += [
            f"{member} is locked, but nothing that is packaged requires it"
            for member in members
            if member.locked.name not in reached
        ]
    return Coverage(
        {name: frozenset(extras - {""}) for name, extras in reached.items()},
        frozenset(
            canonicalize_name(need.requirement.name) for need in wanted if applies(need.requirement, settings.target)
        ),
        tuple(dict.fromkeys(faults)),
        tuple(dict.fromkeys(doubts)),
    )


def _says(need: _Need, fault: str) -> str:
    return f"{need.who} requires {_shown(need.requirement)}: {fault}"


def _shown(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = f" @ {redact(requirement.url)}" if requirement.url else ""
    return f"`{requirement.name}{extras}{requirement.specifier}{url}`"


def _wanted_by_project(request: Request, files: Iterable[RequirementsFile | Unread]) -> Iterator[_Need]:
    for text in request.requirements:
        yield _Need(request.subject, Requirement(text), by_project=True)
    for file, requirement in _requirements_by_name(files):
        if not file.is_constraints:
            yield _Need(label(file.path, request.settings), requirement, by_project=True)


def _files_of(settings: Settings) -> list[RequirementsFile | Unread]:
    """The requirements and constraints files with all that they include."""
    return [
        file
        for paths, constrain in ((settings.requirements, False), (settings.constraints, True))
        for path in paths
        for file in requirements_files.walk(str(path), settings.root, is_constraints=constrain)
    ]


def _requirements_by_name(files: Iterable[RequirementsFile | Unread]) -> Iterator[tuple[RequirementsFile, Requirement]]:
    """What is required by name; paths and editables are for pip."""
    for file in files:
        if isinstance(file, Unread):
            continue
        for line in file.lines:
            try:
                yield file, Requirement(line.requirement)
            except InvalidRequirement:
                continue


def _mismatch(need: _Need, member: LockedMember) -> str | None:
    requirement, source = need.requirement, member.locked.package
    if member.version and not requirement.specifier.contains(member.version, prereleases=True):
        return f"the lock file has {member}"
    if need.by_project and requirement.url and not source.is_direct:
        return f"the lock file has {member} from an index"
    if need.by_project and requirement.url and (other := _other_place(requirement.url, member)):
        return f"the lock file has {member} from {other}"
    extras = member.locked.extras
    if extras is not None and member.requires is None and (lacking := _extras(requirement) - extras):
        return f"the lock file has {member} without {', '.join(sorted(lacking))}"
    return None


def _extras(requirement: Requirement) -> set[str]:
    return {canonicalize_name(extra) for extra in requirement.extras}


def _other_place(url: str, member: LockedMember) -> str | None:
    """Where a direct reference is locked from, if it names another place; branches and tags are not resolved."""
    archive, vcs = member.locked.package.archive, member.locked.package.vcs
    wanted = without_credentials(url.partition("#")[0])
    if archive and archive.url and not wanted.startswith("file:"):
        locked = without_credentials(archive.url.partition("#")[0])
        return locked if locked != wanted else None
    revision = re.search(r"@([0-9a-f]{40})$", url.partition("#")[0])
    if vcs and revision and revision[1] != vcs.commit_id:
        return f"commit {vcs.commit_id}"
    return None


def _against_constraints(
    by_name: Mapping[NormalizedName, LockedMember], request: Request, files: Iterable[RequirementsFile | Unread]
) -> Iterator[str]:
    settings = request.settings
    constraints = [
        *((label(file.path, settings), found) for file, found in _requirements_by_name(files) if file.is_constraints),
        *(("`tool.uv.constraint-dependencies`", Requirement(text)) for text in request.constraints),
    ]
    for who, requirement in constraints:
        member = by_name.get(canonicalize_name(requirement.name))
        if member is None or member.version is None:
            continue
        if applies(requirement, settings.target) and not requirement.specifier.contains(
            member.version, prereleases=True
        ):
            yield f"{who} only allows {_shown(requirement)}: the lock file has {member}"
