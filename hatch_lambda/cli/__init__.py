"""The command `hatch-lambda`, with one module per subcommand."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import Any

import click

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.streams import dependable_streams, flush_or_drop

# In the order of `--help`. Each is a click command in the module of that name.
COMMANDS = {
    "init": "Set up a project for hatch-lambda, or make a new one",
    "inspect": "Show what a zip, layer or directory contains and where it runs",
    "diff": "Show what changed between two zips",
    "report": "Write an HTML report on a zip: sizes, compatibility, dependencies",
    "sbom": "Write the SBOM (CycloneDX) of a zip",
    "invoke": "Run a function locally as Lambda would",
    "serve": "Serve functions locally as Lambda would",
    "deploy": "Update functions and layers on AWS",
    "lock": "Create or update the lock file",
    "cache": "Show or clear the cache",
}
_INTERRUPTED = 130  # as in shells: 128 + SIGINT


class _Commands(click.Group):
    """Imports commands when they are called, and prints errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hatch_lambda.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # the encoding may lack characters of names in a zip
                stream.reconfigure(errors="backslashreplace")
        try:
            with dependable_streams():
                return super().invoke(ctx)
        except LambdaBuildError as error:
            raise _Failure(str(error)) from None
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(_INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click handles closed pipes
            flush_or_drop(sys.stdout)
            reason = error.strerror or str(error)
            raise _Failure(f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason) from None


class _Failure(click.ClickException):
    def show(self, file: Any = None) -> None:
        from hatch_lambda.cli.terminal import print_error  # `--help` does without rich

        del file
        with dependable_streams():
            print_error(printable_lines(f"Error: {self.message}"))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(package_name="hatch-lambda", prog_name="hatch-lambda")
def main() -> None:
    """Build tools for AWS Lambda zips: inspect, compare, report, run, deploy and lock.

    The commands work on any zip of a function or layer, whatever tool built it, and on unzipped directories. Run a
    command with `--help` for details. Exit codes: 0 for success, 1 for errors and failed checks, 2 for usage errors.
    """
