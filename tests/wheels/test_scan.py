"""A wheel is checked and scanned once; the result is cached."""

from __future__ import annotations

import errno
import struct
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.resolve.prefetch import Prefetch
from hatch_lambda.wheels import scan as scanning
from hatch_lambda.wheels.scan import check_and_scan, scan_unchecked
from hatch_lambda.wheels.store import Store
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.packages import Content

FILES: dict[str, Content] = {
    "foo/__init__.py": "",
    "foo/data/table.bin": bytes(range(256)) * 4000,
    "foo/native.so": make_elf(needed=("libc.so.6", "libz.so.1"), versions={"libc.so.6": ["GLIBC_2.17"]}),
    "foo/tool": "#!/bin/sh\n",
    "foo/MZ.txt": "MZ, as a text may begin",
    "foo-1.0.data/scripts/foo": "#!python\n",
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheels", "foo", files=FILES, executables=["foo/tool"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def left_behind(store: Store) -> list[Path]:
    return [path for path in (store.root / "begun").glob("*") if path.exists()]


def broken(wheel: Path) -> Path:
    """The same with another byte in its last file's data."""
    with zipfile.ZipFile(wheel) as archive:
        entry = archive.getinfo("foo/native.so")
    content = bytearray(wheel.read_bytes())
    content[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0xFF
    wheel.write_bytes(content)
    return wheel


def test_machine_code_is_read_as_it_is_in_the_wheel(wheel: Path, store: Store) -> None:
    assert check_and_scan([("foo", "1.0", wheel)], store) == (scan_unchecked("foo", "1.0", wheel),)


def test_machine_code_does_not_hide_behind_empty_blocks(tmp_path: Path, store: Store) -> None:
    """Deflate knows blocks without content: what comes first out of them may be nothing, or a byte."""
    elf = make_elf(machine="aarch64")
    empty, stored = b"\0\0\0\xff\xff" * 60_000, b""
    for number, piece in enumerate((elf[:1], elf[1:3], elf[3:])):
        length = struct.pack("<HH", len(piece), len(piece) ^ 0xFFFF)
        stored += empty + bytes([number == 2]) + length + piece
    wheel = make_wheel(tmp_path, "foo", files={"foo/n.so": elf, "foo/__init__.py": ""})
    with zipfile.ZipFile(wheel) as archive:
        contents = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in contents:
            if entry.filename != "foo/n.so":
                archive.writestr(entry, content)
        entry = zipfile.ZipInfo("foo/n.so", (2024, 1, 1, 0, 0, 0))
        entry.compress_type, entry.CRC = zipfile.ZIP_STORED, zlib.crc32(elf)
        archive.writestr(entry, stored)
    _as_deflated(wheel, "foo/n.so", elf, stored)

    (found,) = check_and_scan([("foo", "1.0", wheel)], store)

    assert [code.path for code in found.machine_code] == ["foo/n.so"]


def _as_deflated(wheel: Path, name: str, content: bytes, deflated: bytes) -> None:
    """Have an entry that was stored say that it is deflated content."""
    data = wheel.read_bytes()
    told = struct.pack("<III", zlib.crc32(deflated), len(deflated), len(deflated))
    for signature, before_name, method, sizes in ((b"PK\3\4", 30, 8, 14), (b"PK\1\2", 46, 10, 16)):
        start = next(
            place
            for place in _places_of(data, signature)
            if data[place + before_name : place + before_name + len(name)] == name.encode()
        )
        assert data[start + sizes : start + sizes + 12] == told
        header = bytearray(data[start : start + before_name])
        header[method : method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        header[sizes : sizes + 12] = struct.pack("<III", zlib.crc32(content), len(deflated), len(content))
        data = data[:start] + bytes(header) + data[start + before_name :]
    wheel.write_bytes(data)


def _places_of(data: bytes, part: bytes) -> Iterator[int]:
    place = data.find(part)
    while place >= 0:
        yield place
        place = data.find(part, place + 1)


def test_a_broken_wheel_is_not_cached(wheel: Path, store: Store) -> None:
    with pytest.raises(BrokenWheelError, match=r"foo/native\.so"):
        check_and_scan([("foo", "1.0", broken(wheel))], store)

    assert not left_behind(store)
    assert store.note(sha256_of(wheel)) is None


def test_broken_machine_code_is_reported_with_its_wheel(tmp_path: Path, store: Store) -> None:
    wheel = make_wheel(tmp_path, "foo", files={"foo.so": b"\x7fELF and no more"})

    with pytest.raises(BrokenWheelError, match=r"foo-1\.0.*foo\.so starts as machine code but cannot be read"):
        check_and_scan([("foo", "1.0", wheel)], store)


def test_large_machine_code_is_read_from_a_file(wheel: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "HELD_IN_MEMORY", 100)

    assert check_and_scan([("foo", "1.0", wheel)], store) == (scan_unchecked("foo", "1.0", wheel),)


def test_what_was_inspected_ahead_is_not_looked_at_again(
    wheel: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = broken(make_wheel(tmp_path / "bad", "foo", files=FILES))
    with Prefetch(store) as prefetch:
        prefetch.inspect(wheel)
        prefetch.inspect(bad)
        prefetch.inspect(tmp_path / "gone-1.0-py3-none-any.whl")
    expected = (scan_unchecked("foo", "1.0", wheel),)
    monkeypatch.setattr(scanning, "check_wheel", None)

    assert check_and_scan([("foo", "1.0", wheel)], store) == expected


def test_what_waits_to_be_inspected_is_dropped_where_the_work_beside_fails(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Path] = []

    def inspect_slowly(_name: str, _version: str, wheel: Path, _store: Store) -> None:
        time.sleep(0.02)
        looked_at.append(wheel)

    monkeypatch.setattr(scanning, "_check_and_scan", inspect_slowly)
    wheels = [tmp_path / f"p{number}-1.0-py3-none-any.whl" for number in range(500)]

    def work() -> None:
        with Prefetch(store) as prefetch:
            for wheel in wheels:
                prefetch.inspect(wheel)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()

    so_far = len(looked_at)
    assert so_far < len(wheels)
    time.sleep(0.1)
    assert len(looked_at) == so_far


def test_a_modified_file_is_hashed_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = sha256_of(path)
    assert sha256_of(path) == first

    path.write_bytes(b"two")

    assert sha256_of(path) != first
    path.unlink()
    path.write_bytes(b"one")
    assert sha256_of(path) == first


def test_a_wheel_is_kept_without_a_copy_where_the_file_system_can(
    wheel: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.keep(wheel, "foo", "1.0", scratch=wheel.parent)
    assert kept.path.samefile(wheel)
    assert not left_behind(store)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    elsewhere = Store(store.root.with_name("elsewhere")).keep(wheel, "foo", "1.0", scratch=wheel.parent)

    assert elsewhere.path.read_bytes() == wheel.read_bytes()
    assert not elsewhere.path.samefile(wheel)


def test_a_wheel_that_may_be_somebody_elses_is_copied(wheel: Path, store: Store, tmp_path: Path) -> None:
    kept = store.keep(wheel, "foo", "1.0", scratch=tmp_path / "scratch")

    assert kept.path.read_bytes() == wheel.read_bytes()
    assert not kept.path.samefile(wheel)
