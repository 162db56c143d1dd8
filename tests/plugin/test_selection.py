"""What the build suggests where Hatch cannot determine the project's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.project_wheel import ProjectWheelBuilder, check_selection
from tests.support.projects import HOOK, write_project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("files", "lines", "selected"),
    [
        pytest.param(["__init__.py", "v1/__init__.py"], ['only-include = ["v1"]'], ["v1/__init__.py"], id="v1"),
        pytest.param(["v1/app.py"], ['only-include = ["v1"]'], ["v1/app.py"], id="no __init__.py"),
        pytest.param(["a/b/__init__.py"], ['only-include = ["a"]'], ["a/b/__init__.py"], id="namespace"),
        pytest.param(
            ["api/__init__.py", "worker/jobs.py", "app.py", "setup.py", "tests/__init__.py"],
            ['only-include = ["api", "app.py", "worker"]'],
            ["api/__init__.py", "app.py", "worker/jobs.py"],
            id="several",
        ),
        pytest.param(
            ["src/v1/__init__.py", "src/main.py", "app.py", "src/v1.egg-info/PKG-INFO"],
            ['only-include = ["src/main.py", "src/v1"]', 'sources = ["src"]'],
            ["main.py", "v1/__init__.py"],
            id="src",
        ),
        pytest.param(
            ["src/__init__.py", "src/app.py"],
            ['only-include = ["src"]'],
            ["src/__init__.py", "src/app.py"],
            id="a package src",
        ),
        pytest.param(
            ["lambda/app.py", "my-code/tools.py"],
            ['only-include = ["lambda/app.py", "my-code/tools.py"]', 'sources = ["lambda", "my-code"]'],
            ["app.py", "tools.py"],
            id="names that no import can have",
        ),
        pytest.param(
            ["main-code/v1/__init__.py", "lone.py"],
            ['only-include = ["lone.py", "main-code/v1"]', 'sources = ["main-code"]'],
            ["lone.py", "v1/__init__.py"],
            id="a module and such a name",
        ),
        pytest.param(["bücher/__init__.py"], ['only-include = ["bücher"]'], ["bücher/__init__.py"], id="not ASCII"),
        pytest.param(
            [
                "env/pyvenv.cfg",
                "env/lib/x.py",
                ".aws/x.py",
                "node_modules/x.py",
                "docs/conf.py",
                "data/x.csv",
                "app/x.py",
            ],
            ['only-include = ["app"]'],
            ["app/x.py"],
            id="what is not the project's",
        ),
        pytest.param(["__init__.py"], ['only-include = ["app.py"]'], [], id="nothing"),
    ],
)
def test_the_suggested_lines_select_the_code(
    project_root: Path, files: list[str], lines: list[str], selected: list[str]
) -> None:
    project = write_project(project_root, HOOK, "", dict.fromkeys(files, ""))
    with pytest.raises(LambdaBuildError, match="no package or module named `orders`") as stopped:
        check_selection(LambdaBuilder(str(project_root)))
    suggestion = str(stopped.value).partition("\n\n")[2]

    project.add_to_pyproject(suggestion)
    builder = LambdaBuilder(str(project_root))
    check_selection(builder)

    assert suggestion.splitlines() == ["[tool.hatch.build.targets.lambda]", *lines]
    found = ProjectWheelBuilder.of(builder, {}).recurse_included_files()
    assert sorted(file.distribution_path for file in found) == selected
