"""Symbolic links where hatch-lambda writes and removes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.attacks import UNIX
from tests.support.packages import make_wheel
from tests.support.projects import BUNDLE, ZIP, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder that must be after the test what it was before."""
    folder = tmp_path / "precious"
    files = {"thesis.txt": b"years of work", "foo.py": b"mine, too", "bundle/foo.py": b"and mine"}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    yield folder
    assert {name: (folder / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("clean", [False, True])
def test_a_bundle_directory_that_is_a_link_is_replaced_and_its_target_stays(
    clean: bool,  # noqa: FBT001
    index: Path,
    precious: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    bundle = made.root / BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.symlink_to(precious)
    content = sorted(precious.rglob("*"))

    for _ in range(2):
        made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert sorted(precious.rglob("*")) == content
    assert not bundle.is_symlink()
    assert (bundle / "foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"
    assert {path.name for path in bundle.parent.iterdir()} == {
        *("bundle", "bundle.json", "files.json", "resolution.json", "audit.json")
    }


@pytest.mark.parametrize(
    ("link", "clean"),
    [
        (".hatch/lambda", False),
        (".hatch", True),
        (".hatch/lambda", True),
        (".hatch/lambda/python3.13-x86_64", False),
        (".hatch/lambda/python3.13-x86_64", True),
    ],
)
def test_directories_above_the_bundle_may_be_links_and_other_files_there_stay(
    link: str,
    clean: bool,  # noqa: FBT001
    index: Path,
    tmp_path: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("years of work", encoding="utf-8")
    (made.root / link).parent.mkdir(parents=True, exist_ok=True)
    (made.root / link).symlink_to(elsewhere)

    for _ in range(2):
        made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert "foo.py" in made.zipped()
    assert (elsewhere / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_file_replaced_by_a_link_is_restored_and_its_target_stays(
    index: Path, precious: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.build()
    file = made.root / BUNDLE / "foo.py"
    file.unlink()
    file.symlink_to(precious / "foo.py")

    made.build()

    assert not file.is_symlink()
    assert file.read_text(encoding="utf-8") == "VERSION = '1.0'\n"


def test_a_directory_replaced_by_a_link_is_restored_and_its_target_stays(
    index: Path, precious: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", files={"foo/__init__.py": "", "foo/foo.py": "FOO = 1\n"})
    made = project("foo")
    made.build()
    folder = made.root / BUNDLE / "foo"
    shutil.rmtree(folder)
    folder.symlink_to(precious)

    made.build()

    assert not folder.is_symlink()
    assert (folder / "foo.py").read_text(encoding="utf-8") == "FOO = 1\n"


@pytest.mark.parametrize("clean", [False, True])
def test_an_output_directory_that_is_a_link_is_followed(
    clean: bool,  # noqa: FBT001
    index: Path,
    precious: Path,
    project: Callable[..., Project],
) -> None:
    make_wheel(index, "foo")
    made = project("foo")
    made.dist.symlink_to(precious)

    made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert made.dist.is_symlink()
    assert "foo.py" in made.zipped()
    assert {path.name for path in precious.iterdir()} == {"thesis.txt", "foo.py", "bundle", ZIP}


@pytest.mark.parametrize("clean", [False, True])
def test_a_zip_that_is_a_link_is_replaced_and_its_target_stays(
    clean: bool,  # noqa: FBT001
    precious: Path,
    project: Callable[..., Project],
) -> None:
    made = project()
    made.dist.mkdir()
    made.zip.symlink_to(precious / "thesis.txt")

    made.build(*(["-c"] if clean else []), "-t", "lambda")

    assert not made.zip.is_symlink()
    assert "orders/app.py" in made.zipped()
