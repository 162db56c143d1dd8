"""The set `debug` of `prune` in a bundle: what is stripped, cached and recorded."""

from __future__ import annotations

import csv
import hashlib
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle import strip
from hatch_lambda.bundle.assemble import assemble
from hatch_lambda.bundle.strip import with_stripped
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.record import hash_of
from hatch_lambda.wheels.store import Store
from hatch_lambda.zip import writer
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.packages import Content
    from tests.support.recording_ui import RecordingUI

DEBUG = b"line 1 is at 0x1000; " * 2000
FILES: dict[str, Content] = {
    "foo/__init__.py": "",
    "foo/x.abi3.so": make_elf(debug=DEBUG),
    "foo/self_extracting": make_elf(debug=DEBUG) + b"PK\3\4",
    "foo/small.so": make_elf(),
    "foo-1.0.data/platlib/foo.libs/libx.so": make_elf(soname="libx.so", debug=DEBUG, moved=b"x"),
    "foo-1.0.data/scripts/foo-tool": make_elf(debug=DEBUG),
    "foo/x.dll": b"MZ",
}


@pytest.fixture
def stripped(tmp_path: Path) -> Callable[..., Bundle]:
    def run() -> Bundle:
        settings = load({"runtime": "python3.13", "prune": ["debug"]}, tmp_path, environ={})
        store = Store(tmp_path / "store")
        wheel = store.keep(make_wheel(tmp_path, "foo", files=FILES), "foo", "1.0")
        return with_stripped(assemble((wheel,), settings, tmp_path / "bundle", tmp_path), store, {})

    return run


def test_native_code_is_stripped_and_recorded_and_nothing_else_changes(stripped: Callable[..., Bundle]) -> None:
    bundle = stripped()

    found = {file.path: file.source.read() for file in bundle.files}
    former = {
        path.replace("foo-1.0.data/platlib/", "").replace("foo-1.0.data/scripts/", "bin/"): c
        for path, c in FILES.items()
    }
    smaller = {path for path in former if len(found[path]) < len(former[path])}
    assert smaller == {"foo/x.abi3.so", "foo.libs/libx.so", "bin/foo-tool"}
    assert bundle.left_out["debug"] == (3, sum(len(former[path]) - len(found[path]) for path in smaller))
    assert all(DEBUG not in found[path] for path in smaller)
    assert [found[path] for path in former.keys() - smaller - {"foo/__init__.py"}] == [
        former[path] for path in former.keys() - smaller - {"foo/__init__.py"}
    ]
    reason = "it has data behind its sections, which the program itself may read"
    assert bundle.kept == (f"kept symbols of foo 1.0: foo/self_extracting: {reason}",)
    rows = {row[0]: row[1:] for row in csv.reader(found["foo-1.0.dist-info/RECORD"].decode().splitlines())}
    assert rows.keys() == found.keys()
    for path in smaller:
        assert rows[path] == [hash_of(hashlib.sha256(found[path]).digest()), str(len(found[path]))]


def test_what_was_stripped_once_is_not_stripped_again(
    stripped: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stripped()
    monkeypatch.setattr(strip, "strip", None)

    again = stripped()

    assert (again, again.key, again.left_out) == (first, first.key, first.left_out)
    (cached,) = tmp_path.glob("store/stripped/*.zip")
    cached.write_bytes(b"damaged")
    with pytest.raises(TypeError, match="not callable"):
        stripped()


def test_the_bytes_of_the_zip_are_the_same_without_the_cache(stripped: Callable[..., Bundle], tmp_path: Path) -> None:
    first = writer.write(tmp_path / "first.zip", stripped().files).path.read_bytes()
    for cached in tmp_path.glob("store/stripped/*.zip"):
        cached.unlink()

    assert writer.write(tmp_path / "again.zip", stripped().files).path.read_bytes() == first


def test_the_build_says_what_cannot_be_stripped(bundle_of: Callable[..., Bundle], index: Path, ui: RecordingUI) -> None:
    make_wheel(index, "foo", tag="py3-none-manylinux2014_x86_64", files=FILES)

    bundle = bundle_of("foo", prune=["debug"], verbose=True)

    assert bundle.left_out["debug"].files == 3
    assert any(line.startswith("    kept symbols of foo 1.0: foo/self_extracting: it has data") for line in ui.lines)
    assert (bundle.directory / "foo/x.abi3.so").stat().st_size < len(DEBUG)
