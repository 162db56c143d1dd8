"""`hatch-lambda sbom`: the software bill of materials of a zip."""

from __future__ import annotations

from pathlib import Path

import click

from hatch_lambda.cli.target_options import target_of, target_options
from hatch_lambda.inspect.sbom import document, write


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The output file.  [default: stdout]",
)
@target_options("The runtime it is for.")
def sbom(*, path: Path, output: Path | None, runtime: str | None, architecture: str | None) -> None:
    """Write the software bill of materials (SBOM) of PATH as CycloneDX 1.6 JSON.

    PATH is the zip of a function or a layer, whatever tool built it, or an unzipped directory. The SBOM lists the
    distributions with version, package URL and licence, and the dependency graph. The same zip gives the same SBOM; it
    only has a timestamp if `SOURCE_DATE_EPOCH` is set. Requires `pip install 'hatch-lambda[sbom]'`.

    The dependency graph depends on the runtime. Without --runtime, the target is taken from file names like
    `NAME-python3.13-arm64.zip`.
    """
    target = target_of(runtime, architecture)
    if output:
        click.echo(write(path, output, target))
    else:
        click.echo(document(path, target), nl=False)
