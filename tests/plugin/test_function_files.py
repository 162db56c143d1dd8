"""`sources` and `force-include` of a function: Hatch's options, over those of the target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.config.tables import load_project
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.project_wheel import ProjectWheelBuilder, shared_libraries
from tests.support.projects import DIST_INFO, HOOK, NewProject, Project

if TYPE_CHECKING:
    from hatch_lambda.config.settings import Settings

FUNCTIONS = f"""{HOOK}
[tool.hatch.build.hooks.lambda.functions.api]
include = ["/app.py"]
sources = ["functions/api"]
force-include = {{ "shared/rules.json" = "rules.json", "native" = "lib" }}

[tool.hatch.build.hooks.lambda.functions.jobs]
include = ["/tasks/", "/all.txt"]
sources = {{ "functions/jobs" = "tasks" }}

[tool.hatch.build.targets.lambda]
only-include = ["functions"]
force-include = {{ "shared/all.txt" = "all.txt" }}
"""
HANDLER = "def handler(event, context): ...\n"
FILES = {
    "functions/api/app.py": HANDLER,
    "functions/api/admin.py": HANDLER,
    "functions/jobs/app.py": HANDLER,
    "shared/rules.json": "{}",
    "shared/all.txt": "",
    "native/libown.so.1": "",
    "native/deep/notes.txt": "",
}


def names(path: Path) -> set[str]:
    with ZipFile(path) as archive:
        record = archive.read("orders-1.0.dist-info/RECORD").decode()
        assert {line.split(",")[0] for line in record.splitlines()} == set(archive.namelist())
        return set(archive.namelist()) - DIST_INFO


@pytest.fixture
def project(new_project: NewProject) -> Project:
    return new_project(FUNCTIONS, files=FILES)


def settings_of(builder: LambdaBuilder, function: str) -> Settings:
    return builder.current.settings[function]


def test_each_function_has_its_files_where_its_table_says(project: Project) -> None:
    builder = LambdaBuilder(str(project.root))
    api, jobs = map(Path, builder.build())

    forced = {"rules.json", "lib/libown.so.1", "lib/deep/notes.txt"}  # which `include` does not name
    assert names(api) == {"app.py", *forced}
    assert names(jobs) == {"tasks/app.py", "all.txt"}

    before = {path: path.stat().st_ino for path in (api, jobs)}
    project.root.joinpath("shared/rules.json").write_text('{"changed": true}')
    assert len([*LambdaBuilder(str(project.root)).build()]) == 2
    if os.name != "nt":
        assert {path.name for path in (api, jobs) if path.stat().st_ino != before[path]} == {api.name}


def test_without_them_a_function_has_those_of_the_target(project: Project) -> None:
    builder = LambdaBuilder(str(project.root))
    paths = {
        function: {
            file.distribution_path.replace(os.sep, "/")
            for file in ProjectWheelBuilder.of(builder, {}, settings_of(builder, function)).recurse_included_files()
        }
        for function in ("api", "jobs", "function")
    }

    assert "all.txt" not in paths["api"]
    assert "all.txt" in paths["jobs"] & paths["function"]
    assert "functions/api/app.py" in paths["jobs"] & paths["function"]


def test_a_forced_library_counts_for_the_function_alone(project: Project) -> None:
    builder = LambdaBuilder(str(project.root))

    found = {name: shared_libraries(builder, settings_of(builder, name)) for name in ("api", "jobs")}

    assert found == {"api": {"lib/libown.so.1": project.root / "native/libown.so.1"}, "jobs": {}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sources", "src", "must be a list of strings or a table of paths, not 'src'"),
        ("sources", [1], "must be a list of strings; 1 is not one"),
        ("sources", {"src": 1}, "must be a list of strings or a table of paths, not {'src': 1}"),
        ("force-include", ["a"], "must be a table of paths, not ['a']"),
        ("force-include", {"a": ""}, "must be a table of paths; 'a' = '' is not valid"),
        ("force-include", {"a": True}, "must be a table of paths; 'a' = true is not valid"),
        ("force-include", {"": "a"}, "must be a table of paths; '' = 'a' is not valid"),
    ],
)
def test_faults_are_reported_with_the_functions_table(tmp_path: Path, key: str, value: object, words: str) -> None:
    table = {"runtime": "python3.13", "functions": {"api": {key: value, "handler": 1}}}

    with pytest.raises(ConfigurationError) as raised:
        load_project(table, {}, tmp_path, environ={})

    assert f"Field `tool.hatch.build.hooks.lambda.functions.api.{key}` {words}" in raised.value.faults
    assert len(raised.value.faults) == 2


def test_the_hooks_own_table_has_neither(new_project: NewProject) -> None:
    shown = new_project(f"{HOOK}sources = ['src']\n").fail()

    assert "Unknown field `tool.hatch.build.hooks.lambda.sources`" in shown
