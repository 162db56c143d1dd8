"""Patterns that match nothing, or files of the other kind: a warning that names the table where they belong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, NewProject

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "tool.hatch.build.targets.lambda"
TABLE = "tool.hatch.build.hooks.lambda"
TREE = {**PACKAGE, "orders/terms.txt": "", "tests/test_app.py": "", "src/more/x.py": ""}
NEEDS_FOO = 'dependencies = ["foo"]'


def warnings(shown: str) -> list[str]:
    """Those that the build repeats in its summary, in the order in which they came."""
    return list(dict.fromkeys(re.findall(r"^Warning: (.*)$", shown, re.MULTILINE)))


def test_exclude_of_the_target(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", files={"foo/__init__.py": "", "foo/tests/x.py": ""})
    patterns = [
        "*.txt",
        "/tests",
        "# *.nothing",
        "!terms.txt",
        "!keep.me",
        "foo/tests/",
        "*.text",
        "__pycache__",
        "*.pyc",
    ]
    project = new_project(f"{HOOK}[{TARGET}]\nexclude = {patterns}\n", project=NEEDS_FOO, files=TREE)
    belongs = f"it belongs in `{TABLE}.exclude`"

    assert warnings(project.build()) == [
        f"`!keep.me` in `{TARGET}.exclude` matches no file of the project",
        f"`foo/tests/` in `{TARGET}.exclude` matches files of dependencies, but none of the project; {belongs}",
        f"`*.text` in `{TARGET}.exclude` matches no file of the project",
    ]


def test_include_of_the_target(new_project: NewProject) -> None:
    project = new_project(f'{HOOK}[{TARGET}]\ninclude = ["/orders", "/order", "*.json"]\n', files=TREE)

    assert warnings(project.build()) == [
        f"`/order` in `{TARGET}.include` matches no file of the project",
        f"`*.json` in `{TARGET}.include` matches no file of the project",
    ]


def test_include_where_hatch_ignores_it(new_project: NewProject) -> None:
    wheel = '[tool.hatch.build.targets.wheel]\npackages = ["orders"]\n'
    project = new_project(f'{HOOK}{wheel}[{TARGET}]\ninclude = ["/src"]\n', files=TREE)

    (warning,) = warnings(project.build())

    assert not any("more" in name for name in project.zipped())
    assert warning.startswith(f"`{TARGET}.include` has no effect")


def test_paths_of_the_target(new_project: NewProject) -> None:
    selection = 'only-include = ["orders", "/src/more", "gone", "orders/*.txt"]\npackages = ["src/less"]\n'
    project = new_project(f"{HOOK}[{TARGET}]\n{selection}", files=TREE)

    nothing = "is no file or directory of the project"

    assert warnings(project.build()) == [
        f"`gone` in `{TARGET}.only-include` {nothing}",
        f"`orders/*.txt` in `{TARGET}.only-include` {nothing}; patterns belong in `include`",
        f"`src/less` in `{TARGET}.packages` {nothing}",
    ]


def test_exclude_of_the_hook(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", files={"foo/__init__.py": "", "foo/tests/x.py": ""})
    patterns = ["foo/tests/", "foo/test/", "orders/terms.txt", "/src/more", "__pycache__/"]
    project = new_project(f"{HOOK}exclude = {patterns}\n", project=NEEDS_FOO, files=TREE)
    elsewhere = f"matches files of the project, but none of its dependencies; it belongs in `{TARGET}.exclude`"
    expected = [
        f"`foo/test/` in `{TABLE}.exclude` matches no file of the dependencies",
        f"`orders/terms.txt` in `{TABLE}.exclude` {elsewhere}",
        f"`/src/more` in `{TABLE}.exclude` {elsewhere}",
    ]

    assert warnings(project.build()) == expected
    rebuilt = project.build("-t", "lambda:code,layer")

    assert "Reusing the resolution" in rebuilt
    assert warnings(rebuilt) == expected
    assert rebuilt.count(expected[0]) == 1, "for both zips"


def test_patterns_of_functions(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    make_wheel(index, "bar")
    functions = f"""\
exclude = ["bar.py"]
[{TABLE}.functions.api]
include = ["/orders/*.py", "/src/orders/*.py"]
[{TABLE}.functions.worker]
exclude = ["bar.py", "foo.py", "/orders/terms.txt", "/src/orders/terms.txt"]
"""
    sources = {f"src/{name}": text for name, text in TREE.items()}
    project = new_project(HOOK + functions, project='dependencies = ["foo"]', files=sources)

    assert warnings(project.build()) == [
        f"`/src/orders/*.py` in `{TABLE}.functions.api.include` matches no file of the project by its path in the zip",
        *(
            f"`{pattern}` in `{TABLE}.functions.worker.exclude` matches no file of the project or its dependencies "
            "by its path in the zip"
            for pattern in ("bar.py", "/src/orders/terms.txt")
        ),
    ]


def test_the_summary_counts_the_projects_own_files(new_project: NewProject) -> None:
    project = new_project(f'{HOOK}[{TARGET}]\nexclude = ["orders/app.py"]\n', files=TREE)

    assert "x86_64.zip: the project (2 files) and 0 distributions" in project.build()
