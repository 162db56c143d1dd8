"""`--runtime` and `--architecture`, which several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def target_options(about_runtime: str) -> Callable[[Command], Command]:
    """The two options of a command; `about_runtime` is what its help says of the first."""

    def decorate(command: Command) -> Command:
        command = click.option(
            "--architecture",
            type=click.Choice(list(ARCHITECTURES)),
            help="The processor that --runtime is meant for.  [default: x86_64]",
        )(command)
        return click.option("--runtime", type=click.Choice(list(RUNTIMES)), help=about_runtime)(command)

    return decorate


def named_target(runtime: str | None, architecture: str | None) -> Target | None:
    """What the two options mean; none where neither is given. Raises `click.UsageError`."""
    if runtime:
        return Target(RUNTIMES[runtime], ARCHITECTURES[architecture or "x86_64"])
    if architecture:
        raise click.UsageError("--architecture goes with --runtime: which one is the zip to run on?")
    return None
