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
from hatch_lambda.resolve.graph import applies, name_and_extras, requirements_from
from hatch_lambda.resolve.lock.read import label
from hatch_lambda.resolve.provided import provided_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.requirements_files import RequirementsFile
    from hatch_lambda.resolve.closure import Distribution
    from hatch_lambda.resolve.lock.read import LockFile
    from hatch_lambda.resolve.lock.select import Locked


@dataclass(frozen=True)
class Coverage:
    """What a project requires, compared with a lock file. `extras`: the requested ones, of each required member."""

    extras: Mapping[NormalizedName, frozenset[str]]
    requested: frozenset[NormalizedName]
    """Direct dependencies of the project."""
    doubts: tuple[str, ...]
    """What may be intended: a version that a member does not accept, a member that nothing requires."""


class _Need(NamedTuple):
    """`who`: as in messages. `by_project`: the project itself, or one of its requirements files."""

    who: str
    requirement: Requirement
    by_project: bool


def check_coverage(
    lock: LockFile, chosen: Iterable[Locked], request: Request, found: Iterable[Distribution] = ()
) -> Coverage:
    """Compare a lock file with what a project requires, and with what the distributions that are `found` require.

    Raises `LockFileError` with everything that is missing.
    """
    settings, target = request.settings, request.settings.target
    at_hand = {each.name: each for each in found}
    members = {locked.name: locked.as_found(at_hand.get(locked.name)) for locked in chosen}
    files = [
        file
        for paths, constrain in ((settings.requirements, False), (settings.constraints, True))
        for path in paths
        for file in requirements_files.walk(str(path), settings.root, is_constraints=constrain)
    ]
    unread = [file for file in files if isinstance(file, Unread)]
    faults = [f"{label(Path(file.name), settings)} cannot be read: {file.reason}" for file in unread if file.reason]
    faults += _against_constraints(members, request, files)
    doubts = [
        f"{redact(file.name)} is not checked: the build does not download it" for file in unread if not file.reason
    ]
    wanted = [need for need in _wanted_by_project(request, files) if applies(need.requirement, target)]
    wanted += [
        _Need(lock.declares, Requirement(name), by_project=True) for name in sorted(lock.direct & members.keys())
    ]
    start = [pair for need in wanted for pair in name_and_extras(need.requirement)]
    requires = {name: member.requires or () for name, member in members.items()}
    inherited = (
        _Need(str(members[name]), requirement, by_project=False)
        for name, requirement in requirements_from(start, requires, target)
    )
    reached: dict[NormalizedName, set[str]] = {}
    for need in (*wanted, *inherited):
        name = canonicalize_name(need.requirement.name)
        if member := members.get(name):
            reached.setdefault(name, set()).update(_extras(need.requirement))
            if fault := _mismatch(need, member):
                (faults if need.by_project else doubts).append(_says(need, fault))
        elif name not in provided_names(settings):
            faults.append(_says(need, "it is not locked"))
    if faults:
        listed = "\n".join(f"- {fault}" for fault in dict.fromkeys(faults))
        raise lock.error(f"does not cover the dependencies of {request.subject} for {target.description}:\n\n{listed}")
    if all(member.requires is not None for member in members.values()):
        unused = [member for name, member in members.items() if name not in reached]
        doubts += [f"{member} is locked, but nothing that is packaged requires it" for member in unused]
    return Coverage(
        {name: frozenset(extras) for name, extras in reached.items()},
        frozenset(canonicalize_name(need.requirement.name) for need in wanted),
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


def _mismatch(need: _Need, member: Locked) -> str | None:
    requirement = need.requirement
    if member.version and not requirement.specifier.contains(member.version, prereleases=True):
        return f"the lock file has {member}"
    if need.by_project and requirement.url and not member.is_direct:
        return f"the lock file has {member} from an index"
    if need.by_project and requirement.url and (other := _other_place(requirement.url, member)):
        return f"the lock file has {member} from {other}"
    extras = member.extras
    if extras is not None and member.requires is None and (lacking := _extras(requirement) - extras):
        return f"the lock file has {member} without {', '.join(sorted(lacking))}"
    return None


def _extras(requirement: Requirement) -> set[str]:
    return {canonicalize_name(extra) for extra in requirement.extras}


def _other_place(url: str, member: Locked) -> str | None:
    """Where a direct reference is locked from, if it names another place; branches and tags are not resolved."""
    archive, vcs = member.package.archive, member.package.vcs
    wanted = without_credentials(url.partition("#")[0])
    if archive and archive.url and not wanted.startswith("file:"):
        locked = without_credentials(archive.url.partition("#")[0])
        return locked if locked != wanted else None
    revision = re.search(r"@([0-9a-f]{40})$", url.partition("#")[0])
    if vcs and revision and revision[1] != vcs.commit_id:
        return f"commit {vcs.commit_id}"
    return None


def _against_constraints(
    members: Mapping[NormalizedName, Locked], request: Request, files: Iterable[RequirementsFile | Unread]
) -> Iterator[str]:
    settings = request.settings
    of_layers = f" or one of `{settings.table}.layers`" if settings.layers else ""
    constraints = [
        *((label(file.path, settings), found) for file, found in _requirements_by_name(files) if file.is_constraints),
        *((f"`tool.uv.constraint-dependencies`{of_layers}", Requirement(text)) for text in request.constraints),
    ]
    for who, requirement in constraints:
        member = members.get(canonicalize_name(requirement.name))
        if (member and member.version and applies(requirement, settings.target)) and not requirement.specifier.contains(
            member.version, prereleases=True
        ):
            yield f"{who} only allows {_shown(requirement)}: the lock file has {member}"
