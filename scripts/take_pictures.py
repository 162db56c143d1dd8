"""Takes the documentation's pictures: of a build and of `inspect` in a terminal, and of the page that `report` writes.

    hatch run pictures

It needs the package index, Unix, and Chromium (`.ci/browser` installs it). A project is built in a temporary folder,
with a cache of its own, so that there is something to download; what the whole build looks like, a second one shows.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLUMNS, ROWS = 92, 70
PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "orders"
version = "1.0"
dependencies = ["pydantic>=2.10", "pandas", "mangum", "httpx", "luhn"]

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
architecture = "arm64"
prune = ["bytecode", "tests"]

[tool.hatch.build.targets.lambda]
handler = "orders.app.handler"
"""
HANDLER = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'ordered'}\n"
ZIP = "orders-1.0-python3.13-arm64.zip"

# Readable on light and dark pages; the colours are those of many terminals.
THEME = TerminalTheme(
    (30, 34, 42),
    (220, 223, 228),
    [
        *((40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123)),
        *((97, 175, 239), (198, 120, 221), (86, 182, 194), (220, 223, 228)),
    ],
)
FONT = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
_LIVE = re.compile(r"  [1-8] .*[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] \w")


class Terminal:
    """What a program shows on a terminal: as it was while it ran, and at the end."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.while_it_ran: list[Text] = []
        stream = pyte.ByteStream(self.screen)
        process, terminal = pty.fork()
        if not process:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)  # noqa: S606 - a program of ours
        while output := _read(terminal):
            stream.feed(output)
            if any(map(_LIVE.match, self.screen.display)):
                self.while_it_ran = self.lines()
        _, status = os.waitpid(process, 0)
        if status:
            sys.exit("\n".join(self.screen.display))

    def lines(self) -> list[Text]:
        """The screen, less what is blank below."""
        found = [self._line(row) for row in range(ROWS)]
        while found and not found[-1].plain.strip():
            found.pop()
        return found

    def _line(self, row: int) -> Text:
        line, cells = Text(), self.screen.buffer[row]
        for style, columns in groupby(range(COLUMNS), lambda column: _style(cells[column])):
            line.append("".join(cells[column].data for column in columns), style)
        line.rstrip()
        return line


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")  # pyte's word for it
    if colour and re.fullmatch("[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    return Style(color=colour, bold=cell.bold, reverse=cell.reverse)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed
        return b""


def draw(lines: Iterable[Text], title: str, name: str) -> None:
    """Write an SVG that needs no font from elsewhere, and is the same for the same lines."""
    out = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        out.print(line, no_wrap=True, overflow="crop")
    drawn = out.export_svg(title=title, theme=THEME, unique_id=name)
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"font-family: [^;]+;", f"font-family: {FONT};", drawn)
    drawn = "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())
    (IMAGES / f"{name}.svg").write_text(drawn, encoding="utf-8")


def photograph(page: Path, name: str) -> None:
    """Write a PNG of a page as it opens."""
    chromium = shutil.which("chromium") or sys.exit("needs Chromium: .ci/browser installs it")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1120,760")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    target = f"--screenshot={IMAGES / f'{name}.png'}"
    subprocess.run([chromium, *flags, profile, target, page.as_uri()], check=True, capture_output=True, timeout=60)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "orders"
        (folder / "orders").mkdir(parents=True)
        folder.joinpath("pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        folder.joinpath("orders/__init__.py").touch()
        folder.joinpath("orders/app.py").write_text(HANDLER, encoding="utf-8")
        variables = {"HATCH_LAMBDA_CACHE_DIR": f"{temporary}/cache", "TERM": "xterm-256color"}
        environment = {key: value for key, value in os.environ.items() if key not in {"CI", "NO_COLOR"}} | variables

        build = [sys.executable, "-m", "hatchling", "build", "-t", "lambda"]
        draw(Terminal(build, folder, environment).while_it_ran, "hatch build -t lambda", "progress")
        # Resolves again, with what the first has cached, and without the sdist, whose backend takes its time.
        folder.joinpath("pyproject.toml").write_text(PYPROJECT.replace(', "luhn"', ""), encoding="utf-8")
        draw(Terminal([*build, "--clean"], folder, environment).lines(), "hatch build -t lambda", "build")
        command = [sys.executable, "-m", "hatch_lambda"]
        inspected = Terminal([*command, "inspect", f"dist/{ZIP}"], folder, environment)
        draw(inspected.lines(), f"hatch-lambda inspect dist/{ZIP}", "inspect")
        subprocess.run([*command, "report", f"dist/{ZIP}"], cwd=folder, env=environment, check=True)
        photograph(folder / "dist" / ZIP.replace(".zip", ".html"), "report")


if __name__ == "__main__":
    main()
