"""Attacks on a build, each through the whole of it: it stops, says why, and leaves everything as it was."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from hatch_lambda.common.errors import BrokenWheelError, ConflictingFilesError, LambdaBuildError, ResolutionError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.resolve.pip import process
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_wheel, metadata, record, source_files
from tests.support.projects import BUNDLE, HOOK, PACKAGE, ZIP, Project, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.process import Completed
    from hatch_lambda.resolve.job import Job
    from tests.support.packages import Content
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]
    Attack = Callable[[Path], Path]

HERE = "python{}.{}".format(*sys.version_info)
FOO_WHEEL = "foo-1.0-py3-none-any.whl"
INFO = "foo-1.0.dist-info"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links and names that Windows does not know")


@pytest.fixture
def as_it_was(project_root: Path, tmp_path: Path) -> Callable[[], None]:
    """Lay out something like a former bundle; gives the check that nothing has changed and nothing is left behind."""
    former = project_root / BUNDLE / "former.py"
    former.parent.mkdir(parents=True)
    former.write_text("FORMER = True\n", encoding="utf-8")

    def check() -> None:
        assert {path: path.read_bytes() for path in project_root.rglob("*") if path.is_file()} == {
            former: b"FORMER = True\n"
        }
        assert list((tmp_path / "tmp").iterdir()) == []
        assert list((tmp_path / "lambda-cache").rglob("*.part")) == []

    return check


@pytest.fixture
def project(project_root: Path) -> Callable[..., Project]:
    """`project("foo>=1", tool=…, files=…)`: a project that depends on it."""

    def write(*dependencies: str, tool: str = HOOK, files: Mapping[str, str | bytes] = PACKAGE) -> Project:
        return write_project(project_root, tool, f"dependencies = {json.dumps(dependencies)}", files)

    return write


# --- Wheels that are not sound ---


def good_files(more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    return {
        "foo.py": b"VERSION = '1.0'\n" * 20,
        f"{INFO}/METADATA": metadata("foo", "1.0").encode(),
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }


def write_wheel(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    *entries: tuple[zipfile.ZipInfo | str, bytes],
    recorded: str | None = None,
) -> Path:
    """A wheel of these files and entries, all of them in RECORD unless another one is given."""
    files = good_files() if files is None else files
    names = {entry if isinstance(entry, str) else entry.filename: content for entry, content in entries}
    path = folder / FOO_WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in [*files.items(), *entries]:
            archive.writestr(entry, content)
        text = record({**files, **names}, f"{INFO}/RECORD") if recorded is None else recorded
        archive.writestr(f"{INFO}/RECORD", text)
    return path


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
    "a way out": (with_entry("../../evil.py"), "leads out of the folder that it is unpacked to"),
    "a way out below": (with_entry("foo/../../evil.py"), "leads out of the folder that it is unpacked to"),
    "an absolute path": (with_entry("/tmp/evil.py"), "has an absolute path"),
    "a drive": (with_entry("C:/evil.py"), "has an absolute path"),
    "a drive in a scheme": (with_entry("foo-1.0.data/purelib/C:/evil.py"), "absolute path"),
    "a backslash": (with_entry("..\\evil.py"), "has a backslash in its name"),
    "a NUL": (with_nul, "has a NUL in its name"),
    "a symbolic link": (with_entry("foo/link", LINK), "is a symbolic link"),
    "a pipe": (with_entry("foo/pipe", PIPE), "is a named pipe"),
    "doubles": (two_of_one_name, "it has two entries `foo/a.py`"),
    "case": (with_entry("FOO.py"), "differ only in case"),
    "file and folder": (with_entry("foo.py/x.py"), "is a file, and a folder of other entries too"),
    "encryption": (patched((FLAGS, "<H", 1)), "is encrypted"),
    "an odd method": (with_entry("foo/x.py", method=zipfile.ZIP_BZIP2), "compressed by method 12"),
    "another size": (patched((UNPACKED, "<I", 10)), "`foo.py` has 10 bytes, and 320 by its RECORD"),
    "a size that RECORD keeps silent about": (
        patched((UNPACKED, "<I", 10), recorded=record(good_files(), f"{INFO}/RECORD").replace(",320\n", ",\n")),
        "unpacks to more than the 10 bytes it says",
    ),
    "a bomb": (bomb, "unpacks to more than 200 times its size"),
    "headers that differ": (patched((METHOD, "<H", 0), central=False), "is packed in another way by its header"),
    "damage": (patched((CRC, "<I", 1)), "its CRC is not the one it says"),
    "something behind": (rewritten(lambda data: data + b"evil"), "something behind the end of its archive"),
    "something before": (rewritten(lambda data: b"#!/bin/sh\n" + data), "something before its archive"),
    "something hidden": (hidden, "something hidden between its entries and its directory"),
    "not in RECORD": (
        lambda folder: write_wheel(folder, None, ("evil.py", b""), recorded=record(good_files(), f"{INFO}/RECORD")),
        "it has `evil.py`, which its RECORD does not list",
    ),
    "only in RECORD": (recorded_as(lambda text: f"{text}gone.py,sha256=x,1\n"), "lists `gone.py`, which it does not"),
    "another hash": (recorded_as(lambda text: text.replace("sha256=", "sha256=A", 1)), "its sha256 differs"),
    "a weak hash": (recorded_as(lambda text: text.replace("sha256=", "md5=", 1)), "sha256 is the least allowed"),
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
def test_a_wheel_that_is_not_sound_stops_the_build(
    case: str, index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, reason = UNSOUND[case]
    attack(index)

    with pytest.raises(BrokenWheelError) as caught:
        bundle_of("foo")

    assert str(caught.value).startswith(f"{FOO_WHEEL} is not a usable wheel: ")
    assert reason in str(caught.value)
    as_it_was()


@pytest.mark.parametrize("case", UNSOUND_FOR_PIP)
def test_a_wheel_that_pip_finds_unsound_stops_the_build(
    case: str, index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, words = UNSOUND_FOR_PIP[case]
    attack(index)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo")

    assert all(word in str(caught.value) for word in words), str(caught.value)
    as_it_was()


@pytest.mark.quick
def test_a_wheel_that_is_not_sound_stops_a_real_build(index: Path, project: Callable[..., Project]) -> None:
    attack, reason = UNSOUND["a way out"]
    attack(index)

    shown = project("foo").fail()

    assert shown.splitlines()[-1] == f"{FOO_WHEEL} is not a usable wheel: its entry `../../evil.py` {reason}"
    assert not list(index.parent.rglob("evil.py"))


SOME = ("a way out", "a symbolic link", "something hidden", "another hash")


class Liar:
    """An index whose files need not be what its pages say: `with Liar({filename: (content, hash)}) as url:`."""

    def __init__(self, files: Mapping[str, tuple[bytes, str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = unquote(self.path.strip("/").rpartition("/")[2])
                page = "".join(
                    f'<a href="/files/{file}#sha256={sha256}">{file}</a>'
                    for file, (_, sha256) in files.items()
                    if file.startswith(f"{name}-")
                )
                body = files[name][0] if name in files else page.encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "application/octet-stream" if name in files else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("case", SOME)
def test_a_wheel_from_an_index_that_is_not_sound_stops_the_build(
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


# --- Wheels that an sdist's backend makes ---

_FORGING = """

FORGED = {forged!r}


def build_wheel(directory, config_settings=None, metadata_directory=None):
    import base64
    for filename, content in FORGED.items():
        path = pathlib.Path(directory, filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    return {returned!r}
"""


def make_forging_sdist(folder: Path, name: str, forged: Mapping[str, bytes], returned: str | None = None) -> Path:
    """An sdist of `name` 1.0 by its metadata, whose backend "builds" the given files, by their names."""
    files = source_files(name)
    encoded = {filename: base64.b64encode(content).decode() for filename, content in forged.items()}
    files["backend.py"] += _FORGING.format(forged=encoded, returned=returned or next(iter(forged)))
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def forge(index: Path, tmp_path: Path) -> Callable[..., None]:
    """`forge("foo", name=…, version=…, …)`: an sdist of `foo` 1.0 that builds that wheel instead of its own."""

    def write(sdist: str, **wheel: object) -> None:
        made = make_wheel(tmp_path / "forged", **wheel)  # type: ignore[arg-type]
        make_forging_sdist(index, sdist, {made.name: made.read_bytes()})

    return write


@pytest.mark.parametrize("case", SOME)
def test_a_built_wheel_that_is_not_sound_stops_the_build(
    case: str, index: Path, tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    attack, reason = UNSOUND[case]
    make_forging_sdist(index, "foo", {FOO_WHEEL: attack(tmp_path).read_bytes()})

    with pytest.raises(BrokenWheelError, match=FOO_WHEEL) as caught:
        bundle_of("foo", runtime=HERE)

    assert reason in str(caught.value)
    as_it_was()


def test_a_backend_that_builds_a_wheel_of_another_name(
    forge: Callable[..., None], bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    forge("foo", name="requests", version="1.0")

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    message = str(caught.value)
    assert "foo 1.0" in message
    assert "requests" in message
    as_it_was()


def test_a_backend_that_builds_a_wheel_of_another_version(
    forge: Callable[..., None], bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    forge("foo", name="foo", version="6.6")

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    message = str(caught.value)
    assert "foo 1.0" in message
    assert "6.6" in message
    as_it_was()


def test_a_backend_whose_wheel_requires_what_its_metadata_did_not(
    forge: Callable[..., None], index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    """Nobody has resolved it, so it would be missing on Lambda."""
    make_wheel(index, "bar")
    forge("foo", name="foo", version="1.0", requires=["bar"])

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    assert "bar" in str(caught.value)
    as_it_was()


def test_a_backend_that_leaves_several_wheels(index: Path, tmp_path: Path, bundle_of: BundleOf) -> None:
    own = make_wheel(tmp_path, "foo")
    others = [make_wheel(tmp_path, "aaa"), make_wheel(tmp_path, "zzz"), make_wheel(tmp_path, "foo", "0.1")]
    forged = {path.name: path.read_bytes() for path in (own, *others)}
    make_forging_sdist(index, "foo", forged)

    bundle = bundle_of("foo", runtime=HERE)

    assert bundle.distributions == ("foo 1.0",)
    assert bundle.directory.joinpath("foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"
    assert not bundle.directory.joinpath("aaa.py").exists()


@pytest.mark.parametrize("where", ["..", "{tmp}/outside"])
def test_a_backend_that_builds_its_wheel_elsewhere(
    where: str, index: Path, tmp_path: Path, bundle_of: BundleOf
) -> None:
    """What a backend does to this machine is its own; the bundle takes the wheel that it was promised, or none."""
    evil = make_wheel(tmp_path / "forged", "bar")
    filename = f"{where.format(tmp=tmp_path)}/{FOO_WHEEL}"
    forged = {filename: make_wheel(tmp_path / "forged", "foo").read_bytes(), evil.name: evil.read_bytes()}
    make_forging_sdist(index, "foo", forged)

    bundle = bundle_of("foo", runtime=HERE)

    assert bundle.distributions == ("foo 1.0",)
    assert not bundle.directory.joinpath("bar.py").exists()
    assert bundle.directory.joinpath("foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"


@pytest.mark.parametrize(
    "returned", ["../../../../downloads/bar-1.0-py3-none-any.whl", "gone-1.0-py3-none-any.whl", ""]
)
def test_a_backend_that_names_a_wheel_that_it_has_not_built(
    returned: str, index: Path, tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    make_wheel(index, "bar")
    make_forging_sdist(index, "foo", {FOO_WHEEL: make_wheel(tmp_path, "foo").read_bytes()}, returned or "nothing")

    with pytest.raises(MissingDependencyError, match=r"foo 1\.0"):
        bundle_of("foo", "bar", runtime=HERE)

    as_it_was()


def test_a_backend_that_builds_machine_code_for_another_machine_under_a_pure_tag(
    forge: Callable[..., None], bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    forge("foo", name="foo", files={"foo/data.txt": make_elf("aarch64")})

    with pytest.raises(UnfitMachineCodeError, match=r"foo/data\.txt"):
        bundle_of("foo", runtime=HERE)

    as_it_was()


# --- Wheels that lie about what they hold ---

MANYLINUX = "cp313-cp313-manylinux_2_28_x86_64"
MACH_O = b"\xcf\xfa\xed\xfe\x07\x00\x00\x01" + bytes(40)
PE = bytearray(b"MZ" + bytes(200))
struct.pack_into("<I", PE, 0x3C, 64)
PE[64:68] = b"PE\0\0"
struct.pack_into("<H", PE, 68, 0x8664)
struct.pack_into("<H", PE, 88, 0x20B)
SPEED = "foo/_speed.cpython-313-x86_64-linux-gnu.so"

LIES: dict[str, tuple[str, str, bytes, str]] = {
    "aarch64": (MANYLINUX, SPEED, make_elf("aarch64"), "Linux on aarch64"),
    "32 bits": (MANYLINUX, SPEED, make_elf("i386"), "Linux on i386"),
    "musl": (MANYLINUX, SPEED, make_elf(needed=["libc.musl-x86_64.so.1"]), "musl"),
    "a newer glibc": (MANYLINUX, SPEED, make_elf(versions={"libc.so.6": ["GLIBC_2.38"]}), "glibc 2.38"),
    "a newer glibc by relocations": (
        MANYLINUX,
        SPEED,
        make_elf(versions={"libc.so.6": ["GLIBC_ABI_DT_RELR"]}),
        "glibc 2.36",
    ),
    "a newer libstdc++": (
        MANYLINUX,
        SPEED,
        make_elf(needed=["libstdc++.so.6"], versions={"libstdc++.so.6": ["GLIBCXX_3.4.99"]}),
        "GLIBCXX_3.4.99",
    ),
    "macOS": (MANYLINUX, SPEED, MACH_O, "macOS on x86_64"),
    "Windows": (MANYLINUX, SPEED, bytes(PE), "Windows on x86_64"),
    "another Python": (
        MANYLINUX,
        "foo/_speed.cpython-39-x86_64-linux-gnu.so",
        make_elf(),
        "a Python that imports `*.cpython-39-x86_64-linux-gnu.so`",
    ),
    "another architecture's suffix": (
        MANYLINUX,
        "foo/_speed.cpython-313-aarch64-linux-gnu.so",
        make_elf(),
        "a Python that imports `*.cpython-313-aarch64-linux-gnu.so`",
    ),
    "stable ABI of another machine": (
        "cp39-abi3-manylinux2014_x86_64",
        "foo.abi3.so",
        make_elf("aarch64"),
        "Linux on aarch64",
    ),
    "pure, with foreign code": ("py3-none-any", "foo/libfoo.so", make_elf("aarch64"), "Linux on aarch64"),
    "pure, with foreign code in disguise": ("py3-none-any", "foo/logo.png", make_elf("aarch64"), "Linux on aarch64"),
    "pure, as a script": ("py3-none-any", "foo-1.0.data/scripts/foo", make_elf("aarch64"), "Linux on aarch64"),
    "pure, as data": ("py3-none-any", "foo-1.0.data/data/lib/libx.so", make_elf("aarch64"), "Linux on aarch64"),
    "a library that nobody has": (MANYLINUX, SPEED, make_elf(needed=["libpq.so.5"]), "the library libpq.so.5"),
    "a library in this machine's folder": (
        MANYLINUX,
        SPEED,
        make_elf(needed=["/home/me/build/libmine.so"]),
        "the library /home/me/build/libmine.so",
    ),
}


@pytest.mark.parametrize("case", LIES)
def test_a_wheel_that_lies_about_its_machine_code_stops_the_build(
    case: str, index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    tag, path, content, needs = LIES[case]
    make_wheel(index, "foo", tag=tag, files={"foo/__init__.py": "", path: content})

    with pytest.raises(UnfitMachineCodeError) as caught:
        bundle_of("foo")

    message = str(caught.value)
    assert message.startswith("Not everything in the bundle can be loaded by python3.13 on x86_64")
    for words in ("\nfoo 1.0\n", f"  {path}\n", f"needs {needs}", "\n  but ", "what you can do: "):
        assert words in message
    as_it_was()


@pytest.mark.parametrize("vouched", [False, True])
def test_only_for_a_missing_library_can_its_user_vouch(vouched: bool, index: Path, bundle_of: BundleOf) -> None:  # noqa: FBT001
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libpq.so.5"])})
    compatible = ["foo"] if vouched else []

    if vouched:
        assert (bundle_of("foo", compatible=compatible).directory / SPEED).is_file()
    else:
        with pytest.raises(UnfitMachineCodeError, match="psycopg2-binary"):
            bundle_of("foo", compatible=compatible)
    make_wheel(index, "bar", tag=MANYLINUX, files={"bar/libx.so": make_elf("aarch64")})
    with pytest.raises(UnfitMachineCodeError, match="bar/libx"):
        bundle_of("bar", compatible=["bar"])


def test_a_real_build_stops_for_a_lie_and_says_which_setting_helps(
    index: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libghost.so.1"])})
    made = project("foo")

    shown = made.fail()

    assert "needs the library libghost.so.1" in shown
    assert 'compatible = ["foo"]' in shown
    assert not (made.root / BUNDLE).exists()
    made.add_to_pyproject('compatible = ["foo"]')
    made.build()
    assert SPEED in made.zipped()


@pytest.mark.parametrize("path", ["orders/_fast.so", "orders/assets/data.bin", "orders/templates/page.html"])
def test_foreign_machine_code_of_the_project_itself(path: str, project: Callable[..., Project]) -> None:
    shown = project(files={**PACKAGE, path: make_elf("aarch64")}).fail()

    assert f"  {path}\n    needs Linux on aarch64" in shown
    assert "\norders-1.0\n" in shown or "\norders 1.0\n" in shown


def test_a_library_of_the_project_does_not_serve_a_dependency_for_another_machine(
    index: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libmine.so.1"])})

    shown = project("foo", files={**PACKAGE, "orders/libmine.so.1": make_elf("aarch64", soname="libmine.so.1")}).fail()

    assert "libmine.so.1" in shown


# --- Two that own one path ---


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        pytest.param({"shared/x.py": "1"}, {"shared/x.py": "2"}, "shared/x.py", id="a module"),
        pytest.param({"shared.py": "1"}, {"shared.py/x.py": "2"}, "shared.py", id="a file and a folder"),
        pytest.param(
            {"bar-1.0.data/purelib/x.py": "1"}, {"baz-1.0.data/platlib/x.py": "2"}, "x.py", id="by different schemes"
        ),
        pytest.param({"bin/tool": "1"}, {"baz-1.0.data/scripts/tool": "2"}, "bin/tool", id="a command"),
        pytest.param({"shared/__init__.py": "A = 1"}, {"shared/__init__.py": "B = 1"}, "shared/__init__.py", id="init"),
        pytest.param(
            {"shared/__init__.py": "import pkgutil\nA = 1"},
            {"shared/__init__.py": "import pkgutil\nB = 1"},
            "shared/__init__.py",
            id="init that uses pkgutil for something else",
        ),
        pytest.param({"baz-1.0.dist-info/METADATA": "x"}, {}, "baz-1.0.dist-info", id="another's metadata"),
    ],
)
def test_two_distributions_that_own_one_path(  # noqa: PLR0917
    one: Mapping[str, Content],
    other: Mapping[str, Content],
    path: str,
    index: Path,
    bundle_of: BundleOf,
    as_it_was: Callable[[], None],
) -> None:
    make_wheel(index, "bar", files=one)
    make_wheel(index, "baz", files=other)

    with pytest.raises((ConflictingFilesError, BrokenWheelError, ResolutionError)) as caught:
        bundle_of("bar", "baz")

    message = str(caught.value)
    assert "bar" in message
    assert path in message
    as_it_was()


def test_a_dependency_that_takes_the_projects_place(index: Path, project: Callable[..., Project]) -> None:
    make_wheel(index, "foo", files={"orders/app.py": "def handler(event, context):\n    steal(event)\n"})

    shown = project("foo").fail()

    assert "orders 1.0 and foo 1.0 both have a file `orders/app.py`" in shown
    assert "Traceback" not in shown


# --- Hashes ---


def requirements(root: Path, *lines: str) -> dict[str, list[str]]:
    (root / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"requirements": ["requirements.txt"]}


def other_sha256(content: bytes = b"what was meant") -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_a_wrong_hash_stops_a_real_build(
    make: Callable[[Path, str], Path], index: Path, project: Callable[..., Project], project_root: Path
) -> None:
    path = make(index, "foo")
    requirements(project_root, f"foo==1.0 --hash=sha256:{other_sha256()}")

    shown = project(tool=f'{HOOK}requirements = ["requirements.txt"]\n').fail()

    assert f"Expected sha256 {other_sha256()}" in shown
    assert f"Got        {sha256_of(path)}" in shown


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("build", ["pure", "broken"])
def test_a_wheel_of_another_hash_is_not_taken_in_stage_3(
    build: str, tmp_path: Path, project_root: Path, bundle_of: BundleOf, ui: RecordingUI
) -> None:
    sdist, wheel = make_sdist(tmp_path, "foo", build=build), make_wheel(tmp_path, "foo", files={"foo.py": "EVIL = 1\n"})
    table = requirements(project_root, f"foo==1.0 --hash=sha256:{sha256_of(sdist)}")
    served = {path.name: (path.read_bytes(), sha256_of(path)) for path in (sdist, wheel)}

    with Liar(served) as url:
        if build == "pure":
            bundle = bundle_of(runtime=HERE, pip_args=["--index-url", url], **table)
            assert "BUILT_WITH" in bundle.directory.joinpath("foo.py").read_text(encoding="utf-8")
            assert " foo 1.0" in ui.text
            return
        with pytest.raises(MissingDependencyError) as caught:
            bundle_of(runtime=HERE, pip_args=["--index-url", url], **table)
    stage_3 = caught.value.missing[0].attempts[0]
    assert (stage_3.stage, stage_3.succeeded) == (3, False)
    told = "\n".join((stage_3.outcome, *stage_3.words))
    assert f"Expected sha256 {sha256_of(sdist)}" in told
    assert f"Got        {sha256_of(wheel)}" in told


def test_an_sdist_that_is_exchanged_before_it_is_built(
    index: Path,
    tmp_path: Path,
    bundle_of: BundleOf,
    monkeypatch: pytest.MonkeyPatch,
    as_it_was: Callable[[], None],
) -> None:
    meant = make_sdist(index, "foo")
    evil = make_forging_sdist(tmp_path, "foo", {FOO_WHEEL: make_wheel(tmp_path, "foo").read_bytes()})
    build_wheel = process.pip_wheel

    def exchange_and_build(job: Job, *args: Path, **kwargs: object) -> Completed:
        shutil.copy(evil, job.scratch / "downloads" / "foo" / meant.name)
        return build_wheel(job, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "pip_wheel", exchange_and_build)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    assert sha256_of(meant) in str(caught.value)
    assert sha256_of(evil) in str(caught.value)
    as_it_was()


@pytest.mark.usefixtures("online")
def test_an_index_that_serves_other_bytes_than_it_says(
    tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    evil = make_wheel(tmp_path, "foo").read_bytes()

    with Liar({FOO_WHEEL: (evil, other_sha256())}) as url, pytest.raises(ResolutionError) as caught:
        bundle_of("foo", pip_args=["--index-url", url])

    assert other_sha256() in str(caught.value)
    assert hashlib.sha256(evil).hexdigest() in str(caught.value)
    as_it_was()


@pytest.mark.usefixtures("online")
def test_an_index_that_serves_another_sdist_than_it_says(
    tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    evil = make_sdist(tmp_path, "foo").read_bytes()

    with Liar({"foo-1.0.tar.gz": (evil, other_sha256())}) as url, pytest.raises(ResolutionError) as caught:
        bundle_of("foo", runtime=HERE, pip_args=["--index-url", url])

    assert other_sha256() in str(caught.value)
    as_it_was()


# --- The store ---


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "lambda-cache"


def test_a_wheel_of_the_store_that_was_exchanged_is_fetched_again(
    index: Path, tmp_path: Path, cache: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.build()
    before = made.in_dist()
    (kept,) = cache.rglob("*.whl")
    shutil.copy(make_wheel(tmp_path / "evil", "foo", files={"foo.py": "EVIL = True\n"}), kept)
    shutil.rmtree(made.root / BUNDLE)

    shown = made.build()

    assert FOO_WHEEL in shown
    assert "downloading again" in shown
    assert made.in_dist() == before


@pytest.mark.parametrize("how", ["another wheel's", "edited"])
def test_a_note_of_the_store_that_was_exchanged_lets_nothing_in(
    how: str, index: Path, cache: Path, bundle_of: BundleOf
) -> None:
    """What the store says of a wheel is no more to be believed than what it has of it."""
    wheel = make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf("aarch64")})
    innocent = make_wheel(index, "innocent")
    with pytest.raises(UnfitMachineCodeError):
        bundle_of("foo", "innocent")
    notes = {path: cache / "notes" / f"{sha256_of(path)}.json" for path in (wheel, innocent)}
    if how == "edited":
        facts = json.loads(notes[wheel].read_text(encoding="utf-8"))
        notes[wheel].write_text(json.dumps({**facts, "machine_code": []}), encoding="utf-8")
    else:
        shutil.copy(notes[innocent], notes[wheel])

    with pytest.raises(UnfitMachineCodeError, match="Linux on aarch64"):
        bundle_of("foo")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": 1}', '{"format": 1, "machine_code": 3}', "\0"])
def test_a_note_of_the_store_that_is_damaged_is_made_anew(
    text: str, index: Path, cache: Path, bundle_of: BundleOf
) -> None:
    wheel = make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf("aarch64")})
    note = cache / "notes" / f"{sha256_of(wheel)}.json"
    note.parent.mkdir(parents=True)
    note.write_text(text, encoding="utf-8")

    with pytest.raises(UnfitMachineCodeError):
        bundle_of("foo")


def test_what_the_store_says_was_built_is_not_taken_for_something_else(
    index: Path, cache: Path, bundle_of: BundleOf
) -> None:
    make_sdist(index, "foo")
    make_wheel(index, "evil")
    bundle_of("foo", "evil", runtime=HERE)
    (evil,) = cache.rglob("evil-*.whl")
    (note,) = (cache / "built").iterdir()
    note.write_text(json.dumps({"filename": evil.name, "sha256": sha256_of(evil)}), encoding="utf-8")

    bundle = bundle_of("foo", runtime=HERE)

    assert bundle.distributions == ("foo 1.0",)
    assert bundle.directory.joinpath("foo.py").is_file()
    assert not bundle.directory.joinpath("evil.py").exists()


@pytest.mark.parametrize("how", ["absolute", "relative"])
def test_a_note_of_the_store_that_names_a_file_outside_does_not_harm_it(
    how: str, index: Path, tmp_path: Path, cache: Path, bundle_of: BundleOf
) -> None:
    make_sdist(index, "foo")
    bundle_of("foo", runtime=HERE)
    precious = tmp_path / "precious" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work", encoding="utf-8")
    (note,) = (cache / "built").iterdir()
    folder = str(precious.parent) if how == "absolute" else "../../../../precious"
    note.write_text(json.dumps({"filename": precious.name, "sha256": folder}), encoding="utf-8")

    bundle_of("foo", runtime=HERE)

    assert precious.read_text(encoding="utf-8") == "years of work"


def test_a_lock_file_that_names_a_file_outside_does_not_harm_it(
    index: Path, tmp_path: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.build()
    before = made.in_dist()
    precious = tmp_path / "precious" / FOO_WHEEL
    precious.parent.mkdir()
    precious.write_text("years of work", encoding="utf-8")
    saved = made.root / BUNDLE / ".." / "resolution.json"
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace(sha256_of(index / FOO_WHEEL), str(precious.parent)), encoding="utf-8")
    assert saved.read_text(encoding="utf-8") != text

    made.build()

    assert precious.read_text(encoding="utf-8") == "years of work"
    assert made.in_dist() == before


# --- Symbolic links where hatch-lambda writes and empties ---


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder that must be after the test what it was before."""
    folder = tmp_path / "precious"
    files = {"thesis.txt": b"years of work", "foo.py": b"mine, too", "bundle/foo.py": b"and mine"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    yield folder
    assert {name: (folder / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("clean", [False, True])
def test_a_bundle_folder_that_is_a_link_loses_the_link_and_not_what_it_leads_to(
    clean: bool,  # noqa: FBT001
    index: Path,
    precious: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    bundle = made.root / BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.symlink_to(precious)
    content = sorted(precious.rglob("*"))

    for _ in range(2):
        made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert sorted(precious.rglob("*")) == content
    assert not bundle.is_symlink()
    assert (bundle / "foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"
    assert {path.name for path in bundle.parent.iterdir()} == {
        *("bundle", "bundle.json", "files.json", "resolution.json", "audit.json")
    }


@pytest.mark.parametrize(
    ("link", "clean"),
    [
        (".hatch/lambda", False),
        (".hatch", True),
        (".hatch/lambda", True),
        (".hatch/lambda/python3.13-x86_64", False),
        (".hatch/lambda/python3.13-x86_64", True),
    ],
)
def test_folders_above_the_bundle_may_be_links_and_nothing_of_others_is_touched(
    link: str,
    clean: bool,  # noqa: FBT001
    index: Path,
    tmp_path: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("years of work", encoding="utf-8")
    (made.root / link).parent.mkdir(parents=True, exist_ok=True)
    (made.root / link).symlink_to(elsewhere)

    for _ in range(2):
        made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert "foo.py" in made.zipped()
    assert (elsewhere / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_file_of_the_former_bundle_that_is_a_link_is_replaced_and_not_written_through(
    index: Path, precious: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.build()
    file = made.root / BUNDLE / "foo.py"
    file.unlink()
    file.symlink_to(precious / "foo.py")

    made.build()

    assert not file.is_symlink()
    assert file.read_text(encoding="utf-8") == "VERSION = '1.0'\n"


def test_a_folder_of_the_former_bundle_that_is_a_link_is_replaced_and_not_written_through(
    index: Path, precious: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", files={"foo/__init__.py": "", "foo/foo.py": "FOO = 1\n"})
    made = project("foo")
    made.build()
    folder = made.root / BUNDLE / "foo"
    shutil.rmtree(folder)
    folder.symlink_to(precious)

    made.build()

    assert not folder.is_symlink()
    assert (folder / "foo.py").read_text(encoding="utf-8") == "FOO = 1\n"


@pytest.mark.parametrize("clean", [False, True])
def test_an_output_folder_that_is_a_link_is_followed(
    clean: bool,  # noqa: FBT001
    index: Path,
    precious: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.dist.symlink_to(precious)

    made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert made.dist.is_symlink()
    assert "foo.py" in made.zipped()
    assert {path.name for path in precious.iterdir()} == {"thesis.txt", "foo.py", "bundle", ZIP}


@pytest.mark.parametrize("clean", [False, True])
def test_a_zip_that_is_a_link_is_replaced_and_not_written_through(
    clean: bool,  # noqa: FBT001
    precious: Path,
    project: Callable[..., Project],
) -> None:
    made = project()
    made.dist.mkdir()
    made.zip.symlink_to(precious / "thesis.txt")

    made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert not made.zip.is_symlink()
    assert "orders/app.py" in made.zipped()


# --- Unusual names ---

ODD_NAMES = {
    "letters of many scripts": "Straße/注文/данные.txt",
    "beyond the first plane": "🦀/🐍.py",
    "combining letters": "e\u0301te\u0301.txt",
    "spaces": " a b / c .txt",
    "leading dashes": "-rf/--help.py",
    "shell's own characters": "$(id)/`id`;&|*?'\".txt",
    "line breaks": "a\nb/c\rd.txt",
    "line breaks of Unicode": "a\u2028b\u2029c\x85d\x0be\x1cf.txt",
    "quotes and commas": 'a,"b",c.txt',
    "percent signs": "%2e%2e/%00.txt",
    "a long part": f"{'x' * 255}/{'y' * 255}",
    "a long path": "/".join(["z" * 100] * 20),
    "dots": ".../..a/b..",
    "a tilde": "~root/.bashrc",
}


BREAKS = [name for case, name in ODD_NAMES.items() if "line breaks" in case]
ONE_LINE = [name for name in ODD_NAMES.values() if name not in BREAKS]


@pytest.mark.parametrize("names", [ONE_LINE, *([name] for name in BREAKS)], ids=["one line", "breaks", "of Unicode"])
def test_unusual_names_of_a_dependency_arrive_as_they_are(names: list[str], index: Path, bundle_of: BundleOf) -> None:
    files = good_files(dict.fromkeys(names, b"odd"))
    write_wheel(index, files, recorded=_csv_record(files))

    bundle = bundle_of("foo")

    found = {path.relative_to(bundle.directory).as_posix() for path in bundle.directory.rglob("*") if path.is_file()}
    assert found == {*files, f"{INFO}/RECORD"}
    assert all((bundle.directory / name).read_bytes() == b"odd" for name in names)


def _csv_record(files: Mapping[str, bytes]) -> str:
    """RECORD with quotes where a name needs them."""
    rows = record(files, f"{INFO}/RECORD")
    for name in files:
        if any(character in name for character in ',"\n\r'):
            quoted = name.replace('"', '""')
            rows = rows.replace(f"{name},sha256=", f'"{quoted}",sha256=')
    return rows


def test_unusual_names_of_the_project_are_in_the_zip(project: Callable[..., Project]) -> None:
    made = project(files={**PACKAGE, **{f"orders/{name}": "odd" for name in ONE_LINE}})

    made.build()

    assert {f"orders/{name}" for name in ONE_LINE} <= made.zipped()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 300, id="a part that no file system takes"),
        pytest.param("/".join(["x" * 250] * 40), id="a path that no system takes"),
    ],
)
def test_a_name_that_the_system_does_not_take_stops_the_build(
    name: str, index: Path, project: Callable[..., Project]
) -> None:
    write_wheel(index, good_files({name: b"odd"}))
    made = project("foo")

    shown = made.fail()

    assert "File name too long" in shown
    assert not (made.root / BUNDLE).exists()


@pytest.mark.parametrize(
    ("script", "word"),
    [
        pytest.param("../evil", "malformed", id="a way out"),
        pytest.param("/tmp/evil", "malformed", id="an absolute path"),
        pytest.param("..\\evil", "malformed", id="a backslash"),
        pytest.param("e\0vil", "entry_points.txt", id="a NUL"),
        pytest.param("x" * 300, "File name too long", id="too long"),
    ],
)
def test_a_command_of_a_name_that_would_do_harm(
    script: str, word: str, index: Path, project: Callable[..., Project]
) -> None:
    entry_points = f"[console_scripts]\n{script} = foo:main\n".encode()
    write_wheel(index, good_files({f"{INFO}/entry_points.txt": entry_points}))
    made = project("foo")

    shown = made.fail()

    assert word in shown or "malformed" in shown
    assert not (made.root / BUNDLE).exists()


@pytest.mark.parametrize("reference", ["foo:main; import os", "foo:main\n os.system('id')", "foo:main()", "foo"])
def test_a_command_that_smuggles_code_into_its_script(reference: str, index: Path, bundle_of: BundleOf) -> None:
    entry_points = f"[console_scripts]\nfoo = {reference}\n".encode()
    write_wheel(index, good_files({f"{INFO}/entry_points.txt": entry_points}))

    with pytest.raises(BrokenWheelError, match="malformed"):
        bundle_of("foo")


def test_a_project_in_a_folder_of_an_unusual_name(tmp_path: Path, index: Path) -> None:
    make_sdist(index, "foo")
    make_wheel(index, "bar")
    root = tmp_path / "-my projects $(id) 注文 %41"
    made = write_project(root, f'{HOOK}requirements = ["my requirements.txt"]\n', "", PACKAGE)
    (root / "my requirements.txt").write_text("foo\nbar\n", encoding="utf-8")

    made.build(HATCH_LAMBDA_RUNTIME=HERE, HATCH_LAMBDA_PYTHON=sys.executable)

    with zipfile.ZipFile(made.dist / f"orders-1.0-{HERE}-x86_64.zip") as archive:
        assert {"foo.py", "bar.py", "orders/app.py"} <= set(archive.namelist())


def test_a_zip_with_all_of_it_can_be_unpacked_by_other_tools(project: Callable[..., Project], tmp_path: Path) -> None:
    if not shutil.which("unzip"):  # it is no part of Python
        pytest.skip("no unzip at hand")
    odd = [name for case, name in ODD_NAMES.items() if "line breaks" not in case and "long" not in case]
    made = project(files={**PACKAGE, **{f"orders/{name}": "odd" for name in odd}})
    made.build()

    ended = subprocess.run(
        ["unzip", "-q", str(made.zip), "-d", str(tmp_path / "task")],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert all((tmp_path / "task" / "orders" / name).read_text(encoding="utf-8") == "odd" for name in odd)
