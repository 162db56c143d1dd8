"""`hatch-lambda invoke`: run a zip's function locally."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hatch_lambda.cli.function_options import function_options, invocation_of
from hatch_lambda.common.signals import handled
from hatch_lambda.invoke import invoke as invoke_function
from hatch_lambda.invoke.example_events import SOURCES, AssignmentError, example_event, parsed, with_assignments
from hatch_lambda.invoke.invocation import INIT_TIMEOUT
from hatch_lambda.resolve.curated import AWS_SDK_MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.invoke import Invocation, Result

_ZIP = click.Path(exists=True, path_type=Path)

_HELP = """Run a function of ZIP (or a directory) locally as Lambda would, with AWS's runtime client (awslambdaric).

The event is JSON, a file, or an example of an AWS service's, with the fields that --set gives other values.
--show-event prints it instead of running anything, to keep it in a file.

The response goes to stdout unchanged, or the error as Lambda returns it; the log goes to stderr, with Lambda's REPORT
line. The exit code is 1 if the function fails at any point.

It runs from a read-only directory, with Lambda's `sys.path` and environment variables. It does not see installed
packages, and no variables or AWS credentials of this environment except those passed by --env. Differences to Lambda:

\b
- /tmp is this machine's; TMPDIR is a private, empty directory
- /var/task and /opt are elsewhere: see LAMBDA_TASK_ROOT and sys.path
- boto3 is missing unless the zip or a layer includes it
- network, system libraries and speed are this machine's
- memory is measured for the function's own process, without its children

\b
Examples:
  hatch-lambda invoke dist/orders-1.0-python3.13-x86_64.zip \\
    --handler orders.app.handler --event event.json
  hatch-lambda invoke code.zip --layer layer.zip --handler app.handler \\
    --event '{"id": 7}' --env TABLE=orders --env AWS_PROFILE
  hatch-lambda invoke code.zip --handler app.handler \\
    --example sqs --set 'Records[0].body={"id": 7}'
  hatch-lambda invoke --example apigw-v2 --set body=@order.json --show-event
"""


@click.command(help=_HELP, short_help="Run a function locally as Lambda would")
@click.argument("code", metavar="ZIP", type=_ZIP, required=False)
@click.option("--handler", metavar="MODULE.NAME", help="The handler, for example `orders.app.handler`.  [required]")
@click.option("--event", metavar="FILE|JSON|-", help="The event; `-` reads stdin.  [default: {}]")
@click.option(
    "--example",
    type=click.Choice(list(SOURCES)),
    metavar="SOURCE",
    help=f"An event as this service sends it: {', '.join(SOURCES)}.",
)
@click.option(
    "--set",
    "assigned",
    multiple=True,
    metavar="PATH=VALUE",
    help="Set a field of the event (repeatable), as in `Records[0].body=hello` or `headers.accept=text/html`. VALUE is "
    "JSON, text or @FILE. What depends on it, such as a checksum, follows. The field must exist; +PATH=VALUE adds one.",
)
@click.option("--show-event", is_flag=True, help="Print the event and run nothing; ZIP and --handler are not needed.")
@function_options
def invoke(  # noqa: PLR0913 - click passes each option
    *,
    code: Path | None,
    handler: str | None,
    event: str | None,
    example: str | None,
    assigned: tuple[str, ...],
    show_event: bool,
    **options: Any,
) -> None:
    content = _event(event, example, assigned)
    if show_event:
        click.echo(json.dumps(json.loads(content), indent=2, ensure_ascii=False))
        return
    if code is None or handler is None:
        missing = "code" if code is None else "handler"
        context = click.get_current_context()
        raise click.MissingParameter(ctx=context, param=next(p for p in context.command.params if p.name == missing))
    invocation = invocation_of(code, handler, event=content, **options)
    # End by an exception, which removes the function's directories.
    with handled(lambda number, _frame: sys.exit(128 + number), "SIGTERM", "SIGHUP"):
        # The log is unchanged, including the function's colours.
        result = invoke_function(invocation, on_log=partial(click.echo, err=True, color=True), ui=_Stderr())
    for hint in _hints(invocation, result):
        click.echo(hint, err=True)
    click.echo(result.payload)
    if result.error:
        sys.exit(1)


class _Stderr:
    """Progress on stderr: stdout is for the response."""

    def status(self, message: str) -> None:
        click.echo(message, err=True)

    error = status


_SDK = re.compile(rf"No module named '((?:{'|'.join(AWS_SDK_MODULES)})\b[\w.]*)'")


def _hints(invocation: Invocation, result: Result) -> Iterator[str]:
    if not invocation.enforce_memory and result.used_megabytes > invocation.memory:
        yield (
            f"Warning: the function used {result.used_megabytes} MB; Lambda's default is {invocation.memory} MB. "
            "Configure more memory in Lambda, and pass it here by --memory MB"
        )
    if result.init_retried:
        yield (
            f"Warning: the init took more than {invocation.init_timeout:g} seconds, so it was retried within the "
            f"timeout of the invocation, as Lambda does after {INIT_TIMEOUT:g} seconds. If only this machine is slow, "
            "pass --init-timeout SECONDS"
        )
    if result.error and (missing := _SDK.search(result.error.message)):
        yield (
            f"{missing[1]} is included in Lambda's runtimes, but not here. To provide it: "
            "`pip install --target sdk/python boto3`, then `--layer sdk`"
        )


def _event(text: str | None, example: str | None, assigned: tuple[str, ...]) -> bytes:
    """The event as UTF-8, with what the user sets in it."""
    if text is not None and example:
        raise click.UsageError("--event and --example both give the event; pass one of them.")
    content = json.dumps(example_event(example)).encode() if example else _given("{}" if text is None else text)
    if not assigned:
        return content
    try:
        event = with_assignments(json.loads(content), map(parsed, assigned))
    except AssignmentError as error:
        raise click.BadParameter(str(error), param_hint="--set") from None
    return json.dumps(event, ensure_ascii=False).encode()


def _given(text: str) -> bytes:
    """The user's event as UTF-8. Lambda rejects the same JSON as this."""
    source, mode = "the value", 0
    with suppress(OSError, ValueError):  # any text, which need not be a possible name
        mode = os.stat(text).st_mode  # noqa: PTH116
    try:
        if text == "-":
            source, content = "standard input", sys.stdin.buffer.read().decode("utf-8-sig")
        elif stat.S_ISREG(mode) or stat.S_ISFIFO(mode):  # a FIFO is what a shell makes of `<(command)`
            source, content = text, Path(text).read_bytes().decode("utf-8-sig")
        else:
            content = text
        json.loads(content, parse_constant=_refuse)
        return content.encode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{text} is not UTF-8: {error.reason} at byte {error.start}"
    except json.JSONDecodeError as error:
        message = f"{source} is not JSON: {error.msg}: line {error.lineno} column {error.colno}"
        if source == "the value" and text.lstrip()[:1] not in {*'{["'}:
            message += f", and {text} is no file or pipe" if mode else ", and there is no file of that name"
    except (ValueError, RecursionError) as error:
        message = f"{source} is not JSON that Lambda accepts: {error}"
    raise click.BadParameter(message, param_hint="--event")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")
