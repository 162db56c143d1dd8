from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from hatch_lambda.bundle.files import union
from hatch_lambda.common.errors import BrokenWheelError, ConfigurationError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Generated
from hatch_lambda.zip import writer
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.packages import Content

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["arm64"])
COMPRESSIBLE = b"import this\n" * 500


def text(path: str, content: bytes = COMPRESSIBLE, mode: int = 0o644) -> BundleFile:
    return BundleFile(path=path, mode=mode, source=Generated(content), owner="orders 1.0")


FILES = (text("orders/app.py"), text("bin/serve", mode=0o755), text("empty.py", b""), text("Straße/注文.py", b"x"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(
        tmp_path / "wheels",
        "orders",
        files={"orders/__init__.py": COMPRESSIBLE, "orders/empty.py": "", "orders/data.bin": os.urandom(5000)},
        executables=["orders/__init__.py"],
    )


@pytest.fixture
def files(wheel: Path) -> tuple[BundleFile, ...]:
    """What a build has: entries of a wheel and content made here."""
    return union([lay_out(wheel, TARGET), FILES[1:]])


def contents_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as zip_file:
        assert zip_file.testzip() is None
        return {name: zip_file.read(name) for name in zip_file.namelist()}


def entries_of(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as zip_file:
        return zip_file.infolist()


class TestContent:
    def test_every_file_is_in_it_as_it_was(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        made = writer.write(tmp_path / "orders.zip", files)

        assert contents_of(made.path) == {file.path: file.source.read() for file in files}

    def test_the_figures_are_those_of_the_zip(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        made = writer.write(tmp_path / "orders.zip", files)

        assert made.path == tmp_path / "orders.zip"
        assert made.zipped == made.path.stat().st_size
        assert made.unzipped == sum(len(file.source.read()) for file in files)

    def test_names_are_sorted(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        first = writer.write(tmp_path / "first.zip", files).path
        second = writer.write(tmp_path / "second.zip", reversed(files)).path

        names = [entry.filename for entry in entries_of(first)]
        assert names == sorted(names)
        assert first.read_bytes() == second.read_bytes()

    def test_an_empty_zip_is_valid(self, tmp_path: Path) -> None:
        assert contents_of(writer.write(tmp_path / "empty.zip", ()).path) == {}

    @pytest.mark.skipif(not shutil.which("unzip"), reason="no unzip at hand")
    def test_unzip_finds_no_fault_in_it(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        path = writer.write(tmp_path / "orders.zip", files).path

        tested = subprocess.run(["unzip", "-t", str(path)], capture_output=True, text=True, check=False)
        extracted = subprocess.run(
            ["unzip", "-q", str(path), "-d", str(tmp_path / "task")], capture_output=True, text=True, check=False
        )

        assert (tested.returncode, tested.stderr) == (0, "")
        assert "No errors detected" in tested.stdout
        assert (extracted.returncode, extracted.stderr) == (0, "")
        assert stat.S_IMODE((tmp_path / "task" / "bin" / "serve").stat().st_mode) == 0o755
        assert stat.S_IMODE((tmp_path / "task" / "orders" / "empty.py").stat().st_mode) == 0o644

    @pytest.mark.slow
    def test_more_files_than_a_plain_zip_can_count_are_all_there(self, tmp_path: Path) -> None:
        number = 0x10000 + 3
        path = writer.write(tmp_path / "many.zip", (text(f"{index:06}", b"") for index in range(number))).path

        assert len(entries_of(path)) == number


class TestEntries:
    def test_each_is_made_as_on_unix_with_one_of_two_modes(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        entries = entries_of(writer.write(tmp_path / "orders.zip", files).path)

        assert {entry.create_system for entry in entries} == {3}
        assert {entry.filename: oct(entry.external_attr >> 16) for entry in entries} == {
            entry.filename: "0o100755" if entry.filename in {"bin/serve", "orders/__init__.py"} else "0o100644"
            for entry in entries
        }

    def test_what_can_be_compressed_is_deflated(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        path = writer.write(tmp_path / "orders.zip", [*files, FILES[0]]).path

        for entry in entries_of(path):
            if entry.file_size >= len(COMPRESSIBLE) and not entry.filename.endswith(".bin"):
                assert entry.compress_type == zipfile.ZIP_DEFLATED, entry.filename
                assert entry.compress_size < entry.file_size / 20
            assert entry.compress_size <= entry.file_size + 20

    @pytest.mark.parametrize("level", range(10))
    def test_the_level_changes_only_the_size(self, level: int, tmp_path: Path) -> None:
        contents = b"".join(hashlib.sha256(bytes([number % 50])).hexdigest().encode() for number in range(900))

        path = writer.write(tmp_path / "orders.zip", [text("a.txt", contents)], level=level).path
        best = writer.write(tmp_path / "best.zip", [text("a.txt", contents)], level=9).path

        assert contents_of(path) == {"a.txt": contents}
        assert path.stat().st_size >= best.stat().st_size
        if level == 0:
            assert path.stat().st_size > len(contents)

    def test_no_entry_has_a_comment_or_anything_that_differs_between_machines(
        self, files: tuple[BundleFile, ...], tmp_path: Path
    ) -> None:
        entries = entries_of(writer.write(tmp_path / "orders.zip", files).path)

        assert {(entry.comment, entry.extra, entry.internal_attr, entry.volume) for entry in entries} == {
            (b"", b"", 0, 0)
        }

    def test_the_entries_own_headers_say_what_the_directory_says(
        self, files: tuple[BundleFile, ...], tmp_path: Path
    ) -> None:
        """Readers that stream do not see the directory."""
        path = writer.write(tmp_path / "orders.zip", files).path
        content = path.read_bytes()

        for entry in entries_of(path):
            fields = struct.unpack_from("<4sHHHHHIIIHH", content, entry.header_offset)
            signature, _needed, flags, method, _time, _date, crc, compressed, size, name_length, extra_length = fields
            start = entry.header_offset + 30
            assert signature == b"PK\3\4"
            assert (method, crc, compressed, size) == (
                entry.compress_type,
                entry.CRC,
                entry.compress_size,
                entry.file_size,
            )
            assert content[start : start + name_length].decode("utf-8") == entry.filename
            assert extra_length == 0
            assert bool(flags & 0x800) is not entry.filename.isascii()


class TestWheelsOfAllKinds:
    """A file that a wheel brings is taken over compressed as it is, so what may be odd about a wheel matters."""

    def wheel_with(self, folder: Path, write: str) -> Path:
        path = folder / "odd-1.0-py3-none-any.whl"
        odd = Odd(path)
        getattr(odd, write)()
        return path

    @pytest.mark.parametrize(
        "kind", ["stored", "bzip2", "lzma", "streamed", "with_large_headers", "with_extra_fields", "behind_a_prefix"]
    )
    def test_the_content_arrives_and_any_unzip_can_read_it(self, kind: str, tmp_path: Path) -> None:
        wheel = self.wheel_with(tmp_path, kind)

        path = writer.write(tmp_path / "odd.zip", lay_out(wheel, TARGET)).path

        assert contents_of(path) == contents_of(wheel)
        assert {entry.compress_type for entry in entries_of(path)} <= {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED}
        assert {entry.flag_bits for entry in entries_of(path)} == {0}
        (module,) = [entry for entry in entries_of(path) if entry.filename == "odd.py"]
        assert module.compress_size < len(COMPRESSIBLE) / 20

    def test_two_wheels_with_the_same_content_give_the_same_files(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        plain = self.wheel_with(tmp_path, "stored")
        extra = self.wheel_with(tmp_path / "a", "with_extra_fields")

        assert contents_of(writer.write(tmp_path / "1.zip", lay_out(plain, TARGET)).path) == contents_of(
            writer.write(tmp_path / "2.zip", lay_out(extra, TARGET)).path
        )

    def test_a_wheel_that_has_been_cut_off_since_is_an_error_and_no_zip(
        self, wheel: Path, files: tuple[BundleFile, ...], tmp_path: Path
    ) -> None:
        wheel.write_bytes(wheel.read_bytes()[:100])

        with pytest.raises(BrokenWheelError, match=wheel.name):
            writer.write(tmp_path / "orders.zip", files)

        assert list(tmp_path.glob("*.zip*")) == []


class Odd:
    """Writes wheels of the same content in unusual ways."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, target: object, compression: int, *, extra: bytes = b"", large: bool = False) -> None:
        contents = {
            "odd.py": COMPRESSIBLE,
            "odd-1.0.dist-info/METADATA": b"Name: odd\n",
            "odd-1.0.dist-info/RECORD": b"odd.py,,\nodd-1.0.dist-info/METADATA,,\nodd-1.0.dist-info/RECORD,,\n",
        }
        with zipfile.ZipFile(target, "w", compression) as zip_file:  # type: ignore[call-overload]
            for name, content in contents.items():
                entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
                entry.compress_type = compression
                entry.extra = extra
                with zip_file.open(entry, "w", force_zip64=large) as stream:
                    stream.write(content)

    def stored(self) -> None:
        self.write(self.path, zipfile.ZIP_STORED)

    def bzip2(self) -> None:
        self.write(self.path, zipfile.ZIP_BZIP2)

    def lzma(self) -> None:
        self.write(self.path, zipfile.ZIP_LZMA)

    def streamed(self) -> None:
        """Sizes stand behind the data, as of a writer that cannot seek."""
        with self.path.open("wb") as raw:
            self.write(Unseekable(raw), zipfile.ZIP_DEFLATED)

    def with_large_headers(self) -> None:
        self.write(self.path, zipfile.ZIP_DEFLATED, large=True)

    def with_extra_fields(self) -> None:
        self.write(self.path, zipfile.ZIP_DEFLATED, extra=b"UT\x05\x00\x01\x00\x00\x00\x00")

    def behind_a_prefix(self) -> None:
        content = io.BytesIO()
        self.write(content, zipfile.ZIP_DEFLATED)
        self.path.write_bytes(b"#!/usr/bin/env python3\n" + content.getvalue())


class Unseekable:
    def __init__(self, raw: io.BufferedWriter) -> None:
        self.raw = raw

    def write(self, data: bytes) -> int:
        return self.raw.write(data)

    def flush(self) -> None:
        self.raw.flush()


class TestTimes:
    @pytest.mark.parametrize(
        ("epoch", "expected"),
        [
            (None, (2020, 2, 2, 0, 0, 0)),
            ("1700000000", (2023, 11, 14, 22, 13, 20)),
            ("1700000001", (2023, 11, 14, 22, 13, 20)),
            ("315532800", (1980, 1, 1, 0, 0, 0)),
            ("315532799", (1980, 1, 1, 0, 0, 0)),
            ("0", (1980, 1, 1, 0, 0, 0)),
            ("-1", (1980, 1, 1, 0, 0, 0)),
            ("4354819198", (2107, 12, 31, 23, 59, 58)),
            ("4354819200", (2107, 12, 31, 23, 59, 58)),
            ("9" * 40, (2107, 12, 31, 23, 59, 58)),
        ],
    )
    def test_source_date_epoch_is_the_one_time_of_all_within_what_a_zip_can_say(
        self,
        epoch: str | None,
        expected: tuple[int, ...],
        files: tuple[BundleFile, ...],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if epoch is not None:
            monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

        path = writer.write(tmp_path / "orders.zip", files).path

        assert {entry.date_time for entry in entries_of(path)} == {expected}
        assert contents_of(path).keys() == {file.path for file in files}

    @pytest.mark.parametrize("epoch", ["yesterday", "", "1.5", "0x10", "nan", "12 34"])
    def test_a_value_that_is_not_a_number_is_an_error_and_leaves_the_previous_zip(
        self, epoch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "orders.zip").write_bytes(b"former")
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

        with pytest.raises(ConfigurationError) as raised:
            writer.write(tmp_path / "orders.zip", FILES)

        assert str(raised.value) == (
            f"Environment variable `SOURCE_DATE_EPOCH` must be a number of seconds, not {epoch!r}"
        )
        assert (tmp_path / "orders.zip").read_bytes() == b"former"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another umask and another time zone."""
    before = os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    os.umask(before)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.slow
def test_memory_does_not_grow_with_what_lies_between_small_files(tmp_path: Path) -> None:
    files: dict[str, Content] = {}
    for number in range(200):
        files |= {f"a/{number:03}.txt": "small", f"z/{number:03}.bin": os.urandom(100_000)}
    layout = lay_out(make_wheel(tmp_path, "foo", files=files), TARGET)
    tracemalloc.start()
    try:
        writer.write(tmp_path / "orders.zip", layout)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000


class TestSameInputsSameBytes:
    def test_two_runs_give_the_same(self, files: tuple[BundleFile, ...], tmp_path: Path) -> None:
        first = writer.write(tmp_path / "first.zip", files).path

        assert writer.write(tmp_path / "second.zip", files).path.read_bytes() == first.read_bytes()

    def test_umask_time_zone_and_directory_do_not_matter(
        self, wheel: Path, files: tuple[BundleFile, ...], tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        here = writer.write(tmp_path / "orders.zip", files).path.read_bytes()

        request.getfixturevalue("elsewhere")
        folder = tmp_path / "another" / "folder"
        folder.mkdir(parents=True)
        moved = shutil.copy(wheel, folder)
        os.utime(moved, (1, 1))
        there = writer.write(folder / "other-name.zip", union([FILES[1:], lay_out(folder / wheel.name, TARGET)])).path

        assert there.read_bytes() == here

    @pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_the_zip_itself_is_a_file_like_any_other_under_the_users_umask(
        self, umask: int, mode: int, tmp_path: Path
    ) -> None:
        before = os.umask(umask)
        try:
            path = writer.write(tmp_path / "orders.zip", FILES).path
        finally:
            assert os.umask(before) == umask

        assert stat.S_IMODE(path.stat().st_mode) == mode


def open_files() -> list[str]:
    """Of this process."""
    targets = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed by now
            targets.append(str(path.readlink()))
    return targets


def failing(error: BaseException) -> Generated:
    class Failing(Generated):
        def read(self) -> bytes:
            raise error

    return Failing(b"")


class TestWholeOrNotAtAll:
    @pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
    @pytest.mark.parametrize("former", [None, b"the former zip"])
    def test_a_failure_in_the_middle_leaves_what_was_there_and_no_litter(
        self, former: bytes | None, error: BaseException, tmp_path: Path
    ) -> None:
        dist = tmp_path / "dist"
        dist.mkdir()
        if former is not None:
            (dist / "orders.zip").write_bytes(former)
        broken = BundleFile(path="n.py", mode=0o644, source=failing(error), owner="orders 1.0")

        with pytest.raises(type(error)):
            writer.write(dist / "orders.zip", [text("a.py"), broken, text("z.py")])

        assert {path.name: path.read_bytes() for path in dist.iterdir()} == (
            {} if former is None else {"orders.zip": former}
        )

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_in_its_place_does_not_hold_it_up(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "orders.zip")

        path = writer.write(tmp_path / "orders.zip", FILES).path

        assert contents_of(path) == {file.path: file.source.read() for file in FILES}

    @pytest.mark.parametrize("size", [10, 3_000_000], ids=["at the end", "on the way"])
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk at hand")
    def test_a_full_disk_fails_the_build(self, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dist = tmp_path / "dist"
        dist.mkdir()
        path = writer.write(dist / "orders.zip", FILES).path
        before = path.read_bytes()
        opened: list[BinaryIO] = []

        def open_full(temporary: Path, mode: str) -> BinaryIO:
            temporary.touch()
            opened.append(cast("BinaryIO", open("/dev/full", mode.replace("x", "w"))))  # noqa: PTH123, SIM115
            return opened[0]

        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", open_full)
            with pytest.raises(OSError, match="No space left on device"):
                writer.write(path, [text("large.bin", os.urandom(size))])

        assert [other.name for other in dist.iterdir()] == ["orders.zip"]
        assert path.read_bytes() == before
        assert opened[0].closed

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are looked at in /proc")
    @pytest.mark.parametrize("threads", [True, False], ids=["beside", "where there are too many threads"])
    def test_the_former_zip_does_not_stay_open(
        self, *, threads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        if not threads:
            monkeypatch.setattr(threading.Thread, "start", refuse)
        for _ in range(5):
            writer.write(tmp_path / "orders.zip", FILES)

        end = time.monotonic() + 60
        while any(target.startswith(str(tmp_path)) for target in open_files()) and time.monotonic() < end:
            time.sleep(0.01)
        assert not [target for target in open_files() if target.startswith(str(tmp_path))]

    def test_what_it_was_made_of_can_go_before_it_takes_its_place(
        self, files: tuple[BundleFile, ...], wheel: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "orders.zip"
        path.write_bytes(b"former")
        expected = {file.path: file.source.read() for file in files}
        seen = []

        def remove_wheel() -> None:
            seen.append(path.read_bytes())
            wheel.unlink()

        writer.write(path, files, when_read=remove_wheel)

        assert seen == [b"former"]
        assert contents_of(path) == expected

    def test_a_reader_of_the_former_zip_reads_on_undisturbed(self, tmp_path: Path) -> None:
        path = writer.write(tmp_path / "orders.zip", [text("a.py", b"old")]).path
        with zipfile.ZipFile(path) as reader:
            writer.write(path, [text("a.py", b"new"), text("b.py")])

            assert reader.read("a.py") == b"old"
        assert contents_of(path)["a.py"] == b"new"

    def test_no_other_file_is_left_next_to_it(self, tmp_path: Path) -> None:
        dist = tmp_path / "dist"
        dist.mkdir()

        writer.write(dist / "orders.zip", FILES)

        assert [path.name for path in dist.iterdir()] == ["orders.zip"]
