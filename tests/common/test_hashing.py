"""Hashes of files."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.hashing import sha256_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", [b"", b"0", bytes(2 * 1024 * 1024 - 1), bytes(5_000_000)], ids=len)
def test_a_file_of_any_size_is_hashed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError if os.name != "nt" else PermissionError):
        sha256_of(tmp_path)
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "gone")
