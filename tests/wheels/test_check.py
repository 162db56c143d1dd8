from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.wheels import archive, check, members
from hatch_lambda.wheels.check import check_wheel
from tests.support.packages import make_wheel, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

INFO = "foo-1.0.dist-info"
FILENAME = "foo-1.0-py3-none-any.whl"
MODULE = b"VERSION = '1.0'\n" * 20
WHEEL = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def digest(content: bytes, algorithm: str = "sha256") -> str:
    encoded = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    return f"{algorithm}={encoded}"


def row(name: str, content: bytes) -> str:
    return f"{name},{digest(content)},{len(content)}\n"


def files(**changed: bytes) -> dict[str, bytes]:
    """A wheel's files but for RECORD."""
    contents = {"foo.py": MODULE, f"{INFO}/METADATA": metadata("foo", "1.0").encode(), f"{INFO}/WHEEL": WHEEL}
    return {**contents, **changed}


def record_of(contents: Mapping[str, bytes]) -> bytes:
    return ("".join(row(name, content) for name, content in contents.items()) + f"{INFO}/RECORD,,\n").encode()


def write(
    folder: Path,
    contents: Mapping[str, bytes],
    *,
    record: bytes | None = None,
    filename: str = FILENAME,
    more: Callable[[zipfile.ZipFile], None] = lambda _: None,
) -> Path:
    path = folder / filename
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        more(archive)
        archive.writestr(f"{INFO}/RECORD", record_of(contents) if record is None else record)
    return path


def with_entry(folder: Path, entry: zipfile.ZipInfo, content: bytes = b"x") -> Path:
    contents = files()
    record = record_of({**contents, entry.filename: content})
    return write(folder, contents, record=record, more=lambda archive: archive.writestr(entry, content))


class Patch:
    """Changes the headers of one entry where zipfile would not write them so."""

    def __init__(self, path: Path, name: str = "foo.py") -> None:
        self.path = path
        self.data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            self.directory = archive.start_dir
            self.local = archive.getinfo(name).header_offset
        self.central = self.data.index(name.encode(), self.directory) - 46
        self.end = self.data.rindex(b"PK\x05\x06")

    def both(self, offset_in_local: int, layout: str, value: int) -> Patch:
        return self.at_local(offset_in_local, layout, value).at_central(offset_in_local + 2, layout, value)

    def at_local(self, offset: int, layout: str, value: int) -> Patch:
        struct.pack_into(layout, self.data, self.local + offset, value)
        return self

    def at_central(self, offset: int, layout: str, value: int) -> Patch:
        struct.pack_into(layout, self.data, self.central + offset, value)
        return self

    def insert(self, position: int, content: bytes) -> Patch:
        """Put bytes before the directory, and say at the end that it has moved."""
        self.data[position:position] = content
        (start,) = struct.unpack_from("<I", self.data, self.end + len(content) + 16)
        struct.pack_into("<I", self.data, self.end + len(content) + 16, start + len(content))
        self.central += len(content)
        return self

    def rename(self, old: bytes, new: bytes) -> Patch:
        assert len(old) == len(new)
        self.data = bytearray(bytes(self.data).replace(old, new))
        return self

    def write(self) -> Path:
        self.path.write_bytes(self.data)
        return self.path


FLAGS, METHOD, CRC, PACKED, UNPACKED = 6, 8, 14, 18, 22  # in a local header; 2 more in the directory


def refused(path: Path) -> str:
    with pytest.raises(BrokenWheelError) as caught:
        check_wheel(path)
    assert caught.value.filename == path.name
    return caught.value.reason


def fault_of(path: Path) -> str:
    """What RECORD does wrong, which the audit refuses."""
    [fault] = check_wheel(path).faults
    return " ".join(fault)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return write(tmp_path, files())


class TestGoodWheels:
    def test_a_plain_one(self, wheel: Path) -> None:
        check_wheel(wheel)

    def test_one_of_a_name_and_a_version_that_are_written_in_several_ways(self, tmp_path: Path) -> None:
        path = make_wheel(tmp_path, "Foo.Bar-baz", "1.0+cu118")

        check_wheel(path.rename(tmp_path / "foo_bar_baz-1.0.0+cu118-py3-none-any.whl"))

    def test_one_of_stored_entries_folders_and_utf_8_names(self, tmp_path: Path) -> None:
        contents = files(**{"foo/größe.txt": b"groesse", "foo/empty.py": b""})

        def more(archive: zipfile.ZipFile) -> None:
            archive.writestr(zipfile.ZipInfo("foo/"), b"")

        path = write(tmp_path, contents, more=more)
        check_wheel(path)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**contents, f"{INFO}/RECORD": record_of(contents)}.items():
                archive.writestr(name, content)
        check_wheel(path)

    def test_one_that_was_written_as_a_stream(self, tmp_path: Path) -> None:
        """Sizes come behind the data then, in data descriptors."""

        class Stream(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: Any) -> int:
                raise io.UnsupportedOperation

            def tell(self) -> int:
                raise io.UnsupportedOperation

        contents, stream = files(), Stream()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**contents, f"{INFO}/RECORD": record_of(contents)}.items():
                archive.writestr(name, content)
        path = tmp_path / FILENAME
        path.write_bytes(stream.getvalue())

        with zipfile.ZipFile(path) as archive:
            assert all(entry.flag_bits & 0x8 for entry in archive.infolist())
        check_wheel(path)
        Patch(path).at_central(CRC + 2, "<I", 1).write()
        assert refused(path) == "its entry `foo.py` has another size or CRC in its data descriptor"

    def test_one_with_zip64_sizes(self, tmp_path: Path) -> None:
        contents = files()

        def more(archive: zipfile.ZipFile) -> None:
            with archive.open("foo/big.bin", "w", force_zip64=True) as entry:
                entry.write(b"big")

        check_wheel(write(tmp_path, contents, record=record_of({**contents, "foo/big.bin": b"big"}), more=more))

    def test_one_with_a_zip64_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
        path = write(tmp_path, files())

        assert b"PK\x06\x06" in path.read_bytes()
        data = bytearray(path.read_bytes())
        struct.pack_into("<H", data, len(data) - 12, 0xFFFF)
        path.write_bytes(data)
        check_wheel(path)
        data[data.index(b"PK\x06\x06") + 4] += 1
        path.write_bytes(data)
        assert "zip64" in refused(path).lower()  # since 3.14, zipfile refuses it first

    def test_one_that_is_signed(self, tmp_path: Path) -> None:
        def more(archive: zipfile.ZipFile) -> None:
            archive.writestr(f"{INFO}/RECORD.jws", "{}")
            archive.writestr(f"{INFO}/RECORD.p7s", "")

        check_wheel(write(tmp_path, files(), more=more))

    def test_one_of_other_strong_hashes_padded_ones_and_lines_that_come_twice(self, tmp_path: Path) -> None:
        contents = files(**{"a.py": b"a", "b.py": b"b"})
        lines = record_of(contents).decode().replace(digest(b"a"), digest(b"a", "sha512"))
        lines = lines.replace(digest(b"b"), digest(b"b") + "=") + row("foo.py", MODULE)

        check_wheel(write(tmp_path, contents, record=lines.encode()))


class TestLargeFiles:
    """They are unpacked beside the others, and checked as these are."""

    FILES: ClassVar[dict[str, bytes]] = {
        "large.bin": b"".join(number.to_bytes(4, "big") for number in range(100_000)),
        "larger.bin": bytes(range(256)) * 8_000,
    }

    def test_all_of_their_content_is_seen(self, tmp_path: Path) -> None:
        seen: dict[str, bytes] = {}

        def watch(name: str, content: Iterator[bytes]) -> Iterator[bytes]:
            for piece in content:
                seen[name] = seen.get(name, b"") + piece
                yield piece

        check_wheel(write(tmp_path, files(**self.FILES)), watch)

        assert {name: seen[name] for name in self.FILES} == self.FILES
        assert seen.keys() == {*files(**self.FILES), f"{INFO}/RECORD"}

    @pytest.mark.parametrize("name", ["large.bin", "larger.bin"])
    def test_damage_is_reported_with_the_entrys_name(self, tmp_path: Path, name: str) -> None:
        wheel = write(tmp_path, files(**self.FILES))
        with zipfile.ZipFile(wheel) as archive:
            entry = archive.getinfo(name)
        content = bytearray(wheel.read_bytes())
        content[entry.header_offset + 30 + len(name) + entry.compress_size // 2] ^= 0xFF
        wheel.write_bytes(content)

        with pytest.raises(BrokenWheelError, match=rf"`{re.escape(name)}` (?:is damaged: |is not what |unpacks to )"):
            check_wheel(wheel)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("../evil.py", "its entry `../evil.py` leads out of the directory it is unpacked to"),
            ("foo/../../evil.py", "its entry `foo/../../evil.py` leads out of the directory it is unpacked to"),
            ("/etc/evil", "its entry `/etc/evil` has an absolute path"),
            ("C:/evil.py", "its entry `C:/evil.py` has an absolute path"),
            ("c:evil.py", "its entry `c:evil.py` has an absolute path"),
            ("foo//bar.py", "its entry `foo//bar.py` has an empty part in its path"),
            ("./bar.py", "its entry `./bar.py` has an empty part in its path"),
            ("FOO.py", "its entries `foo.py` and `FOO.py` differ only in case"),
            ("foo.py/inner.py", "its entry `foo.py` is a file and a directory of other entries"),
            ("Foo.PY/inner.py", "its entry `foo.py` is a file and a directory of other entries"),
        ],
    )
    def test_an_entry_of_a_name_that_would_do_harm(self, tmp_path: Path, name: str, reason: str) -> None:
        assert refused(with_entry(tmp_path, zipfile.ZipInfo(name))) == reason

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            (b"ev\\l.py", r"its entry 'ev\\l.py' has a backslash in its name, which separates directories on Windows"),
            (b"ev\0l.py", r"its entry 'ev\x00l.py' has a NUL in its name"),
        ],
    )
    def test_a_name_that_zipfile_would_not_write(self, tmp_path: Path, name: bytes, reason: str) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("evil.py"))

        assert refused(Patch(path).rename(b"evil.py", name).write()) == reason

    def test_names_of_the_same_letters_composed_and_decomposed(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(**{"é.py": b"", "e\u0301.py": b""}))

        assert "differ only in case" in refused(path)

    def test_two_entries_of_one_name(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("fox.py"), MODULE)

        assert refused(Patch(path).rename(b"fox.py", b"foo.py").write()) == "it has two entries `foo.py`"

    def test_a_second_name_for_the_tools_that_prefer_it(self, tmp_path: Path) -> None:
        entry = zipfile.ZipInfo("nice.py")
        entry.extra = struct.pack("<HHBI", 0x7075, 12, 1, zlib.crc32(b"nice.py")) + b"evil.py"

        assert refused(with_entry(tmp_path, entry)) == "its entry `nice.py` has a second name"


class TestKinds:
    @pytest.mark.parametrize(
        ("mode", "kind"),
        [
            (0o120777, "a symbolic link"),
            (0o020666, "a device"),
            (0o060666, "a device"),
            (0o010644, "a named pipe"),
            (0o140644, "a socket"),
            (0o040755, "a directory by its mode and a file by its name"),
        ],
    )
    def test_an_entry_that_is_no_file(self, tmp_path: Path, mode: int, kind: str) -> None:
        entry = zipfile.ZipInfo("bar")
        entry.external_attr = mode << 16

        assert refused(with_entry(tmp_path, entry)) == f"its entry `bar` is {kind}"

    @pytest.mark.parametrize("flag", [0x1, 0x41, 0x2000])
    def test_an_encrypted_entry(self, wheel: Path, flag: int) -> None:
        assert refused(Patch(wheel).both(FLAGS, "<H", flag).write()) == "its entry `foo.py` is encrypted"

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
    def test_an_oddly_compressed_entry(self, wheel: Path, method: int) -> None:
        reason = refused(Patch(wheel).both(METHOD, "<H", method).write())

        assert reason == f"its entry `foo.py` is compressed by method {method}, neither stored nor deflated"

    def test_a_folder_with_content(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("bar_"), b"x")

        assert (
            refused(Patch(path).rename(b"bar_", b"bar/").write()) == "its entry `bar/` is a directory that has content"
        )


class TestSizes:
    def test_a_bomb_is_not_unpacked_beyond_what_it_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(members, "PIECE", 1024)
        inflated = 0
        real = zlib.decompressobj

        class Counting:
            def __init__(self, *arguments: Any) -> None:
                self.inflater = real(*arguments)

            def decompress(self, data: bytes, most: int) -> bytes:
                nonlocal inflated
                content = self.inflater.decompress(data, most)
                inflated += len(content)
                return content

            def __getattr__(self, name: str) -> Any:
                return getattr(self.inflater, name)

        contents = files(**{"bomb.txt": bytes(50_000_000)})
        record = record_of(contents).replace(b",50000000\n", b",4000\n")
        path = write(tmp_path, contents, record=record)
        Patch(path, "bomb.txt").both(UNPACKED, "<I", 4000).write()
        monkeypatch.setattr(zlib, "decompressobj", Counting)

        assert refused(path) == "its entry `bomb.txt` unpacks to more than the 4000 bytes it says"
        assert inflated < 10_000

    def test_an_entry_that_unpacks_to_less_than_it_says(self, tmp_path: Path) -> None:
        contents = files()
        path = write(tmp_path, contents, record=record_of(contents).replace(b",320\n", b",400\n"))

        reason = refused(Patch(path).both(UNPACKED, "<I", 400).write())

        assert reason == "its entry `foo.py` unpacks to 320 bytes, not the 400 it says"

    def test_an_entry_that_says_more_than_deflate_can_do(self, wheel: Path) -> None:
        reason = refused(Patch(wheel).both(UNPACKED, "<I", 1_000_000).write())

        assert reason == "its entry `foo.py` declares a size that its data cannot unpack to"

    def test_an_absurd_ratio(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(**{"zeros.bin": bytes(65 * 1024 * 1024)}))

        assert refused(path) == "its entry `zeros.bin` unpacks to more than 200 times its size"

    def test_more_in_all_than_lambda_could_ever_take(self, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "_MOST_UNPACKED", 500)

        assert "bytes, and Lambda takes 262,144,000 in all" in refused(wheel)

    def test_a_stored_entry_of_two_sizes(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("plain.txt"), b"plain")

        reason = refused(Patch(path, "plain.txt").both(UNPACKED, "<I", 4).write())

        assert reason == "its entry `plain.txt` is stored, but its two sizes differ"

    def test_a_record_too_large_to_be_one(self, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(check, "_MOST_METADATA", 10)

        assert refused(wheel) == f"its entry `{INFO}/METADATA` is too large for a metadata file"


class TestArchive:
    def test_no_archive(self, tmp_path: Path) -> None:
        path = tmp_path / FILENAME
        path.write_bytes(b"<html>Not found</html>")

        assert refused(path) == "it is damaged or cut short: File is not a zip file"

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
    def test_an_archive_that_is_cut_short(self, wheel: Path, kept: float) -> None:
        data = wheel.read_bytes()
        wheel.write_bytes(data[: int(len(data) * kept)])

        assert "damaged or cut short" in refused(wheel)

    def test_something_behind_the_end(self, wheel: Path) -> None:
        wheel.write_bytes(wheel.read_bytes() + b"garbage")

        assert refused(wheel) == "there is data after the end of its archive"

    def test_something_before_the_archive(self, wheel: Path) -> None:
        wheel.write_bytes(b"#!/bin/sh\nrm -rf /\n" + wheel.read_bytes())

        assert refused(wheel).startswith("there is data before its archive")

    def test_something_between_the_entries_and_the_directory(self, wheel: Path) -> None:
        patch = Patch(wheel)

        reason = refused(
            patch.insert(patch.directory, b"PK\x03\x04 an entry for those who read from the front").write()
        )

        assert reason == "there is hidden data between its entries and its directory"

    def test_an_entry_that_the_directory_does_not_have(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("evil.py"))
        patch = Patch(path, "evil.py")
        size = 46 + len("evil.py")
        del patch.data[patch.central : patch.central + size]
        end = patch.end - size
        count, length = struct.unpack_from("<HI", patch.data, end + 10)
        struct.pack_into("<HHI", patch.data, end + 8, count - 1, count - 1, length - size)

        assert refused(patch.write()) == f"there is hidden data before its entry `{INFO}/RECORD`"

    def test_entries_that_share_their_data(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("twin.py"), b"twin")
        patch = Patch(path, "twin.py").at_central(42, "<I", 0)

        assert "overlaps with another" in refused(patch.write())

    def test_an_entry_that_reaches_into_the_next(self, wheel: Path) -> None:
        (packed,) = struct.unpack_from("<I", wheel.read_bytes(), PACKED)

        reason = refused(Patch(wheel).both(PACKED, "<I", packed + 8).write())

        assert reason == f"its entry `{INFO}/METADATA` overlaps with another"

    def test_the_last_entry_reaches_into_the_directory(self, wheel: Path) -> None:
        patch = Patch(wheel, f"{INFO}/RECORD")
        (packed,) = struct.unpack_from("<I", patch.data, patch.local + PACKED)

        reason = refused(patch.both(PACKED, "<I", packed + 8).both(UNPACKED, "<I", packed + 8).write())

        assert reason == "its last entry overlaps with its directory"

    def test_another_name_in_the_header(self, wheel: Path) -> None:
        patch = Patch(wheel)
        patch.data[patch.local + 30 : patch.local + 36] = b"bad.py"

        assert refused(patch.write()) == "its entry `foo.py` has another name in its header: b'bad.py'"

    @pytest.mark.parametrize("field", [CRC, PACKED, UNPACKED])
    def test_another_size_or_sum_in_the_header(self, wheel: Path, field: int) -> None:
        reason = refused(Patch(wheel).at_local(field, "<I", 7).write())

        assert reason == "its entry `foo.py` has another size or CRC in its header"

    def test_another_method_in_the_header(self, wheel: Path) -> None:
        reason = refused(Patch(wheel).at_local(METHOD, "<H", 0).write())

        assert reason == "its entry `foo.py` has another compression method or other flags in its header"

    def test_no_header_at_all(self, wheel: Path) -> None:
        reason = refused(Patch(wheel).at_local(0, "<I", 0).write())

        assert reason == "its entry `foo.py` has no header"

    def test_a_directory_of_fewer_entries_than_it_says(self, wheel: Path) -> None:
        patch = Patch(wheel)
        struct.pack_into("<H", patch.data, patch.end + 10, 9)

        assert refused(patch.write()) == "its directory has 4 entries, and says it has 9"

    def test_a_wrong_sum(self, wheel: Path) -> None:
        reason = refused(Patch(wheel).both(CRC, "<I", 1).write())

        assert reason == "its entry `foo.py` is damaged: its CRC is not the one it says"

    def test_compressed_data_that_is_damaged(self, wheel: Path) -> None:
        patch = Patch(wheel)
        patch.data[patch.local + 36 : patch.local + 40] = b"\xff\xff\xff\xff"

        assert refused(patch.write()).startswith("its entry `foo.py` is damaged: ")

    def test_compressed_data_with_something_behind_it(self, wheel: Path) -> None:
        patch = Patch(wheel, f"{INFO}/RECORD")
        (packed,) = struct.unpack_from("<I", patch.data, patch.local + PACKED)

        reason = refused(patch.insert(patch.directory, b"more").both(PACKED, "<I", packed + 4).write())

        assert reason == f"its entry `{INFO}/RECORD` is damaged: its compressed data ends elsewhere than it says"

    def test_a_name_that_is_no_utf_8(self, tmp_path: Path) -> None:
        path = with_entry(tmp_path, zipfile.ZipInfo("é.py"))

        assert "damaged or cut short" in refused(Patch(path).rename("é".encode(), b"\xff\xff").write())


class TestMetadata:
    @pytest.mark.parametrize("filename", ["foo.whl", "foo-1.0.whl", "foo-x-py3-none-any.whl"])
    def test_a_file_name_that_is_no_wheels(self, tmp_path: Path, filename: str) -> None:
        assert refused(write(tmp_path, files(), filename=filename))

    @pytest.mark.parametrize("filename", ["bar-1.0-py3-none-any.whl", "foo-2.0-py3-none-any.whl"])
    def test_a_file_name_that_is_not_the_folders(self, tmp_path: Path, filename: str) -> None:
        name, version = filename.split("-")[:2]

        reason = refused(write(tmp_path, files(), filename=filename))

        assert reason == f"its file name says {name} {version}, its directory is `{INFO}`"

    @pytest.mark.parametrize(("name", "version"), [("bar", "1.0"), ("foo", "2.0"), ("foo", "one")])
    def test_metadata_of_another(self, tmp_path: Path, name: str, version: str) -> None:
        contents = files(**{f"{INFO}/METADATA": metadata(name, version).encode()})

        assert refused(write(tmp_path, contents)) == f"its file name says foo 1.0, its METADATA {name} {version}"

    def test_metadata_of_two(self, tmp_path: Path) -> None:
        contents = files(**{f"{INFO}/METADATA": metadata("foo", "1.0").encode() + b"Name: bar\n"})

        assert refused(write(tmp_path, contents)) == "its METADATA has 2 fields `Name`, not one"

    def test_no_dist_info(self, tmp_path: Path) -> None:
        path = tmp_path / FILENAME
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("foo.py", MODULE)

        assert refused(path) == "it has no .dist-info directory"

    def test_two_dist_infos(self, tmp_path: Path) -> None:
        reason = refused(write(tmp_path, files(**{"bar-1.0.dist-info/METADATA": b""})))

        assert reason == f"it has more than one .dist-info directory: bar-1.0.dist-info, {INFO}"

    @pytest.mark.parametrize("missing", ["METADATA", "WHEEL", "RECORD"])
    def test_a_part_of_it_missing(self, tmp_path: Path, missing: str) -> None:
        contents = files()
        contents[f"{INFO}/RECORD"] = record_of(contents)
        path = tmp_path / FILENAME
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                if name != f"{INFO}/{missing}":
                    archive.writestr(name, content)

        assert refused(path) == f"it has no `{INFO}/{missing}`"

    @pytest.mark.parametrize("version", ["2.0", "10.1", "one", "-1", ""])
    def test_an_unsupported_format(self, version: str, tmp_path: Path) -> None:
        contents = files(**{f"{INFO}/WHEEL": WHEEL.replace(b"1.0", version.encode())})

        assert refused(write(tmp_path, contents)) == f"its format is version {version}, only 1 is supported"

    @pytest.mark.parametrize("version", ["0.1", "1.0", "1.9", "1"])
    def test_a_supported_format(self, version: str, tmp_path: Path) -> None:
        """A version before 1 was written by the first releases of wheel."""
        check_wheel(write(tmp_path, files(**{f"{INFO}/WHEEL": WHEEL.replace(b"1.0", version.encode())})))


class TestRecord:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake2b"])
    @pytest.mark.parametrize("upper", [False, True])
    def test_hexadecimal_hashes(self, algorithm: str, upper: bool, tmp_path: Path) -> None:  # noqa: FBT001
        """As `uv_build` wrote them before 0.8.13; the right ones are accepted, others are not."""

        def record(contents: Mapping[str, bytes]) -> bytes:
            rows = {name: hashlib.new(algorithm, content).hexdigest() for name, content in contents.items()}
            lines = [
                f"{name},{algorithm}={h.upper() if upper else h},{len(contents[name])}" for name, h in rows.items()
            ]
            return "\n".join([*lines, f"{INFO}/RECORD,,", ""]).encode()

        check_wheel(write(tmp_path, files(), record=record(files())))

        path = write(tmp_path, files(), record=record(files(**{"foo.py": MODULE[::-1]})))
        assert fault_of(path) == f"has another hash of `foo.py` ({algorithm})"

    def test_a_file_that_it_does_not_list(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(**{"evil.py": b""}), record=record_of(files()))

        assert fault_of(path) == "does not list `evil.py`"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(), record=record_of(files(**{"gone.py": b""})))

        assert check_wheel(path) == (("gone.py",), ())

    def test_leading_slashes(self, tmp_path: Path) -> None:
        """As in selenium 4.0; the hash is compared, and a second row may not differ."""
        record = record_of(files())
        path = write(tmp_path, files(), record=record.replace(b"foo.py,", b"/foo.py,"))
        assert check_wheel(path) == (("/foo.py",), ())

        path = write(tmp_path, files(), record=record + row("/foo.py", b"").encode())
        assert refused(path) == "its RECORD lists `/foo.py` twice, and differently"

        path = write(tmp_path, files(**{"foo.py": MODULE[::-1]}), record=record.replace(b"foo.py,", b"/foo.py,"))
        assert fault_of(path) == "has another hash of `foo.py` (sha256)"

    def test_another_content_of_the_same_size(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(**{"foo.py": MODULE[::-1]}), record=record_of(files()))

        assert fault_of(path) == "has another hash of `foo.py` (sha256)"

    def test_another_size(self, tmp_path: Path) -> None:
        path = write(tmp_path, files(**{"foo.py": b"short"}), record=record_of(files()))

        assert fault_of(path) == "has another size of `foo.py` (320 instead of 5 bytes)"

    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "crc32"])
    def test_a_weak_hash(self, tmp_path: Path, algorithm: str) -> None:
        record = record_of(files()).replace(b"sha256=", f"{algorithm}=".encode(), 1)

        fault = fault_of(write(tmp_path, files(), record=record))

        assert fault == f"has a hash weaker than sha256 of `foo.py` ({algorithm})"

    def test_no_hash(self, tmp_path: Path) -> None:
        record = record_of(files()).replace(digest(MODULE).encode(), b"")

        assert fault_of(write(tmp_path, files(), record=record)) == "has no hash of `foo.py`"

    def test_two_lines_that_contradict_each_other(self, tmp_path: Path) -> None:
        record = record_of(files()) + row("foo.py", b"other").encode()

        assert refused(write(tmp_path, files(), record=record)) == "its RECORD lists `foo.py` twice, and differently"

    @pytest.mark.parametrize(
        ("line", "reason"),
        [(b"foo.py\n", "1 fields"), (b'"foo.py,sha256=x,1\n', "cannot be read"), (b"\xff,,\n", "cannot be read")],
    )
    def test_malformed_lines(self, tmp_path: Path, line: bytes, reason: str) -> None:
        assert reason in refused(write(tmp_path, files(), record=record_of(files()) + line))
