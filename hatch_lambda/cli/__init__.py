"""The command `hatch-lambda`: what a zip holds, where it fits, and what goes with it. A module per subcommand."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from typing import Any

import click

from hatch_lambda.common.errors import LambdaBuildError

# In the order of the help; a module of each name has a click command of that name.
COMMANDS = {
    "inspect": "Show what a zip, a layer or a folder holds and where it runs",
    "diff": "Show what changed from one zip to another",
    "report": "Write a page about a zip: sizes, audit, dependencies",
    "sbom": "Write a software bill of materials of a zip",
    "invoke": "Run a function here as Lambda would",
    "lock": "Write or renew the lock file of the dependencies",
    "cache": "Show or clear what is kept between builds",
}
_INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT


class _Commands(click.Group):
    """Commands that are imported when they are called, and errors of ours as messages."""

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
        _make_printable()
        try:
            return super().invoke(ctx)
        except LambdaBuildError as error:
            raise _Failure(str(error)) from None
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(_INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # click's business: whoever read has enough
            raise _Failure(_words_of(error)) from None


class _Failure(click.ClickException):
    def show(self, file: Any = None) -> None:
        from rich.text import Text

        from hatch_lambda.cli.terminal import console, printable

        del file
        text = "\n".join(map(printable, f"Error: {self.message}".splitlines()))
        console(stderr=True).print(Text(text, "red"), soft_wrap=True)


def _words_of(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason


def _make_printable() -> None:
    """Names out of a zip may hold what the terminal's encoding has no letters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(package_name="hatch-lambda", prog_name="hatch-lambda")
def main() -> None:
    """Look into Lambda zips: what they hold, where they run, what changed.

    Any zip will do, a layer's too, whoever made it, and so will an unpacked folder. Each command says more with
    `--help`. Exit codes: 0 where all is well, 1 where something is not, 2 where the command cannot be understood.
    """
