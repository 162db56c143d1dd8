"""`hatch-lambda diff`: what changed between two zips."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from hatch_lambda.cli.terminal import console, heading, is_narrow, size, table
from hatch_lambda.common.printable import printable
from hatch_lambda.inspect.comparison import ADDED, CHANGED, REMOVED, Comparison
from hatch_lambda.inspect.contents import OWN, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from hatch_lambda.inspect.comparison import FileChange

_SHOWN_FILES = 20
_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_COLOURS = {ADDED: "green", REMOVED: "red", CHANGED: "yellow"}


@click.command
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes and every file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Write Markdown, for a pull request comment.")
@click.option("--files", "all_files", is_flag=True, help=f"List every file, not only {_SHOWN_FILES}.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences.")
@click.pass_context
def diff(  # noqa: PLR0913 - click passes each option
    ctx: click.Context, *, old: Path, new: Path, as_json: bool, as_markdown: bool, all_files: bool, exit_code: bool
) -> None:
    """Show what changed from OLD to NEW: distributions, sizes and files.

    Both are zips or directories. Files are compared by content and permissions; timestamps and compression are
    ignored.
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown are mutually exclusive.")
    comparison = Comparison(read(old), read(new))
    if as_json:
        click.echo(json.dumps(_as_json(comparison), indent=2))
    elif as_markdown:
        click.echo("\n".join(_markdown(comparison, all_files=all_files)))
    else:
        _show(comparison, all_files=all_files)
    if exit_code and comparison:
        ctx.exit(1)


# --- Figures of every format ---


def _totals(comparison: Comparison) -> Iterator[tuple[str, int, int]]:
    """Sizes, old and new."""
    old, new = comparison.old, comparison.new
    own_old, own_new = comparison.own_sizes
    yield "unzipped", old.size, new.size
    if old.kind == "function" or new.kind == "function":
        yield OWN, own_old, own_new
        yield "dependencies", old.size - own_old, new.size - own_new
    if old.zipped is not None and new.zipped is not None:
        yield "zipped", old.zipped, new.zipped


def _summary(comparison: Comparison) -> str:
    found = [part.how for part in comparison.parts if part.name != OWN]
    counts = [f"{found.count(how)} {how}" for how in _SIGNS if how in found]
    return ", ".join([*counts, f"{comparison.unchanged} unchanged"])


def _file_counts(comparison: Comparison) -> str:
    return ", ".join(f"{count:,} {how}" for how, count in comparison.counts.items() if count)


def _signed(count: int) -> str:
    return f"{'+' if count > 0 else '-' if count < 0 else ''}{size(abs(count))}"


def _percentage(old: int, new: int) -> str:
    return f"{(new - old) / old:+.1%}" if old and new != old else ""


def _listed(comparison: Comparison, *, all_files: bool) -> tuple[Sequence[FileChange], int]:
    """The files to list, and how many are omitted: the function's own come first, metadata last."""
    if all_files:
        return comparison.files, 0
    files = sorted(
        comparison.files,
        key=lambda change: (change.owner not in comparison.own, ".dist-info/" in change.path, -abs(change.size)),
    )
    return files[:_SHOWN_FILES], max(0, len(files) - _SHOWN_FILES)


# --- JSON ---


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "format": 1,
        "differ": bool(comparison),
        "old": comparison.old.as_json(),
        "new": comparison.new.as_json(),
        "own_code": dict(zip(("old", "new"), comparison.own_sizes, strict=True)),
        "distributions": [
            {
                "name": part.name,
                "change": part.how,
                "own": part.name in comparison.own,
                "old_version": part.old.version,
                "new_version": part.new.version,
                "unzipped": part.size,
                "zipped": part.compressed if comparison.are_zips else None,
                "files": len(part.files),
            }
            for part in comparison.parts
        ],
        "unchanged_distributions": comparison.unchanged,
        "file_counts": comparison.counts,
        "files": [
            {
                "path": change.path,
                "change": change.how,
                "distribution": change.owner,
                "old_size": change.old_size,
                "new_size": change.new_size,
            }
            for change in comparison.files
        ],
    }


# --- For people ---


def _show(comparison: Comparison, *, all_files: bool) -> None:
    out = console()
    old, new = printable(comparison.old.name), printable(comparison.new.name)
    out.print(Text.assemble((old, "bold"), " -> ", (new, "bold")), soft_wrap=True)
    grid = table("", "old", "new", "difference", "%")
    grid.columns[4].header = ""
    for name, before, after in _totals(comparison):
        indent = "    " if name in {OWN, "dependencies"} else "  "
        difference = _signed(after - before)
        grid.add_row(f"{indent}{name}", size(before), size(after), difference, _percentage(before, after))
    out.print(grid)
    if not comparison:
        out.print("\nNo differences.")
        return
    heading(out, "Distributions", _summary(comparison))
    _show_parts(out, comparison)
    heading(out, "Files", _file_counts(comparison))
    shown, more = _listed(comparison, all_files=all_files)
    figures = [_signed(change.size) for change in shown]
    width = max(map(len, figures), default=0)
    for change, figure in zip(shown, figures, strict=True):
        line = f"  {_SIGNS[change.how]} {figure:>{width}}  {printable(change.path)}"
        out.print(Text(line, _COLOURS[change.how]), soft_wrap=True)
    if more:
        out.print(Text(f"  and {more:,} more (list all with --files)", "dim"))


def _show_parts(out: Console, comparison: Comparison) -> None:
    has_counts = not is_narrow(out)
    grid = table("", "version", *(["files"] if has_counts else []), "unzipped", "zipped")
    grid.columns[1].justify, grid.columns[1].no_wrap, grid.columns[1].overflow = "left", False, "fold"
    for part in comparison.parts:
        old, new = part.old.version, part.new.version
        versions = " -> ".join(filter(None, [old, new]))
        if part.is_rebuilt:
            versions = f"{old}, different files" if old else ""
        grid.add_row(
            Text(f"  {_SIGNS[part.how]} {printable(part.name)}", _COLOURS[part.how]),
            printable(versions),
            *([f"{len(part.files):,}"] if has_counts else []),
            _signed(part.size),
            _signed(part.compressed) if comparison.are_zips else "",
        )
    out.print(grid)


# --- Markdown ---


def _markdown(comparison: Comparison, *, all_files: bool) -> Iterator[str]:
    old, new = _escaped(comparison.old.name), _escaped(comparison.new.name)
    yield f"### {new}" if old == new else f"### {old} → {new}"
    yield ""
    totals = []
    for name, before, after in _totals(comparison):
        percentage = f" ({text})" if (text := _percentage(before, after)) else ""
        totals.append([name, size(before), size(after), f"{_signed(after - before)}{percentage}"])
    yield from _rows(["", "old", "new", "difference"], totals)
    yield ""
    if not comparison:
        yield "No differences."
        return
    yield f"**Distributions:** {_summary(comparison)}"
    yield ""
    parts = []
    for part in comparison.parts:
        note = " (different files)" if part.is_rebuilt else ""
        zipped = _signed(part.compressed) if comparison.are_zips else ""
        versions = _escaped(part.old.version or ""), _escaped(part.new.version or "") + note
        parts.append([_escaped(part.name), *versions, _signed(part.size), zipped])
    yield from _rows(["", "old", "new", "unzipped", "zipped"], parts)
    yield ""
    # In a diff block, `!` marks a changed line.
    signs = {**_SIGNS, CHANGED: "!"}
    shown, more = _listed(comparison, all_files=all_files)
    lines = [f"{signs[change.how]} {printable(change.path)} ({_signed(change.size)})" for change in shown]
    if more:
        lines.append(f"# and {more:,} more")
    # A fence must be longer than any inside it.
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"<details><summary>Files: {_file_counts(comparison)}</summary>"
    yield from ["", f"{fence}diff", *lines, fence, "", "</details>"]


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table with its first column aligned left."""
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'--:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    """A name from a zip without any meaning in Markdown or HTML, and without mentioning anyone."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
