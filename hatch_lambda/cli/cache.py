"""`hatch-lambda cache`: what is cached between builds, for all projects."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.cli.terminal import console, printable, table
from hatch_lambda.cli.terminal import size as in_words
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.tempfiles import PART
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
    kinds = _kinds(store)
    if as_json:
        content = {kind.key: {"files": len(kind.files), "size": kind.size} for kind in kinds}
        total = {"files": sum(len(kind.files) for kind in kinds), "size": sum(kind.size for kind in kinds)}
        click.echo(json.dumps({"directory": str(store.root), **content, "total": total}, indent=2))
        return
    out = console()
    out.print(printable(str(store.root)), soft_wrap=True)
    grid = table("", "files", "size")
    for kind in kinds:
        grid.add_row(f"  {kind.label}", f"{len(kind.files):,}", in_words(kind.size))
    grid.add_section()
    grid.add_row("  total", f"{sum(len(kind.files) for kind in kinds):,}", in_words(sum(k.size for k in kinds)))
    out.print(grid)


@cache.command
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask for confirmation.")
def clear(*, is_sure: bool) -> None:
    """Clear the cache. The next builds download and build again, with the same results.

    Only files that builds have cached are removed, whatever else the directory holds. It refuses while a build is
    running.
    """
    store = _store()
    kinds = _kinds(store)
    number, total = sum(len(kind.files) for kind in kinds), sum(kind.size for kind in kinds)
    if not number:
        click.echo(f"The cache in {store.root} is empty.")
        return
    if not is_sure:
        if not _is_terminal():
            raise click.UsageError("Not a terminal: pass --yes to confirm.")
        if not click.confirm(f"Remove {counted(number, 'file')} ({in_words(total)}) from {store.root}?"):
            raise click.exceptions.Exit(1)
    with clearing(store):
        for kind in _kinds(store):
            kind.remove(store.root)
        left = sum(len(kind.files) for kind in _kinds(store))
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


@dataclass(frozen=True)
class _Kind:
    """One kind of cached files. `files` are those that builds have made, judging by their names."""

    key: str
    label: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        total = 0
        for path in self.files:
            with contextlib.suppress(OSError):  # a build has just removed it
                total += path.stat().st_size
        return total

    def remove(self, root: Path) -> None:
        """Remove the files and the directories that they leave empty, except for those of the kinds."""
        for path in self.files:
            with contextlib.suppress(OSError):  # what is left is reported in the end
                path.unlink(missing_ok=True)
            folder = path.parent
            while len(folder.relative_to(root).parts) > 1:
                try:
                    folder.rmdir()
                except OSError:
                    break  # not empty
                folder = folder.parent


_SHA256 = r"[0-9a-f]{64}"
_KINDS = (
    ("wheels", "wheels", "wheels/*/*/*.whl", rf"wheels/[0-9a-f]{{2}}/{_SHA256}/[^/]+\.whl"),
    ("built", "build records", "built/*.json", rf"built/{_SHA256}\.json"),
    ("notes", "scan results", "notes/*.json", rf"notes/{_SHA256}\.json"),
    ("unpacked", "unpacked wheels", "unpacked/**/*", rf"unpacked/[0-9a-f]{{2}}/{_SHA256}/.+"),
    ("bytecode", "compiled modules", "bytecode/**/*", r"bytecode/.+\.(?:zip|json)"),
    ("clients", "AWS runtime clients", "runtime-clients/**/*", r"runtime-clients/.+"),
    ("begun", "incomplete files", "begun/*", rf"begun/{re.escape(PART)}[^/]+"),
)


def _kinds(store: Store) -> tuple[_Kind, ...]:
    def files(pattern: str, name: str) -> tuple[Path, ...]:
        found = sorted(path for path in store.root.glob(pattern) if path.is_file() and not path.is_symlink())
        return tuple(path for path in found if re.fullmatch(name, path.relative_to(store.root).as_posix()))

    return tuple(_Kind(key, label, files(pattern, name)) for key, label, pattern, name in _KINDS)
