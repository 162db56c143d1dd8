"""What layers bring to a function: constraints on its versions, and distributions that stay out of its zip."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.common.ui import counted
from hatch_lambda.config.validators import listed
from hatch_lambda.resolve.pip.words import spellings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import StoredWheel


class Layer(NamedTuple):
    """A layer of this project that a function uses."""

    settings: Settings
    wheels: tuple[StoredWheel, ...]

    @property
    def constraints(self) -> Iterator[str]:
        return (f"{wheel.name}=={wheel.version}" for wheel in self.wheels)


def without_layers(
    wheels: tuple[StoredWheel, ...], layers: Sequence[Layer], settings: Settings, reporter: Reporter
) -> tuple[StoredWheel, ...]:
    """The wheels of a function that no layer brings. Raises `LambdaBuildError` where the versions differ."""
    seen = {wheel.name: (f"the function `{settings.variant}` needs", wheel) for wheel in wheels}
    brought: set[str] = set()
    for layer in layers:
        label = f"the layer `{layer.settings.variant}` brings"
        for wheel in layer.wheels:
            who, other = seen.setdefault(wheel.name, (label, wheel))
            if other.version != wheel.version:
                raise LambdaBuildError(
                    f"T{label[1:]} {wheel.distribution}, but {who} {other.distribution}.\n"
                    "Python would import one of the two for both.\n"
                    "What you can do: lock both to the same version, or leave the layer out of "
                    f"`{settings.table}.layers`."
                )
            brought.add(wheel.name)
        number = len({wheel.name for wheel in wheels} & {wheel.name for wheel in layer.wheels})
        reporter.line(f"  {counted(number, 'distribution')} of these in the layer `{layer.settings.variant}`")
    return tuple(wheel for wheel in wheels if wheel.name not in brought)


def conflict(error: ResolutionError, layers: Sequence[Layer], settings: Settings) -> ResolutionError:
    """The error of a function that requires other versions than its layers bring; the same if that is not why."""
    blamed = {
        f"{wheel.distribution} in the layer `{layer.settings.variant}`": wheel.name
        for layer in layers
        for wheel in layer.wheels
        if re.search(rf"\(constraint\) {spellings_of(wheel.name)}==", error.output, re.IGNORECASE)
    }
    if not blamed:
        return error
    names = listed(dict.fromkeys(blamed.values()))
    return ResolutionError(
        f"The function `{settings.variant}` needs another version of {names} than its layers have: "
        f"{', '.join(blamed)}.\n\n{error}\n\n"
        "What you can do: require versions of them that suit both, in the project's dependencies or by a file in "
        f"`constraints`; or leave the layer out of `{settings.table}.layers`.",
        output=error.output,
    )
