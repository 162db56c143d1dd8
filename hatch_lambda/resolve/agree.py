"""The versions on which layers agree with the functions that use them, by one resolution over all of them."""

from __future__ import annotations

import dataclasses
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.resolve.download import download

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.config.request import Request
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store, StoredWheel


class Agreed(NamedTuple):
    """`constraints`: the versions of all. `wheels`: of those that stage 1 found wheels of."""

    constraints: tuple[str, ...]
    wheels: tuple[StoredWheel, ...]


def agreed_versions(together: Sequence[Request], job: Job, store: Store) -> Agreed:
    """Resolve by stage 1 alone. `together`: the requests of layers and of all functions that use them.

    If the functions are in conflict with each other, they do not count, and each has to do with what its layers bring.
    Raises `ResolutionError` if the layers are in conflict.
    """
    layers = [request for request in together if request.settings.is_layer]
    for number, members in enumerate((together, layers)):
        scratch = job.scratch / f"together-{number}"
        scratch.mkdir()
        try:
            closure = download(dataclasses.replace(job, request=_joint(members), scratch=scratch), store)
        except ResolutionError:
            if members is layers:
                raise
            job.reporter.detail("The functions and their layers are in conflict; resolving the layers without them")
            continue
        break
    return Agreed(
        tuple(f"{found.name}=={found.version}" for found in closure.distributions),
        tuple(
            store.keep(found.wheels[0].path, found.name, str(found.version), scratch=job.scratch)
            for found in closure.distributions
            if found.wheels
        ),
    )


def _joint(members: Sequence[Request]) -> Request:
    """One request for what all of them require, with the settings of the first."""

    def union(values: chain[Any]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(values))

    first = members[0]
    settings = dataclasses.replace(
        first.settings,
        requirements=union(chain.from_iterable(each.settings.requirements for each in members)),
        constraints=union(chain.from_iterable(each.settings.constraints for each in members)),
        lock_file=None,
    )
    return first._replace(
        settings=settings,
        requirements=union(chain.from_iterable(each.requirements for each in members)),
        constraints=union(chain.from_iterable(each.constraints for each in members)),
    )
