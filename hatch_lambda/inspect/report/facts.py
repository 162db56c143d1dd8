"""What the sections of the page are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.requirements import Requirements
    from hatch_lambda.wheels.loadable import Fault


@dataclass(frozen=True)
class Facts:
    """`faults`: what keeps each target from running it. `kinds`: kinds of file, by path."""

    contents: Contents
    target: Target | None
    requirements: Requirements
    faults: Mapping[Target, Sequence[Fault]]
    kinds: Mapping[str, str]

    @property
    def explained_target(self) -> Target:
        """The target whose faults are listed; without one, that with the fewest."""
        return self.target or min(self.faults, key=lambda target: len(self.faults[target]))


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def described(target: Target) -> str:
    return f"{target.runtime.name} on {target.architecture.name}"
