"""`hatch-lambda report`: an HTML report on a zip."""

from __future__ import annotations

from pathlib import Path

import click

from hatch_lambda.cli.target_options import target_of, target_options
from hatch_lambda.inspect.output import next_to
from hatch_lambda.inspect.report import write


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The output file.  [default: NAME.html next to PATH]",
)
@target_options("The runtime it is for.")
def report(*, path: Path, output: Path | None, runtime: str | None, architecture: str | None) -> None:
    """Write an HTML report on PATH.

    PATH is the zip of a function or a layer, whatever tool built it, or an unzipped directory. The report has a
    clickable treemap of sizes, tables of distributions and files, Lambda's limits, the runtimes that can run it or why
    they cannot, and the dependency tree. It is a single file that loads nothing from the network.

    Without --runtime, the target is taken from file names like `NAME-python3.13-arm64.zip`.
    """
    click.echo(write(path, output or next_to(path), target_of(runtime, architecture)))
