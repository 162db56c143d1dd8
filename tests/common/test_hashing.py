"""Hashes of files."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.hashing import is_hashed, sha256_of

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


@pytest.mark.skipif(os.name == "nt", reason="Windows tells nothing that changes with each write")
def test_a_file_is_read_again_once_it_was_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two", b"six"):  # of one size, within a tick or not
        path.write_bytes(content)
        os.utime(path, (0, 0))
        for _ in range(2):
            assert sha256_of(path) == hashlib.sha256(content).hexdigest()
        time.sleep(0.03)
        assert sha256_of(path) == hashlib.sha256(content).hexdigest()
        assert is_hashed(path)


def test_what_replaces_a_hashed_file_is_read(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    time.sleep(0.03)
    sha256_of(path)
    other.replace(path)

    assert not is_hashed(path)
    assert sha256_of(path) == hashlib.sha256(b"two").hexdigest()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        sha256_of(path)
