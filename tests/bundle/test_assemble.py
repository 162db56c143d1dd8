"""The list of a bundle's files, kept beside it: believed only as it was written, for what it was written for."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.assemble import FILES_NAME, assemble
from hatch_lambda.config.settings import load
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

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

    def run(*, store: str = "store", **table: object) -> Bundle:
        kept = Store(tmp_path / store).keep(wheel, "foo 1.0")
        settings = load({"runtime": "python3.13", **table}, project_root, environ={})
        return assemble((kept,), settings, project_root / "bundle", state)

    return run


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    """Change a list as somebody would who knows how it is protected against damage."""
    head, _, body = path.read_bytes().partition(b"\n")
    assert old in body
    body = body.replace(old, new)
    path.write_bytes(head.split()[0] + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def test_the_second_time_it_is_the_same_without_a_look_at_the_wheels(
    assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = assembled(exclude=["*.txt"], prune=["tests"])

    def refuse(*_: object) -> None:
        raise AssertionError("the wheel is read")

    monkeypatch.setattr("hatch_lambda.bundle.assemble.lay_out", refuse)
    second = assembled(exclude=["*.txt"], prune=["tests"])

    assert second == first
    assert second.left_out == first.left_out
    assert {name: left.files for name, left in first.left_out.items()} == {"exclude": 1, "tests": 1}
    assert [file.source.read() for file in second.files] == [file.source.read() for file in first.files]


@pytest.mark.parametrize("change", [{"exclude": ["*.txt"]}, {"prune": ["tests"]}, {"runtime": "python3.12"}])
def test_another_setting_makes_another_list(change: dict[str, object], assembled: Assembled, state: Path) -> None:
    assembled()
    before = (state / FILES_NAME).read_bytes()

    assembled(**change)

    assert (state / FILES_NAME).read_bytes() != before


def test_a_store_that_has_moved_is_followed(assembled: Assembled) -> None:
    assembled()

    assert [file.source.read() for file in assembled(store="moved").files]


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"{}", b"\xff\n[]"], ids=["empty", "no list", "another thing", "no text"]
)
def test_what_is_damaged_is_made_anew(damage: bytes, assembled: Assembled, state: Path) -> None:
    first = assembled()
    (state / FILES_NAME).write_bytes(damage)

    assert assembled() == first


@pytest.mark.parametrize("name", [b"../../evil", b"/etc/evil", b"foo/../../evil"])
def test_no_path_in_it_leads_out_of_the_bundle(name: bytes, assembled: Assembled, state: Path) -> None:
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
def test_a_list_that_contradicts_itself_is_made_anew(old: bytes, new: bytes, assembled: Assembled, state: Path) -> None:
    first = assembled()
    body = (state / FILES_NAME).read_bytes().partition(b"\n")[2]
    assert old in body
    rewrite(state / FILES_NAME, body, body.replace(old, new, 1))

    assert assembled() == first


def test_a_bundle_that_keeps_no_list_needs_no_metadata_of_ours(
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

    assert "foo/tests/test_x.py" in {file.path for file in assembled(prune=["tests"]).files}
