"""What the commands show things with: plain where the output is no terminal, or where colours are not wanted."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: without markup, and without any ANSI where none is wanted."""
    from rich.console import Console, ConsoleDimensions

    # https://no-color.org; rich would still print bold and dim, and a dumb terminal knows neither.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown"}
    out = Console(stderr=stderr, markup=False, emoji=False, highlight=False, color_system=None if plain else "auto")
    if not out.is_terminal:
        out.width = _UNBROKEN  # so that a name is on one line, for grep
    elif out.is_dumb_terminal:
        columns, lines = shutil.get_terminal_size()
        out.size = ConsoleDimensions(columns or 80, lines)  # rich takes every one for 80 wide; 0: not known
    return out


_UNBROKEN = 1000
_NARROW = 72


def is_narrow(out: Console) -> bool:
    """Whether what only adorns a table is to give way to names."""
    return out.width < _NARROW


def printable(text: str) -> str:
    """A name out of a zip, so that it cannot move the cursor, colour what follows or turn it around."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def heading(out: Console, title: str, note: str = "") -> None:
    """What begins a section."""
    from rich.text import Text

    out.print()
    out.print(Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim")))


def table(*columns: str) -> Table:
    """An indented table without lines. The first column is for names, which are never cut; the rest for figures.

    A column without a name is for a bar or a remark.
    """
    from rich.table import Table

    result = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for n, name in enumerate(columns):
        is_figure = n > 0 and bool(name)
        result.add_column(
            name,
            justify="right" if is_figure else "left",
            overflow="fold",
            no_wrap=is_figure,
        )
    return result


def bar(share: float, width: int, out: Console) -> Text:
    """A bar of that width, filled to a share of it."""
    from rich.text import Text

    full, empty = ("━", "─") if out.encoding.lower().startswith("utf") else ("#", "-")
    filled = min(max(round(share * width), 1 if share > 0 else 0), width)
    return Text.assemble((full * filled, _colour(share)), (empty * (width - filled), "dim"))


def _colour(share: float) -> str:
    return "red" if share > 1 else "cyan"


def size(count: int) -> str:
    """Bytes for people."""
    from hatch_lambda.common.ui import megabytes

    return f"{count} B" if count < 1024 else megabytes(count)  # noqa: PLR2004 - a kilobyte


def percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"  # noqa: PLR2004 - what would be rounded to nothing
