"""The values that travel between the stages. Each stage takes a `Closure` and returns another; none is changed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.wheels.compatibility import Verdict


@dataclass(frozen=True)
class Sdist:
    """A source archive that stage 1 downloaded; `sha256` is its own, in hexadecimal. `url`: without credentials."""

    path: Path
    sha256: str
    url: str
    subdirectory: str | None = None
    """Where in the archive the project is, as the fragment of a direct reference says."""

    @property
    def label(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class SourceTree:
    """Sources that are no file: a local folder, or a revision of a repository.

    `url`: what pip builds it from, pinned to the commit; may carry credentials. `folder`: the local one, else none.
    """

    url: str
    folder: Path | None
    commit: str | None = None
    subdirectory: str | None = None

    @property
    def label(self) -> str:
        return "its source folder" if self.folder else "its repository"


KEPT = "kept from an earlier build"
"""The origin of a wheel that the store had."""


@dataclass(frozen=True)
class Wheel:
    """A wheel file at hand. `origin`: how it came, as in `downloaded` or `built by stage 4`.

    `url`: where it was downloaded from, without credentials; none for what was built here.
    """

    path: Path
    origin: str
    verdict: Verdict
    url: str | None = None


@dataclass(frozen=True)
class Attempt:
    """What a stage tried for one distribution, and how it ended. `words`: the telling lines of pip's output."""

    stage: int
    tried: str
    succeeded: bool
    outcome: str
    words: tuple[str, ...] = ()


class IndexFile(NamedTuple):
    """A file that the index has for a project, fit or not. A plain tuple, as an index has thousands of them."""

    filename: str
    requires_python: str | None
    refused_by_user: bool
    """`--no-binary` or `--only-binary` rules it out."""


@dataclass(frozen=True)
class Distribution:
    """One member of the closure, with what has been found for it so far."""

    name: NormalizedName
    version: Version
    requires: tuple[Requirement, ...]
    """`Requires-Dist` as the metadata has it, markers and all."""
    extras: frozenset[str]
    requested: bool
    """Asked for by the project itself, not only by another distribution."""
    direct: bool
    """By URL or path: a direct reference says which source is meant, so the index is not asked for another."""
    allowed_hashes: tuple[str, ...]
    """`sha256:…` from a requirements file; where there is one, nothing else may be used."""
    wheels: tuple[Wheel, ...]
    """Every wheel of it at hand, compatible or not, in the order in which they came."""
    source: Sdist | SourceTree | None
    attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def wheel(self) -> Wheel | None:
        """The wheel that the bundle takes; none as long as the distribution is unmet."""
        return next((wheel for wheel in self.wheels if wheel.verdict.compatible), None)

    def after(self, attempt: Attempt, *gained: Wheel) -> Distribution:
        """The same with an attempt more, and the wheels that it brought."""
        return dataclasses.replace(self, wheels=(*self.wheels, *gained), attempts=(*self.attempts, attempt))


@dataclass(frozen=True)
class Closure:
    """All that the project needs at run time, sorted by name."""

    distributions: tuple[Distribution, ...]
    index_options: tuple[str, ...] = ()
    """Lines of a requirements file: where stage 1 looked. They may carry credentials and are never shown."""
    offers: Mapping[NormalizedName, tuple[IndexFile, ...]] = field(default_factory=dict)
    """What the index has of each project that pip looked at."""
    left_out: tuple[str, ...] = ()
    """`name version` of what is missing, where the user is content with a warning."""

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """What the bundle is made of."""
        return tuple(found.wheel for found in self.distributions if found.wheel)

    @property
    def unmet(self) -> tuple[Distribution, ...]:
        return tuple(found for found in self.distributions if not found.wheel)

    @property
    def origins(self) -> Origins:
        """Where the wheels came from."""
        told = [found.wheel.origin for found in self.distributions if found.wheel]
        downloaded = sum(origin.startswith("downloaded") for origin in told)
        built = sum(origin.startswith("built by stage") for origin in told)
        return Origins(downloaded, built, len(told) - downloaded - built)

    @property
    def only_met(self) -> Closure:
        met = tuple(found for found in self.distributions if found.wheel)
        return dataclasses.replace(self, distributions=met, left_out=tuple(map(str, self.unmet)))

    def each(self, step: Callable[[Distribution], Distribution]) -> Closure:
        """The same closure with a step taken for every distribution."""
        return dataclasses.replace(self, distributions=tuple(map(step, self.distributions)))

    def each_unmet(self, step: Callable[[Distribution], Distribution]) -> Closure:
        """The same closure with a step taken for those that have no compatible wheel yet."""
        return self.each(lambda found: found if found.wheel else step(found))


@dataclass(frozen=True)
class MissingDependency:
    """An unmet distribution, with all that its user needs to know."""

    name: NormalizedName
    version: Version
    chain: tuple[str, ...]
    """Who requires it: the project first, the distribution itself last."""
    verdict: str
    """Why what is at hand does not serve."""
    offers: tuple[str, ...]
    """The files of this version that the index has."""
    attempts: tuple[Attempt, ...]
    remedies: tuple[str, ...]


class Origins(NamedTuple):
    """How many distributions came how."""

    downloaded: int = 0
    built: int = 0
    kept: int = 0
    """Of an earlier build: its resolution, or the wheel that it built."""

    def __str__(self) -> str:
        told = ((self.downloaded, "downloaded"), (self.built, "built here"), (self.kept, "kept from an earlier build"))
        return ", ".join(f"{number} {how}" for number, how in told if number)


class MissingDependencyError(LambdaBuildError):
    """Stage 7: distributions without a wheel for the target.

    `missing`: one value each, with verdicts, attempts and remedies.
    """

    def __init__(self, message: str, missing: Sequence[MissingDependency]) -> None:
        self.missing = tuple(missing)
        super().__init__(message)
