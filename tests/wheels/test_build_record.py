"""How a wheel was built, written into the wheel."""

from __future__ import annotations

import json
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.wheels.build_record import DOCUMENT, BuildRecord, add_record, read_document
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.record import Discrepancies
from tests.support.cyclonedx_schema import fault_of
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

RECORD = BuildRecord("zig 0.16.0", "aarch64-linux-gnu.2.34", "a pack", "foo-1.0.tar.gz", "0" * 64)


def contents_of(path: Path) -> dict[str, tuple[bytes, int, tuple[int, ...], int]]:
    with zipfile.ZipFile(path) as archive:
        return {
            entry.filename: (archive.read(entry), entry.external_attr, entry.date_time, entry.compress_type)
            for entry in archive.infolist()
        }


def test_all_but_the_record_stays(tmp_path: Path) -> None:
    files = {"foo/__init__.py": "x = 1\n" * 99, "foo/empty.txt": "", "foo-1.0.data/scripts/foo": "#!python\n"}
    path = make_wheel(tmp_path, "foo", files=files, executables=["foo-1.0.data/scripts/foo"])
    before = contents_of(path)

    add_record(path, "foo", "1.0", RECORD)

    after = contents_of(path)
    document = after.pop(f"foo-1.0.dist-info/{DOCUMENT}")
    record, former = (each.pop("foo-1.0.dist-info/RECORD") for each in (after, before))
    assert after == before
    assert record[0].startswith(former[0])
    assert record[1:] == former[1:] == document[1:]
    assert check_wheel(path) == Discrepancies()
    assert stat.S_IMODE(after["foo-1.0.data/scripts/foo"][1] >> 16) == 0o755
    assert [file.name for file in tmp_path.glob("foo*")] == [path.name]


@pytest.mark.slow
def test_the_document(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "foo", "1.0+local")
    add_record(path, "foo", "1.0+local", RECORD)

    (text,) = (value[0] for name, value in contents_of(path).items() if name.endswith(DOCUMENT))

    assert fault_of(text.decode()) is None
    assert json.loads(text)["metadata"]["component"]["purl"] == "pkg:pypi/foo@1.0%2Blocal"
    assert read_document(text) == RECORD


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = (make_wheel(tmp_path / name, "foo") for name in ("first", "second"))
    for path in (first, second):
        add_record(path, "foo", "1.0", RECORD)

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("more", ["foo-1.0.dist-info/RECORD.jws", "foo-1.0.dist-info/sboms/hatch-lambda.cdx.json"])
def test_what_is_signed_or_has_such_a_document_stays(more: str, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "foo", files={more: "{}"})
    before = path.read_bytes()

    add_record(path, "foo", "1.0", RECORD)

    assert path.read_bytes() == before


def test_a_wheel_that_later_checks_refuse_stays(tmp_path: Path) -> None:
    """So that they say what is wrong with it."""
    whole = make_wheel(tmp_path, "foo").read_bytes()
    without, twice = tmp_path / "without-1.0-py3-none-any.whl", tmp_path / "twice-1.0-py3-none-any.whl"
    with zipfile.ZipFile(without, "w") as archive:
        archive.writestr("foo.py", "")
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("twice-1.0.dist-info/RECORD", "")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("twice-1.0.dist-info/RECORD", "")
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.write_bytes(whole[:100] + b"?" + whole[101:])

    for path in (without, twice, broken):
        before = path.read_bytes()
        add_record(path, "foo", "1.0", RECORD)
        assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.recorded"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"metadata": {"component": {"properties": 5}}}',
        b'{"metadata": {"component": {"properties": []}}}',
        b'{"metadata": {"component": {"properties": [{"name": "hatch-lambda:build:toolchain", "value": 5}]}}}',
        b'{"metadata": {"component": {"properties": [{"name": [], "value": "x"}]}}}',
    ],
)
def test_what_is_no_such_document(content: bytes) -> None:
    assert read_document(content) is None


def test_in_words() -> None:
    assert str(RECORD) == "zig 0.16.0 for aarch64-linux-gnu.2.34"
    assert str(BuildRecord("gcc 12", headers="Python 3.11")) == "gcc 12"
    assert str(BuildRecord("none", sdist="foo-1.0.tar.gz")) == "no native code"
