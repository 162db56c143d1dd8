"""The cached list of a bundle's files: used only unchanged, and for the inputs that it was written for."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.assemble import FILES_NAME, FileList, assemble
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    Assembled = Callable[..., Bundle]


@pytest.fixture
def state(project_root: Path) -> Path:
    return project_root / ".hatch"


@pytest.fixture
def assembled(tmp_path: Path, project_root: Path, state: Path) -> Assembled:
    """Assemble a bundle of one wheel that has a command, a test and a name that is not ASCII."""
    files = {"foo/__init__.py": "", "foo/tests/test_x.py": "def test_x(): ...\n", "foo/ä.txt": "ä"}
    wheel = make_wheel(tmp_path, "foo", files=files)
    state.mkdir()

    def run(
        *, store: str = "store", state: Path = state, known: dict[str, FileList] | None = None, **table: object
    ) -> Bundle:
        kept = Store(tmp_path / store).keep(wheel, "foo", "1.0")
        settings = load({"runtime": "python3.13", **table}, project_root, environ={})
        return assemble((kept,), settings, project_root / "bundle", state, known)

    return run


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Change a list, with a correct checksum."""
    head, _, body = path.read_bytes().partition(b"\n")
    assert old in body
    body = body.replace(old, new)
    path.write_bytes(head.split()[0] + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def test_the_second_time_no_wheel_is_read(assembled: Assembled, monkeypatch: pytest.MonkeyPatch) -> None:
    first = assembled(exclude=["*.txt"], prune=["tests"])

    def refuse(*_: object) -> None:
        raise AssertionError("the wheel is read")

    monkeypatch.setattr("hatch_lambda.bundle.assemble.Layout", refuse)
    second = assembled(exclude=["*.txt"], prune=["tests"])

    assert second == first
    assert second.left_out == first.left_out
    assert {name: left.files for name, left in first.left_out.items()} == {"exclude": 1, "tests": 1}
    assert [file.source.read() for file in second.files] == [file.source.read() for file in first.files]


def test_bundles_of_one_build_with_the_same_files_share_a_list(
    assembled: Assembled, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, FileList] = {}
    other = state.with_name("other")
    other.mkdir()
    first = assembled(known=known)
    with monkeypatch.context() as patched:
        patched.setattr("hatch_lambda.bundle.assemble.Layout", None)
        second = assembled(known=known, state=other)
        assert second.files is first.files
        assert assembled(state=other) == first  # by what was cached for it
    assert (other / FILES_NAME).read_bytes() == (state / FILES_NAME).read_bytes()
    assert assembled(known=known, state=other, exclude=["*.txt"]).files != first.files
    assert first.key != assembled(known=known, state=other, exclude=["*.txt"]).key


@pytest.mark.parametrize("change", [{"exclude": ["*.txt"]}, {"prune": ["tests"]}, {"runtime": "python3.12"}])
def test_another_setting_changes_the_list(change: dict[str, object], assembled: Assembled, state: Path) -> None:
    assembled()
    before = (state / FILES_NAME).read_bytes()

    assembled(**change)

    assert (state / FILES_NAME).read_bytes() != before


def test_the_store_may_move(assembled: Assembled) -> None:
    assembled()

    assert [file.source.read() for file in assembled(store="moved").files]


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"{}", b"\xff\n[]"], ids=["empty", "no list", "another thing", "no text"]
)
def test_a_damaged_list_is_not_used(damage: bytes, assembled: Assembled, state: Path) -> None:
    first = assembled()
    (state / FILES_NAME).write_bytes(damage)

    assert assembled() == first


@pytest.mark.parametrize("name", [b"../../evil", b"/etc/evil", b"foo/../../evil"])
def test_a_path_outside_the_bundle_is_not_used(name: bytes, assembled: Assembled, state: Path) -> None:
    first = assembled()
    rewrite(state / FILES_NAME, b'"foo/__init__.py"', b'"' + name + b'"')

    assert assembled() == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"foo/__init__.py",', b""),
        (b"420,", b""),
        (b'{"exclude":[0,0],"bytecode":[0,0]}', b"[]"),
        (b'["foo 1.0"]', b"{}"),
        (b'["foo 1.0"],[', b'["foo 1.0"],[["x",420,5,"foo 1.0"]'),
        (b'["foo 1.0"],[', b'["foo 1.0"],5,['),
    ],
    ids=["a name too few", "a mode too few", "no sets", "no owners", "a number for a text", "a part too many"],
)
def test_an_inconsistent_list_is_not_used(old: bytes, new: bytes, assembled: Assembled, state: Path) -> None:
    first = assembled()
    body = (state / FILES_NAME).read_bytes().partition(b"\n")[2]
    assert old in body
    rewrite(state / FILES_NAME, body, body.replace(old, new, 1))

    assert assembled() == first


def test_without_a_state_hatch_lambda_need_not_be_installed(
    assembled: Assembled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept,) = assembled().wheels

    def fail(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("hatch_lambda.bundle.assemble.installed_version", fail)
    settings = load({"runtime": "python3.13"}, tmp_path, environ={})

    assert assemble((kept,), settings, tmp_path / "bundle").files


def test_what_the_project_names_of_a_test_package_stays(assembled: Assembled, project_root: Path) -> None:
    assert "foo/tests/test_x.py" not in {file.path for file in assembled(prune=["tests"]).files}
    (project_root / "app.py").write_text("from foo.tests import test_x\n", encoding="utf-8")

    for _ in range(2):  # also from the cached list
        bundle = assembled(prune=["tests"])
        assert "foo/tests/test_x.py" in {file.path for file in bundle.files}
        assert bundle.kept == ("kept foo/tests: named by the project",)


def test_what_a_linked_package_names_stays_too(assembled: Assembled, tmp_path: Path, project_root: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/app.py").write_text("from foo.tests import test_x\n", encoding="utf-8")
    (project_root / "app").symlink_to(tmp_path / "shared")

    assert "foo/tests/test_x.py" in {file.path for file in assembled(prune=["tests"]).files}


def test_verbose_builds_show_why_files_are_kept(bundle_of: Callable[..., Bundle], index: Path, ui: RecordingUI) -> None:
    make_wheel(index, "foo", files={"foo/__init__.py": "from . import tests", "foo/tests/test_x.py": ""})

    bundle_of("foo", prune=["tests"], verbose=True)

    assert "    kept foo/tests: named by foo/__init__.py" in ui.lines
