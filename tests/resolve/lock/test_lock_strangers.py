"""Lock files from strangers: nothing in them reaches pip or other files unchecked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.locks import LOCK, package, refuse, write_lock
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TRUSTED = "https://example.org/foo.git"
HASH = "0" * 64
_HAS_LIMIT = hasattr(sys, "get_int_max_str_digits")  # of digits; Python 3.10 has it from 3.10.7 on


@pytest.mark.parametrize("kind", ["git+file:///evil@COMMIT #", "git+file", "GIT", "", "cvs"])
def test_a_vcs_that_pip_does_not_know_is_refused(kind: str, build: BundleOf, project_root: Path) -> None:
    write_lock(project_root, {"name": "foo", "vcs": {"type": kind, "url": TRUSTED, "commit-id": COMMIT}})

    assert f"foo has the vcs type {kind!r}; supported are git, hg, bzr, svn" in refuse(build, "foo")


@pytest.mark.parametrize(
    ("kind", "commit"),
    [
        ("git", "main"),
        ("git", ""),
        ("git", COMMIT.upper()),
        ("git", f"{COMMIT}#subdirectory=evil"),
        ("hg", "--config=extensions.x=evil.py"),
        ("svn", "HEAD"),
        ("bzr", "--evil"),
    ],
)
def test_what_is_no_commit_is_refused(kind: str, commit: str, build: BundleOf, project_root: Path) -> None:
    write_lock(project_root, {"name": "foo", "vcs": {"type": kind, "url": TRUSTED, "commit-id": commit}})

    assert f"foo is not pinned to a commit: its commit-id is {commit!r}" in refuse(build, "foo")


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("sha256", f"{HASH}\n--index-url http://127.0.0.1:9/evil"),
        ("sha256", f"{HASH} evil"),
        ("sha256", HASH[1:]),
        ("SHA256", "x" * 64),
        ("sha512", HASH),
        ("md5", ""),
    ],
)
def test_what_is_no_hash_is_refused(
    algorithm: str, value: str, build: BundleOf, project_root: Path, wheels: Path
) -> None:
    entry = package(make_wheel(wheels, "foo"), root=project_root)
    entry["wheels"][0]["hashes"][algorithm] = value
    write_lock(project_root, entry)

    assert f"foo 1.0 has {value!r} as its {algorithm}, which is not a valid {algorithm}" in refuse(build, "foo")


@pytest.mark.parametrize("subdirectory", ["/etc", "../evil", "lib/../../evil", "..\\evil", "C:\\evil", "\\evil"])
@pytest.mark.parametrize("kind", ["archive", "vcs", "directory"])
def test_a_subdirectory_outside_its_source_is_refused(
    kind: str, subdirectory: str, build: BundleOf, project_root: Path
) -> None:
    sources: dict[str, dict[str, Any]] = {
        "archive": {"url": "https://example.org/foo-1.0.tar.gz", "hashes": {"sha256": HASH}},
        "vcs": {"type": "git", "url": TRUSTED, "commit-id": COMMIT},
        "directory": {"path": "lib"},
    }
    write_lock(project_root, {"name": "foo", kind: {**sources[kind], "subdirectory": subdirectory}})

    message = refuse(build, "foo")

    assert f"foo has the subdirectory {subdirectory!r}, which is outside its source" in message


@pytest.mark.parametrize("marker", ["extra == 'x'", "python_version ~= 'abc'"])
def test_a_marker_that_cannot_be_evaluated_is_named(
    marker: str, build: BundleOf, project_root: Path, wheels: Path
) -> None:
    write_lock(project_root, {**package(make_wheel(wheels, "foo"), root=project_root), "marker": marker})

    assert "of foo 1.0 cannot be evaluated: " in refuse(build, "foo")


def test_no_environment_at_all_does_not_mean_any(build: BundleOf, project_root: Path, wheels: Path) -> None:
    write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root), environments=[])

    assert "its list of environments is empty" in refuse(build, "foo")


@pytest.mark.parametrize("content", [f"a = {'[' * 5000}{']' * 5000}", f"a = {'{b=' * 5000}1{'}' * 5000}"])
def test_a_file_that_is_nested_too_deep_is_refused(content: str, build: BundleOf, project_root: Path) -> None:
    project_root.joinpath(LOCK).write_text(content, encoding="utf-8")

    assert "pylock.toml is not a valid lock file (PEP 751): it is nested too deep" in refuse(build, "foo")


def test_an_integer_of_too_many_digits_is_refused(build: BundleOf, project_root: Path) -> None:
    project_root.joinpath(LOCK).write_text(f"x = {'9' * 10_000}\n", encoding="utf-8")

    message = refuse(build, "foo")

    assert ("is not a valid lock file (PEP 751): Exceeds the limit" if _HAS_LIMIT else "lock-version") in message


@pytest.mark.parametrize(
    "source",
    [
        {"directory": {"path": "../\0good"}},
        {"archive": {"path": "\0.tar.gz", "hashes": {"sha256": HASH}}},
        {"archive": {"url": "https://example.org/\0.tar.gz", "hashes": {"sha256": HASH}}},
        {"vcs": {"type": "git", "path": "../\0", "commit-id": COMMIT}},
        {"wheels": [{"name": "foo-1.0-py3-none-any.whl", "path": "\0.whl", "hashes": {"sha256": HASH}}]},
        {"sdist": {"name": "foo-1.0.tar.gz", "path": "\0/foo-1.0.tar.gz", "hashes": {"sha256": HASH}}},
    ],
)
def test_a_null_character_is_refused(source: dict[str, Any], build: BundleOf, project_root: Path) -> None:
    write_lock(project_root, {"name": "foo", "version": "1.0", **source})

    assert "foo" in (message := refuse(build, "foo"))
    assert "pylock.toml is not a valid lock file (PEP 751): " in message


def test_an_invalid_entry_is_called_by_its_name(build: BundleOf, project_root: Path, wheels: Path) -> None:
    write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root), {"name": "bar", "version": "1.0"})

    message = refuse(build, "foo")

    assert "in 'packages[1]' (bar)" in message


def test_a_directory_in_place_of_the_file_is_an_error(build: BundleOf, project_root: Path) -> None:
    project_root.joinpath(LOCK).mkdir()

    assert "The lock file pylock.toml cannot be read: Is a directory" in refuse(build, "foo")

    if hasattr(os, "mkfifo"):  # to open it would block
        (project_root / "pylock.toml").rmdir()
        os.mkfifo(project_root / "pylock.toml")
        assert "The lock file pylock.toml cannot be read: not a regular file" in refuse(build, "foo")
