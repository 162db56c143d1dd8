"""How the logs of CI systems read what a job prints."""

from __future__ import annotations

import re

# As in ActionCommand.cs of https://github.com/actions/runner, Command.cs of
# https://github.com/microsoft/azure-pipelines-agent, and TeamCity's service messages.
_COMMAND = re.compile(r"\s*::|.*##(?:vso|teamcity)?\[", re.IGNORECASE)


def commands_in(shown: str) -> list[str]:
    """The lines that a CI system would take for commands, wherever it breaks lines."""
    return [line for line in shown.splitlines() if _COMMAND.match(line)]


def unprintable_in(shown: str) -> set[str]:
    """The characters that may move the cursor, colour or reorder text."""
    return {character for character in shown if not character.isprintable()} - {"\n"}
