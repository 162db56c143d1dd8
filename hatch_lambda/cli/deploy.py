"""`hatch-lambda deploy`: from a zip to the function or layer on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hatch_lambda.deploy.extra import deploy as carry_out
from hatch_lambda.deploy.plan import Display, plan
from hatch_lambda.deploy.settings import FIELDS, load
from hatch_lambda.deploy.zips import find
from hatch_lambda.plugin.deployable import project_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_HELP = """Deploy the zips of a project to the functions and layers that `[tool.hatch.publish.lambda]` names.

ZIP: by default, the zips of the project's current version in `dist`. Options override the table. Credentials are those
that the AWS CLI would use. Requires `pip install 'hatch-lambda[aws]'`.

A function that has the same code already is left alone. A version is published and the alias moved when the update is
complete; if anything fails, the alias stays where it is.

\b
Examples:
  hatch-lambda deploy --dry-run
  hatch-lambda deploy --function orders --alias live
  hatch-lambda deploy dist/orders-1.0-api-python3.13-arm64.zip --function api=orders-api
"""


def _field_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each key of the table."""
    for key, field in reversed(list(FIELDS.items())):
        per_variant = " `VARIANT=…` is for one of the project's zips (repeatable)." if field.per_variant else ""
        if field.type == "boolean":
            option = click.option(f"--{key}/--no-{key}", default=None, help=field.help)
        else:
            metavar = {"integer": "NUMBER", "ARN": "ARN"}.get(field.type, "NAME")
            option = click.option(
                f"--{key}", metavar=metavar, multiple=field.per_variant, help=f"{field.help}{per_variant}"
            )
        command = option(command)
    return command


@click.command(help=_HELP, short_help="Update functions and layers on AWS")
@click.argument("zips", metavar="[ZIP]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--project",
    "directory",
    default=".",
    metavar="DIRECTORY",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project whose zips these are.  [default: the current directory]",
)
@_field_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and as whom; change nothing.")
def deploy(*, zips: tuple[Path, ...], directory: Path, dry_run: bool, **options: Any) -> None:
    project, table = project_in(directory)
    settings = load(table, _given(options))
    todo = plan(find(zips, project), settings, project)
    carry_out(todo, settings, Display(click.echo, _progress), dry_run=dry_run)


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _given(options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The options that were passed, as `load` takes them."""
    for name, value in options.items():
        for each in value if isinstance(value, tuple) else [value]:
            if each is not None:
                yield name.replace("_", "-"), str(each)
