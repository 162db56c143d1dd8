"""How a function is run here: options of several commands."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.invoke import Invocation
from hatch_lambda.invoke.invocation import DEFAULT_MEMORY, DEFAULT_TIMEOUT, INIT_TIMEOUT, MAX_TIMEOUT, RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # click has it in every range
        raise click.BadParameter("nan is not a number of seconds")
    return value


def _seconds(name: str, default: float, text: str) -> Callable[[Command], Command]:
    return click.option(
        name,
        type=click.FloatRange(0, MAX_TIMEOUT, min_open=True),
        callback=_number,
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=text,
    )


_OPTIONS = (
    click.option(
        "--layer",
        "layers",
        multiple=True,
        metavar="ZIP",
        type=click.Path(exists=True, path_type=Path),
        help="A layer (repeatable; they merge in order).",
    ),
    click.option(
        "--env",
        "variables",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Set an environment variable (repeatable); without VALUE, pass on the current one.",
    ),
    _seconds("--timeout", DEFAULT_TIMEOUT, "Timeout of the invocation."),
    _seconds(
        "--init-timeout",
        INIT_TIMEOUT,
        "Timeout of the init. If it times out, it is retried as a part of the invocation, as Lambda does.",
    ),
    click.option(
        "--memory",
        type=click.IntRange(128, 10240),
        metavar="MB",
        help=f"Fail if the function uses more. Default: Lambda's {DEFAULT_MEMORY} MB, exceeding which is only a "
        "warning.",
    ),
    click.option(
        "--runtime", type=click.Choice(list(RUNTIMES)), help="Default: detected from the zip's name or its files."
    ),
    click.option("--python", metavar="PATH", help="The interpreter, if none of the runtime's version is found."),
)


def function_options(command: Command) -> Command:
    """Add the options, which `invocation_of` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def invocation_of(
    code: Path, handler: str, *, variables: tuple[str, ...], memory: int | None, python: str | None, **options: Any
) -> Invocation:
    """The invocation that options ask for. Raises `click.BadParameter`."""
    program = shutil.which(python) if python else None
    if python and not program:
        raise click.BadParameter(f"{python} is not a program or not on PATH", param_hint="--python")
    return Invocation(
        code,
        handler,
        environment=dict(map(_variable, variables)),
        python=Path(program).absolute() if program else None,
        memory=memory or DEFAULT_MEMORY,
        enforce_memory=memory is not None,
        **options,
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
    if name in RESERVED:
        raise click.BadParameter(f"{name} is reserved for the runtime and cannot be set", param_hint="--env")
    if equals:
        return name, value
    if name not in os.environ:
        raise click.BadParameter(f"{name} is not set in this environment; pass {name}=VALUE", param_hint="--env")
    return name, os.environ[name]
