"""Neighbours in a workspace, and local dependencies: packaged as real files, and anew when they change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_source_tree, make_wheel
from tests.support.projects import HOOK, PACKAGE, SDIST, Project

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def stop(project: Project, target: str = "lambda") -> str:
    ended = project.run("-t", target)
    assert ended.returncode == 1
    assert not project.zip.exists()
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


NO_PACKAGE = "[tool.uv]\npackage = false\n"


class TestProjectsThatAreNoPackages:
    """https://docs.astral.sh/uv/reference/settings/#package"""

    def test_only_what_they_require_is_packaged(self, index: Path, project_root: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo")
        make_wheel(index, "bar")
        requires = ("foo", "acme-more ; python_version >= '3.13'", "bar ; python_version < '3.13'")
        source_tree(project_root / "packages/lib", "acme-lib", requires=requires, more=NO_PACKAGE)
        source_tree(project_root / "packages/more", "acme-more", requires=("bar ; extra == 'x'",))
        project = new_project(f"{HOOK}{WORKSPACE}", project='dependencies = ["acme-lib"]')

        project.build()

        assert packaged(project) == {"foo", "acme_more"}

    def test_the_marker_of_the_requirement_holds(
        self, index: Path, project_root: Path, new_project: NewProject
    ) -> None:
        make_wheel(index, "foo")
        source_tree(project_root / "packages/lib", "acme-lib", requires=("foo",), more=NO_PACKAGE)
        project = new_project(f"{HOOK}{WORKSPACE}", project="dependencies = [\"acme-lib ; sys_platform == 'win32'\"]")

        project.build()

        assert packaged(project) == set()

    def test_a_source_may_say_so(self, index: Path, project_root: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo")
        source_tree(project_root.parent / "lib", "acme-lib", requires=("foo",))
        project = new_project(
            f'{HOOK}[tool.uv.sources]\nacme-lib = {{ path = "../lib", package = false }}\n',
            project='dependencies = ["acme-lib"]',
        )

        project.build()

        assert packaged(project) == {"foo"}

    @pytest.mark.parametrize("project_table", ['name = "acme-lib"\nversion = "1.0"\ndynamic = ["dependencies"]', None])
    def test_dependencies_that_are_unknown_are_a_warning(
        self, project_table: str | None, project_root: Path, new_project: NewProject
    ) -> None:
        lib = project_root.parent / "lib"
        make_source_tree(lib, "acme-lib")
        if project_table:
            with (lib / "pyproject.toml").open("a", encoding="utf-8") as pyproject:
                pyproject.write(f"\n[project]\n{project_table}\n")
        project = new_project(
            f'{HOOK}[tool.uv.sources]\nacme-lib = {{ path = "../lib", package = false }}\n',
            project='dependencies = ["acme-lib"]',
        )

        shown = project.build()

        assert "acme-lib is not packaged (`package = false`), and its dependencies are unknown: " in shown
        assert "`lock-file`" in shown

    def test_a_package_cannot_require_one(self, project_root: Path, new_project: NewProject) -> None:
        source_tree(project_root / "packages/lib", "acme-lib", requires=("acme-base",))
        source_tree(project_root / "packages/base", "acme-base", more=NO_PACKAGE)
        project = new_project(f"{HOOK}{WORKSPACE}", project='dependencies = ["acme-lib"]')

        assert "acme-lib requires acme-base, which is not a package" in project.fail()


class TestUvSettings:
    @pytest.mark.parametrize("place", ["the project", "the root of its workspace"])
    def test_constraints_hold(self, place: str, index: Path, project_root: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo", "1.0")
        make_wheel(index, "foo", "2.0")
        uv = '[tool.uv]\nconstraint-dependencies = ["foo < 2"]\n'
        if place == "the project":
            project = new_project(f"{HOOK}{uv}", project='dependencies = ["foo"]')
        else:
            project = new_project(project='dependencies = ["foo"]')
            project_root.with_name("pyproject.toml").write_text(
                f'{uv}[tool.uv.workspace]\nmembers = ["project"]\n', encoding="utf-8"
            )

        project.build()

        assert "foo-1.0.dist-info/METADATA" in project.zipped()

    def test_a_changed_constraint_resolves_again(self, index: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo", "1.0")
        make_wheel(index, "foo", "2.0")
        project = new_project(project='dependencies = ["foo"]')
        project.build()
        project.add_to_pyproject('[tool.uv]\nconstraint-dependencies = ["foo < 2"]')

        project.build()

        assert "foo-1.0.dist-info/METADATA" in project.zipped()

    def test_an_invalid_constraint_is_an_error(self, new_project: NewProject) -> None:
        project = new_project(f'{HOOK}[tool.uv]\nconstraint-dependencies = ["foo <"]\n')

        assert "`tool.uv.constraint-dependencies` has 'foo <', which is not a requirement" in stop(project)

    def test_constraints_of_another_type_are_an_error(self, new_project: NewProject) -> None:
        project = new_project(f'{HOOK}[tool.uv]\nconstraint-dependencies = "foo<2"\n')

        assert "`tool.uv.constraint-dependencies` must be a list of strings, not 'foo<2'" in stop(project)

    def test_a_lock_file_that_a_constraint_excludes_is_an_error(self, index: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo", "2.0")
        project = new_project(f'{HOOK}lock-file = "pylock.toml"\n', project='dependencies = ["foo"]')
        assert project.python("-m", "hatch_lambda", "lock").returncode == 0
        project.build()
        project.add_to_pyproject('[tool.uv]\nconstraint-dependencies = ["foo < 2"]')

        assert "`tool.uv.constraint-dependencies` only allows `foo<2`: the lock file has foo 2.0" in project.fail()

    @pytest.mark.parametrize(
        ("setting", "warning"),
        [
            (
                '[tool.uv]\noverride-dependencies = ["foo==1.0"]\n',
                "`tool.uv.override-dependencies` is ignored (foo==1.0)",
            ),
            (
                '[tool.uv]\nexclude-dependencies = ["bar"]\n',
                "`tool.uv.exclude-dependencies` is ignored (bar)",
            ),
            (
                '[[tool.uv.index]]\nurl = "https://u:secret@corp.invalid/simple"\ndefault = true\n',
                "`tool.uv.index` is ignored (https://corp.invalid/simple)",
            ),
            ('[tool.uv]\nindex-url = "https://corp.invalid/simple"\n', "`tool.uv.index` is ignored"),
            ('[tool.uv.sources]\nfoo = { index = "internal" }\n', "`tool.uv.sources.foo` is ignored"),
        ],
    )
    def test_what_pip_cannot_do_is_a_warning(
        self, setting: str, warning: str, index: Path, new_project: NewProject
    ) -> None:
        make_wheel(index, "foo")
        project = new_project(f"{HOOK}{setting}", project='dependencies = ["foo"]')

        shown = project.build()

        assert warning in shown
        assert ("`provided`" if "exclude" in setting else "`lock-file`") in shown

    @pytest.mark.parametrize("place", ["variable", "configuration", "pip-args", "requirements"])
    def test_an_index_that_pip_has_too_is_no_matter(
        self, place: str, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_project: NewProject
    ) -> None:
        make_wheel(index, "foo")
        url = "https://u:secret@corp.invalid/simple/"
        settings = {"pip-args": f'pip-args = ["--index-url={url}"]', "requirements": 'requirements = ["r.txt"]'}
        if place == "variable":
            monkeypatch.setenv("PIP_EXTRA_INDEX_URL", url)
        if place == "configuration":
            (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {url}\n", encoding="utf-8")
            monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        uv = '[[tool.uv.index]]\nurl = "https://corp.invalid/simple"\n[[tool.uv.index]]\nurl = "https://pypi.org/simple"\n'
        explicit = '[[tool.uv.index]]\nurl = "https://other.invalid/simple"\nexplicit = true\n'
        project = new_project(
            f"{HOOK}{settings.get(place, '')}\n{uv}{explicit}",
            project='dependencies = ["foo"]',
            files={**PACKAGE, "r.txt": f"--index-url {url}\nfoo\n"},
        )

        assert "is ignored" not in project.build()

    def test_an_index_for_what_is_not_packaged_is_no_matter(self, index: Path, new_project: NewProject) -> None:
        make_wheel(index, "foo")
        source = '[tool.uv.sources]\nbar = { index = "internal" }\n'
        project = new_project(f"{HOOK}{source}", project='dependencies = ["foo"]')

        assert "is ignored" not in project.build()


def unpacked_sdist(project: Project, folder: Path) -> Project:
    project.build("-t", "sdist")
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "tarfile", "-e", str(project.dist / SDIST), str(folder)], check=True)
    return Project(folder / "orders-1.0")


class TestUnpackedSdist:
    """An sdist leaves the workspace behind; an index may have other projects of its members' names."""

    @pytest.mark.parametrize("target", ["wheel", "lambda"])
    @pytest.mark.parametrize("tool", ["uv", "Hatch"])
    def test_a_local_project_is_never_taken_from_an_index(
        self, tool: str, target: str, index: Path, tmp_path: Path, new_project: NewProject
    ) -> None:
        make_wheel(index, "acme-lib", "2.0")
        workspace = new_project().root.parent
        source_tree(workspace / "lib", "acme-lib")
        settings = f"{HOOK}with-wheel = true\n"
        if tool == "uv":
            workspace.joinpath("pyproject.toml").write_text(
                '[tool.uv.workspace]\nmembers = ["lib", "project"]\n[tool.uv.sources]\nacme-lib.workspace = true\n',
                encoding="utf-8",
            )
        else:
            settings += '[tool.hatch.envs.default]\nworkspace.members = ["../lib"]\n'
        project = new_project(settings, project='dependencies = ["acme-lib"]')

        shown = stop(unpacked_sdist(project, tmp_path / "unpacked"), target)

        assert "`acme-lib` is a local project, not one of an index. This directory is an unpacked sdist" in shown
        assert "`python -m build --wheel`" in shown

    def test_one_that_is_inside_the_sdist_is_taken(
        self, index: Path, project_root: Path, tmp_path: Path, new_project: NewProject
    ) -> None:
        make_wheel(index, "acme-lib", "2.0")
        source_tree(project_root / "packages/lib", "acme-lib")
        project = new_project(f"{HOOK}{WORKSPACE}", project='dependencies = ["acme-lib"]')

        unpacked = unpacked_sdist(project, tmp_path / "unpacked")
        unpacked.build()

        assert "acme_lib-1.0.dist-info/METADATA" in unpacked.zipped()

    @pytest.mark.parametrize("source", ['{ path = "../lib" }', "{ workspace = true }"])
    def test_a_source_outside_says_that_this_is_an_sdist(
        self, source: str, project_root: Path, tmp_path: Path, new_project: NewProject
    ) -> None:
        workspace = project_root.parent
        source_tree(workspace / "lib", "acme-lib")
        workspace.joinpath("pyproject.toml").write_text(
            '[tool.uv.workspace]\nmembers = ["lib", "project"]\n', encoding="utf-8"
        )
        project = new_project(f"{HOOK}[tool.uv.sources]\nacme-lib = {source}\n", project='dependencies = ["acme-lib"]')

        shown = unpacked_sdist(project, tmp_path / "unpacked").fail()

        assert "`tool.uv.sources.acme-lib` is " in shown
        assert "This directory is an unpacked sdist, which does not contain it" in shown

    @pytest.mark.parametrize(
        ("settings", "dependency", "words"),
        [
            ("", "acme-lib @ {root:uri}/../lib", "no such file or directory exists"),
            ('requirements = ["../req.txt"]\n', "foo", "names '../req.txt', but no such file exists"),
            ('constraints = ["../req.txt"]\n', "foo", "names '../req.txt', but no such file exists"),
            ('lock-file = "../pylock.toml"\n', "foo", "does not exist"),
            ('pip-args = ["--find-links", "../links"]\n', "foo", "`--find-links ../links`"),
            ('requirements = ["lib.txt"]\n', "foo", "../lib"),
            ('requirements = ["editable.txt"]\n', "foo", "../lib"),
            ('requirements = ["more.txt"]\n', "foo", "req.txt"),
        ],
    )
    def test_a_path_outside_says_that_this_is_an_sdist(
        self, settings: str, dependency: str, words: str, tmp_path: Path, new_project: NewProject
    ) -> None:
        files = {"lib.txt": "./../lib\n", "editable.txt": "-e ../lib\n", "more.txt": "-r ../req.txt\n"}
        project = new_project(
            f"{HOOK}{settings}[tool.hatch.metadata]\nallow-direct-references = true\n",
            project=f'dependencies = ["{dependency}"]',
            files={**PACKAGE, **files},
        )
        project.root.with_name("req.txt").write_text("", encoding="utf-8")

        shown = unpacked_sdist(project, tmp_path / "unpacked").fail()

        assert words in shown
        assert "This directory is an unpacked sdist, which does not contain it" in shown
        assert "`python -m build --wheel`" in shown
        assert "hatch-lambda lock" not in shown

    def test_an_sdist_without_local_projects_has_no_record(self, tmp_path: Path, new_project: NewProject) -> None:
        unpacked = unpacked_sdist(new_project(), tmp_path / "unpacked")

        assert not (unpacked.root / ".hatch-lambda.json").exists()
        assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


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
