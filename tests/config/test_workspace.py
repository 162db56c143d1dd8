"""Neighbours in a workspace, and local dependencies: packaged as real files, and anew when they change."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_source_tree, make_wheel
from tests.support.projects import HOOK, PACKAGE, Project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.projects import NewProject


WORKSPACE = """\
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
acme-lib = { workspace = true }
"""


def source_tree(folder: Path, name: str, *, requires: tuple[str, ...] = (), more: str = "") -> Path:
    """A source tree whose pyproject.toml says what it is, as those in workspaces do."""
    make_source_tree(folder, name)
    pyproject = folder / "pyproject.toml"
    quoted = ", ".join(f'"{text}"' for text in requires)
    pyproject.write_text(
        f'{pyproject.read_text("utf-8")}\n[project]\nname = "{name}"\nversion = "1.0"\n'
        f"dependencies = [{quoted}]\n{more}",
        encoding="utf-8",
    )
    recipe = folder / "recipe.json"
    recipe.write_text(recipe.read_text("utf-8").replace('"requires": []', f'"requires": [{quoted}]'), encoding="utf-8")
    return folder


def packaged(project: Project) -> set[str]:
    return {name.split("-")[0] for name in project.zipped() if name.endswith(".dist-info/METADATA")} - {"orders"}


def stop(project: Project) -> str:
    ended = project.run("-t", "lambda")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


class TestUv:
    def test_a_member_of_the_workspace_is_packaged_from_its_folder(
        self, new_project: NewProject, project_root: Path
    ) -> None:
        source_tree(project_root / "packages/lib", "acme-lib")
        source_tree(project_root / "packages/unused", "acme-unused")
        project = new_project(
            f"{HOOK}{WORKSPACE}",
            project='dependencies = ["acme_lib"]',
        )

        project.build()

        assert packaged(project) == {"acme_lib"}
        assert "acme_lib.py" in project.zipped()
        assert not [name for name in project.zipped() if name.endswith((".pth", "direct_url.json"))]

    def test_a_project_that_is_a_member_itself_finds_its_neighbours(
        self, project_root: Path, new_project: NewProject
    ) -> None:
        workspace = project_root.parent
        source_tree(workspace / "lib", "acme-lib")
        workspace.joinpath("pyproject.toml").write_text(
            '[tool.uv.workspace]\nmembers = ["lib", "project"]\n[tool.uv.sources]\nacme-lib = { workspace = true }\n',
            encoding="utf-8",
        )
        project = new_project(project='dependencies = ["acme-lib"]')

        project.build()

        assert packaged(project) == {"acme_lib"}

    def test_what_neighbours_need_of_each_other_is_found_too(self, project_root: Path, new_project: NewProject) -> None:
        """An index may have another project of that name; it must not be asked."""
        source = "[tool.uv.sources]\nacme-base = { workspace = true }\nacme-win = { workspace = true }\n"
        requires = ("acme-base", "acme-win ; sys_platform == 'win32'")
        source_tree(project_root / "packages/lib", "acme-lib", requires=requires, more=source)
        source_tree(project_root / "packages/base", "acme-base")
        source_tree(project_root / "packages/win", "acme-win")
        project = new_project(
            f"{HOOK}{WORKSPACE}",
            project='dependencies = ["acme-lib"]',
        )

        project.build()

        assert packaged(project) == {"acme_lib", "acme_base"}

    @pytest.mark.parametrize(
        "source",
        [
            '{ path = "../lib" }',
            '{ path = "../lib", editable = true }',
            '[{ path = "../gone", marker = "sys_platform == \'win32\'" }, { path = "../lib" }]',
            '{ path = "../around", subdirectory = "lib" }',
        ],
    )
    def test_a_path_is_relative_to_the_project(self, source: str, project_root: Path, new_project: NewProject) -> None:
        source_tree(project_root.parent / "lib", "acme-lib")
        source_tree(project_root.parent / "around/lib", "acme-lib")
        project = new_project(f"{HOOK}[tool.uv.sources]\nAcme_Lib = {source}\n", project='dependencies = ["acme-lib"]')

        project.build()

        assert packaged(project) == {"acme_lib"}

    def test_a_path_may_be_a_wheel(self, project_root: Path, new_project: NewProject) -> None:
        make_wheel(project_root / "wheels", "acme-lib")
        project = new_project(
            f'{HOOK}[tool.uv.sources]\nacme-lib = {{ path = "wheels/acme_lib-1.0-py3-none-any.whl" }}\n',
            project='dependencies = ["acme-lib"]',
        )

        project.build()

        assert packaged(project) == {"acme_lib"}

    def test_a_repository_is_taken_at_its_revision(self, project_root: Path, new_project: NewProject) -> None:
        repository = source_tree(project_root.parent / "repository", "acme-lib")
        git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1"]):
            subprocess.run([*git, *arguments], check=True)
        project = new_project(
            f'{HOOK}[tool.uv.sources]\nacme-lib = {{ git = "{repository.as_uri()}", tag = "v1" }}\n',
            project='dependencies = ["acme-lib"]',
        )

        project.build()

        assert packaged(project) == {"acme_lib"}

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ('{ path = "../gone" }', "`tool.uv.sources.acme-lib` is "),
            (
                "{ workspace = true }",
                "`tool.uv.sources.acme-lib` names a member that the workspace of orders does not have",
            ),
        ],
    )
    def test_what_is_not_there_is_told(self, source: str, words: str, new_project: NewProject) -> None:
        project = new_project(f"{HOOK}[tool.uv.sources]\nacme-lib = {source}\n", project='dependencies = ["acme-lib"]')

        assert words in stop(project)

    def test_sources_can_be_switched_off_as_for_uv(self, index: Path, new_project: NewProject) -> None:
        make_wheel(index, "acme-lib", "2.0")
        project = new_project(
            f'{HOOK}[tool.uv.sources]\nacme-lib = {{ path = "../gone" }}\n', project='dependencies = ["acme-lib"]'
        )

        project.build("-t", "lambda", UV_NO_SOURCES="1")

        assert "acme_lib-2.0.dist-info/METADATA" in project.zipped()


class TestHatch:
    @pytest.mark.parametrize("members", ['["packages/*"]', '[{ path = "packages/lib" }]', '["{root}/packages/lib"]'])
    def test_a_member_of_an_environments_workspace_is_packaged_from_its_folder(
        self, members: str, project_root: Path, new_project: NewProject
    ) -> None:
        source_tree(project_root / "packages/lib", "acme-lib")
        project = new_project(
            f"{HOOK}[tool.hatch.envs.default.workspace]\nmembers = {members}\n", project='dependencies = ["acme-lib"]'
        )

        project.build()

        assert packaged(project) == {"acme_lib"}

    def test_a_member_may_lie_above(self, project_root: Path, new_project: NewProject) -> None:
        source_tree(project_root.parent / "lib", "acme-lib")
        project = new_project(
            f'{HOOK}[tool.hatch.envs.default]\nworkspace.members = ["../lib"]\n', project='dependencies = ["acme-lib"]'
        )

        project.build()

        assert packaged(project) == {"acme_lib"}

    def test_the_default_environments_sources_count(self, project_root: Path, new_project: NewProject) -> None:
        source_tree(project_root.parent / "lib", "acme-lib")
        project = new_project(
            f'{HOOK}[tool.hatch.envs.default.sources]\nacme-lib = {{ path = "../lib" }}\n',
            project='dependencies = ["acme-lib"]',
        )

        project.build()

        assert packaged(project) == {"acme_lib"}


LOCAL: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "a direct reference by Hatch's context": (
        HOOK,
        'dependencies = ["acme-lib @ {root:uri}/../lib"]',
        {},
    ),
    "a requirements file": (f'{HOOK}requirements = ["requirements.txt"]\n', "", {"requirements.txt": "./../lib\n"}),
    "an editable one": (f'{HOOK}requirements = ["requirements.txt"]\n', "", {"requirements.txt": "-e ../lib\n"}),
    "a source": (f'{HOOK}[tool.uv.sources]\nacme-lib.path = "../lib"\n', 'dependencies = ["acme-lib"]', {}),
}


@pytest.mark.parametrize(("tool", "project", "files"), LOCAL.values(), ids=LOCAL)
def test_a_local_dependency_is_real_files_and_follows_its_sources(
    tool: str, project: str, files: dict[str, str], project_root: Path, new_project: NewProject
) -> None:
    lib = source_tree(project_root.parent / "lib", "acme-lib")
    orders = new_project(
        f"{tool}[tool.hatch.metadata]\nallow-direct-references = true\n", project=project, files={**PACKAGE, **files}
    )
    orders.build()
    assert orders.read("acme_lib.py").startswith(b"VERSION = '1.0'")
    assert "Reusing the resolution from " in orders.build()

    backend = lib / "backend.py"
    # Of another length: in the same second, Python would take its bytecode for up to date.
    backend.write_text(backend.read_text("utf-8").replace("VERSION = {", "CHANGED_VERSION = {"), encoding="utf-8")
    shown = orders.build()

    assert "Reusing the resolution from " not in shown
    assert orders.read("acme_lib.py").startswith(b"CHANGED_VERSION = '1.0'")
