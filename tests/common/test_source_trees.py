from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.source_trees import entries, setuptools_aside, unlittered
from hatch_lambda.resolve.fingerprint import digest_of

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names_in(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in entries(root)]


class TestEntries:
    def test_links_are_followed_to_each_directory_once(self, tmp_path: Path) -> None:
        root = tmp_path / "root"
        write(root, "app.py", "pkg/a.py", "pkg/deep/b.py")
        write(tmp_path / "shared", "c.py")
        for link, target in {
            "again": "pkg",
            "pkg/deep/loop": "../..",
            "shared": "../shared",
            "z": "../shared",
            "gone": "no",
        }.items():
            (root / link).symlink_to(target)

        found = names_in(root)

        assert found == [
            *("app.py", "gone", "again", "shared", "z"),
            *("again/a.py", "again/deep/b.py", "again/deep/loop", "shared/c.py"),
        ]

    def test_it_is_noticed_where_a_link_leads(self, tmp_path: Path) -> None:
        write(tmp_path, "a/x.py", "b/x.py")
        (tmp_path / "z").symlink_to("a")
        before = digest_of(tmp_path)
        (tmp_path / "z").unlink()
        (tmp_path / "z").symlink_to("b")

        assert digest_of(tmp_path) != before

    def test_what_builds_and_tools_leave_is_none_whatever_it_links_to(self, tmp_path: Path) -> None:
        write(tmp_path, "pkg/build/x.py", "build/lib/x.py", "pkg/__pycache__/x.pyc", "src/x.egg-info/PKG-INFO")
        (tmp_path / ".venv").symlink_to("pkg")

        assert names_in(tmp_path) == ["pkg/build/x.py"]


class TestUnlittered:
    def test_only_what_was_added_is_removed_after_errors_too(self, tmp_path: Path) -> None:
        write(tmp_path, "build/mine.txt", "pkg/__pycache__/old.pyc", "pkg/a.py")

        def build() -> None:
            write(tmp_path, "x.egg-info/PKG-INFO", "pkg/__pycache__/new.pyc", "pkg/sub/__pycache__/new.pyc")
            write(tmp_path, "pkg/build/generated.py", "dist/x.whl", ".venv/x", "build/lib/x.py")
            raise LookupError("no compiler")

        with pytest.raises(LookupError, match="no compiler"), unlittered(tmp_path):
            build()

        left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
        assert left == {
            *("build/mine.txt", "build/lib/x.py", "pkg/__pycache__/old.pyc", "pkg/a.py"),
            *("pkg/build/generated.py", "dist/x.whl", ".venv/x"),
        }


@pytest.mark.parametrize("text", ["[build_ext]\ndebug = 1\n[egg_info]\ntag_build = dev\n", "not an ini file", None])
def test_the_users_own_configuration_of_setuptools_is_kept(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        (tmp_path / "own.cfg").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DIST_EXTRA_CONFIG", str(tmp_path / "own.cfg"))

    [(_, path)] = setuptools_aside(tmp_path).items()

    config = configparser.RawConfigParser()
    config.read(path, encoding="utf-8")
    assert config["egg_info"]["egg_base"] == str(tmp_path)
    if text and text.startswith("["):
        assert (config["egg_info"]["tag_build"], config["build_ext"]["debug"]) == ("dev", "1")
