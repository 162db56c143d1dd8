"""Stage 7: report what is missing, who requires it, why, and what to do, before anything is unpacked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from hatch_lambda.common.target import Target, all_targets
from hatch_lambda.common.ui import shortened
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.resolve.allow import could_be_allowed
from hatch_lambda.resolve.closure import MissingDependency, MissingDependencyError
from hatch_lambda.resolve.cross.remedies import cross_remedies, how_to_make_metadata
from hatch_lambda.resolve.curated import BINARY_SIBLINGS, SIBLINGS_WITH_OTHER_MODULES
from hatch_lambda.resolve.graph import chains_in
from hatch_lambda.wheels.compatibility import compressed_tags, fits, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.utils import NormalizedName
    from packaging.version import Version

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.resolve.closure import Closure, Distribution, IndexFile
    from hatch_lambda.resolve.job import Job


_SHOWN_FILES = 8


def report_unmet(closure: Closure, job: Job) -> Closure:
    """Return a closure in which nothing is missing; with `on-missing = "warn"`, one without what is.

    Raises `MissingDependencyError`.
    """
    if not closure.unmet:
        return closure
    chains = chains_in(closure, job.target)
    missing = tuple(
        MissingDependency(
            name=found.name,
            version=found.version,
            chain=(job.request.subject, *chains[found.name]),
            verdict=_verdict(found, wheels_of_version(found, closure), job.target),
            offers=tuple(shortened(sorted(file.filename for file in files_of_version(found, closure)), _SHOWN_FILES)),
            attempts=found.attempts,
            remedies=tuple(_remedies(found, closure, job)),
        )
        for found in closure.unmet
    )
    message = _message(missing, job)
    if job.settings.on_missing == "error":
        raise MissingDependencyError(message, missing)
    job.reporter.warn(f'{message}\n\nThey are left out of the bundle, as `on-missing` is "warn".')
    met = tuple(found for found in closure.distributions if found.wheel)
    return dataclasses.replace(closure, distributions=met, left_out=tuple(map(str, closure.unmet)))


def _message(missing: tuple[MissingDependency, ...], job: Job) -> str:
    names = ", ".join(f"{found.name} {found.version}" for found in missing)
    lines = [f"No wheel for {job.target.description} of: {names}"]
    for found in missing:
        lines += ["", f"{found.name} {found.version}"]
        lines.append(f"  required by: {' -> '.join(found.chain)}")
        lines.append(f"  reason: {found.verdict}")
        if found.offers:
            lines.append("  files of this version on the index:")
            lines += [f"    {name}" for name in found.offers]
        if found.attempts:
            lines.append("  what was tried:")
            for attempt in found.attempts:
                lines.append(f"    stage {attempt.stage}: {attempt.tried}: {attempt.outcome}")
                lines += [f"      | {line}" for line in attempt.words]
        lines.append("  what you can do:")
        lines += [f"    - {remedy}" for remedy in found.remedies]
    return "\n".join(lines)


def _verdict(found: Distribution, offered: tuple[IndexFile, ...], target: Target) -> str:
    if found.wheels:
        wheel = found.wheels[-1]
        return f"{wheel.path.name} ({wheel.origin}) is incompatible with {target.description}: {wheel.verdict.reason}"
    if offered:
        return "none of its wheels is usable, and none could be built from its sources"
    return "it has only sources, from which no wheel could be built"


def files_of_version(found: Distribution, closure: Closure) -> tuple[IndexFile, ...]:
    return tuple(file for file in closure.offers.get(found.name, ()) if version_of(file) == found.version)


def wheels_of_version(found: Distribution, closure: Closure) -> tuple[IndexFile, ...]:
    return tuple(file for file in files_of_version(found, closure) if file.filename.endswith(".whl"))


def version_of(file: IndexFile) -> Version | None:
    """None if it is neither a wheel nor an sdist; pip evaluates other links, too."""
    try:
        if file.filename.endswith(".whl"):
            return parse_wheel_filename(file.filename)[1]
        return parse_sdist_filename(file.filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _remedies(found: Distribution, closure: Closure, job: Job) -> Iterator[str]:
    offers, target = closure.offers.get(found.name, ()), job.target
    if (fitting := _versions_that_fit(offers, target)) and not found.direct:
        yield _other_version(found.name, fitting, found.version)
    of_version = files_of_version(found, closure)
    yield from _other_targets(of_version, target)
    if offers and not any(_could_serve_linux(file) for file in offers):
        yield f"it does not support Linux: require it only elsewhere: `{found.name}; sys_platform != 'linux'`"
        return
    yield from _sibling_remedy(found, closure)
    yield from cross_remedies(found, job)
    if any(file.refused_by_user for file in of_version):
        yield f"remove `--no-binary` or `--only-binary` for {found.name}: it excludes some of its files"
    if lock_file := job.settings.lock_file:
        tool = LOCK_TOOLS.get(lock_file.name)
        command = tool.upgrade if tool else "hatch-lambda lock --upgrade-package"
        yield f"lock another version: `{command} {found.name}`"
        return
    and_then = "require that by its path" if found.direct else 'add its directory: `pip-args = ["--find-links", "…"]`'
    yield f"build a wheel of {found} on the target's platform, and {and_then}"
    if any(could_be_allowed(wheel, found, target) for wheel in found.wheels):
        yield f'if you know that its wheel works on Lambda, allow it: `compatible = ["{found.name}"]`'


def _sibling_remedy(found: Distribution, closure: Closure) -> Iterator[str]:
    """What to do with a related distribution that has wheels: that depends on whose requirement it is."""
    name, sibling = found.name, BINARY_SIBLINGS.get(found.name)
    if sibling and any(other.name == sibling for other in closure.distributions):
        way = "remove it from the dependencies" if found.requested else f'leave it out: `provided = ["{name}"]`'
        yield f"{way}; `{sibling}`, which has the same modules, is packaged, too"
    elif sibling and found.requested:
        yield f"depend on `{sibling}` instead, which has wheels"
    elif sibling and name not in SIBLINGS_WITH_OTHER_MODULES:
        yield f'depend on `{sibling}`, which has wheels and the same modules, and leave it out: `provided = ["{name}"]`'


def _could_serve_linux(file: IndexFile) -> bool:
    return not file.filename.endswith(".whl") or any(
        tag.platform == "any" or "linux" in tag.platform for tag in wheel_tags(file.filename)
    )


def _other_version(name: str, fitting: list[Version], current: Version | None) -> str:
    older = [version for version in fitting if current is None or version < current]
    if older:
        return f"use an older, compatible version: `{name}=={older[-1]}`"
    return f"use a newer, compatible version: `{name}=={fitting[-1]}`"


def _other_targets(files: tuple[IndexFile, ...], target: Target) -> Iterator[str]:
    others = [other for other in all_targets() if other != target and any(_fits(file, other) for file in files)]
    # Nobody should move to one that is deprecated or a preview.
    current = [other for other in others if other.runtime.deprecated and not other.runtime.is_deprecated]
    runtimes = [other.runtime.name for other in current if other.architecture == target.architecture]
    if runtimes:
        yield f"use another runtime: it has wheels for {', '.join(f'`{name}`' for name in runtimes)}"
    if any(other.runtime == target.runtime for other in others):
        architecture = next(other.architecture.name for other in others if other.runtime == target.runtime)
        yield f'use the other architecture, for which it has wheels: `architecture = "{architecture}"`'


def _versions_that_fit(files: Iterable[IndexFile], target: Target) -> list[Version]:
    versions = {version for file in files if _fits(file, target) and (version := version_of(file))}
    finals = {version for version in versions if not version.is_prerelease}
    return sorted(finals or versions)


def _fits(file: IndexFile, target: Target) -> bool:
    return (
        (file.filename.endswith(".whl") and not file.refused_by_user and version_of(file) is not None)
        and target.serves(file.requires_python or "")
        and fits(file.filename, target)
    )


def failed_metadata_message(
    name: NormalizedName, offers: tuple[IndexFile, ...], job: Job, interpreter: Interpreter, *, requested: bool
) -> str:
    """What to do about an sdist whose metadata could not be made in stage 1. `requested`: by the project itself."""
    target, runtime = job.target, job.target.runtime
    lines = [f"pip could not make the metadata of {name} from its sources."]
    if interpreter.python != runtime.python:
        there = runtime.full_version
        lines[0] += f" Its backend ran in {interpreter}, which may be the reason; {runtime.name} has {there}."
    lines.append("What you can do:")
    if interpreter.python != runtime.python:
        minor = ".".join(map(str, runtime.python))
        lines.append(f"- run the build with Python {minor}, or install it, and it is used for sdists")
    if remedy := how_to_make_metadata(job):
        lines.append(f"- {remedy}")
    if fitting := _versions_that_fit(offers, target):
        lines.append(f"- use a version that has a compatible wheel: `{name}=={fitting[-1]}`")
    if requested and (sibling := BINARY_SIBLINGS.get(name)):
        lines.append(f"- depend on `{sibling}` instead of `{name}`; it has wheels")
    lines.append(f'- build a wheel of {name} elsewhere, and add its directory: `pip-args = ["--find-links", "…"]`')
    return "\n".join(lines)


def no_candidate_message(name: NormalizedName, offers: tuple[IndexFile, ...], target: Target) -> str:
    """What is known about a project for which pip found no usable file; empty if nothing is."""
    newest = max((version for file in offers if (version := version_of(file))), default=None)
    of_newest = [file for file in offers if version_of(file) == newest]
    wheels = [file for file in of_newest if file.filename.endswith(".whl")]
    if newest is None or not wheels or len(wheels) < len(of_newest) or any(_fits(file, target) for file in wheels):
        return ""  # pip has other reasons
    tags = sorted({compressed_tags(file.filename) for file in wheels})
    lines = [f"The index has wheels of {name} {newest} with these tags:"]
    lines += [f"  {tag}" for tag in shortened(tags, _SHOWN_FILES)]
    lines.append(f"None is compatible with {target.description}.")
    if fitting := _versions_that_fit(offers, target):
        lines.append(f"What you can do: {_other_version(name, fitting, None)}")
    lines += [f"What you can do: {remedy}" for remedy in _other_targets(tuple(wheels), target)]
    return "\n".join(lines)
