"""What the project itself brings into the zip: files selected as for the wheel, with the target's selection on top."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.projects import (
    DIST_INFO,
    HOOK,
    PACKAGE,
    WHEEL,
    NewProject,
)

if TYPE_CHECKING:
    from pathlib import Path


TREE = {
    **PACKAGE,
    "orders/terms.txt": "terms",
    "orders/made.gen": "made",
    "extra/tool.py": "",
    "source/inner/__init__.py": "",
    "lone.py": "",
    ".gitignore": "*.gen\n",
}
OWN = {*PACKAGE, "orders/terms.txt"}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param("", OWN, id="nothing: what Hatch finds"),
        pytest.param('[tool.hatch.build]\nexclude = ["*.txt"]', {*PACKAGE}, id="build exclude"),
        pytest.param('[tool.hatch.build.targets.wheel]\ninclude = ["/extra"]', {"extra/tool.py"}, id="wheel include"),
        pytest.param('[tool.hatch.build.targets.wheel]\nexclude = ["*.txt"]', {*PACKAGE}, id="wheel exclude"),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["source/inner"]', {"inner/__init__.py"}, id="wheel packages"
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\nonly-include = ["source"]\nsources = ["source"]',
            {"inner/__init__.py"},
            id="wheel only-include and sources",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\nartifacts = ["*.gen"]', {*OWN, "orders/made.gen"}, id="wheel artifacts"
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel.force-include]\n"lone.py" = "orders/forced.py"',
            {*OWN, "orders/forced.py"},
            id="wheel force-include",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel.shared-data]\n"lone.py" = "share/lone.py"',
            {*OWN, "share/lone.py"},
            id="wheel shared-data",
        ),
        pytest.param("[tool.hatch.build.targets.wheel]\nbypass-selection = true", OWN, id="wheel bypass-selection"),
        pytest.param('[tool.hatch.build.targets.lambda]\ninclude = ["/extra"]', {"extra/tool.py"}, id="lambda include"),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders", "extra"]\n'
            '[tool.hatch.build.targets.lambda]\nexclude = ["*.txt"]',
            {*PACKAGE, "extra/tool.py"},
            id="lambda exclude from the wheel's packages",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders"]\n'
            '[tool.hatch.build.targets.lambda]\nonly-include = ["lone.py"]',
            {"lone.py"},
            id="lambda only-include over the wheel's packages",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders"]\n'
            '[tool.hatch.build.targets.lambda]\npackages = ["source/inner"]',
            {"inner/__init__.py"},
            id="lambda packages over the wheel's",
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda.sources]\n"orders" = "shop"',
            {"shop/__init__.py", "shop/app.py", "shop/terms.txt"},
            id="lambda sources",
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda]\nartifacts = ["*.gen"]', {*OWN, "orders/made.gen"}, id="lambda artifacts"
        ),
        pytest.param(
            "[tool.hatch.build.targets.lambda]\nignore-vcs = true", {*OWN, "orders/made.gen"}, id="lambda ignore-vcs"
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda.force-include]\n"extra" = "orders/more"',
            {*OWN, "orders/more/tool.py"},
            id="lambda force-include",
        ),
    ],
)
def test_files_are_selected_as_the_wheel_selects_them_with_the_target_over_it(
    new_project: NewProject, tables: str, expected: set[str]
) -> None:
    project = new_project(f"{HOOK}\n{tables}\n", files=TREE)

    project.build()

    assert project.zipped() == {*expected, *DIST_INFO}


def test_what_the_target_selects_changes_nothing_in_the_wheel(new_project: NewProject) -> None:
    project = new_project(f'{HOOK}\n[tool.hatch.build.targets.lambda]\nonly-include = ["lone.py"]\n', files=TREE)
    project.build("-t", "wheel")
    alone = project.in_dist()[WHEEL]

    project.build("-t", "lambda", "-t", "wheel")

    assert project.in_dist()[WHEEL] == alone
    with ZipFile(project.dist / WHEEL) as archive:
        assert {*archive.namelist()} == {*OWN, *DIST_INFO}


CUSTOM_HOOK = """\
import pathlib

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        pathlib.Path(self.root, "orders", "made.gen").write_text("made by a hook")
        build_data["artifacts"].append("orders/*.gen")
        build_data["force_include"][str(pathlib.Path(self.root, "lone.py"))] = "orders/forced.py"
"""


@pytest.mark.parametrize("owner", ["build", "build.targets.wheel", "build.targets.lambda"])
def test_what_build_hooks_make_reaches_the_zip(new_project: NewProject, owner: str) -> None:
    files = {**PACKAGE, "lone.py": "", "hatch_build.py": CUSTOM_HOOK, ".gitignore": "*.gen\n"}
    project = new_project(f"{HOOK}\n[tool.hatch.{owner}.hooks.custom]\n", files=files)

    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO, "orders/made.gen", "orders/forced.py"}
    assert project.read("orders/made.gen") == b"made by a hook"


def test_a_project_whose_files_a_hook_of_the_wheel_makes_needs_no_selection(new_project: NewProject) -> None:
    hook = CUSTOM_HOOK.replace('"orders", "made.gen"', '"made.gen"').replace("orders/*.gen", "*.gen")
    files = {"hatch_build.py": hook, ".gitignore": "*.gen\n", "lone.py": ""}
    project = new_project(f"{HOOK}\n[tool.hatch.build.targets.wheel.hooks.custom]\n", files=files)
    project.build("-t", "wheel")

    project.build("-t", "lambda")

    with ZipFile(project.dist / WHEEL) as archive:
        assert project.zipped() == {*archive.namelist()}


def test_a_compiled_file_of_the_project_ships_where_it_is_for_the_target(new_project: NewProject) -> None:
    native = make_elf("x86_64", versions={"libc.so.6": ["GLIBC_2.17"]})
    project = new_project(files={**PACKAGE, "orders/_native.so": native})

    project.build()

    assert project.read("orders/_native.so") == native


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        pytest.param(make_elf("aarch64"), "aarch64", id="another architecture"),
        pytest.param(make_elf(versions={"libc.so.6": ["GLIBC_2.38"]}), "needs glibc 2.38", id="a newer glibc"),
        pytest.param(b"\xcf\xfa\xed\xfe" + bytes(28), "needs macOS on", id="another system"),
    ],
)
def test_a_compiled_file_of_the_project_that_does_not_load_stops_the_build(
    new_project: NewProject, native: bytes, reason: str
) -> None:
    project = new_project(files={**PACKAGE, "orders/_native.so": native})

    shown = project.fail()

    assert "orders/_native.so" in shown
    assert reason in shown
    assert "python3.13 on x86_64" in shown


def test_a_file_that_the_project_and_a_dependency_both_have_stops_the_build(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo", files={"orders/app.py": "def handler(event, context): ...\n"})
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail()

    assert "orders 1.0 and foo 1.0 both have a file `orders/app.py`" in shown
