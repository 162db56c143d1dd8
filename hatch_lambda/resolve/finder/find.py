"""The closure as pip would choose it, with its wheels."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from hatch_lambda.common.ui import counted, megabytes
from hatch_lambda.resolve.closure import CACHED, Closure, Distribution, Wheel
from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.finder.ahead import Ahead
from hatch_lambda.resolve.finder.client import Client
from hatch_lambda.resolve.finder.fetch import Fetch
from hatch_lambda.resolve.finder.files import Preference
from hatch_lambda.resolve.finder.indexes import indexes, wanted
from hatch_lambda.resolve.finder.needs import Needs
from hatch_lambda.resolve.finder.provider import PYTHON, Provider, as_needed
from hatch_lambda.resolve.finder.workers import Workers
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.resolve.pip.answer import NOT_JUDGED_YET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.resolve.finder.files import File
    from hatch_lambda.resolve.finder.provider import Specified
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store

_MOST_ROUNDS = 200_000  # as pip has it


def find(job: Job, store: Store, arrived: Callable[[Path], object]) -> Closure:
    """Resolve and download. `arrived`: called for each wheel that was downloaded. Raises `LeftToPip`."""
    ways, needs = indexes(job), Needs(job.target, wanted(job))
    client = Client(ways, f"hatch-lambda/{installed_version('hatch-lambda')}")
    preference, folder = Preference(job.target, prefer_binary=job.settings.prefer_binary), job.scratch / "found"
    with Workers(client) as workers, Fetch(client, workers, ways.urls, preference, store, folder, arrived) as fetch:
        ahead = Ahead(fetch, needs)
        job.reporter.now("resolving")
        extras = _resolve(needs, fetch, ahead)
        needed = {file.sha256 for file in extras}
        unused = [file for file in ahead.begun if file.sha256 not in needed]
        for file in unused:
            fetch.drop(file)
        wheels = {file: fetch.wheel(file) for file in extras}
        found = []
        for number, (file, wheel) in enumerate(wheels.items(), 1):
            if not wheel.done():
                job.reporter.now(f"downloading {file} ({number} of {len(wheels)})")
            path, url, is_cached = wheel.result()
            found.append(
                Distribution(
                    name=file.name,
                    version=file.version,
                    requires=fetch.known(file).result().requires,
                    extras=frozenset(extras[file]),
                    requested=file.name in needs.requested,
                    direct=False,
                    allowed_hashes=(),
                    wheels=(Wheel(path, CACHED if is_cached else "downloaded", NOT_JUDGED_YET, url),),
                    source=None,
                )
            )
    job.reporter.detail(f"Resolved without pip, from {', '.join(ways.urls)}")
    if unused:
        size = megabytes(sum(file.size or 0 for file in unused))
        job.reporter.detail(f"Begun to download, but not needed: {counted(len(unused), 'wheel')}, {size} in all")
    return Closure(tuple(sorted(found, key=lambda each: each.name)), ways.options)


def _resolve(needs: Needs, fetch: Fetch, ahead: Ahead) -> Mapping[File, set[str]]:
    """The files of the closure, each with its extras. Raises `LeftToPip`."""
    roots: list[Specified] = []
    places: dict[str, int] = {}
    for place, requirement in enumerate(needs.requirements):
        ahead.follow(requirement)
        both = [*as_needed(requirement)]
        places.setdefault(both[0].identifier, place)
        roots += both
    # Those with extras last, as pip has it.
    roots.sort(key=lambda each: bool(each.extras))
    provider = Provider(fetch, ahead, needs, places)
    try:
        result = Resolver(provider, BaseReporter()).resolve(roots, max_rounds=_MOST_ROUNDS)
    except (ResolutionImpossible, ResolutionTooDeep):
        raise LeftToPip("the requirements are in conflict") from None
    except RecursionError:  # https://github.com/sarugaku/resolvelib: circles that nothing requires any more
        raise LeftToPip("the requirements are in circles") from None
    chosen: defaultdict[File, set[str]] = defaultdict(set)
    for candidate in result.mapping.values():
        if candidate != PYTHON:
            chosen[candidate.file].update(candidate.extras)
    return chosen
