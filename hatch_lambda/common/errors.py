"""What can go wrong: one family, so that a caller needs one `except`, with the facts kept as data."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class LambdaBuildError(Exception):
    """The root of all that hatch-lambda raises on purpose: the text is meant for the user as it stands."""


class ConfigurationError(LambdaBuildError):
    """What the user wrote cannot be meant; every fault at once.

    `faults`: one sentence each, with the TOML path it is about.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(map(redact, faults))
        super().__init__("\n".join(self.faults))


class UnsupportedPipError(LambdaBuildError):
    """The pip at hand lacks something that resolving for another target stands on."""


class PipError(LambdaBuildError):
    """pip said no; its own words are in `output`, without credentials."""

    def __init__(self, message: str, *, output: str) -> None:
        self.output = output
        super().__init__(message)


class ResolutionError(PipError):
    """Stage 1 found no closure: no such package, a conflict, an index out of reach, a malformed file."""


class BrokenWheelError(LambdaBuildError):
    """A file that calls itself a wheel and cannot be read as one."""

    def __init__(self, filename: str, reason: str) -> None:
        self.filename = filename
        self.reason = reason
        super().__init__(f"{filename} is not a usable wheel: {reason}")


class TooLargeError(LambdaBuildError):
    """The bundle is over Lambda's limit. `sizes`: bytes by distribution, the largest first."""

    def __init__(self, message: str, sizes: Sequence[tuple[str, int]]) -> None:
        self.sizes = tuple(sizes)
        super().__init__(message)


class ConflictingFilesError(LambdaBuildError):
    """Two distributions bring a file of the same path with different content."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error of the system say which path it is about: writing to an open file does not tell."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
