"""`hatch-lambda cache`: what is kept between builds, for all projects."""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.wheels.store import Store


@click.group
def cache() -> None:
    """Show or clear what is kept between builds.

    Wheels that were downloaded or built are kept for all projects, by their content, and so is what was found out about
    them. What no build has used for 60 days goes by itself. `HATCH_LAMBDA_CACHE_DIR` moves the folder.
    """


@cache.command("dir")
def directory() -> None:
    """Print the folder."""
    click.echo(str(_store().root))


@cache.command
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes.")
def size(*, as_json: bool) -> None:
    """Show how large it is."""
    import json

    store = _store()
    kinds = _kinds(store)
    if as_json:
        content = {kind.key: {"files": len(kind.files), "size": kind.size} for kind in kinds}
        total = {"files": sum(len(kind.files) for kind in kinds), "size": sum(kind.size for kind in kinds)}
        click.echo(json.dumps({"directory": str(store.root), **content, "total": total}, indent=2))
        return
    from hatch_lambda.cli.terminal import console, printable, table
    from hatch_lambda.cli.terminal import size as in_words

    out = console()
    out.print(printable(str(store.root)), soft_wrap=True)
    grid = table("", "files", "size")
    for kind in kinds:
        grid.add_row(f"  {kind.label}", f"{len(kind.files):,}", in_words(kind.size))
    grid.add_section()
    grid.add_row("  in all", f"{sum(len(kind.files) for kind in kinds):,}", in_words(sum(k.size for k in kinds)))
    out.print(grid)


@cache.command
@click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask.")
def clear(*, is_sure: bool) -> None:
    """Remove what is kept. Builds then download and build anew; their results stay the same.

    Only what builds have put there goes, whatever else the folder holds. It is not done while a build is at work.
    """
    from hatch_lambda.cli.terminal import size as in_words
    from hatch_lambda.common.ui import counted

    store = _store()
    kinds = _kinds(store)
    number, total = sum(len(kind.files) for kind in kinds), sum(kind.size for kind in kinds)
    if not number:
        click.echo(f"Nothing is kept in {store.root}.")
        return
    if not is_sure:
        _ask(f"Remove {counted(number, 'file')} ({in_words(total)}) from {store.root}?")
    with _alone_with(store):
        for kind in _kinds(store):
            kind.remove(store.root)
    left = sum(len(kind.files) for kind in _kinds(store))
    if left:
        raise LambdaBuildError(f"{counted(left, 'file')} could not be removed from {store.root}: are they yours?")
    click.echo(f"Removed {counted(number, 'file')}, {in_words(total)}.")


def _ask(question: str) -> None:
    if not _is_terminal():
        raise click.UsageError("There is no terminal to ask at; say --yes.")
    if not click.confirm(question):
        raise click.exceptions.Exit(1)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _store() -> Store:
    from hatch_lambda.wheels.store import CACHE_VARIABLE, user_store

    nowhere = Path()  # each project has its own fallback, which is not meant here
    store = user_store(nowhere)
    if store.root == nowhere:
        raise LambdaBuildError(
            "The user's cache folder cannot be written to, so each project keeps wheels in its build directory. "
            f"What you can do: name a folder in {CACHE_VARIABLE}."
        )
    return store


@dataclass(frozen=True)
class _Kind:
    """What the store keeps of one kind. `files` are those that a build has made, by their names."""

    key: str
    label: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        return sum(_size(path) for path in self.files)

    def remove(self, root: Path) -> None:
        """Remove the files and the folders that they leave empty, below those of the kinds."""
        for path in self.files:
            with contextlib.suppress(OSError):  # what is left is told of in the end
                path.unlink(missing_ok=True)
            folder = path.parent
            while len(folder.relative_to(root).parts) > 1:
                try:
                    folder.rmdir()
                except OSError:
                    break  # others are in there
                folder = folder.parent


_SHA256 = r"[0-9a-f]{64}"


def _kinds(store: Store) -> tuple[_Kind, ...]:
    from hatch_lambda.wheels.store import PART

    return (
        _Kind("wheels", "wheels", _files(store, "wheels/*/*/*.whl", rf"wheels/[0-9a-f]{{2}}/{_SHA256}/[^/]+\.whl")),
        _Kind("built", "which wheels builds gave", _files(store, "built/*.json", rf"built/{_SHA256}\.json")),
        _Kind("notes", "what was found in wheels", _files(store, "notes/*.json", rf"notes/{_SHA256}\.json")),
        _Kind("unpacked", "unpacked wheels", _files(store, "unpacked/**/*", rf"unpacked/[0-9a-f]{{2}}/{_SHA256}/.+")),
        _Kind("bytecode", "compiled modules", _files(store, "bytecode/**/*", r"bytecode/.+\.(?:zip|json)")),
        _Kind("clients", "AWS's runtime client", _files(store, "runtime-clients/**/*", r"runtime-clients/.+")),
        _Kind("begun", "begun, not finished", _files(store, "begun/*", rf"begun/{re.escape(PART)}[^/]+")),
    )


def _files(store: Store, pattern: str, name: str) -> tuple[Path, ...]:
    found = sorted(path for path in store.root.glob(pattern) if path.is_file() and not path.is_symlink())
    return tuple(path for path in found if re.fullmatch(name, path.relative_to(store.root).as_posix()))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a build has just dropped it


@contextlib.contextmanager
def _alone_with(store: Store) -> Iterator[None]:
    """Keep builds from the store: each holds the lock of its folder while it works. Raises `LambdaBuildError`.

    The lock files themselves stay: one that is removed while another build waits for it keeps no one apart.
    """
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as locks:
        for path in sorted(store.root.glob("locks/*.lock")):
            try:
                locks.enter_context(FileLock(path, timeout=0))
            except Timeout:
                raise LambdaBuildError(
                    "A build is at work and uses what is kept. What you can do: clear it when the build is done."
                ) from None
        yield
