"""Foreign text made safe to print: names and texts from wheels, indexes, backends and zips."""

from __future__ import annotations

import re

# What the logs of CI systems take for commands. GitHub reads `::` at the start of a line, after spaces too, and `##[`
# anywhere (https://github.com/actions/runner, ActionCommand.cs); Azure Pipelines reads `##vso[` anywhere.
_COMMANDS = re.compile(r"^( *)(?=::)|(?<=#)(?=#(?:vso|teamcity)?\[)", re.MULTILINE | re.IGNORECASE)


def printable(text: str) -> str:
    """Escape control characters and bidirectional ones (https://trojansource.codes), and the commands of CI logs.

    A name from a zip can then neither move the cursor, nor colour other text, nor appear as another name.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return _COMMANDS.sub(r"\1\\", text)


def printable_lines(text: str) -> str:
    """The same for a message, which may have several lines."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))
