"""Output of the commands: plain if it is not a terminal, or if colours are disabled."""

from __future__ import annotations

import os
import shutil

from rich.console import Console, ConsoleDimensions
from rich.table import Table
from rich.text import Text

from hatch_lambda.common.ui import filled_cells, megabytes

_UNBROKEN = 1000
_NARROW = 72


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is, without markup."""
    # https://no-color.org; rich would still print bold and dim, which dumb terminals do not support either.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown"}
    out = Console(stderr=stderr, markup=False, emoji=False, highlight=False, color_system=None if plain else "auto")
    if not out.is_terminal:
        out.width = _UNBROKEN  # keeps names on one line, for grep
    elif out.is_dumb_terminal:
        columns, lines = shutil.get_terminal_size()
        out.size = ConsoleDimensions(columns or 80, lines)  # rich takes each for 80 wide; 0: unknown
    return out


def print_error(text: str) -> None:
    console(stderr=True).print(Text(text, "red"), soft_wrap=True)


def is_narrow(out: Console) -> bool:
    """Whether bars and the like leave too little room for names."""
    return out.width < _NARROW


def heading(out: Console, title: str, note: str = "") -> None:
    """Start a section."""
    out.print()
    out.print(Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim")))


def table(*columns: str) -> Table:
    """An indented table without lines. The first column is for names, which are never cut; the others for figures.

    A column without a name is for a bar or a note.
    """
    result = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for n, name in enumerate(columns):
        is_figure = n > 0 and bool(name)
        result.add_column(name, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure)
    return result


def bar(share: float, width: int, out: Console) -> Text:
    """A bar of `width` columns, filled to a share."""
    full, empty = ("━", "─") if out.encoding.lower().startswith("utf") else ("#", "-")
    filled = filled_cells(share, width)
    return Text.assemble((full * filled, "red" if share > 1 else "cyan"), (empty * (width - filled), "dim"))


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count} B" if count < 1024 else megabytes(count)  # noqa: PLR2004 - a kilobyte
