"""Projects whose modules lie in the project's directory itself, and other selections with a `.` in a path."""

from __future__ import annotations

import base64
import csv
import hashlib

import pytest

from tests.support.elf import make_elf
from tests.support.projects import DIST_INFO, HOOK, NewProject

MODULES = {"lambda_function.py": "def handler(event, context): ...\n", "prices.py": "", "rates/eu.json": "{}"}
TREE = {**MODULES, "tests/test_prices.py": "", "README.md": ""}
ALL = {*TREE, "pyproject.toml"}
FLAT = 'only-include = ["."]\nexclude = ["/tests", "*.md", "*.toml"]\n'


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(FLAT, {*MODULES}, id="only-include"),
        pytest.param('only-include = ["./"]', ALL, id="only-include with a slash"),
        pytest.param('only-include = ["./prices.py"]', {"prices.py"}, id="a module"),
        pytest.param('packages = ["."]', ALL, id="packages"),
        pytest.param('include = ["/*.py"]', {"lambda_function.py", "prices.py"}, id="include"),
        pytest.param(FLAT + 'sources."" = "shop"', {f"shop/{path}" for path in MODULES}, id="sources"),
        pytest.param('only-include = ["rates"]\nsources.rates = "./eu"', {"eu/eu.json"}, id="sources with a dot"),
        pytest.param(FLAT + 'force-include."tests" = "."', {*MODULES, "test_prices.py"}, id="force-include"),
        pytest.param(FLAT + 'force-include."README.md" = "./a/b.md"', {*MODULES, "a/b.md"}, id="a forced file"),
    ],
)
def test_the_projects_own_directory_is_selected(new_project: NewProject, selection: str, expected: set[str]) -> None:
    project = new_project(f"{HOOK}[tool.hatch.build.targets.lambda]\n{selection}\n", files=TREE)

    project.build()

    assert project.zipped() == {*expected, *DIST_INFO}


def test_the_wheels_selection_holds_for_the_zip(new_project: NewProject) -> None:
    project = new_project(f"{HOOK}[tool.hatch.build.targets.wheel]\n{FLAT}", files=TREE)

    project.build()

    assert project.zipped() == {*MODULES, *DIST_INFO}


def test_what_belongs_to_selected_files_finds_them_in_a_flat_directory(new_project: NewProject) -> None:
    target = f'[tool.hatch.build.targets.lambda]\nhandler = "lambda_function.handler"\n{FLAT}'
    native = make_elf(soname="libcrab.so.1")
    project = new_project(HOOK + target, files={**TREE, "lib/libcrab.so.1": native})

    project.build()

    rows = {
        path: (digest, int(size))
        for path, digest, size in csv.reader(project.read("orders-1.0.dist-info/RECORD").decode().splitlines())
        if digest
    }
    assert rows["lib/libcrab.so.1"] == (
        f"sha256={base64.urlsafe_b64encode(hashlib.sha256(native).digest()).rstrip(b'=').decode()}",
        len(native),
    )
    assert rows.keys() < project.zipped()
