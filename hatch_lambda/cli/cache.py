"""`hatch-lambda cache`: what is cached between builds, for all projects."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.cli.terminal import console, table
from hatch_lambda.cli.terminal import size as in_words
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.printable import printable
from hatch_lambda.common.ui import counted
from hatch_lambda.wheels.locks import clearing
from hatch_lambda.wheels.store import CACHE_VARIABLE, user_store

if TYPE_CHECKING:
    from hatch_lambda.wheels.store import Store


@click.group
def cache() -> None:
    """Show or clear the cache.

    Wheels that were downloaded or built are cached for all projects, by their content, with the results of scanning
    them. What no build has used for 60 days is removed automatically. `HATCH_LAMBDA_CACHE_DIR` moves the directory.
    """


@cache.command("dir")
def directory() -> None:
    """Print the cache directory."""
    click.echo(str(_store().root))


@cache.command
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes.")
def size(*, as_json: bool) -> None:
    """Show the size of the cache."""
    store = _store()
    sizes = _sizes(store)
    if as_json:
        content = {kind: {"files": number, "size": total} for kind, (number, total) in sizes.items()}
        click.echo(json.dumps({"directory": str(store.root), **content}, indent=2))
        return
    out = console()
    out.print(printable(str(store.root)), soft_wrap=True)
    grid = table("", "files", "size")
    for kind, (number, total) in sizes.items():
        if kind == "total":
            grid.add_section()
        grid.add_row(f"  {_LABELS.get(kind, kind)}", f"{number:,}", in_words(total))
    out.print(grid)


@cache.command
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask for confirmation.")
def clear(*, is_sure: bool) -> None:
    """Clear the cache. The next builds download and build again, with the same results.

    Only files that builds have cached are removed, whatever else the directory holds. It refuses while a build is
    running.
    """
    store = _store()
    number, total = _sizes(store)["total"]
    if not number:
        click.echo(f"The cache in {store.root} is empty.")
        return
    if not is_sure:
        if not _is_terminal():
            raise click.UsageError("Not a terminal: pass --yes to confirm.")
        if not click.confirm(f"Remove {counted(number, 'file')} ({in_words(total)}) from {store.root}?"):
            raise click.exceptions.Exit(1)
    with clearing(store):
        left = store.clear()
    if left:
        raise LambdaBuildError(
            f"{counted(left, 'file')} could not be removed from {store.root}. What you can do: check permissions."
        )
    click.echo(f"Removed {counted(number, 'file')}, {in_words(total)}.")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _store() -> Store:
    nowhere = Path()  # instead of the fallback, which each project has for itself
    store = user_store(nowhere)
    if store.root == nowhere:
        raise LambdaBuildError(
            "The user's cache directory is not writable, so each project caches wheels in its build directory. "
            f"What you can do: name a directory in {CACHE_VARIABLE}."
        )
    return store


_LABELS = {
    "wheels": "wheels",
    "built": "build records",
    "notes": "scan results",
    "unpacked": "unpacked wheels",
    "bytecode": "compiled modules",
    "stripped": "stripped native code",
    "clients": "AWS runtime clients",
    "pips": "pip for older Pythons",
    "compilers": "the cross compiler's libraries",
    "begun": "incomplete files",
}


def _sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Per kind, and in total, the number of files and their bytes."""
    sizes = {kind: (len(paths), sum(map(_size, paths))) for kind, paths in store.files().items()}
    return {**sizes, "total": (sum(number for number, _ in sizes.values()), sum(total for _, total in sizes.values()))}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a build has just removed it
