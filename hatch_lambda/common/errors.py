"""The exceptions: one root for callers, with the facts as data."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class LambdaBuildError(Exception):
    """Base class of all errors that hatch-lambda raises; the text is for the user, and printable."""

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class ConfigurationError(LambdaBuildError):
    """Invalid settings; all faults at once.

    `faults`: one sentence each, with the TOML path.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(map(redact, faults))
        super().__init__("\n".join(self.faults))


class UnsupportedPipError(LambdaBuildError):
    """The installed pip lacks something that resolving for another target depends on."""


class PipError(LambdaBuildError):
    """pip failed. `output`: its output, without credentials."""

    def __init__(self, message: str, *, output: str) -> None:
        self.output = output
        super().__init__(message)


class ResolutionError(PipError):
    """Stage 1 found no closure: no such package, a conflict, an unreachable index, an invalid file."""


class BrokenWheelError(LambdaBuildError):
    """A file is not a valid wheel. `remedy`: what else a user can do than use another wheel."""

    def __init__(self, filename: str, reason: str, *, remedy: str = "") -> None:
        self.filename = filename
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{filename} is not a usable wheel: {reason}")


class TooLargeError(LambdaBuildError):
    """The bundle is over Lambda's limit. `sizes`: bytes by distribution, the largest first."""

    def __init__(self, message: str, sizes: Sequence[tuple[str, int]]) -> None:
        self.sizes = tuple(sizes)
        super().__init__(message)


class ConflictingFilesError(LambdaBuildError):
    """Two distributions contain a file of the same path with different content."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path to an `OSError` that lacks it, as those of writing to an open file do."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
