"""Stage 7, too: compare the wheels' metadata with the closure that stage 1 resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.graph import parsed, requirements_from
from hatch_lambda.resolve.provided import provided_names
from hatch_lambda.wheels.metadata import metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.resolve.closure import Closure
    from hatch_lambda.resolve.job import Job

_IGNORE = "--ignore-requires-python"


class IncompleteClosureError(LambdaBuildError):
    """The wheels require distributions that were not resolved, or another Python."""


def check_requirements(closure: Closure, resolved: Closure, job: Job) -> None:
    """Check that the wheels of a closure require nothing but what was resolved, and serve the runtime's Python.

    pip may be configured to skip requirements (`no-deps`), and an index may state others than the wheel (PEP 658).
    `resolved`: the closure of stage 1, with what is provided. Raises `IncompleteClosureError`.
    """
    target = job.target
    metadata = {found.name: metadata_of(found.wheel.path) for found in closure.distributions if found.wheel}
    members = {found.name: found for found in closure.distributions}

    versions = {found.name: found.version for found in resolved.distributions}
    stated = {(found.name, str(requirement)) for found in resolved.distributions for requirement in found.requires}
    missing, conflicts, differing = [], [], []
    requires = {name: tuple(parsed(of.requires)) for name, of in metadata.items()}
    # Extras are followed here: without dependencies, pip does not see all of them.
    start = [(found.name, extra) for found in closure.distributions for extra in ("", *sorted(found.extras))]
    for name, requirement in requirements_from(start, requires, target):
        required, wanted = canonicalize_name(requirement.name), requirement.specifier
        if required in versions:
            if not wanted.contains(versions[required], prereleases=True):
                conflicts.append(f"{members[name]} requires `{required}{wanted}`, not {versions[required]}")
        elif required not in provided_names(job.settings):
            missing.append(f"`{required}{wanted}` was not resolved; required by: {closure.required_by[name]}")
            differing += [str(members[name])] if (name, str(requirement)) not in stated else []
    excluded = [
        f"{members[name]} requires Python {wanted_python}, {target.runtime.name} has {target.runtime.full_version}; "
        f"required by: {closure.required_by[name]}"
        for name, of in metadata.items()
        if not target.serves(wanted_python := of.get("Requires-Python")) and _IGNORE not in job.settings.pip_args
    ]
    if faults := (*dict.fromkeys(missing), *excluded):
        lines = [f"The closure of {job.request.subject} is not usable for {target.description}:", ""]
        lines += [*(f"- {fault}" for fault in faults), "", "What you can do:"]
        lines += _remedies(missing, excluded, differing)
        raise IncompleteClosureError("\n".join(lines))
    if conflicts and not job.settings.lock_file:  # with a lock file, stage 1 has warned
        job.reporter.warn(f"versions that not all distributions accept: {'; '.join(dict.fromkeys(conflicts))}")


def _remedies(missing: Sequence[str], excluded: Sequence[str], differing: Sequence[str]) -> Iterator[str]:
    """`differing`: distributions whose wheel requires more than the metadata that were resolved."""
    if differing:
        names = ", ".join(dict.fromkeys(differing))
        yield f"- require what is missing, and report it: the index has other metadata of {names} than the wheel"
    elif missing:
        yield "- remove `--no-deps` (`no-deps` in pip's configuration), or require what is missing"
    if excluded:
        yield f'- require another version; if you know that it works: `pip-args = ["{_IGNORE}"]`'
