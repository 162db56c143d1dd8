"""The pages' examples of settings, built as they stand, over an index that has what they name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.tables import load_project
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.project_wheel import HATCH_KEYS, ProjectWheelBuilder, check_selection
from tests.support.elf import make_elf
from tests.support.packages import make_source_tree, make_wheel
from tests.support.pages import ROOT, blocks, pages, text_of
from tests.support.projects import HOOK, Project, write_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIED = {
    "index.md": 1,
    "how-to/cross-compile.md": 1,
    "how-to/extras-and-groups.md": 1,
    "how-to/faster.md": 2,
    "how-to/functions.md": 2,
    "how-to/layers.md": 2,
    "how-to/local-dependencies.md": 2,
    "how-to/lock-files.md": 2,
    "how-to/monorepos.md": 1,
    "how-to/project-files.md": 6,
    "how-to/reports.md": 1,
    "how-to/shared-libraries.md": 1,
    "how-to/smaller.md": 2,
    "how-to/zips.md": 3,
}
"""How many examples of settings a page has, each with a test below."""

BUILD_SYSTEM = '[build-system]\nrequires = ["hatchling", "hatch-lambda"]\nbuild-backend = "hatchling.build"\n'
FILES = {
    "orders/__init__.py": "",
    "orders/app.py": "def handler(event, context):\n    return event\n",
    "orders/api.py": "def handler(event, context):\n    return event\n",
    "orders/worker/__init__.py": "",
    "data/rules.json": "{}",
    "orders/worker/jobs.py": "def handler(event, context):\n    return event\n",
}


@pytest.fixture
def project_of(project_root: Path, index: Path) -> Callable[[str], Project]:
    """A project with an example in its pyproject.toml, and an index that has all that the examples name."""
    for name in ("fastapi", "mangum", "aws-lambda-powertools", "pytest", "pydantic", "numpy", "requests", "urllib3"):
        make_wheel(index, name, requires=["urllib3"] if name == "requests" else [])
    make_wheel(index, "boto3", requires=["urllib3"])
    tests = {"pandas/__init__.py": "", "pandas/tests/__init__.py": "", "pandas/tests/test_x.py": "def test_x(): ...\n"}
    make_wheel(index, "pandas", files=tests)
    make_source_tree(project_root.parent / "lib", "acme-lib")
    member = make_source_tree(project_root / "packages/lib", "acme-lib")
    with member.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write('\n[project]\nname = "acme-lib"\nversion = "1.0"\n')

    def write(example: str) -> Project:
        about = 'name = "orders"\nversion = "1.0"\n'
        if "\n[project]\n" in f"\n{example}":
            example = f"\n{example}".replace("\n[project]\n", f"\n[project]\n{about}", 1)
        else:
            needed = "boto3" if "provided" in example else "mangum" if "functions" in example else "pandas"
            example = f'[project]\n{about}dependencies = ["{needed}"]\n\n{example}'
        if "[tool.hatch.build.hooks.lambda]" not in example:
            example += '\n[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\n'
        for name, text in {**FILES, "pyproject.toml": f"{BUILD_SYSTEM}\n{example}"}.items():
            path = project_root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Project(project_root)

    return write


def test_each_example_is_tried_here() -> None:
    assert {page: len(blocks(page, "toml")) for page in TRIED} == TRIED


def test_every_setting_that_has_a_page_has_an_example_there() -> None:
    examples = [example for page in TRIED for example in blocks(page, "toml")]
    keys = {key for example in examples for key in re.findall(r"^([\w-]+) =", example, re.MULTILINE)}

    assert keys >= {
        *("extras", "dependency-groups", "lock-file", "provided", "exclude", "prune", "compile-bytecode", "with-wheel"),
        *("handler", "archive-name", "compression-level", "versions", "include", "force-include", "unpacked"),
        *("report", "sbom"),
    }
    assert any("[tool.hatch.build.hooks.lambda.functions.api]" in example for example in examples)


@pytest.mark.parametrize(("page", "number"), [(page, n) for page in pages() for n in range(len(blocks(page, "toml")))])
def test_the_settings_of_each_example_are_valid(page: str, number: int, tmp_path: Path) -> None:
    """On all pages, also those whose examples other tests build."""
    (text,) = blocks(page, "toml")[number : number + 1]
    tables = tomllib.loads(text).get("tool", {}).get("hatch", {}).get("build", {})
    for name in re.findall(r"\"([\w./-]+\.txt)\"", text):  # requirements files are looked for
        tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(name).touch()
    hook = {"runtime": "python3.13", **tables.get("hooks", {}).get("lambda", {})}
    load_project(hook, tables.get("targets", {}).get("lambda", {}), tmp_path, hatch_keys=HATCH_KEYS)


def example(page: str, number: int = 1) -> str:
    return blocks(f"how-to/{page}.md", "toml")[number - 1]


def top_level(project: Project, name: str) -> set[str]:
    from zipfile import ZipFile

    with ZipFile(project.dist / name) as archive:
        return {path.partition("/")[0] for path in archive.namelist() if ".dist-info/" not in path}


def files_of(project: Project, name: str) -> set[str]:
    from zipfile import ZipFile

    with ZipFile(project.dist / name) as archive:
        return set(archive.namelist())


ZIP = "orders-1.0-python3.13-x86_64.zip"
ARM_ZIP = "orders-1.0-python3.13-arm64.zip"


class TestExamples:
    def test_the_readme(self, project_of: Callable[[str], Project], index: Path) -> None:
        (text,) = blocks("index.md", "toml")
        assert f"```toml\n{text}```\n" in (ROOT / "README.md").read_text(encoding="utf-8")
        make_wheel(index, "pydantic", "2.14.3")
        project = project_of("")
        project.root.joinpath("pyproject.toml").write_text(text, encoding="utf-8")

        project.build()

        assert top_level(project, ARM_ZIP) == {"orders", "pydantic.py"}

    @pytest.mark.parametrize(
        ("number", "files", "selected", "suggested"),
        [
            pytest.param(1, ["app.py", "shop/api.py"], ["app.py", "shop/api.py"], 1, id="other names"),
            pytest.param(2, ["src/app.py", "src/shop/api.py"], ["app.py", "shop/api.py"], 2, id="src"),
            pytest.param(3, ["app.py", "data.csv"], ["app.py"], 3, id="a lone module"),
            pytest.param(
                4, ["app.py", "x/eu.csv", "tests/test_app.py"], ["app.py", "x/eu.csv"], 3, id="a flat directory"
            ),
            pytest.param(5, ["my-code/app.py"], ["app.py"], 5, id="no name of a package"),
        ],
    )
    def test_the_projects_files(
        self, project_root: Path, number: int, files: list[str], selected: list[str], suggested: int
    ) -> None:
        def selection(lines: str) -> list[str]:
            project = write_project(project_root, HOOK, "", dict.fromkeys(files, ""))
            project.add_to_pyproject(lines)
            builder = LambdaBuilder(str(project_root))
            check_selection(builder)
            found = ProjectWheelBuilder.of(builder, {}).recurse_included_files()
            return sorted(file.distribution_path for file in found)

        with pytest.raises(LambdaBuildError, match="no package or module named `orders`") as stopped:
            selection("")

        assert selection(example("project-files", number)) == selected
        shown = selection(str(stopped.value).partition("\n\n")[2])
        assert shown == selection(example("project-files", suggested))
        modules = re.findall(r"`(include = .+?)` instead", text_of("how-to/project-files.md"))
        at_the_root = [name for name in files if name.endswith(".py") and "/" not in name]
        assert selection(f"[tool.hatch.build.targets.lambda]\n{modules[0]}\n") == at_the_root

    def test_extras_and_dependency_groups(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("extras-and-groups"))

        project.build()

        expected = {"orders", "pandas", "fastapi.py", "mangum.py", "aws_lambda_powertools.py"}
        assert top_level(project, ZIP) == expected

    def test_lock_files(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("lock-files"))
        locked = project.python("-m", "hatch_lambda", "lock")
        assert locked.returncode == 0, locked.stderr
        assert (project.root / "pylock.python313-arm64.toml").is_file()

        project.build("-t", "lambda", HATCH_LAMBDA_LOCKED="1")

        assert top_level(project, ARM_ZIP) == {"orders", "pandas"}
        assert project.python("-m", "hatch_lambda", "lock", "--check").returncode == 0

    def test_a_lock_file_of_uv(self, project_of: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> None:
        project = project_of(example("lock-files", 2).replace(BUILD_SYSTEM.replace("]\nbuild", ', "uv"]\nbuild'), ""))
        monkeypatch.setenv("UV_CACHE_DIR", str(project.root.parent / "uv-cache"))
        pyproject = project.root / "pyproject.toml"  # else uv locks for the running Python and newer ones
        text = pyproject.read_text(encoding="utf-8").replace("[project]\n", '[project]\nrequires-python = ">=3.10"\n')
        pyproject.write_text(text, encoding="utf-8")
        find_links = f"--find-links={os.environ['PIP_FIND_LINKS']}"
        locked = project.python("-m", "uv", "lock", "--no-index", find_links)
        assert locked.returncode == 0, locked.stderr

        project.build()

        assert top_level(project, ZIP) == {"orders", "pandas"}

    @pytest.mark.quick
    def test_what_the_runtime_provides(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("smaller", 2))

        project.build()

        assert top_level(project, ZIP) == {"orders"}

    def test_smaller_zips(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("smaller"))

        shown = project.build()

        assert "pandas/tests/test_x.py" not in files_of(project, ZIP)
        assert "left out" in shown

    @pytest.mark.usefixtures("python_of_the_runtime")
    def test_faster_cold_starts(self, project_of: Callable[[str], Project]) -> None:
        from tests.support.lambda_runtime import pythons_at_hand

        if "3.13" not in pythons_at_hand():
            pytest.skip("no CPython 3.13 at hand")
        project = project_of(example("faster"))

        project.build()

        names = files_of(project, ZIP)
        assert {"orders/__pycache__/app.cpython-313.pyc", "pandas/__pycache__/__init__.cpython-313.pyc"} <= names

    @pytest.mark.usefixtures("python_of_the_runtime")
    def test_bytecode_without_sources(self, project_of: Callable[[str], Project]) -> None:
        from tests.support.lambda_runtime import pythons_at_hand

        if "3.13" not in pythons_at_hand():
            pytest.skip("no CPython 3.13 at hand")
        project = project_of(example("faster", 2))

        project.build()

        assert {"orders/app.pyc", "pandas/__init__.pyc"} <= files_of(project, ZIP)
        assert "orders/app.py" not in files_of(project, ZIP)

    def test_native_code_from_sdists(self) -> None:
        (required,) = re.findall(r"hatch-lambda\[(.+?)\]", example("cross-compile"))
        extras = re.findall(r"^([\w-]+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
        assert required in extras

    def test_a_layer_and_the_code(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("layers"))

        project.build()

        assert top_level(project, "orders-1.0-code-python3.13-x86_64.zip") == {"orders"}
        assert top_level(project, "orders-1.0-layer-python3.13-x86_64.zip") == {"python"}

    def test_a_shared_library_that_the_runtime_lacks(self, project_of: Callable[[str], Project], index: Path) -> None:
        needy: dict[str, str | bytes] = {
            "pandas/__init__.py": "",
            "pandas/_xml.abi3.so": make_elf(needed=("libexpat.so.1",)),
        }
        project = project_of(example("shared-libraries"))
        make_wheel(index, "pandas", "2.0", tag="cp313-abi3-manylinux_2_28_x86_64", files=needy)

        assert "force-include" in project.fail()
        project.root.joinpath("native").mkdir()
        project.root.joinpath("native/libexpat.so.1").write_bytes(make_elf(soname="libexpat.so.1"))

        project.build()

        assert {"lib/libexpat.so.1", "pandas/_xml.abi3.so"} <= files_of(project, ZIP)

    def test_several_functions(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("functions"))

        project.build()

        api = files_of(project, "orders-1.0-api-python3.13-x86_64.zip")
        worker = files_of(project, "orders-1.0-worker-python3.13-arm64.zip")
        assert {"orders/api.py", "fastapi.py", "mangum.py"} <= api
        assert not {name for name in api if name.startswith(("orders/worker", "pandas"))}
        assert {"orders/worker/jobs.py", "pandas/__init__.py"} <= worker
        assert not {name for name in worker if name.startswith(("orders/api", "fastapi", "pandas/tests"))}

    def test_the_files_of_a_function(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("functions", 2))

        project.build()

        own = {name for name in files_of(project, "orders-1.0-api-python3.13-x86_64.zip") if name.startswith("orders/")}
        assert own == {"orders/__init__.py", "orders/api.py", "orders/rules.json"}

    def test_layers_for_functions(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("layers", 2))
        project.root.joinpath("scripts").mkdir()
        project.root.joinpath("scripts/wrapper").touch()

        project.build()

        assert files_of(project, "orders-1.0-common-python3.13-x86_64.zip") >= {"bin/wrapper", "python/pydantic.py"}
        assert "pandas" in top_level(project, "orders-1.0-worker-python3.13-x86_64.zip")
        assert "pydantic.py" not in top_level(project, "orders-1.0-api-python3.13-x86_64.zip")

    def test_the_zip_next_to_the_wheel(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("zips", 2))

        project.build("-t", "wheel")

        assert set(project.in_dist()) == {ZIP, "orders-1.0-py2.py3-none-any.whl"}

    def test_the_handler(self, project_of: Callable[[str], Project]) -> None:
        text = example("project-files", 6)
        project_of(text).build()

        shown = project_of(text.replace("orders.app.handler", "orders.app.handle")).fail()

        assert "`orders.app.handle`" in shown
        assert "`orders.app.handler`" in shown

    def test_names_and_compression(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("zips"))

        project.build()

        assert set(project.in_dist()) == {"orders-function.zip"}

    def test_a_directory_instead_of_a_zip(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("zips", 3))

        project.build()

        assert {path.name for path in project.dist.iterdir()} == {"orders", "orders.zip"}
        assert (project.dist / "orders/orders/app.py").is_file()

    @pytest.mark.parametrize("number", [1, 2])
    def test_local_and_workspace_dependencies(self, number: int, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("local-dependencies", number))

        project.build()

        assert top_level(project, ZIP) == {"orders", "acme_lib.py"}

    def test_monorepos(self, project_of: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_CACHE_DIR", str(project_of("").root.parent / "uv-cache"))
        workspace = project_of("").root
        members = '[tool.uv.workspace]\nmembers = ["libraries/*", "services/*"]\n'
        workspace.joinpath("pyproject.toml").write_text(members, encoding="utf-8")
        models = make_source_tree(workspace / "libraries/models", "acme-models")
        with models.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
            pyproject.write('\n[project]\nname = "acme-models"\nversion = "1.0"\n')
        service = Project(workspace / "services/orders")
        service.root.joinpath("orders").mkdir(parents=True)
        service.root.joinpath("orders/__init__.py").touch()
        # else uv locks for the running Python and newer ones
        text = example("monorepos").replace("[project]\n", '[project]\nrequires-python = ">=3.10"\n')
        service.root.joinpath("pyproject.toml").write_text(f"{BUILD_SYSTEM}{text}", encoding="utf-8")
        locked = Project(workspace).python(
            *("-m", "uv", "lock", "--no-index", f"--find-links={os.environ['PIP_FIND_LINKS']}")
        )
        assert locked.returncode == 0, locked.stderr

        service.build()

        assert top_level(service, f"acme_{ZIP}") == {"orders", "acme_models.py", "pydantic.py"}

    def test_reports(self, project_of: Callable[[str], Project]) -> None:
        project = project_of(example("reports").partition("\n\n")[2])  # the build system has the extra

        project.build()

        stem = ZIP.removesuffix(".zip")
        assert {path.name for path in project.dist.iterdir()} == {ZIP, f"{stem}.html", f"{stem}.cdx.json"}
