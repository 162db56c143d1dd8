"""Whether what a lock file has for the target is all that the project needs there, in versions that it accepts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.redact import redact, without_credentials
from hatch_lambda.resolve.curated import AWS_SDK, SDK_ITSELF
from hatch_lambda.resolve.lock.lock_file import LockFileError, how_to_lock, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.resolve.lock.lock_file import Locked, LockFile


@dataclass(frozen=True)
class Member:
    """A distribution of the lock, as far as it is known. `requires`: none as long as its metadata is not at hand."""

    locked: Locked
    version: Version | None
    requires: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.locked.name} {self.version}" if self.version else self.locked.name


@dataclass(frozen=True)
class Coverage:
    """What a project needs, held against a lock. `extras`: those asked for, of each member that somebody needs."""

    extras: Mapping[NormalizedName, frozenset[str]]
    requested: frozenset[NormalizedName]
    """What the project itself asks for."""
    faults: tuple[str, ...]
    doubts: tuple[str, ...]
    """What may be meant that way: a version that a member does not want, a member that nobody needs."""


class _Need(NamedTuple):
    """`who`: as messages call them. `by_project`: the project itself, or one of its requirements files."""

    who: str
    requirement: Requirement
    by_project: bool


def check(lock: LockFile, members: Iterable[Member], request: Request) -> Coverage:
    """Hold a lock against what a project needs; with metadata at hand, against what its members need, too.

    Raises `LockFileError` with everything that is missing.
    """
    settings = request.settings
    found = _cover(list(members), request)
    if not found.faults:
        return found
    told = "\n".join(f"- {fault}" for fault in found.faults)
    raise LockFileError(
        f"{label(lock.path, settings)} does not cover the dependencies of {request.subject} for "
        f"{settings.target.description}:\n\n{told}\n\n{how_to_lock(settings, lock.content.created_by)}"
    )


def _cover(members: list[Member], request: Request) -> Coverage:
    settings = request.settings
    by_name = {member.locked.name: member for member in members}
    wanted = list(_wanted_by_project(request))
    waiting = [need for need in wanted if _holds(need.requirement, "", settings)]
    reached: dict[NormalizedName, set[str]] = {}
    faults = list(_against_constraints(by_name, settings))
    doubts: list[str] = []
    for need in waiting:  # grows while it is read
        name = canonicalize_name(need.requirement.name)
        member = by_name.get(name)
        if member is None:
            faults += [] if _is_provided(name, settings) else [_says(need, "the lock does not have it")]
            continue
        if fault := _mismatch(need, member):
            (faults if need.by_project else doubts).append(_says(need, fault))
        known = reached.setdefault(name, set())
        for extra in sorted((_extras(need.requirement) | {""}) - known):
            known.add(extra)
            waiting += _wanted_by(member, extra, settings)
    if all(member.requires is not None for member in members):
        doubts += [
            f"{member} is locked, and nothing that is packaged requires it"
            for member in members
            if member.locked.name not in reached
        ]
    return Coverage(
        {name: frozenset(extras - {""}) for name, extras in reached.items()},
        frozenset(
            canonicalize_name(need.requirement.name) for need in wanted if _holds(need.requirement, "", settings)
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


def _is_provided(name: NormalizedName, settings: Settings) -> bool:
    return name in settings.provided or (AWS_SDK in settings.provided and name in SDK_ITSELF)


def _holds(requirement: Requirement, extra: str, settings: Settings) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**settings.target.marker_environment, "extra": extra})


def _wanted_by(member: Member, extra: str, settings: Settings) -> Iterator[_Need]:
    for text in member.requires or ():
        requirement = Requirement(text)
        if _holds(requirement, extra, settings):
            yield _Need(str(member), requirement, by_project=False)


def _wanted_by_project(request: Request) -> Iterator[_Need]:
    for text in request.requirements:
        yield _Need(request.subject, Requirement(text), by_project=True)
    for path in request.settings.requirements:
        for requirement in plain_requirements(path):
            yield _Need(label(path, request.settings), requirement, by_project=True)


def _mismatch(need: _Need, member: Member) -> str | None:
    requirement, source = need.requirement, member.locked.package
    if member.version and not requirement.specifier.contains(member.version, prereleases=True):
        return f"the lock has {member}"
    if need.by_project and requirement.url and not source.is_direct:
        return f"the lock has {member} from an index"
    if need.by_project and requirement.url and (other := _other_place(requirement.url, member)):
        return f"the lock has {member} from {other}"
    told = member.locked.extras
    if told is not None and member.requires is None and (lacking := _extras(requirement) - told):
        return f"the lock has {member} without {', '.join(sorted(lacking))}"
    return None


def _extras(requirement: Requirement) -> set[str]:
    return {canonicalize_name(extra) for extra in requirement.extras}


def _other_place(url: str, member: Member) -> str | None:
    """Where a direct reference is locked from, if that is not what it names; branches and tags are not looked up."""
    archive, vcs = member.locked.package.archive, member.locked.package.vcs
    wanted = without_credentials(url.partition("#")[0])
    if archive and archive.url and not wanted.startswith("file:"):
        locked = without_credentials(archive.url.partition("#")[0])
        return locked if locked != wanted else None
    revision = re.search(r"@([0-9a-f]{40})$", url.partition("#")[0])
    if vcs and revision and revision[1] != vcs.commit_id:
        return f"commit {vcs.commit_id}"
    return None


def _against_constraints(by_name: Mapping[NormalizedName, Member], settings: Settings) -> Iterator[str]:
    for path in settings.constraints:
        for requirement in plain_requirements(path):
            member = by_name.get(canonicalize_name(requirement.name))
            if member is None or member.version is None or not _holds(requirement, "", settings):
                continue
            if not requirement.specifier.contains(member.version, prereleases=True):
                yield f"{label(path, settings)} allows {_shown(requirement)} only: the lock has {member}"


# https://pip.pypa.io/en/stable/reference/requirements-file-format/
_CONTINUED = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDING = re.compile(r"(?:-r|--requirement)[\s=]*(\S.*)$")
_OPTIONS_OF_A_LINE = re.compile(r"\s--?[a-z].*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


def plain_requirements(path: Path, seen: frozenset[Path] = frozenset()) -> Iterator[Requirement]:
    """The requirements by name of a requirements file and those that it includes; the rest of it is pip's business."""
    try:
        text = _CONTINUED.sub(" ", path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return  # behind a URL, say
    for raw_line in text.splitlines():
        line = _COMMENT.sub("", raw_line).strip()
        line = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), line)
        if included := _INCLUDING.match(line):
            other = Path(os.path.abspath(path.parent / included[1].strip()))  # noqa: PTH100 - as pip does, links and all
            if other not in seen:
                yield from plain_requirements(other, seen | {path, other})
            continue
        try:
            yield Requirement(_OPTIONS_OF_A_LINE.sub("", line))
        except InvalidRequirement:
            continue
