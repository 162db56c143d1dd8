"""`hatch-lambda sbom`: a bill of materials of a zip."""

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
    help="Where to write it.  [default: standard output]",
)
@target_options("The runtime that it is to run on.")
def sbom(*, path: Path, output: Path | None, runtime: str | None, architecture: str | None) -> None:
    """Write a software bill of materials of PATH: CycloneDX 1.6, as JSON.

    PATH is the zip of a function or of a layer, whoever made it, or a folder that is yet to be zipped. It lists the
    distributions with version, package URL and licence, and who requires whom. The same zip gives the same document;
    it has a time only where `SOURCE_DATE_EPOCH` is set. Needs the extra `sbom`: `pip install 'hatch-lambda[sbom]'`.

    Who requires whom depends on the runtime. Without --runtime the name of the zip says which where it ends as in
    `-python3.13-arm64.zip`.
    """
    target = named_target(runtime, architecture)
    from hatch_lambda.inspect.sbom import document, write

    if output:
        click.echo(write(path, output, target))
    else:
        click.echo(document(path, target), nl=False)
