"""A cache directory with something else in place of a file of the store: mended, and no build stops or hangs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.bytecode import Bytecode, compile_bundle
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.store import UNUSED_FOR, Store, StoredWheel, WantedWheel
from tests.support.packages import make_wheel
from tests.support.situation import HERE, Situation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECIPE = "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def fill(store: Store, tmp_path: Path) -> StoredWheel:
    """Cache one of each kind."""
    wheel = store.keep(make_wheel(tmp_path / "wheels", "soup"), "soup", "1.0")
    store.keep_note(wheel.sha256, "{}")
    store.remember_built(RECIPE, wheel)
    return wheel


def make_file(path: Path) -> None:
    path.write_bytes(b"")


def make_directory(path: Path) -> None:
    path.joinpath("something", "else").mkdir(parents=True)


def make_pipe(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("no pipes in the file system")
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_file, make_directory, make_pipe])
@pytest.mark.parametrize("pattern", ["wheels/*/*/*.whl", "notes/*.json", "built/*.json", "tidied"])
def test_something_else_in_place_of_a_file(
    store: Store, tmp_path: Path, pattern: str, make: Callable[[Path], None]
) -> None:
    wheel = fill(store, tmp_path)
    store.tidy()
    (place,) = store.root.glob(pattern)
    place.unlink()
    make(place)

    store.tidy()
    store.note(wheel.sha256)
    store.built(RECIPE, "soup", "1.0")
    store.find(WantedWheel("soup", "1.0", wheel.filename, wheel.sha256))
    fill(store, tmp_path)

    assert store.note(wheel.sha256) == "{}"
    assert store.built(RECIPE, "soup", "1.0") == wheel
    assert store.find(WantedWheel("soup", "1.0", wheel.filename, wheel.sha256)) == wheel


@pytest.mark.parametrize("make", [make_file, make_pipe])
@pytest.mark.parametrize("name", ["wheels", "wheels/*", "wheels/*/*", "notes", "built", "begun"])
def test_something_else_in_place_of_a_directory(
    store: Store, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    wheel = fill(store, tmp_path)
    (place,) = store.root.glob(name)
    shutil.rmtree(place)
    make(place)

    store.tidy()
    assert fill(store, tmp_path) == wheel

    assert store.note(wheel.sha256) == "{}"
    assert store.built(RECIPE, "soup", "1.0") == wheel


@pytest.mark.parametrize("make", [make_directory, make_pipe])
@pytest.mark.parametrize("name", ["resolution.json", "audit.json", "files.json", "bundle.json"])
def test_something_else_in_place_of_a_file_in_the_build_directory(
    situation: Situation, name: str, make: Callable[[Path], None]
) -> None:
    first = situation.build()
    place = situation.state / name
    place.unlink()
    make(place)

    assert situation.build() == first
    assert place.is_file()


@pytest.mark.parametrize("make", [make_directory, make_pipe])
def test_something_else_in_place_of_bytecode(store: Store, make: Callable[[Path], None], tmp_path: Path) -> None:
    settings = load({"runtime": HERE}, tmp_path, environ={})
    kept = fill(store, tmp_path)
    modules = lay_out(kept.path, settings.target)

    def compiled() -> Bytecode:
        return compile_bundle(modules, (kept,), settings, store)

    first = compiled()
    (place,) = store.bytecode.glob("*.zip")
    place.unlink()
    make(place)

    assert compiled().files == first.files
    assert place.is_file()


def test_a_stamp_dated_in_the_future_does_not_stop_tidying(store: Store, tmp_path: Path) -> None:
    wheel = fill(store, tmp_path)
    store.tidy()
    years_ahead = time.time() + 10 * UNUSED_FOR
    os.utime(store.root / "tidied", (years_ahead, years_ahead))
    os.utime(wheel.path, (0, time.time() - 2 * UNUSED_FOR))

    store.tidy()

    assert not wheel.path.exists()
    assert store.root.joinpath("tidied").stat().st_mtime < years_ahead


def test_a_wheel_dated_in_the_future_counts_as_used_now(store: Store, tmp_path: Path) -> None:
    wheel = fill(store, tmp_path)
    years_ahead = time.time() + 10 * UNUSED_FOR
    os.utime(wheel.path, (years_ahead, years_ahead))

    assert store.find(WantedWheel("soup", "1.0", wheel.filename, wheel.sha256))

    assert wheel.path.stat().st_mtime < years_ahead
