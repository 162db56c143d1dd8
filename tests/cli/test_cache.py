"""`hatch-lambda cache`: its directory, its size, and that clearing removes only what builds have cached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from filelock import FileLock

from hatch_lambda.cli import main
from hatch_lambda.wheels.locks import building
from hatch_lambda.wheels.store import CACHE_VARIABLE, Store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from hatch_lambda.bundle.files import Bundle


def cache(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["cache", *arguments])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Store:
    """One with a wheel, a note and what a build gave."""
    filled = Store(root)
    wheel = filled.keep(make_wheel(tmp_path, "soup"), "soup", "1.0")
    filled.keep_note(wheel.sha256, "{}")
    filled.remember_built("0" * 64, wheel)
    return filled


def files_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_dir(root: Path) -> None:
    assert cache("dir").stdout == f"{root}\n"


def test_dir_that_is_not_writable(root: Path) -> None:
    root.write_text("a file in its place")
    result = cache("dir")
    assert result.exit_code == 1
    assert f"name a directory in {CACHE_VARIABLE}" in result.stderr


def test_size(store: Store) -> None:
    (wheel,) = store.root.glob("wheels/*/*/*.whl")
    text = cache("size").stdout
    assert text.startswith(f"{store.root}\n")
    rows = [line.split() for line in text.splitlines()]
    assert ["wheels", "1", str(wheel.stat().st_size), "B"] in rows
    assert ["total", "3"] in [row[:2] for row in rows]
    found = json.loads(cache("size", "--json").stdout)
    assert found["wheels"] == {"files": 1, "size": wheel.stat().st_size}
    assert found["notes"] == {"files": 1, "size": 2}
    assert found["built"]["files"] == 1
    assert found["total"]["files"] == 3


def test_clear(store: Store) -> None:
    result = cache("clear", "--yes")
    assert result.exit_code == 0
    assert result.stdout.startswith("Removed 3 files, ")
    assert files_of(store.root) == {"locks/gate.lock"}
    assert list((store.root / "wheels").iterdir()) == []
    assert cache("clear", "--yes").stdout == f"The cache in {store.root} is empty.\n"


def test_clear_after_a_build_and_build_again(index: Path, bundle_of: Callable[..., Bundle]) -> None:
    make_wheel(index, "soup")
    bundle_of("soup")
    assert json.loads(cache("size", "--json").stdout)["wheels"]["files"] == 1
    assert cache("clear", "-y").exit_code == 0
    assert json.loads(cache("size", "--json").stdout)["total"]["files"] == 0
    bundle = bundle_of("soup")
    assert (bundle.directory / "soup.py").is_file()
    assert json.loads(cache("size", "--json").stdout)["wheels"]["files"] == 1


def test_clear_removes_only_what_builds_have_cached(store: Store) -> None:
    (sha256,) = (path.parent for path in store.root.glob("wheels/*/*/*.whl"))
    mine = ["mine.whl", "wheels/mine.whl", "notes/mine.json", "built/mine.txt", "begun/mine", "mine/wheels/a/b/c.whl"]
    beside = f"{sha256.relative_to(store.root).as_posix()}/mine.txt"
    for name in [*mine, beside]:
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_text("mine")
    (store.root / "begun" / ".part-1-2-x").write_text("a killed build's")
    assert cache("clear", "--yes").exit_code == 0
    assert files_of(store.root) == {*mine, beside, "locks/gate.lock"}


def test_clear_refuses_while_a_build_is_running(store: Store, tmp_path: Path) -> None:
    with building(store, tmp_path / "bundle", pytest.fail):
        before = files_of(store.root)
        result = cache("clear", "--yes")
        assert result.exit_code == 1
        assert "A build is running" in result.stderr
        assert files_of(store.root) == before
    assert cache("clear", "--yes").exit_code == 0
    assert {name for name in before if name.startswith("locks/")} == files_of(store.root)
    for path in store.lock_files():
        with FileLock(path, timeout=0):  # it was released
            pass


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 3)])
def test_clear_asks_at_a_terminal(
    store: Store, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: int
) -> None:
    monkeypatch.setattr("hatch_lambda.cli.cache._is_terminal", lambda: True)
    result = CliRunner().invoke(main, ["cache", "clear"], input=answer)
    assert "Remove 3 files (" in result.stdout
    assert result.exit_code == code
    assert json.loads(cache("size", "--json").stdout)["total"]["files"] == left
    assert store.root.is_dir()


def test_clear_without_a_terminal_needs_yes(store: Store) -> None:
    result = cache("clear")
    assert result.exit_code == 2
    assert "pass --yes to confirm" in result.stderr
    assert len(files_of(store.root)) == 3


def test_clear_reports_what_it_could_not_remove(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    result = cache("clear", "--yes")
    monkeypatch.undo()
    assert result.exit_code == 1
    assert f"3 files could not be removed from {store.root}" in result.stderr
