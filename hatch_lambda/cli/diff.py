"""`hatch-lambda diff`: what changed from one zip to another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.contents.comparison import Comparison, FileChange, PartChange

_SHOWN_FILES = 20
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


@click.command
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes and every file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Write Markdown, for a pull request's comment.")
@click.option("--files", "all_files", is_flag=True, help=f"List every file, not only {_SHOWN_FILES}.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the two differ.")
@click.pass_context
def diff(  # noqa: PLR0913 - click hands over each option
    ctx: click.Context, *, old: Path, new: Path, as_json: bool, as_markdown: bool, all_files: bool, exit_code: bool
) -> None:
    """Show what changed from OLD to NEW: distributions, sizes and files.

    Each is a zip or a folder. Files are compared by content; times do not matter, nor does how well a zip is packed.
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    from hatch_lambda.inspect.contents import read
    from hatch_lambda.inspect.contents.comparison import Comparison

    comparison = Comparison(read(old), read(new))
    if as_json:
        click.echo(json.dumps(_as_json(comparison), indent=2))
    elif as_markdown:
        click.echo("\n".join(_markdown(comparison, all_files=all_files)))
    else:
        _show(comparison, all_files=all_files)
    if exit_code and comparison:
        ctx.exit(1)


# --- Figures that all forms have ---


class _Totals:
    """Sizes of both sides, each with its name."""

    def __init__(self, comparison: Comparison) -> None:
        old, new = comparison.old, comparison.new
        own_old, own_new = comparison.own_sizes
        self.rows: list[tuple[str, int, int]] = [("unzipped", old.size, new.size)]
        if old.kind == "function" or new.kind == "function":
            self.rows.append(("own code", own_old, own_new))
            self.rows.append(("dependencies", old.size - own_old, new.size - own_new))
        if old.zipped is not None and new.zipped is not None:
            self.rows.append(("zipped", old.zipped, new.zipped))


def _summary(comparison: Comparison) -> str:
    from hatch_lambda.inspect.contents.comparison import OWN

    found = [part.how for part in comparison.parts if part.name != OWN]
    counts = [f"{found.count(how)} {how}" for how in _SIGNS if how in found]
    return ", ".join([*counts, f"{comparison.unchanged} unchanged"])


def _versions(part: PartChange) -> str:
    old, new = part.old.version if part.old else "", part.new.version if part.new else ""
    if part.is_rebuilt:
        return f"{old}, other files" if old else ""
    return " -> ".join(filter(None, [old, new]))


def _signed(count: int) -> str:
    from hatch_lambda.cli.terminal import size

    return f"{'+' if count > 0 else '-' if count < 0 else ''}{size(abs(count))}"


def _percentage(old: int, new: int) -> str:
    return f"{(new - old) / old:+.1%}" if old and new != old else ""


def _listed(comparison: Comparison, *, all_files: bool) -> tuple[Sequence[FileChange], int]:
    """The files to list, and how many are left out: the function's own come first, metadata last."""
    if all_files:
        return comparison.files, 0
    telling = sorted(
        comparison.files,
        key=lambda change: (change.owner not in comparison.own, ".dist-info/" in change.path, -abs(change.size)),
    )
    return telling[:_SHOWN_FILES], max(0, len(telling) - _SHOWN_FILES)


# --- JSON ---


def _as_json(comparison: Comparison) -> dict[str, Any]:
    old, new = comparison.old, comparison.new
    return {
        "format": 1,
        "differ": bool(comparison),
        "old": _side_as_json(old),
        "new": _side_as_json(new),
        "own_code": dict(zip(("old", "new"), comparison.own_sizes, strict=True)),
        "distributions": [
            {
                "name": part.name,
                "change": part.how,
                "own": part.name in comparison.own,
                "old_version": part.old.version if part.old else None,
                "new_version": part.new.version if part.new else None,
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
                "old_size": change.old_size if change.how != "added" else None,
                "new_size": change.new_size if change.how != "removed" else None,
            }
            for change in comparison.files
        ],
    }


def _side_as_json(contents: Contents) -> dict[str, Any]:
    return {
        "path": str(contents.path),
        "kind": contents.kind,
        "files": len(contents.entries),
        "unzipped": contents.size,
        "zipped": contents.zipped,
    }


# --- For people ---


def _show(comparison: Comparison, *, all_files: bool) -> None:
    from rich.text import Text

    from hatch_lambda.cli.terminal import console, printable

    out = console()
    old, new = (printable(contents.path.name or str(contents.path)) for contents in (comparison.old, comparison.new))
    out.print(Text.assemble((old, "bold"), " -> ", (new, "bold")), soft_wrap=True)
    _show_totals(out, comparison)
    if not comparison:
        out.print("\nNo difference.")
        return
    _show_parts(out, comparison)
    _show_files(out, comparison, all_files=all_files)


def _show_totals(out: Console, comparison: Comparison) -> None:
    from hatch_lambda.cli.terminal import size, table

    grid = table("", "old", "new", "difference", "%")
    grid.columns[4].header = ""
    for name, old, new in _Totals(comparison).rows:
        indent = "    " if name in {"own code", "dependencies"} else "  "
        grid.add_row(f"{indent}{name}", size(old), size(new), _signed(new - old), _percentage(old, new))
    out.print(grid)


def _show_parts(out: Console, comparison: Comparison) -> None:
    from rich.text import Text

    from hatch_lambda.cli.terminal import heading, is_narrow, printable, table

    heading(out, "Distributions", _summary(comparison))
    has_counts = not is_narrow(out)
    grid = table("", "version", *(["files"] if has_counts else []), "unzipped", "zipped")
    grid.columns[1].justify, grid.columns[1].no_wrap, grid.columns[1].overflow = "left", False, "fold"
    for part in comparison.parts:
        label = f"  {_SIGNS[part.how]} {printable(part.name)}"
        grid.add_row(
            Text(label, _COLOURS[part.how]),
            printable(_versions(part)),
            *([f"{len(part.files):,}"] if has_counts else []),
            _signed(part.size),
            _signed(part.compressed) if comparison.are_zips else "",
        )
    if comparison.parts:
        out.print(grid)


def _show_files(out: Console, comparison: Comparison, *, all_files: bool) -> None:
    from rich.text import Text

    from hatch_lambda.cli.terminal import heading, printable

    heading(out, "Files", _file_counts(comparison))
    shown, more = _listed(comparison, all_files=all_files)
    figures = [_signed(change.size) for change in shown]
    width = max(map(len, figures), default=0)
    for change, figure in zip(shown, figures, strict=True):
        line = f"  {_SIGNS[change.how]} {figure:>{width}}  {printable(change.path)}"
        out.print(Text(line, _COLOURS[change.how]), soft_wrap=True)
    if more:
        out.print(Text(f"  and {more:,} more; --files lists them all", "dim"))


def _file_counts(comparison: Comparison) -> str:
    return ", ".join(f"{count:,} {how}" for how, count in comparison.counts.items() if count)


# --- Markdown ---


def _markdown(comparison: Comparison, *, all_files: bool) -> Iterator[str]:
    from hatch_lambda.cli.terminal import size

    old, new = (_escaped(contents.path.name or str(contents.path)) for contents in (comparison.old, comparison.new))
    yield f"### {new}" if old == new else f"### {old} → {new}"
    yield ""
    yield from _rows(
        ["", "old", "new", "difference"],
        (
            [
                name,
                size(before),
                size(after),
                " ".join(filter(None, [_signed(after - before), _in_brackets(before, after)])),
            ]
            for name, before, after in _Totals(comparison).rows
        ),
    )
    yield ""
    if not comparison:
        yield "No difference."
        return
    yield f"**Distributions:** {_summary(comparison)}"
    yield ""
    if comparison.parts:
        yield from _markdown_parts(comparison)
        yield ""
    yield from _markdown_files(comparison, all_files=all_files)


def _in_brackets(old: int, new: int) -> str:
    return f"({percentage})" if (percentage := _percentage(old, new)) else ""


def _markdown_parts(comparison: Comparison) -> Iterator[str]:
    yield from _rows(
        ["", "old", "new", "unzipped", "zipped"],
        (
            [
                _escaped(part.name),
                _escaped(part.old.version if part.old else ""),
                _escaped(part.new.version if part.new else "") + (" (other files)" if part.is_rebuilt else ""),
                _signed(part.size),
                _signed(part.compressed) if comparison.are_zips else "",
            ]
            for part in comparison.parts
        ),
    )


def _markdown_files(comparison: Comparison, *, all_files: bool) -> Iterator[str]:
    from hatch_lambda.cli.terminal import printable

    shown, more = _listed(comparison, all_files=all_files)
    lines = [f"{_SIGNS[change.how]} {printable(change.path)} ({_signed(change.size)})" for change in shown]
    if more:
        lines.append(f"# and {more:,} more")
    # A fence has to be longer than any within it.
    longest = max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"<details><summary>Files: {_file_counts(comparison)}</summary>"
    yield from ["", f"{fence}diff", *(_in_diff(line) for line in lines), fence, "", "</details>"]


def _in_diff(line: str) -> str:
    """`!` is what a highlighter of diffs has for a changed line."""
    return f"!{line[1:]}" if line.startswith("~") else line


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table, its first column to the left."""
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'--:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    """A name out of a zip, so that Markdown, HTML and mentions make nothing of it."""
    from hatch_lambda.cli.terminal import printable

    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
