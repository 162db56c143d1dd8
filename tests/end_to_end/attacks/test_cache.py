"""Entries of the cache that somebody has changed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.attacks import FOO_WHEEL, HERE, MANYLINUX, SPEED, UNIX
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import BUNDLE, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


def test_a_replaced_wheel_in_the_cache_is_downloaded_again(
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
def test_a_replaced_note_in_the_cache_admits_no_other_wheel(
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
def test_a_damaged_note_in_the_cache_is_written_again(text: str, index: Path, cache: Path, bundle_of: BundleOf) -> None:
    wheel = make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf("aarch64")})
    note = cache / "notes" / f"{sha256_of(wheel)}.json"
    note.parent.mkdir(parents=True)
    note.write_text(text, encoding="utf-8")

    with pytest.raises(UnfitMachineCodeError):
        bundle_of("foo")


def test_a_note_on_a_built_wheel_cannot_name_another_project(index: Path, cache: Path, bundle_of: BundleOf) -> None:
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
def test_a_note_in_the_cache_cannot_harm_a_file_outside(
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


def test_a_saved_resolution_cannot_harm_a_file_outside(
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
