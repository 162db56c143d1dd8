"""Compressed bytes of wheels go into the zip as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.bundle import unpack as unpack_stage
from hatch_lambda.bundle.assemble import assemble
from hatch_lambda.bundle.files import union
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Generated
from hatch_lambda.wheels.store import Store
from hatch_lambda.zip import writer
from tests.support.packages import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.situation import Situation


TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
COMPRESSIBLE = b"import this\n" * 500


def raw_entries(path: Path) -> dict[str, bytes]:
    """The data of each entry as it lies there, by the entry's own header."""
    content = path.read_bytes()
    raw = {}
    with zipfile.ZipFile(path) as zip_file:
        for entry in zip_file.infolist():
            header = entry.header_offset
            name_length = int.from_bytes(content[header + 26 : header + 28], "little")
            extra_length = int.from_bytes(content[header + 28 : header + 30], "little")
            start = header + 30 + name_length + extra_length
            raw[entry.filename] = content[start : start + entry.compress_size]
    return raw


def assert_that_every_tool_is_content(path: Path, *, names: int | None = None) -> None:
    with zipfile.ZipFile(path) as zip_file:
        assert zip_file.testzip() is None
        number = len(zip_file.namelist())
    assert names is None or number == names
    if shutil.which("unzip"):
        tested = subprocess.run(["unzip", "-tqq", str(path)], capture_output=True, text=True, check=False)
        assert (tested.returncode, tested.stdout, tested.stderr) == (0, "", "")
    if shutil.which("zipinfo"):
        listed = subprocess.run(["zipinfo", "-1", str(path)], capture_output=True, text=True, check=False)
        assert (listed.returncode, listed.stderr, len(listed.stdout.splitlines())) == (0, "", number)
        told = subprocess.run(["zipinfo", "-z", str(path)], capture_output=True, text=True, check=False)
        assert (told.returncode, told.stderr) == (0, "")


class Streamed:
    """A file that cannot seek, so that sizes come behind the data."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, data: bytes) -> int:
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


CONTENTS = {
    "odd/__init__.py": b"",
    "odd/text.py": COMPRESSIBLE,
    "odd/noise.bin": b"".join(hashlib.sha256(bytes([number])).digest() for number in range(200)),
    "odd/Straße 注文.txt": b"x" * 100,
}
DIST_INFO = "odd-1.0.dist-info"


def odd_wheel(
    path: Path,
    method: int = zipfile.ZIP_DEFLATED,
    level: int | None = None,
    extra: bytes = b"",
    *,
    folders: Sequence[str] = (),
    zip64: bool = False,
    streamed: bool = False,
) -> Path:
    """A wheel of `CONTENTS`."""
    contents: dict[str, str | bytes] = {**CONTENTS, f"{DIST_INFO}/METADATA": "Metadata-Version: 2.1\nName: odd\n"}
    contents[f"{DIST_INFO}/RECORD"] = record(contents, f"{DIST_INFO}/RECORD")
    target = Streamed(path) if streamed else path
    with zipfile.ZipFile(target, "w") as zip_file:  # type: ignore[call-overload]
        for folder in folders:
            zip_file.writestr(zipfile.ZipInfo(f"{folder}/", (2021, 2, 3, 4, 5, 6)), b"")
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2021, 2, 3, 4, 5, 6))
            entry.compress_type, entry.extra = method, extra
            entry._compresslevel = level  # type: ignore[attr-defined]  # public from 3.13 on
            with zip_file.open(entry, "w", force_zip64=zip64) as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
    if isinstance(target, Streamed):
        target.file.close()
    return path


ODDITIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed with another level": {"level": 1},
    "deflated without compression": {"level": 0},
    "stored": {"method": zipfile.ZIP_STORED},
    "with data descriptors": {"streamed": True},
    "stored, with data descriptors": {"streamed": True, "method": zipfile.ZIP_STORED},
    "with extra fields": {"extra": b"UT\x05\x00\x01\x00\x00\x00\x00"},
    "with zip64 headers": {"zip64": True},
    "with zip64 headers and data descriptors": {"zip64": True, "streamed": True},
    "with folders": {"folders": ("odd", DIST_INFO, "odd/empty")},
}


class TestNeverCompressTwice:
    @pytest.mark.parametrize("oddity", ODDITIES.values(), ids=ODDITIES)
    def test_what_a_wheel_has_deflated_is_in_the_zip_as_it_is(self, oddity: dict[str, Any], tmp_path: Path) -> None:
        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", **oddity)

        path = writer.write(tmp_path / "odd.zip", union([lay_out(wheel, TARGET)])).path

        assert_that_every_tool_is_content(path)
        with zipfile.ZipFile(path) as zip_file, zipfile.ZipFile(wheel) as original:
            assert {name: zip_file.read(name) for name in CONTENTS} == CONTENTS
            assert all(not name.endswith("/") for name in zip_file.namelist())
            untouched = {entry.filename for entry in original.infolist() if entry.compress_type == zipfile.ZIP_DEFLATED}
            of_zip = {entry.filename: entry for entry in zip_file.infolist()}
            for entry in of_zip.values():
                assert entry.flag_bits & 0b1000 == 0, "no data descriptor"
                assert entry.extra == b""
                assert entry.compress_type in {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED}
        if oddity.get("folders"):
            untouched -= {f"{DIST_INFO}/RECORD"}
        raw_of_wheel, raw_of_zip = raw_entries(wheel), raw_entries(path)
        assert {name: raw_of_zip[name] for name in untouched} == {name: raw_of_wheel[name] for name in untouched}
        assert of_zip["odd/text.py"].compress_size < len(COMPRESSIBLE) / 20 or oddity.get("level") == 0

    @pytest.mark.parametrize("level", [0, 1, 9])
    def test_another_level_holds_for_all_but_the_wheels_that_are_named(self, level: int, tmp_path: Path) -> None:
        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", method=zipfile.ZIP_DEFLATED)
        files = lay_out(wheel, TARGET)

        copied = writer.write(tmp_path / "copied.zip", files, level=level, wheels={wheel}).path
        again = writer.write(tmp_path / "again.zip", files, level=level).path

        assert raw_entries(copied) == raw_entries(wheel)
        assert_that_every_tool_is_content(again)
        with zipfile.ZipFile(again) as zip_file:
            assert {name: zip_file.read(name) for name in CONTENTS} == CONTENTS
        expected = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        text = COMPRESSIBLE if level == 0 else expected.compress(COMPRESSIBLE) + expected.flush()
        assert raw_entries(again)["odd/text.py"] == text

    def test_stored_entries_are_deflated_where_that_is_smaller_and_only_there(self, tmp_path: Path) -> None:
        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", zipfile.ZIP_STORED)

        path = writer.write(tmp_path / "odd.zip", lay_out(wheel, TARGET)).path

        with zipfile.ZipFile(path) as zip_file:
            methods = {entry.filename: entry.compress_type for entry in zip_file.infolist()}
        assert methods["odd/text.py"] == zipfile.ZIP_DEFLATED
        assert methods["odd/noise.bin"] == zipfile.ZIP_STORED
        assert methods["odd/__init__.py"] == zipfile.ZIP_STORED

    def test_a_wheel_of_many_stored_entries_is_not_opened_for_each_of_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reading a wheel's directory anew for each entry takes time that grows with their square."""
        opened = 0
        read_directory = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]

        def count(zip_file: zipfile.ZipFile) -> None:
            nonlocal opened
            opened += 1
            read_directory(zip_file)

        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", zipfile.ZIP_STORED)
        files = lay_out(wheel, TARGET)
        monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", count)

        writer.write(tmp_path / "odd.zip", files)

        assert opened <= 1 < len(files)

    @pytest.mark.parametrize(
        "number", [0x10000, *(pytest.param(number, marks=pytest.mark.slow) for number in (0xFFFE, 0xFFFF, 70_000))]
    )
    def test_as_many_files_as_there_are_can_be_read_by_everyone(self, number: int, tmp_path: Path) -> None:
        files = [BundleFile(f"p/{index:05}.py", 0o644, Generated(b""), "many 1.0") for index in range(number)]

        path = writer.write(tmp_path / "many.zip", files).path

        if number == 70_000:
            assert_that_every_tool_is_content(path, names=number)
        elif shutil.which("zipinfo"):
            listed = subprocess.run(["zipinfo", "-t", str(path)], capture_output=True, text=True, check=False)
            assert (listed.returncode, listed.stderr) == (0, "")
            assert listed.stdout.startswith(f"{number} files")
        with zipfile.ZipFile(path) as zip_file:
            assert len(zip_file.namelist()) == number

    def test_the_bytes_do_not_depend_on_an_earlier_build(self, laid_out: Situation) -> None:
        def zipped(bundle: Bundle) -> bytes:
            return writer.write(laid_out.tmp / "made.zip", bundle.files).path.read_bytes()

        reused = zipped(laid_out.build())
        laid_out.wheels.reverse()
        laid_out.requirements = ["foo", "bar"]
        in_another_order = zipped(laid_out.build())
        shutil.rmtree(laid_out.state)
        fresh = zipped(laid_out.build())
        shutil.rmtree(laid_out.tmp / "lambda-cache")
        with_another_store = zipped(laid_out.build())

        assert laid_out.resolved == 4
        assert reused == in_another_order == fresh == with_another_store

    def test_the_order_of_files_makes_no_difference(self, laid_out: Situation) -> None:
        files = laid_out.build().files

        made = {
            writer.write(laid_out.tmp / "made.zip", order).path.read_bytes()
            for order in (files, files[::-1], sorted(files, key=lambda file: hashlib.md5(file.path.encode()).digest()))
        }

        assert len(made) == 1


def large_wheel(folder: Path, megabytes: int, method: int, level: int, piece: bytes) -> Path:
    """A wheel with a file of that size, written piece by piece."""
    path = folder / "large-1.0-py3-none-any.whl"
    info = "large-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as zip_file:
        entry = zipfile.ZipInfo("large.bin")
        entry.compress_type = method
        entry._compresslevel = level  # type: ignore[attr-defined]  # public from 3.13 on
        with zip_file.open(entry, "w") as stream:
            for _ in range(megabytes):
                stream.write(piece)
        zip_file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        zip_file.writestr(f"{info}/RECORD", f"large.bin,,\n{info}/METADATA,,\n{info}/RECORD,,\n")
    return path


@pytest.mark.slow
class TestMemory:
    LIMIT = 16 * 1024 * 1024

    KINDS: Mapping[str, tuple[int, int, int, Callable[[int], bytes]]] = {
        "deflated": (100, zipfile.ZIP_DEFLATED, 0, os.urandom),
        "deflated to nearly nothing": (100, zipfile.ZIP_DEFLATED, 1, bytes),
        "stored": (40, zipfile.ZIP_STORED, 0, bytes),
        "stored, since it cannot be deflated": (40, zipfile.ZIP_STORED, 0, os.urandom),
    }

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("work", ["archive", "unpack"])
    def test_it_does_not_grow_with_a_file(self, work: str, kind: str, tmp_path: Path) -> None:
        megabytes, method, level, content = self.KINDS[kind]
        wheel = large_wheel(tmp_path, megabytes, method, level, content(1024 * 1024))
        kept = Store(tmp_path / "store").keep(wheel, "large", "1.0")
        settings = load({"runtime": "python3.13"}, tmp_path, environ={})
        files = lay_out(wheel, TARGET)

        tracemalloc.start()
        try:
            if work == "archive":
                made = writer.write(tmp_path / "large.zip", files).unzipped
            else:
                unpack_stage.unpack(assemble((kept,), settings, tmp_path / "bundle"), None)
                made = (tmp_path / "bundle/large.bin").stat().st_size
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert made >= megabytes * 1024 * 1024
        assert peak < self.LIMIT, f"{peak / 1024 / 1024:.0f} MB"
