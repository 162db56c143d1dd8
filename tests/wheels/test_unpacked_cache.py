"""Files that were unpacked once and are shared by the bundles of all projects, without one's harm to another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.settings import load
from hatch_lambda.wheels import unpacked_cache
from hatch_lambda.wheels.store import UNUSED_FOR, user_store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.wheels.members import Member
    from tests.support.recording_ui import RecordingUI

    Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path, index: Path, ui: RecordingUI) -> Build:
    """Lay out `foo` for a project of that name; gives the bundle's folder."""
    make_wheel(index, "foo", files={"foo/__init__.py": "A = 1\n", "foo/run": "#!/bin/sh\n"}, executables=["foo/run"])

    def run(project: str, *, keeping: bool = True) -> Path:
        root = tmp_path / project
        root.mkdir(exist_ok=True)
        settings = load({"runtime": "python3.13"}, root, environ={})
        state = settings.target_directory if keeping else None
        request = Request(settings, settings.bundle_directory, subject=project, requirements=("foo",), state=state)
        return pipeline.run(request, Reporter(ui)).directory

    return run


def same(one: Path, other: Path) -> bool:
    return one.stat().st_ino == other.stat().st_ino


def test_a_second_project_gets_the_same_files(build: Build) -> None:
    one, other = build("one"), build("other")

    assert same(one / "foo/__init__.py", other / "foo/__init__.py")
    assert same(one / "foo/run", other / "foo/run")
    assert (other / "foo/run").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("change", [b"A = 2\n", b"A = 1\n# more\n", b""], ids=["as long", "longer", "empty"])
def test_what_was_written_to_in_place_is_not_passed_on(change: bytes, build: Build) -> None:
    one = build("one")
    with (one / "foo/__init__.py").open("r+b") as file:
        file.truncate()
        file.write(change)

    other = build("other")

    assert (other / "foo/__init__.py").read_bytes() == b"A = 1\n"
    assert (build("one") / "foo/__init__.py").read_bytes() == b"A = 1\n", "and is put right where it was done"
    assert same(build("third") / "foo/__init__.py", other / "foo/__init__.py"), "what was put right is shared again"


def test_what_was_unpacked_in_the_same_build_is_not_read_once_more(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    has_the_content = unpacked_cache._has_the_content

    def note(path: str, member: Member) -> bool:
        read.append(member.name)
        return has_the_content(path, member)

    monkeypatch.setattr(unpacked_cache, "_has_the_content", note)
    build("one")
    assert not read

    build("other")

    assert "foo/__init__.py" in read


def test_a_changed_mode_is_not_passed_on(build: Build) -> None:
    (build("one") / "foo/run").chmod(0o600)

    assert (build("other") / "foo/run").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_is_its_callers_shares_nothing(build: Build) -> None:
    one, other = build("one"), build("other", keeping=False)

    assert not same(one / "foo/__init__.py", other / "foo/__init__.py")
    assert (other / "foo/__init__.py").stat().st_nlink == 1


def test_without_links_everything_is_written(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)

    assert (build("one") / "foo/__init__.py").read_bytes() == b"A = 1\n"
    assert (build("other") / "foo/__init__.py").read_bytes() == b"A = 1\n"


def test_the_first_bundle_shares_what_was_unpacked_for_the_check(build: Build, tmp_path: Path) -> None:
    bundle = build("one")

    (shelved,) = user_store(tmp_path / "nowhere").root.glob("unpacked/*/*/foo/__init__.py")
    assert same(bundle / "foo/__init__.py", shelved)


@pytest.mark.parametrize("keeping", [True, False])
def test_what_cannot_be_linked_is_copied(keeping: bool, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    build("one")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("hatch_lambda.bundle.unpack._inflated", None)  # nobody asks for that
    bundle = build("other", keeping=keeping)

    assert (bundle / "foo/__init__.py").read_bytes() == b"A = 1\n"
    assert (bundle / "foo/__init__.py").stat().st_nlink == 1
    assert (bundle / "foo/run").stat().st_mode & 0o777 == 0o755


def test_what_was_unpacked_goes_with_its_wheel(build: Build, tmp_path: Path) -> None:
    build("one")
    store = user_store(tmp_path / "nowhere")
    (wheel,) = store.root.glob("wheels/*/*/*.whl")
    assert list(store.root.glob("unpacked/*/*/foo/__init__.py"))
    old = wheel.stat().st_mtime - UNUSED_FOR - 60
    os.utime(wheel, (old, old))
    (store.root / "tidied").unlink()

    store.tidy()

    assert not wheel.exists()
    assert not list(store.root.glob("unpacked/*/*"))


def test_what_was_unpacked_of_a_wheel_that_nobody_took_goes_after_a_day(build: Build, tmp_path: Path) -> None:
    build("one")
    store = user_store(tmp_path / "nowhere")
    of_nobody, of_late = (store.root / "unpacked" / sha256[:2] / sha256 for sha256 in ("ab" * 32, "cd" * 32))
    for folder in (of_nobody, of_late):
        (folder / "foo").mkdir(parents=True)
        (folder / "foo/__init__.py").write_bytes(b"")
    for folder in store.root.glob("unpacked/*/*"):
        if folder != of_late:
            os.utime(folder, (folder.stat().st_mtime - 2 * 24 * 60 * 60,) * 2)
    (store.root / "tidied").unlink()

    store.tidy()

    assert not of_nobody.exists()
    assert of_late.exists()
    assert list(store.root.glob("unpacked/*/*/foo/__init__.py")) != [of_late / "foo/__init__.py"], "that of `foo` stays"
