"""What resolvelib asks for, answered as pip answers it.

The order of exploration decides which of several valid closures comes out, so all of it follows pip 26.1
(`pip._internal.resolution.resolvelib`: `provider`, `factory`, `candidates`).
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple, cast

from packaging.utils import NormalizedName, canonicalize_name
from resolvelib import AbstractProvider

from hatch_lambda.resolve.finder.files import File, matching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version
    from resolvelib.resolvers import RequirementInformation

    from hatch_lambda.resolve.finder.ahead import Ahead
    from hatch_lambda.resolve.finder.fetch import Fetch
    from hatch_lambda.resolve.finder.needs import Needs

_PROMOTED_FROM = 5  # conflicts
_BATCH = 16
"""How many metadata are fetched at once at most, where one version after the other is looked at."""


class Specified(NamedTuple):
    """A requirement with a specifier. `extras`: normalized, sorted."""

    name: NormalizedName
    extras: tuple[str, ...]
    specifier: SpecifierSet

    @property
    def identifier(self) -> str:
        return identifier_of(self.name, self.extras)

    def accepts(self, candidate: Candidate) -> bool:
        return self.specifier.contains(candidate.file.version, prereleases=True)


class Exactly(NamedTuple):
    """A requirement of a distribution with extras on the same without."""

    file: File

    @property
    def identifier(self) -> str:
        return self.file.name

    def accepts(self, candidate: Candidate) -> bool:
        return candidate == Candidate(self.file, ())


class RequiresPython(NamedTuple):
    """`Requires-Python`. Those that the target satisfies count, too: they are among the causes of a conflict."""

    specifier: str
    is_satisfied: bool

    @property
    def identifier(self) -> str:
        return PYTHON.identifier

    def accepts(self, _candidate: Candidate) -> bool:
        return self.is_satisfied


class Candidate(NamedTuple):
    """A file with extras, normalized and sorted."""

    file: File
    extras: tuple[str, ...]

    @property
    def identifier(self) -> str:
        return identifier_of(self.file.name, self.extras)


PYTHON = Candidate(File(cast("NormalizedName", "<Python>"), *("", "", "", "", None, False, None, (), False)), ())
"""The target's Python."""

if TYPE_CHECKING:
    Needed = Specified | Exactly | RequiresPython
    Information = RequirementInformation[Needed, Candidate]


def identifier_of(name: str, extras: tuple[str, ...]) -> str:
    return f"{name}[{','.join(extras)}]" if extras else name


def as_needed(requirement: Requirement) -> Iterator[Specified]:
    """With a specifier and extras it becomes two: the specifier is for the distribution without extras, too."""
    name, extras = canonicalize_name(requirement.name), tuple(sorted(set(map(canonicalize_name, requirement.extras))))
    if extras and requirement.specifier:
        yield Specified(name, (), requirement.specifier)
    yield Specified(name, extras, requirement.specifier)


class Remembered:
    """What an iterator gives, for as many loops as come: resolvelib looks at the same candidates again and again."""

    def __init__(self, files: Iterator[File]) -> None:
        self._rest = files
        self._seen: list[File] = []

    def __iter__(self) -> Iterator[File]:
        for place in count():
            if place == len(self._seen):
                file = next(self._rest, None)
                if file is None:
                    return
                self._seen.append(file)
            yield self._seen[place]


class Provider(AbstractProvider["Needed", Candidate, str]):
    """Candidates and dependencies for one target."""

    def __init__(self, fetch: Fetch, ahead: Ahead, needs: Needs, places: Mapping[str, int]) -> None:
        """`places`: those of the project's own requirements, by identifier."""
        self._fetch = fetch
        self._ahead = ahead
        self._needs = needs
        self._places = places
        self._conflicts: Counter[str] = Counter()
        self._matching: dict[tuple[str, SpecifierSet], Remembered] = {}

    def identify(self, requirement_or_candidate: Needed | Candidate) -> str:
        return requirement_or_candidate.identifier

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[str, Iterator[Information]],  # noqa: ARG002
        backtrack_causes: Sequence[Information],
    ) -> Iterable[str]:
        """What has caused backtracking first, then what is often in conflicts."""
        causes = set()
        for cause in backtrack_causes:
            for one in (cause.requirement, cause.parent):
                if one is not None:
                    causes.add(one.identifier)
                    if one.identifier not in resolutions:
                        self._conflicts[one.identifier] += 1
        every = [*identifiers]
        if PYTHON.identifier in every:
            return [PYTHON.identifier]
        of_causes = [identifier for identifier in every if identifier in causes]
        return of_causes or [*filter(self._is_promoted, every)] or every

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],  # noqa: ARG002
        candidates: Mapping[str, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[str, Iterator[Information]],
        backtrack_causes: Sequence[Information],  # noqa: ARG002
    ) -> tuple[object, ...]:
        """What leaves the least choice first."""
        needed = [each.requirement for each in information[identifier]]
        parts = [part for each in needed if isinstance(each, Specified) for part in each.specifier]
        is_pinned = any(part.operator.startswith("==") and "*" not in part.version for part in parts)
        is_bounded = any(
            part.operator in {"<", "<=", "~="} or (part.operator == "==" and "*" in part.version) for part in parts
        )
        return (
            not self._is_promoted(identifier),
            not any(isinstance(each, Exactly) for each in needed),
            not is_pinned,
            not is_bounded,
            self._places.get(identifier, math.inf),
            not parts,
            identifier,
        )

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Needed]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Iterable[Candidate] | Callable[[], Iterator[Candidate]]:
        """The candidates that all requirements accept, the best first."""
        needed = [*requirements[identifier]]
        if identifier == PYTHON.identifier:
            is_excluded = PYTHON in incompatibilities[identifier] or not all(each.accepts(PYTHON) for each in needed)
            return [] if is_excluded or not needed else [PYTHON]
        bare, _, listed = identifier.rstrip("]").partition("[")
        name, extras = NormalizedName(bare), tuple(filter(None, listed.split(",")))
        of_both = [*needed, *(requirements.get(name, ()) if extras else ())]
        specifiers = [each.specifier for each in of_both if isinstance(each, Specified)]
        constraint = self._needs.constraints[name]
        unwanted = {*incompatibilities[identifier]}
        if exact := {Candidate(each.file, extras) for each in of_both if isinstance(each, Exactly)}:
            return [
                candidate
                for candidate in exact
                if candidate not in unwanted
                and constraint.contains(candidate.file.version, prereleases=True)
                and all(each.accepts(candidate) for each in needed)
            ]
        if not specifiers:  # resolvelib asks also for what nothing requires any more
            return []
        for specifier in specifiers:
            constraint &= specifier
        extras = extras if needed else ()  # pip takes them from the requirements
        excluded = {candidate.file.version for candidate in unwanted if candidate.extras == extras}
        return partial(self._candidates, name, extras, constraint, excluded)

    def _candidates(
        self, name: NormalizedName, extras: tuple[str, ...], specifier: SpecifierSet, unwanted: set[Version]
    ) -> Iterator[Candidate]:
        """One for each version. Where many are looked at, more and more are fetched at once."""
        seen = set()
        key = (name, specifier)
        if key not in self._matching:
            self._matching[key] = Remembered(matching(self._fetch.files(name).result(), specifier))
        files = iter(self._matching[key])
        size = 1
        while batch := [*islice(files, size)]:
            for file in batch:
                self._fetch.known(file)
            for file in batch:
                if file.version not in seen:
                    seen.add(file.version)
                    self._fetch.known(file).result()
                    if file.version not in unwanted:
                        yield Candidate(file, extras)
            size = min(2 * size, _BATCH)

    def is_satisfied_by(self, requirement: Needed, candidate: Candidate) -> bool:
        return requirement.accepts(candidate)

    def get_dependencies(self, candidate: Candidate) -> Iterator[Needed]:
        """With extras: the same without, and what the extras that it has require in addition."""
        if candidate == PYTHON:
            return
        known = self._fetch.known(candidate.file).result()
        extras = sorted(known.extras.intersection(candidate.extras))
        if candidate.extras:
            yield Exactly(candidate.file)
        elif known.requires_python:
            yield RequiresPython(known.requires_python, self._needs.serves(known.requires_python))
        for requirement in known.requires:
            if self._needs.holds(requirement, extras):
                self._ahead.follow(requirement)
                yield from as_needed(requirement)

    def _is_promoted(self, identifier: str) -> bool:
        return self._conflicts[identifier] >= _PROMOTED_FROM
