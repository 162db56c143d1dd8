"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hatch_lambda.common.files import local_path, replacing, write_atomically


def test_a_file_is_written_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"

    write_atomically(path, b"new", aside=tmp_path / "aside", durable=True)

    assert path.read_bytes() == b"new"
    assert list((tmp_path / "aside").iterdir()) == []
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"former")

    def write_half_of_it() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of it")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half_of_it()

    assert path.read_bytes() == b"former"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_of_the_system_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OSError, match="file") as raised:
        write_atomically(tmp_path / "file" / "below", b"")

    assert raised.value.filename is not None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mode", "expected"), [(0o644, 0o644), (None, 0o640)])
def test_the_mode_is_fixed_or_by_the_umask(mode: int | None, expected: int, tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        with replacing(tmp_path / "file", mode=mode):
            pass
    finally:
        os.umask(former)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    for path in (tmp_path / "with space", tmp_path / "ü#%41"):
        assert local_path(path.as_uri()) == Path(path)
