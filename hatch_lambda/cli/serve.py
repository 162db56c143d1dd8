"""`hatch-lambda serve`: a project or a zip, served here as Lambda would."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hatch_lambda.cli.function_options import function_options
from hatch_lambda.cli.served import BuildFailedError, served
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.signals import handled
from hatch_lambda.common.ui import counted
from hatch_lambda.invoke.runtime_python import require_linux
from hatch_lambda.invoke.serve.functions import Functions
from hatch_lambda.invoke.serve.server import URL_PREFIX, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.cli.served import Served

DEFAULT_PORT = 9000
DEFAULT_CONCURRENCY = 10
_SHOWN_FILES = 3
_PATIENCE = 1.0
"""Seconds of a reload before it says that it is at work."""

_HELP = """Serve the functions of a project, or of a zip, on this machine as Lambda would.

SOURCE is a project's directory (default: the current one), which is built as by `hatch build -t lambda`, or a zip or an
unzipped directory with --handler. Edits are live in under a second; what cannot be built or imported is reported, and
the former code keeps answering.

\b
SDKs and the AWS CLI invoke functions with --endpoint-url http://127.0.0.1:9000.
HTTP requests become events as of function URLs, to
  http://127.0.0.1:9000/                       if there is one function
  http://127.0.0.1:9000/lambda-url/NAME/       each of several ones
  http://NAME.localhost:9000/                  likewise, without a prefix

Functions run as by `hatch-lambda invoke`, in environments that stay for the next invocation. Their log goes to stderr.

\b
Examples:
  hatch-lambda serve
  hatch-lambda serve dist/orders-1.0-python3.13-x86_64.zip --handler orders.app.handler
  aws lambda invoke --endpoint-url http://127.0.0.1:9000 --function-name orders out.json
"""


@click.command(help=_HELP, short_help="Serve functions locally as Lambda would")
@click.argument("source", default=".", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--function",
    "-f",
    "names",
    multiple=True,
    metavar="NAME",
    help="Serve only this function of the project (repeatable); of a zip, the function's name.",
)
@click.option(
    "--handler", metavar="MODULE.NAME", help="The handler, of a zip or of a function whose table does not say it."
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to listen on; 0 for any that is free.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=DEFAULT_CONCURRENCY,
    show_default=True,
    metavar="N",
    help="How many invocations of a function may run at once; others are refused with TooManyRequestsException.",
)
@click.option("--watch/--no-watch", "watches", default=True, help="Whether edits are to be served.  [default: watch]")
@function_options
def serve(  # noqa: PLR0913 - click passes each option
    *,
    source: Path,
    names: tuple[str, ...],
    handler: str | None,
    host: str,
    port: int,
    concurrency: int,
    watches: bool,
    **options: Any,
) -> None:
    require_linux()
    what = served(source, names, handler, options)
    # End by an exception, which ends all processes and removes their directories.
    with handled(signal.default_int_handler, "SIGTERM", "SIGHUP"), ExitStack() as stack:
        functions = Functions(
            concurrency,
            lambda name, line: _echo(f"[{name}] {line}" if len(functions.by_name) > 1 else line),
            _Stderr(),
        )
        stack.callback(functions.close)
        server = stack.enter_context(Server(host, port, functions, _echo))
        watched = _watched() if watches else None
        update = functions.update(what.invocations(quiet=False))
        if update.errors:
            raise update.errors[0]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        stack.callback(server.shutdown)
        _welcome(server, host)
        try:
            if watched:
                _follow(what, functions, watched)
            else:
                threading.Event().wait()
        except KeyboardInterrupt:
            _echo("Stopped.")


def _watched() -> Any:
    try:
        from hatch_lambda.invoke.serve.watching import Watched  # with a library of the extra
    except ImportError as error:
        raise LambdaBuildError(
            f"Watching for edits requires `watchfiles`, which is not installed ({error}).\n"
            "What you can do: `pip install 'hatch-lambda[serve]'`, or pass --no-watch."
        ) from None
    return Watched()


def _welcome(server: Server, host: str) -> None:
    names = list(server.functions)
    _echo(f"Serving {counted(len(names), 'function')}; press Ctrl-C to stop.")
    for name in names:
        path = "/" if len(names) == 1 else f"{URL_PREFIX}{name}/"
        _echo(f"  {name}  {server.url}{path}  ({server.functions[name].invocation.handler})")
    _echo(f"  SDKs and AWS CLI: --endpoint-url {server.url} --function-name {names[0]}")
    if host not in {"127.0.0.1", "::1", "localhost"}:
        _echo("Warning: others on the network can run these functions, with what they are given by --env.")


def _follow(what: Served, functions: Functions, watched: Any) -> None:
    """Serve each change. Ends by an interrupt."""
    while True:
        sources, outputs = what.sources, what.outputs
        for changed in watched.changes(sources, outputs):
            _reload(what, functions, changed)  # at first without any: what was edited before it watched
            if (what.sources, what.outputs) != (sources, outputs):
                break  # watch these


def _reload(what: Served, functions: Functions, changed: Sequence[Path]) -> None:
    started = time.monotonic()
    shown = ", ".join(path.name for path in changed[:_SHOWN_FILES])
    shown = shown or "while it was built"
    more = f" and {len(changed) - _SHOWN_FILES} more" if len(changed) > _SHOWN_FILES else ""
    patience = threading.Timer(_PATIENCE, _echo, [f"Changed: {shown}{more}; building ..."])
    if changed:
        patience.start()
    try:
        update = functions.update(what.invocations(quiet=True))
    except (LambdaBuildError, click.UsageError) as error:
        text = str(error) if isinstance(error, BuildFailedError) else f"Error: {error}"
        _echo(f"Changed: {shown}{more}\n{text}\nNot reloaded: the former code keeps answering.")
        return
    finally:
        patience.cancel()
    seconds = time.monotonic() - started
    for problem in update.errors:
        _echo(f"Error: {problem}")
    if update.errors:
        _echo(f"Changed: {shown}{more}; not reloaded where there are errors: the former code keeps answering.")
    if update.replaced:
        _echo(f"Changed: {shown}{more}; reloaded {', '.join(update.replaced)} in {seconds:.2f} s")
    if update.removed:
        _echo(f"Changed: {shown}{more}; no longer served: {', '.join(update.removed)}")


def _echo(line: str) -> None:
    click.echo(line, err=True)


class _Stderr:
    def status(self, message: str) -> None:
        _echo(printable_lines(message))

    error = status
