"""Build hooks of others: those of the wheel target, and those of all targets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.packages import make_wheel
from tests.support.projects import DIST_INFO, HOOK, PACKAGE, NewProject

if TYPE_CHECKING:
    from pathlib import Path

GLOBAL = f"{HOOK}\n[tool.hatch.build.hooks.custom]\n"
CUSTOM_HOOK = """\
import pathlib

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def dependencies(self):
        return ["dynamic"]

    def clean(self, versions):
        pathlib.Path(self.root, "cleaned").touch()

    def initialize(self, version, build_data):
        with open("ran", "a") as ran:
            print("initialize", self.target_name, file=ran)
        {body}

    def finalize(self, version, build_data, artifact_path):
        with open("ran", "a") as ran:
            print("finalize", self.target_name, file=ran)
"""


def files(body: str = "pass") -> dict[str, str]:
    return {**PACKAGE, "lone.txt": "", "hatch_build.py": CUSTOM_HOOK.format(body=body)}


@pytest.mark.parametrize("table", ["targets.wheel.hooks.custom", "hooks.custom", "targets.wheel"])
def test_what_the_wheel_and_its_hooks_require_is_installed_for_the_zip(new_project: NewProject, table: str) -> None:
    root = str(new_project(f'{HOOK}\n[tool.hatch.build.{table}]\ndependencies = ["static"]\n', files=files()).root)

    required = LambdaBuilder(root).config.dependencies

    assert set(required) == {*WheelBuilder(root).config.dependencies}
    assert "static" in required


def test_a_hook_of_the_wheel_that_is_not_installed_is_reported_first(new_project: NewProject) -> None:
    project = new_project(f"{HOOK}\n[tool.hatch.build.targets.wheel.hooks.mypyc]\n", project='dependencies = ["foo"]')

    shown = project.fail()

    assert "No installed plugin provides the build hook `mypyc` of the wheel target" in shown
    assert "resolve" not in shown


@pytest.mark.parametrize("owner", ["hooks", "targets.wheel.hooks", "targets.lambda.hooks"])
@pytest.mark.parametrize(
    ("body", "packaged"),
    [
        pytest.param("build_data['dependencies'].append('bar')", set(), id="dependencies"),
        pytest.param("build_data['shared_data']['lone.txt'] = 'share/x'", {"share/x"}, id="shared_data"),
        pytest.param("build_data['shared_scripts']['lone.txt'] = 'x'", {"bin/x"}, id="shared_scripts"),
        pytest.param(
            "build_data['extra_metadata']['lone.txt'] = 'x'",
            {"orders-1.0.dist-info/extra_metadata/x"},
            id="extra_metadata",
        ),
        pytest.param("build_data['force_include_editable']['lone.txt'] = 'x'", set(), id="force_include_editable"),
    ],
)
def test_hooks_have_the_build_data_of_a_wheel(
    new_project: NewProject, owner: str, body: str, packaged: set[str]
) -> None:
    project = new_project(f"{HOOK}\n[tool.hatch.build.{owner}.custom]\n", files=files(body))

    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO, *packaged}
    assert ("Requires-Dist: bar" in project.read("orders-1.0.dist-info/METADATA").decode()) == ("bar" in body)


def test_a_hook_of_all_targets_runs_once_for_a_zip(new_project: NewProject) -> None:
    project = new_project(GLOBAL, files=files("pathlib.Path(self.root, 'made').mkdir()"))

    project.build()

    assert project.root.joinpath("ran").read_text() == "initialize wheel\nfinalize wheel\n"


def test_a_hook_of_the_target_runs_once_for_a_zip(new_project: NewProject) -> None:
    project = new_project(f"{HOOK}\n[tool.hatch.build.targets.lambda.hooks.custom]\n", files=files())

    project.build()

    assert project.root.joinpath("ran").read_text() == "initialize lambda\nfinalize lambda\n"


FUNCTIONS = "\n[tool.hatch.build.hooks.lambda.functions.a]\n[tool.hatch.build.hooks.lambda.functions.b]\n"


@pytest.mark.parametrize("owner", ["hooks", "targets.wheel.hooks"])
def test_the_wheel_is_built_once_for_all_functions_and_with_it_its_hooks_run(
    new_project: NewProject, owner: str
) -> None:
    body = "pathlib.Path(self.root, 'orders/made.py').write_text(f'AT = {pathlib.Path(\"ran\").stat().st_size}')"
    project = new_project(f"{HOOK}{FUNCTIONS}[tool.hatch.build.{owner}.custom]\n", files=files(body))

    project.build()

    assert project.root.joinpath("ran").read_text() == "initialize wheel\nfinalize wheel\n"
    names = [f"orders-1.0-{function}-python3.13-x86_64.zip" for function in "ab"]
    assert {_read(project.dist / name, "orders/made.py") for name in names} == {b"AT = 17"}


def test_hooks_of_the_target_may_change_the_project_for_each_function(new_project: NewProject) -> None:
    body = "pathlib.Path(self.root, 'orders/made.py').write_text(f'FOR = {version!r}')"
    table = "[tool.hatch.build.targets.lambda.hooks.custom]\n"
    project = new_project(f"{HOOK}{FUNCTIONS}{table}", files=files(body))

    project.build()

    for function in "ab":
        name = f"orders-1.0-{function}-python3.13-x86_64.zip"
        assert _read(project.dist / name, "orders/made.py") == f"FOR = {function!r}".encode()


def test_hooks_of_the_target_may_change_what_each_function_requires(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    make_wheel(index, "bar")
    body = "pathlib.Path(self.root, 'requirements.txt').write_text({'a': 'foo', 'b': 'bar'}[version])"
    tables = FUNCTIONS.replace("hooks", "targets.lambda.hooks")
    hook = HOOK.replace("hooks", "targets.lambda.hooks") + 'requirements = ["requirements.txt"]\n'
    project = new_project(
        f"[tool.hatch.build.targets.lambda.hooks.custom]\n{hook}{tables}", files={**files(body), "requirements.txt": ""}
    )

    for _ in range(2):  # the second time, resolutions are reused
        project.build()
        for function, module in {"a": "foo.py", "b": "bar.py"}.items():
            assert _read(project.dist / f"orders-1.0-{function}-python3.13-x86_64.zip", module)


def _read(path: Path, name: str) -> bytes:
    with ZipFile(path) as archive:
        return archive.read(name)


def test_hooks_alone_are_run_and_cleaned_for_the_target(new_project: NewProject) -> None:
    project = new_project(GLOBAL, files=files())

    project.build("-t", "lambda", "--hooks-only")
    project.build("-t", "lambda", "--clean-only")

    assert project.root.joinpath("ran").read_text() == "initialize lambda\n"
    assert project.root.joinpath("cleaned").exists()
