"""`hatch-lambda report`: a page about a zip."""

from __future__ import annotations

from pathlib import Path

import click

from hatch_lambda.cli.target_options import named_target, target_options


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page.  [default: NAME.html beside PATH]",
)
@target_options("The runtime that it is to run on.")
def report(*, path: Path, output: Path | None, runtime: str | None, architecture: str | None) -> None:
    """Write a page about PATH that any browser shows.

    PATH is the zip of a function or of a layer, whoever made it, or a folder that is yet to be zipped. The page has a
    map of what takes the space, to click into; tables of distributions and files; Lambda's limits; where it runs, and
    why not; and who requires whom. It is one file and asks nothing of the network.

    Without --runtime it goes by the name of the zip where that ends as in `-python3.13-arm64.zip`.
    """
    target = named_target(runtime, architecture)
    from hatch_lambda.inspect.report import beside, write

    click.echo(write(path, output or beside(path), target))
