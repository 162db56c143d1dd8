"""Hashes in requirements files next to what cannot have any, as `uv export` and `poetry export` write them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ResolutionError
from tests.support.packages import make_source_tree, make_wheel
from tests.support.situation import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    Export = Callable[..., Bundle]

PYPROJECT = """\
[project]
name = "orders"
version = "1.0"
dependencies = ["foo>=1", "win-only; sys_platform == 'win32'"]
optional-dependencies.more = ["bar"]
"""
LOCK_OR_NOT = ('lock-file = "uv.lock"', "uv export --no-hashes", "poetry export --without-hashes")


@pytest.fixture
def export(index: Path, project_root: Path, bundle_of: Callable[..., Bundle]) -> Export:
    """Build from a file of `foo` with its hash and further lines. `dependencies`: of extras and groups."""
    make_wheel(index, "bar")
    foo = make_wheel(index, "foo")
    (project_root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")

    def build(*lines: str, dependencies: tuple[str, ...] = (), **table: object) -> Bundle:
        text = "\n".join([f"foo==1.0 --hash=sha256:{sha256(foo)}", *lines])
        (project_root / "requirements.txt").write_text(f"{text}\n", encoding="utf-8")
        return bundle_of(*dependencies, requirements=["requirements.txt"], **table)

    return build


@pytest.mark.parametrize("line", ["-e .", ".", "-e file:.", "orders @ file://{}", "-e . ; python_version > '3.8'"])
def test_the_project_itself_is_left_out(line: str, project_root: Path, export: Export) -> None:
    assert export(line.format(project_root)).distributions == ("foo 1.0",)


def test_what_the_project_requires_must_be_listed_then(export: Export) -> None:
    with pytest.raises(ResolutionError) as caught:
        export("-e .[more]")
    message = str(caught.value)
    assert "name orders itself" in message
    assert "lack what it requires: bar.\n" in message
    assert "export again" in message
    assert export("-e .[more]", provided=["bar"]).distributions == ("foo 1.0",)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("-e ../lib", "--no-emit-workspace"),
        ("lib @ file://{}/lib ; python_version > '3.8'", "--no-emit-project"),
        ("lib @ git+file://{}/repository", "--no-emit-workspace"),
        ("bar==1.0", "export again"),
    ],
    ids=["editable", "directory", "repository", "no hash"],
)
def test_the_ways_out_are_named(line: str, remedy: str, tmp_path: Path, export: Export) -> None:
    make_source_tree(tmp_path / "lib", "lib")
    make_source_tree(tmp_path / "repository", "lib")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path / "repository", check=True)
    with pytest.raises(ResolutionError) as caught:
        export(line.format(tmp_path))
    for words in ("requirements.txt (line 2)" if "==" not in line else line, remedy, *LOCK_OR_NOT):
        assert words in str(caught.value)


def test_the_ways_out_are_named_for_dependency_groups(export: Export) -> None:
    with pytest.raises(ResolutionError) as caught:
        export(dependencies=("bar",))
    for words in ("bar", "`--group`", *LOCK_OR_NOT):
        assert words in str(caught.value)


def test_a_wrong_hash_is_another_matter(export: Export) -> None:
    with pytest.raises(ResolutionError) as caught:
        export(f"bar==1.0 --hash=sha256:{'0' * 64}")
    assert "HASHES" in str(caught.value)
    assert "--no-hashes" not in str(caught.value)
