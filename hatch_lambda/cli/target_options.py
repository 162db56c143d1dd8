"""`--runtime` and `--architecture`, options of several commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def target_options(runtime_help: str) -> Callable[[Command], Command]:
    """Add both options to a command; `runtime_help` is the help text of `--runtime`."""
    choice = click.Choice(list(ARCHITECTURES))
    architecture = click.option(
        "--architecture", type=choice, help="The architecture for --runtime.  [default: x86_64]"
    )
    runtime = click.option("--runtime", type=click.Choice(list(RUNTIMES)), help=runtime_help)
    return lambda command: runtime(architecture(command))


def target_of(runtime: str | None, architecture: str | None) -> Target | None:
    """The target that the options name; None if neither is given. Raises `click.UsageError`."""
    if runtime:
        return Target(RUNTIMES[runtime], ARCHITECTURES[architecture or "x86_64"])
    if architecture:
        raise click.UsageError("--architecture requires --runtime.")
    return None
