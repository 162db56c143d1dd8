"""`hatch-lambda invoke`: does the zip run?"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.common.signals import handled
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.invoke import DEFAULT_MEMORY, DEFAULT_TIMEOUT, RESERVED, Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hatch_lambda.invoke import Result

_ZIP = click.Path(exists=True, path_type=Path)

_HELP = """Run a function of ZIP (or of a folder) here as Lambda would, by AWS's own runtime client (awslambdaric).

The response goes to stdout as it is, or the error as Lambda gives it back; the log goes to stderr, with Lambda's REPORT
line. The exit code is 1 where the function fails, at whatever point.

It runs from a read-only folder, with Lambda's `sys.path` and variables, and nothing of this environment: no installed
package, no variable and no AWS credentials but those that --env names. What is not as in Lambda:

\b
- /tmp is this machine's; a private, empty folder is where TMPDIR says
- /var/task and /opt lie elsewhere: LAMBDA_TASK_ROOT and sys.path tell
- boto3 is not there unless the zip or a layer has it
- network, system libraries and speed are this machine's
- memory is that of the function's own process, not of those it starts

\b
Examples:
  hatch-lambda invoke dist/orders-1.0-python3.13-x86_64.zip \\
    --handler orders.app.handler --event event.json
  hatch-lambda invoke code.zip --layer layer.zip --handler app.handler \\
    --event '{"id": 7}' --env TABLE=orders --env AWS_PROFILE
"""


@click.command(help=_HELP, short_help="Run a function here as Lambda would")
@click.argument("code", metavar="ZIP", type=_ZIP)
@click.option("--handler", required=True, metavar="MODULE.NAME", help="The function's handler: `orders.app.handler`.")
@click.option("--event", default="{}", show_default=True, metavar="FILE|JSON|-", help="The event; `-` is stdin.")
@click.option("--layer", "layers", multiple=True, metavar="ZIP", type=_ZIP, help="A layer; several merge in order.")
@click.option(
    "--env", "variables", multiple=True, metavar="NAME[=VALUE]", help="A variable; without VALUE, as it is here."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 900, min_open=True),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="For the invocation; the init has 10 seconds.",
)
@click.option(
    "--memory",
    type=click.IntRange(128, 10240),
    metavar="MB",
    help=f"A function that uses more fails. Without it, {DEFAULT_MEMORY} as in Lambda, and more is warned of.",
)
@click.option(
    "--runtime", type=click.Choice(list(RUNTIMES)), help="Default: what the zip is for, by its name or files."
)
@click.option("--python", metavar="PATH", help="The interpreter, where none of the runtime's version is found.")
def invoke(  # noqa: PLR0913 - options
    *,
    code: Path,
    handler: str,
    event: str,
    layers: tuple[Path, ...],
    variables: tuple[str, ...],
    timeout: float,
    memory: int | None,
    runtime: str | None,
    python: str | None,
) -> None:
    invocation = Invocation(
        code=code,
        handler=handler,
        event=_event(event),
        layers=layers,
        environment=dict(map(_variable, variables)),
        runtime=runtime,
        python=_program(python) if python else None,
        timeout=timeout,
        memory=memory or DEFAULT_MEMORY,
        memory_holds=memory is not None,
    )
    # End by an exception, which removes the function's directories.
    with handled(_exit, "SIGTERM", "SIGHUP"):
        result = _run(invocation)
    click.echo(result.payload)
    if result.error:
        sys.exit(1)


def _run(invocation: Invocation) -> Result:
    from hatch_lambda.invoke import invoke as invoke_here

    result = invoke_here(invocation, on_log=_log, ui=_Stderr())
    for hint in _hints(invocation, result):
        click.echo(hint, err=True)
    return result


def _log(line: str) -> None:
    click.echo(line, err=True, color=True)  # whatever the function writes, colours and all


class _Stderr:
    """Where progress goes: stdout is the response's."""

    def status(self, message: str) -> None:
        click.echo(message, err=True)

    error = status


_SDK = re.compile(r"No module named '((?:boto3|botocore|s3transfer|jmespath|dateutil|six|urllib3)\b[\w.]*)'")


def _hints(invocation: Invocation, result: Result) -> Iterator[str]:
    if not invocation.memory_holds and result.used_megabytes > invocation.memory:
        yield (
            f"Warning: the function used {result.used_megabytes} MB here, and has {invocation.memory} MB by Lambda's "
            "default. Give it more, and say so here: --memory MB"
        )
    if result.error and result.error.status == "timeout" and result.seconds is None:
        yield "Lambda gives an init 10 seconds, too; then it begins it once more, within the timeout of the function."
    if result.error and (missing := _SDK.search(result.error.message)):
        yield (
            f"{missing[1]} is a part of Lambda's runtimes, and not of what runs here. To stand in for it: "
            "`pip install --target sdk/python boto3`, then `--layer sdk`"
        )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        raise click.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--env")
    if name in RESERVED:
        raise click.BadParameter(f"{name} is reserved: it says how the function is run here", param_hint="--env")
    if equals:
        return name, value
    if name not in os.environ:
        raise click.BadParameter(f"{name} is not set here, and no value is given: {name}=VALUE", param_hint="--env")
    return name, os.environ[name]


def _program(name: str) -> Path:
    if found := shutil.which(name):
        return Path(found).absolute()
    raise click.BadParameter(f"{name} is no program, neither as a path nor on PATH", param_hint="--python")


def _event(text: str) -> bytes:
    """The event as UTF-8, with nothing in it that Lambda would not take for JSON."""
    source, content = _event_text(text)
    try:
        json.loads(content, parse_constant=_refuse)
        return content.encode("utf-8")
    except json.JSONDecodeError as error:
        advice = "" if source != _ARGUMENT or text.lstrip()[:1] in {*'{["'} else "; nor is there a file of that name"
        raise click.BadParameter(
            f"{source} is not JSON: {error.msg}: line {error.lineno} column {error.colno}{advice}", param_hint="--event"
        ) from None
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{source} is not JSON that Lambda takes: {error}", param_hint="--event") from None


_ARGUMENT = "what is given"


def _event_text(text: str) -> tuple[str, str]:
    """Where it is from, for messages, and what it is."""
    try:
        if text == "-":
            return "standard input", sys.stdin.buffer.read().decode("utf-8-sig")
        if os.path.isfile(text):  # noqa: PTH113 - other than Path's, it takes any text for a name
            return text, Path(text).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{text} is not UTF-8: {error.reason} at byte {error.start}", param_hint="--event"
        ) from None
    return _ARGUMENT, text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is none of its values")


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
