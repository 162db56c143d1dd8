"""`hatch-lambda report`: a page about a zip."""

from __future__ import annotations

from pathlib import Path

import click

from hatch_lambda.target import ARCHITECTURES, RUNTIMES


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page.  [default: NAME.html beside PATH]",
)
@click.option("--runtime", type=click.Choice(list(RUNTIMES)), help="The runtime that it is to run on.")
@click.option(
    "--architecture",
    type=click.Choice(list(ARCHITECTURES)),
    help="The processor that --runtime is meant for.  [default: x86_64]",
)
def report(*, path: Path, output: Path | None, runtime: str | None, architecture: str | None) -> None:
    """Write a page about PATH that any browser shows.

    PATH is the zip of a function or of a layer, whoever made it, or a folder that is yet to be zipped. The page has a
    map of what takes the space, to click into; tables of distributions and files; Lambda's limits; where it runs, and
    why not; and who requires whom. It is one file and asks nothing of the network.

    Without --runtime it goes by the name of the zip where that ends as in `-python3.13-arm64.zip`.
    """
    if architecture and not runtime:
        raise click.UsageError("--architecture goes with --runtime: which one is the zip to run on?")
    from hatch_lambda.report import beside, write
    from hatch_lambda.target import Target

    target = Target(RUNTIMES[runtime], ARCHITECTURES[architecture or "x86_64"]) if runtime else None
    click.echo(write(path, output or beside(path), target))
