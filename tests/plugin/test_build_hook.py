"""Where the hook gets dependencies and target from, and that it costs other targets nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_source_tree, make_wheel
from tests.support.projects import (
    FOO,
    HOOK,
    PACKAGE,
    SDIST,
    WHEEL,
    ZIP,
    NewProject,
)
from tests.support.trap import Trap

if TYPE_CHECKING:
    from pathlib import Path


def test_dependencies_of_a_metadata_hook_are_packaged(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    hook = (
        "from hatchling.metadata.plugin.interface import MetadataHookInterface\n\n\n"
        "class CustomMetadataHook(MetadataHookInterface):\n"
        "    def update(self, metadata):\n"
        "        metadata['dependencies'] = ['foo']\n"
    )
    project = new_project(
        f"{HOOK}\n[tool.hatch.metadata.hooks.custom]\n",
        project='dynamic = ["dependencies"]',
        files={**PACKAGE, "hatch_build.py": hook},
    )

    project.build()

    assert project.zipped() >= FOO


def test_context_fields_in_dependencies_are_filled_in(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    del index
    make_source_tree(tmp_path / "beside", "beside")
    make_wheel(tmp_path / "project/wheels", "foo")
    project = new_project(
        f"{HOOK}\n[tool.hatch.metadata]\nallow-direct-references = true\n",
        project=(
            'dependencies = ["beside @ {root:parent:uri}/beside", "foo @ {root:uri}/wheels/foo-1.0-py3-none-any.whl"]'
        ),
    )

    project.build(HATCH_LAMBDA_PYTHON=sys.executable)

    assert project.zipped() >= {"beside.py", *FOO}


def test_the_environment_wins_over_the_table(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", tag="cp312-cp312-manylinux_2_28_aarch64")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build(HATCH_LAMBDA_RUNTIME="python3.12", HATCH_LAMBDA_ARCHITECTURE="arm64")

    assert set(project.in_dist()) == {"orders-1.0-python3.12-arm64.zip"}
    assert shown.startswith("Bundle for python3.12 on arm64 ")


def test_the_hooks_table_may_stand_under_the_target_and_replaces_the_general_one(new_project: NewProject) -> None:
    project = new_project(
        '[tool.hatch.build.hooks.lambda]\nruntime = "python3.10"\narchitecture = "arm64"\n'
        '[tool.hatch.build.targets.lambda.hooks.lambda]\nruntime = "python3.13"\n'
    )

    project.build()

    assert set(project.in_dist()) == {ZIP}


@pytest.mark.parametrize("target", ["wheel", "sdist", "wheel:editable"])
def test_the_hook_costs_other_targets_nothing(new_project: NewProject, tmp_path: Path, target: str) -> None:
    # With `dev-mode-dirs` an editable wheel needs no further package.
    tool = f'{HOOK}\n[tool.hatch.build.targets.wheel]\ndev-mode-dirs = ["."]\n'
    project = new_project(tool, project='dependencies = ["nonesuch"]')
    trap = Trap(tmp_path / "trap")

    ended = project.python("-X", "importtime", "-m", "hatchling", "build", "-t", target, **trap.variables)

    assert ended.returncode == 0, ended.stderr
    imported = {
        line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")
    }
    assert "hatch_lambda.plugin.build_hook" in imported  # it was asked
    ours = {name for name in imported if name.partition(".")[0] == "hatch_lambda"}
    if target == "sdist":  # which records the names of local projects
        ours = {name for name in ours if not name.startswith(("hatch_lambda.common", "hatch_lambda.config"))}
    assert ours <= {
        "hatch_lambda",
        "hatch_lambda.hooks",
        "hatch_lambda.plugin",
        "hatch_lambda.plugin.build_hook",
        "hatch_lambda.plugin.builder",
    }
    assert {name.partition(".")[0] for name in imported}.isdisjoint({"pip", "elftools", "findpython"})
    assert trap.caught == []
    assert not (project.root / ".hatch").exists()


@pytest.mark.real_processes
def test_the_trap_of_these_tests_does_catch_pip(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "foo")
    trap = Trap(tmp_path / "trap")

    new_project(project='dependencies = ["foo"]').build("-t", "lambda", **trap.variables)

    assert any(event.startswith("subprocess.Popen") and "for_target" in event for event in trap.caught)


def test_faults_of_the_table_do_not_stop_other_targets(new_project: NewProject) -> None:
    project = new_project('[tool.hatch.build.hooks.lambda]\nruntime = "python9"\n')

    project.build("-t", "wheel", "-t", "sdist")

    assert set(project.in_dist()) == {WHEEL, SDIST}
