"""What to package of what a project's metadata requires: its dependencies, and the named extras and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.config.validators import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings


class Declared(NamedTuple):
    """What a project declares. `extras`: by normalized name; `groups`: the table `dependency-groups` as it stands."""

    project: str
    dependencies: tuple[str, ...]
    extras: Mapping[str, Sequence[str]]
    groups: Mapping[str, Sequence[str | Mapping[str, str]]]
    requires_python: str


def requirements_of(declared: Declared, settings: Settings) -> tuple[str, ...]:
    """The requirements (PEP 508) to package in addition to the settings' requirements files.

    Dependency groups (PEP 735) are not dependencies of the project, so only the named ones are included.
    Raises `ConfigurationError`.
    """
    _check(declared, settings)
    wanted = [] if settings.requirements else [*declared.dependencies]
    for extra in sorted(settings.extras):
        wanted += declared.extras[extra]
    if settings.dependency_groups:
        from packaging.dependency_groups import resolve_dependency_groups
        from packaging.errors import ExceptionGroup

        try:
            wanted += resolve_dependency_groups(declared.groups, *sorted(settings.dependency_groups))
        except (ExceptionGroup, ValueError, TypeError) as error:
            reasons = "; ".join(map(str, _leaves(error)))
            raise ConfigurationError([f"Table `dependency-groups` cannot be used: {reasons}"]) from None
    return tuple(dict.fromkeys(_without_itself(wanted, declared)))


def _check(declared: Declared, settings: Settings) -> None:
    """Find unknown extras and groups, and a runtime that the project does not support. Raises `ConfigurationError`."""
    groups = {canonicalize_name(name) for name in declared.groups}
    faults = [
        f"Field `{settings.table}.{key}` names {listed(sorted(unknown))}, and the project has no such {kind}; "
        f"{f'it has {listed(sorted(known))}' if known else f'it has no {kind} at all'}"
        for key, kind, named, known in (
            ("extras", "extra", settings.extras, set(declared.extras)),
            ("dependency-groups", "dependency group", settings.dependency_groups, groups),
        )
        if (unknown := named - known)
    ]
    runtime = settings.target.runtime
    if not settings.target.serves(declared.requires_python):
        faults.append(
            f"Field `project.requires-python` is `{declared.requires_python}`, but {runtime.name} has Python "
            f"{runtime.full_version}; choose another `{settings.table}.runtime`, or change `requires-python`"
        )
    if faults:
        raise ConfigurationError(faults)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner = getattr(error, "exceptions", None)
    if inner is None:
        yield error
        return
    for each in inner:
        yield from _leaves(each)


def _without_itself(
    requirements: Iterable[str], declared: Declared, seen: frozenset[NormalizedName] = frozenset()
) -> Iterator[str]:
    """Requirements with `project[extra]`, by which an extra or a group includes others, replaced by its meaning."""
    itself = canonicalize_name(declared.project)
    for text in requirements:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != itself:
            yield text
            continue
        extras = {canonicalize_name(extra) for extra in requirement.extras}
        if unknown := extras - set(declared.extras):
            raise ConfigurationError(
                [f"`{text}` asks for {listed(sorted(unknown))} of the project itself, which has no such extra"]
            )
        for extra in sorted(extras - seen):
            inner = _without_itself(declared.extras[extra], declared, seen | {extra})
            yield from (under(requirement.marker, each) for each in inner)


def under(marker: Marker | None, text: str) -> str:
    """A requirement under the marker of the one that it stands for."""
    if marker is None:
        return text
    inner = Requirement(text)
    inner.marker = marker if inner.marker is None else marker & inner.marker
    return str(inner)
