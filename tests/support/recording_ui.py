"""A UI that can be asked what it was told."""

from __future__ import annotations


class RecordingUI:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def status(self, message: str) -> None:
        self.lines.append(message)

    def error(self, message: str) -> None:
        self.errors.append(message)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
