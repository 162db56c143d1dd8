"""`hatch-lambda init`: set up a project, or make a new one."""

from __future__ import annotations

import difflib
import platform
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from hatch_lambda.cli.terminal import console
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.files import write_atomically
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, target_named
from hatch_lambda.init import starter

if TYPE_CHECKING:
    from rich.console import Console

    from hatch_lambda.init.plan import Plan

_REQUIRED = {"tomlkit": "tomlkit", "yaml": "PyYAML"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class MissingLibraryError(LambdaBuildError):
    """The extra is not installed."""


@click.command
@click.argument("project", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--new", metavar="NAME", help="Make a new project in the directory NAME, to start from.")
@click.option("--yes", "-y", is_flag=True, help="Write without asking.")
@click.option("--runtime", type=click.Choice(list(RUNTIMES)), help="Default: found in the project's files.")
@click.option("--architecture", type=click.Choice(list(ARCHITECTURES)), help="Default: found in the project's files.")
@click.option("--handler", metavar="MODULE.NAME", help="Default: found in the project's files.")
def init(  # noqa: PLR0913 - click passes each option
    *,
    project: Path | None,
    new: str | None,
    yes: bool,
    runtime: str | None,
    architecture: str | None,
    handler: str | None,
) -> None:
    r"""Set up PROJECT (default: the current directory) so that `hatch build -t lambda` builds it.

    It finds the runtime, the handlers, the dependencies and the files to package in pyproject.toml, requirements.txt,
    lock files, .python-version, templates of AWS SAM, CloudFormation and Serverless, and the code, without running it;
    shows what it would change in pyproject.toml; and asks before it writes. Comments and order stay. Several functions
    of a template become a table each. Requires `pip install 'hatch-lambda[init]'`.

    With --new, it makes a project with a function, an event and a test instead.

    \b
    Examples:
      hatch-lambda init
      hatch-lambda init services/orders --runtime python3.13 --yes
      hatch-lambda init --new orders
    """
    if new is not None:
        if project or handler:
            raise click.UsageError("--new makes a project of its own; it takes neither PROJECT nor --handler.")
        _make(Path(new), runtime, architecture)
        return
    _check_installed()
    from hatch_lambda.init.plan import plan  # needs the extra

    planned = plan(project or Path(), runtime=runtime, architecture=architecture, handler=handler)
    out = console()
    _show(planned, out)
    if not yes and not _is_confirmed(planned):
        raise LambdaBuildError("Nothing was written.")
    write_atomically(planned.path, planned.after.encode("utf-8"), durable=True)
    out.print(f"\nWrote {planned.path}. Next: hatch build -t lambda")


def _make(directory: Path, runtime: str | None, architecture: str | None) -> None:
    here = {known.machine: name for name, known in ARCHITECTURES.items()}.get(
        {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine()), "x86_64"
    )
    target = target_named(runtime or starter.default_runtime(), architecture or here)
    files = starter.create(directory, target)
    click.echo(f"Created {directory} for {target.description}:")
    for path in files:
        click.echo(f"  {path}")
    click.echo(
        f"\nNext:\n  cd {shlex.quote(str(directory))}\n  hatch build -t lambda\n\nREADME.md says how to run and "
        "test it."
    )


def _check_installed() -> None:
    if missing := [name for module, name in _REQUIRED.items() if find_spec(module) is None]:
        raise MissingLibraryError(
            f"`hatch-lambda init` requires {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed.\nWhat you can do: `pip install 'hatch-lambda[init]'`. `hatch-lambda init --new NAME` "
            "does without."
        )


def _show(planned: Plan, out: Console) -> None:
    width = max(len(what) for what, _value, _origin in planned.found)
    for what, value, origin in planned.found:
        out.print(Text.assemble(f"{what:{width}}  ", (value, "bold"), (f"  ({origin})", "dim")), soft_wrap=True)
    out.print()
    name = planned.path.name
    before = (planned.before or "").splitlines()
    former = f"a/{name}" if planned.before is not None else "/dev/null"
    for line in difflib.unified_diff(before, planned.after.splitlines(), former, f"b/{name}", lineterm=""):
        out.print(Text(line, _COLOURS.get(line[:1], "")), soft_wrap=True)
    out.print()
    for note in planned.notes:
        out.print(Text.assemble(("Note: ", "yellow"), f"{note}."), soft_wrap=True)


def _is_confirmed(planned: Plan) -> bool:
    if not sys.stdin.isatty():
        raise LambdaBuildError(
            "Nothing was written: there is no terminal to ask on.\nWhat you can do: pass --yes to write it "
            "without asking."
        )
    click.echo()
    return click.confirm(f"Write {planned.path}?", default=True)
