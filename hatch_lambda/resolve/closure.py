"""The values between the stages: each stage takes a `Closure` and returns a new one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.origins import Origins

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.resolve.reasons import Reason
    from hatch_lambda.wheels.compatibility import Verdict


@dataclass(frozen=True)
class Sdist:
    """A source archive that stage 1 downloaded. `sha256`: hexadecimal. `url`: without credentials."""

    path: Path
    sha256: str
    url: str
    subdirectory: str | None = None
    """The project's directory in the archive, from the fragment of a direct reference."""

    @property
    def label(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class SourceTree:
    """A local source directory, or a commit of a repository.

    `url`: what pip builds it from, pinned to the commit; may contain credentials. `folder`: None for a repository.
    """

    url: str
    folder: Path | None
    commit: str | None = None
    subdirectory: str | None = None

    @property
    def project(self) -> Path | None:
        """The local directory that is built."""
        return self.folder / (self.subdirectory or "") if self.folder else None

    @property
    def label(self) -> str:
        return "its source directory" if self.folder else "its repository"


CACHED = "cached"
"""The origin of a wheel from the store."""
CROSS_COMPILED = ", cross-compiled"
"""How the origin of a wheel ends with native code that a cross compiler has made."""


@dataclass(frozen=True)
class Wheel:
    """A wheel file. `origin`: `cached`, `downloaded`, `built by stage 4` and the like.

    `url`: where it was downloaded from, without credentials; None if it was built here.
    """

    path: Path
    origin: str
    verdict: Verdict
    url: str | None = None
    without_extensions: str | None = None
    """Why a build for the target has come out in pure Python, if that is known."""


@dataclass(frozen=True)
class Attempt:
    """What a stage tried for one distribution, and the outcome. `words`: the lines of pip's output that explain it."""

    stage: int
    tried: str
    succeeded: bool
    outcome: str
    words: tuple[str, ...] = ()
    reason: Reason | None = None
    """Why a build failed."""


class IndexFile(NamedTuple):
    """A file of a project on the index, compatible or not. A plain tuple, as there are thousands of them."""

    filename: str
    requires_python: str | None
    refused_by_user: bool
    """Excluded by `--no-binary` or `--only-binary`."""


@dataclass(frozen=True)
class Distribution:
    """One member of the closure, with what has been found for it so far."""

    name: NormalizedName
    version: Version
    requires: tuple[Requirement, ...]
    """`Requires-Dist`, with markers."""
    extras: frozenset[str]
    requested: bool
    """A direct dependency of the project."""
    direct: bool
    """By URL or path: the index may have another project's files under the same name, so it is not used."""
    allowed_hashes: tuple[str, ...]
    """`sha256:…` from a requirements file; if there are any, other files are refused."""
    wheels: tuple[Wheel, ...]
    """All wheels found so far, compatible or not, oldest first."""
    source: Sdist | SourceTree | None
    attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def wheel(self) -> Wheel | None:
        """The wheel for the bundle; None while the distribution is unmet."""
        return next((wheel for wheel in self.wheels if wheel.verdict.compatible), None)

    def after(self, attempt: Attempt, *gained: Wheel) -> Distribution:
        """The same with one more attempt, and the wheels it brought."""
        return dataclasses.replace(self, wheels=(*self.wheels, *gained), attempts=(*self.attempts, attempt))


@dataclass(frozen=True)
class Closure:
    """Everything that the project requires at run time, sorted by name."""

    distributions: tuple[Distribution, ...]
    index_options: tuple[str, ...] = ()
    """The indexes of stage 1, as lines of a requirements file. They may contain credentials and are never shown."""
    offers: Mapping[NormalizedName, tuple[IndexFile, ...]] = field(default_factory=dict)
    """The files on the index of each project that pip considered."""
    unreachable: tuple[str, ...] = ()
    """Warnings about indexes that could not be read while their distributions were found elsewhere."""
    left_out: tuple[str, ...] = ()
    """`name version` of what is missing, with `on-missing = "warn"`."""
    required_by: Mapping[str, str] = field(default_factory=dict)
    """How the project requires each distribution, by its name: `orders -> foo 1.0 -> bar 2.0`."""
    pure: Mapping[str, str | None] = field(default_factory=dict)
    """Why `name version` was built here without the extension modules that other builds have; None if not known."""

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels for the bundle."""
        return tuple(found.wheel for found in self.distributions if found.wheel)

    def of(self, names: Collection[str]) -> tuple[Distribution, ...]:
        """Some of its distributions."""
        return tuple(found for found in self.distributions if found.name in names)

    @property
    def unmet(self) -> tuple[Distribution, ...]:
        return tuple(found for found in self.distributions if not found.wheel)

    @property
    def origins(self) -> Origins:
        """Where the wheels came from."""
        origins = [found.wheel.origin for found in self.distributions if found.wheel]
        downloaded = sum(origin.startswith("downloaded") for origin in origins)
        built = sum(origin.startswith("built by stage") for origin in origins)
        crossed = sum(origin.startswith("built by stage") and origin.endswith(CROSS_COMPILED) for origin in origins)
        return Origins(downloaded, built, len(origins) - downloaded - built, crossed)

    def each(self, step: Callable[[Distribution], Distribution]) -> Closure:
        """The same closure with a step applied to every distribution."""
        return dataclasses.replace(self, distributions=tuple(map(step, self.distributions)))

    def each_unmet(self, step: Callable[[Distribution], Distribution]) -> Closure:
        """The same closure with a step applied to those without a compatible wheel."""
        return self.each(lambda found: found if found.wheel else step(found))


@dataclass(frozen=True)
class MissingDependency:
    """A distribution without a compatible wheel, with everything that the report says about it."""

    name: NormalizedName
    version: Version
    chain: tuple[str, ...]
    """Who requires it: the project first, the distribution last."""
    verdict: str
    """Why it has no compatible wheel."""
    offers: tuple[str, ...]
    """The files of this version on the index."""
    attempts: tuple[Attempt, ...]
    remedies: tuple[str, ...]


class MissingDependencyError(LambdaBuildError):
    """Stage 7: distributions without a wheel for the target. `missing`: one value each."""

    def __init__(self, message: str, missing: Sequence[MissingDependency]) -> None:
        self.missing = tuple(missing)
        super().__init__(message)
