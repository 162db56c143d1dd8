"""The setting `exclude` between builds: changing it does not resolve again, and never bypasses the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, Project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import NewProject


@pytest.fixture
def project(new_project: NewProject, index: Path) -> Project:
    """A dependency with a library that the runtime cannot load, which the project leaves out."""
    needy = make_elf(versions={"libc.so.6": ["GLIBC_2.99"]})
    tag = "cp313-cp313-manylinux_2_17_x86_64"
    make_wheel(index, "foo", tag=tag, files={"foo/__init__.py": "", "foo/doc.md": "", "foo/needy.so": needy})
    return new_project(f'{HOOK}exclude = ["needy.so"]\n', project='dependencies = ["foo"]')


def exclude(project: Project, patterns: str) -> None:
    pyproject = project.root / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    before, _, after = text.partition("exclude = [")
    pyproject.write_text(f"{before}exclude = [{patterns}]{after.partition(']')[2]}", encoding="utf-8")


def test_excluding_more_does_not_resolve_again(project: Project) -> None:
    project.build()
    exclude(project, '"needy.so", "*.md"')

    shown = project.build()

    assert "Reusing the resolution from " in shown
    assert "foo/doc.md" not in project.zipped()
    assert "foo/doc.md" not in project.read("foo-1.0.dist-info/RECORD").decode()
    assert "1 file   exclude" not in shown
    assert "2 files  exclude" in shown


def test_files_that_are_no_longer_excluded_are_audited(project: Project) -> None:
    project.build()
    exclude(project, "")

    for _ in range(2):  # the second build as the first
        shown = project.fail()
        assert "foo/needy.so" in shown
        assert "glibc 2.99" in shown

    exclude(project, '"needy.so"')
    assert "Reusing the resolution from " in project.build()
