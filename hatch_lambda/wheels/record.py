"""RECORD: hash and size of each file (https://packaging.python.org/specifications/recording-installed-packages)."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files of `.dist-info` without a hash: RECORD cannot hold its own, and signatures of RECORD are made after it."""


class Discrepancies(NamedTuple):
    """How a RECORD differs from the wheel.

    `unmatched`: its paths that match no file. `faults`: what RECORD does wrong, and for which file.
    """

    unmatched: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


def unmatched_rows(paths: Iterable[str], files: Container[str], dist_info: str) -> tuple[str, ...]:
    """Paths in RECORD that name no file of the wheel exactly. Directories are permitted."""
    exempt = {f"{dist_info}/{name}" for name in UNRECORDED}
    return tuple(path for path in paths if path not in files and path not in exempt and not path.endswith("/"))


def read_record(content: bytes) -> list[list[str]]:
    """The rows of a RECORD. Raises `ValueError`."""
    try:
        return [*filter(None, csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))]
    except csv.Error as error:
        raise ValueError(str(error)) from None


def hash_of(digest: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode('ascii')}"


def normalized_hash(text: str) -> str:
    """A hash in base64 without padding, as specified; some are padded, those of early `uv_build` hexadecimal."""
    algorithm, _, digest = text.partition("=")
    try:
        if len(digest) == 2 * hashlib.new(algorithm).digest_size:
            return hash_of(bytes.fromhex(digest), algorithm)
    except (ValueError, TypeError):  # an unknown algorithm, or one without a fixed size
        pass
    return text.rstrip("=")
