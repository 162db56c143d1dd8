"""A wheel that is not sound stops the build, wherever it comes from."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError, LambdaBuildError
from hatch_lambda.wheels.record import hash_of
from tests.support.attacks import FOO_WHEEL, HERE, INFO, UNIX, Liar, good_files, make_forging_sdist, write_wheel
from tests.support.packages import metadata, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.projects import Project
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]
    Attack = Callable[[Path], Path]

pytestmark = UNIX


def with_entry(name: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED) -> Attack:
    def make(folder: Path) -> Path:
        entry = zipfile.ZipInfo(name)
        entry.external_attr, entry.compress_type = mode << 16, method
        return write_wheel(folder, None, (entry, b"print('pwned')\n" * 20))

    return make


def patched(
    *changes: tuple[int, str, int], local: bool = True, central: bool = True, recorded: str | None = None
) -> Attack:
    """Change header fields of `foo.py`, by their offset in the local header, where zipfile would not write them so."""

    def make(folder: Path) -> Path:
        path = write_wheel(folder, recorded=recorded)
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            start, directory = archive.getinfo("foo.py").header_offset, archive.start_dir
        entry = data.index(b"foo.py", directory) - 46
        for offset, layout, value in changes:
            if local:
                struct.pack_into(layout, data, start + offset, value)
            if central:
                struct.pack_into(layout, data, entry + offset + 2, value)
        path.write_bytes(data)
        return path

    return make


def rewritten(change: Callable[[bytes], bytes]) -> Attack:
    def make(folder: Path) -> Path:
        path = write_wheel(folder)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def two_of_one_name(folder: Path) -> Path:
    path = write_wheel(folder, None, ("foo/a.py", b"a"), ("foo/b.py", b"b"))
    path.write_bytes(path.read_bytes().replace(b"foo/b.py", b"foo/a.py"))
    return path


def with_nul(folder: Path) -> Path:
    path = write_wheel(folder, None, ("foo/aXb.py", b"a"))
    path.write_bytes(path.read_bytes().replace(b"foo/aXb.py", b"foo/a\0b.py"))
    return path


def hidden(folder: Path) -> Path:
    """An entry that only tools see that read an archive from its front."""
    path = write_wheel(folder)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("evil.py", "print('pwned')")
        size = archive.start_dir if archive.fp is None else archive.fp.tell()
    extra, data = stream.getvalue()[:size], path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    end = data.rindex(b"PK\x05\x06")
    moved = bytearray(data[:start] + extra + data[start:])
    struct.pack_into("<I", moved, end + len(extra) + 16, start + len(extra))
    path.write_bytes(moved)
    return path


def recorded_as(change: Callable[[str], str]) -> Attack:
    return lambda folder: write_wheel(folder, recorded=change(record(good_files(), f"{INFO}/RECORD")))


def without_record(folder: Path) -> Path:
    path = folder / FOO_WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in good_files().items():
            archive.writestr(name, content)
    return path


def bomb(folder: Path) -> Path:
    return write_wheel(folder, None, ("foo/zeros.bin", bytes(80 * 1024 * 1024)))


FLAGS, METHOD, CRC, UNPACKED = 6, 8, 14, 22
LINK, PIPE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644

UNSOUND = {
    "a way out": (with_entry("../../evil.py"), "leads out of the directory it is unpacked to"),
    "a way out below": (with_entry("foo/../../evil.py"), "leads out of the directory it is unpacked to"),
    "an absolute path": (with_entry("/tmp/evil.py"), "has an absolute path"),
    "a drive": (with_entry("C:/evil.py"), "has an absolute path"),
    "a drive in a scheme": (with_entry("foo-1.0.data/purelib/C:/evil.py"), "absolute path"),
    "a backslash": (with_entry("..\\evil.py"), "has a backslash in its name"),
    "a NUL": (with_nul, "has a NUL in its name"),
    "a symbolic link": (with_entry("foo/link", LINK), "is a symbolic link"),
    "a pipe": (with_entry("foo/pipe", PIPE), "is a named pipe"),
    "doubles": (two_of_one_name, "it has two entries `foo/a.py`"),
    "case": (with_entry("FOO.py"), "differ only in case"),
    "file and folder": (with_entry("foo.py/x.py"), "is a file and a directory of other entries"),
    "encryption": (patched((FLAGS, "<H", 1)), "is encrypted"),
    "an odd method": (with_entry("foo/x.py", method=zipfile.ZIP_BZIP2), "compressed by method 12"),
    "another size": (patched((UNPACKED, "<I", 10)), "unpacks to more than the 10 bytes it says"),
    "a size that RECORD keeps silent about": (
        patched((UNPACKED, "<I", 10), recorded=record(good_files(), f"{INFO}/RECORD").replace(",320\n", ",\n")),
        "unpacks to more than the 10 bytes it says",
    ),
    "a bomb": (bomb, "unpacks to more than 200 times its size"),
    "headers that differ": (
        patched((METHOD, "<H", 0), central=False),
        "has another compression method or other flags in its header",
    ),
    "damage": (patched((CRC, "<I", 1)), "its CRC is not the one it says"),
    "something behind": (rewritten(lambda data: data + b"evil"), "data after the end of its archive"),
    "something before": (rewritten(lambda data: b"#!/bin/sh\n" + data), "data before its archive"),
    "something hidden": (hidden, "hidden data between its entries and its directory"),
    "not in RECORD": (
        lambda folder: write_wheel(folder, None, ("evil.py", b""), recorded=record(good_files(), f"{INFO}/RECORD")),
        "its RECORD does not list `evil.py`",
    ),
    "another hash": (
        recorded_as(lambda text: text.replace("sha256=", "sha256=A", 1)),
        "its RECORD has another hash of `foo.py` (sha256)",
    ),
    "a weak hash": (
        recorded_as(lambda text: text.replace("sha256=", "md5=", 1)),
        "its RECORD has a hash weaker than sha256 of `foo.py` (md5)",
    ),
    "no hash": (
        recorded_as(lambda text: re.sub(r"foo.py,sha256=[^,]+", "foo.py,", text)),
        "its RECORD has no hash of `foo.py`",
    ),
    "another size by RECORD": (
        recorded_as(lambda text: text.replace(",320\n", ",5\n")),
        "its RECORD has another size of `foo.py` (5 instead of 320 bytes)",
    ),
    "no RECORD": (without_record, "it has no `foo-1.0.dist-info/RECORD`"),
}

# What pip refuses itself; the name of the file and the reason have to be there all the same.
UNSOUND_FOR_PIP = {
    "cut short": (rewritten(lambda data: data[:-40]), ("foo", "invalid")),
    "no archive": (rewritten(lambda _: b"<html>sign in first</html>"), ("foo", "invalid")),
    "METADATA of another": (
        lambda folder: write_wheel(folder, good_files({f"{INFO}/METADATA": metadata("bar", "1.0").encode()})),
        ("foo", "bar"),
    ),
    "METADATA of another version": (
        lambda folder: write_wheel(folder, good_files({f"{INFO}/METADATA": metadata("foo", "6.6").encode()})),
        ("foo", "1.0", "6.6"),
    ),
    "two .dist-info folders": (with_entry("evil-1.0.dist-info/METADATA"), ("foo", "dist-info")),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_an_unsound_wheel_stops_the_build(
    case: str, tmp_path: Path, stage_7: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, reason = UNSOUND[case]
    wheel = attack(tmp_path)

    with pytest.raises(BrokenWheelError) as caught:
        stage_7(wheel)

    assert str(caught.value).startswith(f"{FOO_WHEEL} is not a usable wheel: ")
    assert reason in str(caught.value)
    assert "\nRequired by: orders -> foo 1.0\nWhat you can do: require another version, or report" in str(caught.value)
    as_it_was()


@pytest.mark.parametrize("case", ["another hash", "another size by RECORD", "not in RECORD", "a weak hash", "no hash"])
def test_a_wrong_record_is_accepted_if_compatible_names_it(
    case: str, index: Path, bundle_of: BundleOf, ui: RecordingUI
) -> None:
    attack, reason = UNSOUND[case]
    attack(index)
    with pytest.raises(BrokenWheelError) as raised:
        bundle_of("foo")
    assert "Required by: orders -> foo 1.0" in str(raised.value)
    assert 'accept it by `compatible = ["foo"]`' in str(raised.value)

    bundle = bundle_of("foo", compatible=["foo"])

    assert reason in ui.text
    assert "foo 1.0 is accepted as `compatible` names it" in ui.text
    rows = csv.reader((bundle.directory / "foo-1.0.dist-info/RECORD").read_text(encoding="utf-8").splitlines())
    recorded = {path: (digest, size) for path, digest, size in rows if not path.endswith("/RECORD")}
    assert recorded == {
        file.path: (hash_of(hashlib.sha256(file.source.read()).digest()), str(file.source.size))
        for file in bundle.files
        if not file.path.endswith("/RECORD")
    }


def test_several_faults_of_a_record_are_one_sentence(tmp_path: Path, stage_7: BundleOf) -> None:
    more = [(f"more_{number}.py", b"") for number in range(5)]
    recorded = record(good_files(), f"{INFO}/RECORD").replace(",320\n", ",5\n")

    with pytest.raises(BrokenWheelError) as caught:
        stage_7(write_wheel(tmp_path, None, *more, recorded=recorded))

    assert str(caught.value).splitlines()[0] == (
        f"{FOO_WHEEL} is not a usable wheel: its RECORD has another size of `foo.py` (5 instead of 320 bytes), "
        "and does not list `more_0.py`, `more_1.py`, `more_2.py` and 2 more"
    )


def test_a_wheel_that_cannot_be_laid_out(tmp_path: Path, stage_7: BundleOf) -> None:
    script = {f"{INFO}/entry_points.txt": b"[console_scripts]\nfoo = foo\n"}

    with pytest.raises(BrokenWheelError, match="console script `foo = foo` is malformed\nRequired by: orders -> foo 1"):
        stage_7(write_wheel(tmp_path, good_files(script)))


def test_nothing_worse_is_accepted_because_compatible_names_it(index: Path, bundle_of: BundleOf) -> None:
    attack, reason = UNSOUND["a way out"]
    attack(index)
    with pytest.raises(BrokenWheelError, match=reason):
        bundle_of("foo", compatible=["foo"])


def test_rows_of_record_without_a_file_are_dropped_with_a_warning(
    tmp_path: Path, stage_7: BundleOf, ui: RecordingUI
) -> None:
    added = ["gone.py,sha256=x,1", "../../evil.py,sha256=x,1", "\x1b[2Jz.py,,", "more.py,,"]
    wheel = recorded_as(lambda text: text + "\n".join(added) + "\n")(tmp_path)

    bundle = stage_7(wheel)

    record = (bundle.directory / "foo-1.0.dist-info/RECORD").read_text(encoding="utf-8")
    assert {line.partition(",")[0] for line in record.splitlines()} == {file.path for file in bundle.files}
    shown = r"gone.py, ../../evil.py, '\x1b[2Jz.py' and 1 more"
    assert f"foo 1.0: RECORD lists missing files ({shown}); the bundle's is corrected" in ui.text


@pytest.mark.parametrize("case", UNSOUND_FOR_PIP)
def test_an_unsound_wheel_that_pip_refuses_stops_the_build(
    case: str, index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, words = UNSOUND_FOR_PIP[case]
    attack(index)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo")

    assert all(word in str(caught.value) for word in words), str(caught.value)
    as_it_was()


@pytest.mark.quick
def test_an_unsound_wheel_stops_a_build_from_the_command_line(index: Path, project: Callable[..., Project]) -> None:
    attack, reason = UNSOUND["a way out"]
    attack(index)

    shown = project("foo").fail()

    assert f"{FOO_WHEEL} is not a usable wheel: its entry `../../evil.py` {reason}\nRequired by: orders " in shown
    assert not list(index.parent.rglob("evil.py"))


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("case", ["something hidden"])
def test_an_unsound_wheel_from_an_index_stops_the_build(
    case: str, tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, reason = UNSOUND[case]
    content = attack(tmp_path).read_bytes()

    with (
        Liar({FOO_WHEEL: (content, hashlib.sha256(content).hexdigest())}) as url,
        pytest.raises(BrokenWheelError, match="not a usable wheel") as caught,
    ):
        bundle_of("foo", pip_args=["--index-url", url])

    assert reason in str(caught.value)
    as_it_was()


@pytest.mark.parametrize("case", ["a symbolic link", "another hash"])
def test_an_unsound_wheel_that_a_backend_built_stops_the_build(
    case: str, index: Path, tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, reason = UNSOUND[case]
    make_forging_sdist(index, "foo", {FOO_WHEEL: attack(tmp_path).read_bytes()})

    with pytest.raises(BrokenWheelError, match=FOO_WHEEL) as caught:
        bundle_of("foo", runtime=HERE)

    assert reason in str(caught.value)
    as_it_was()
