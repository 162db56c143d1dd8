"""`hatch-lambda init`: what it finds, what it writes, and that the project builds with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.common.toml import tomllib
from tests.support.packages import make_wheel
from tests.support.pages import text_of
from tests.support.projects import Project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from click.testing import Result

HANDLER = "def lambda_handler(event, context):\n    return event\n"
PROJECT = '[project]\nname = "orders"\nversion = "1.0"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'

SAM = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Runtime: { Type: String, Default: python3.12 }
Globals:
  Function:
    Runtime: !Ref Runtime
    Architectures: [arm64]
Resources:
  CheckFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/check/
      Handler: app.lambda_handler
      Environment: { Variables: { TABLE: !GetAtt [Table, Arn], NAME: !Sub "${Table}-x" } }
  SellFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/sell/
      Handler: app.lambda_handler
      Runtime: python3.13
  Page:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: page/, Handler: index.handler, Runtime: nodejs22.x }
  Model:
    Type: AWS::Serverless::Function
    Properties: { PackageType: Image }
"""


def project_of(root: Path, files: Mapping[str, str]) -> Project:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Project(root)


def init(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", str(root), *arguments])


def written(root: Path, files: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """The pyproject.toml that it writes for a project."""
    project_of(root, files)
    result = init(root, "--yes", *arguments)
    assert result.exit_code == 0, result.output
    pyproject: dict[str, Any] = tomllib.loads(root.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    return pyproject


def refused(root: Path, files: Mapping[str, str], *arguments: str) -> str:
    """What it says when it writes nothing."""
    project_of(root, files)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    result = init(root, "--yes", *arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return " ".join(result.stderr.split())


def hook_of(pyproject: Mapping[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = pyproject["tool"]["hatch"]["build"]["hooks"]["lambda"]
    return table


def target_of(pyproject: Mapping[str, Any], name: str = "lambda") -> dict[str, Any]:
    table: dict[str, Any] = pyproject["tool"]["hatch"]["build"].get("targets", {}).get(name, {})
    return table


class TestPyproject:
    def test_comments_and_order_stay(self, project_root: Path) -> None:
        text = (
            "# ours\n[build-system] # by Hatch\nrequires = [\n    'hatchling>=1.26',  # newest\n]\n"
            'build-backend = "hatchling.build"\n\n'
            f"{PROJECT}\n[tool.hatch.build.targets.lambda] # the zip\nreport = true\n\n[tool.ruff]\nline-length = 99\n"
        )
        project_of(project_root, {"pyproject.toml": text, "orders/__init__.py": "", "orders/app.py": HANDLER})

        result = init(project_root, "--yes")

        after = project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")
        lines = after.splitlines()
        assert result.exit_code == 0, result.output
        assert [line for line in text.splitlines() if line not in lines] == []
        assert (
            '[tool.hatch.build.targets.lambda] # the zip\nreport = true\nhandler = "orders.app.lambda_handler"' in after
        )
        assert tomllib.loads(after)["build-system"]["requires"] == ["hatchling>=1.26", "hatch-lambda"]
        assert lines.index("[tool.ruff]") < lines.index("[tool.hatch.build.hooks.lambda]")

    def test_the_diff_and_what_was_found_are_shown_and_nothing_is_written_without_a_terminal(
        self, project_root: Path
    ) -> None:
        project_of(
            project_root, {"pyproject.toml": HATCHLING + PROJECT, "orders.py": HANDLER, ".python-version": "3.12.4"}
        )

        result = init(project_root)

        assert result.exit_code == 1
        assert "runtime       python3.12  (.python-version)\n" in result.stdout
        assert "handler       orders.lambda_handler  (orders.py)\n" in result.stdout
        assert '\n-requires = ["hatchling"]\n+requires = ["hatchling", "hatch-lambda"]\n' in result.stdout
        assert "Nothing was written: there is no terminal to ask on." in result.stderr
        assert "pass --yes" in result.stderr
        assert project_root.joinpath("pyproject.toml").read_text(encoding="utf-8") == HATCHLING + PROJECT

    @pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 0)])
    def test_on_a_terminal_it_asks_once(self, answer: bytes, code: int, project_root: Path) -> None:
        project_of(project_root, {"app.py": HANDLER})
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "hatch_lambda", "init"],
            cwd=project_root,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            os.write(ours, answer)
            output, _ = process.communicate(timeout=60)
        os.close(ours)
        os.close(theirs)

        assert process.returncode == code, output
        assert output.count(b"Write pyproject.toml? [Y/n]") == 1
        assert project_root.joinpath("pyproject.toml").exists() == (code == 0)
        assert (b"Nothing was written." in output) == (code == 1)

    def test_a_second_time_there_is_nothing_to_do(self, project_root: Path) -> None:
        files = {"pyproject.toml": HATCHLING + PROJECT, "orders.py": HANDLER}
        written(project_root, files)

        assert "has the table [tool.hatch.build.hooks.lambda] already" in refused(project_root, {})

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (
                "[project\n",
                "pyproject.toml is not valid TOML: Expected ']' at the end of a table declaration (at line 1",
            ),
            ("project = 3\n", "`project` must be a table"),
            (HATCHLING + '[project]\nname = "orders"\n', "pyproject.toml cannot be built from: "),
            (PROJECT + 'requires-python = "<3.8"\n', "Field `project.requires-python` is `<3.8`, but python3.14 has"),
            (PROJECT + '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n', "is built by maturin"),
            (
                PROJECT.replace("version", "dynamic = ['version'] #")
                + '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
                "setuptools.build_meta finds out version (`project.dynamic`)",
            ),
            (PROJECT + "[tool]\nhatch = { build = {} }\n", "no further table can be added"),
            ('[tool.poetry]\nname = "orders"\nversion = "1"\n', "there is no poetry.lock"),
        ],
    )
    def test_what_it_cannot_change_stays(self, text: str, said: str, project_root: Path) -> None:
        assert said in refused(project_root, {"pyproject.toml": text, "orders.py": HANDLER})

    def test_a_file_that_is_not_utf_8_stays(self, project_root: Path) -> None:
        project_root.joinpath("pyproject.toml").write_bytes(b"# \xff\n")

        assert "pyproject.toml is not UTF-8" in refused(project_root, {})

    def test_metadata_of_setuptools_alone_and_hatch_toml_are_left_to_people(self, project_root: Path) -> None:
        assert "`hatch new --init`" in refused(project_root, {"setup.cfg": "[metadata]\nname = orders\n"})
        assert "hatch.toml" in refused(
            project_root, {"pyproject.toml": PROJECT, "hatch.toml": "", "setup.cfg": "[metadata]\nname = orders\n"}
        )

    def test_another_build_backend_is_replaced_with_a_word(self, project_root: Path) -> None:
        setuptools = (
            '[build-system]\nrequires = ["setuptools>=61", "wheel", "numpy"]\nbuild-backend = "setuptools.build_meta"\n'
        )
        project_of(project_root, {"pyproject.toml": setuptools + PROJECT, "orders.py": HANDLER})

        result = init(project_root, "--yes")

        after = project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")
        assert 'requires = ["numpy", "hatchling", "hatch-lambda"]' in after
        assert (
            'build-backend = "hatchling.build"  # was setuptools.build_meta: the target `lambda` requires hatchling'
            in after
        )
        assert "Note: hatchling builds this project from now on" in result.output

    def test_plugins_of_the_build_need_not_be_installed_here(self, project_root: Path) -> None:
        text = (
            HATCHLING.replace('"hatchling"', '"hatchling", "hatch-vcs"')
            + '[project]\nname = "orders"\ndynamic = ["version"]\n\n[tool.hatch.version]\nsource = "vcs"\n\n'
            + '[tool.hatch.build.hooks.vcs]\nversion-file = "orders/version.py"\n'
        )

        pyproject = written(project_root, {"pyproject.toml": text, "orders/__init__.py": HANDLER})

        assert target_of(pyproject)["handler"] == "orders.lambda_handler"
        assert set(pyproject["tool"]["hatch"]["build"]["hooks"]) == {"vcs", "lambda"}

    def test_an_empty_directory_is_told_of_new(self, project_root: Path) -> None:
        assert "`hatch-lambda init --new NAME`" in refused(project_root, {"README.md": "# Orders\n"})


class TestFindings:
    @pytest.mark.parametrize(
        ("files", "runtime"),
        [
            ({".python-version": "cpython-3.11.9\n"}, "python3.11"),
            ({"runtime.txt": "python-3.12.1\n"}, "python3.12"),
            ({"Pipfile": '[requires]\npython_version = "3.10"\n'}, "python3.10"),
            ({"pyproject.toml": PROJECT + 'requires-python = ">=3.9,<3.13"\n'}, "python3.12"),
            ({"pyproject.toml": PROJECT + 'requires-python = ">=3.9,<3.13"\n', ".python-version": "3.9"}, "python3.9"),
            ({}, "python3.14"),
            (
                {"serverless.yml": "provider: {runtime: python3.11}\nfunctions: {a: {handler: orders.lambda_handler}}"},
                "python3.11",
            ),
            ({"template.yaml": "Resources: [", ".python-version": "3.13"}, "python3.13"),
        ],
    )
    def test_the_runtime(self, files: Mapping[str, str], runtime: str, project_root: Path) -> None:
        assert hook_of(written(project_root, {"orders.py": HANDLER, **files}))["runtime"] == runtime

    def test_options_win(self, project_root: Path) -> None:
        options = ("--runtime", "python3.13", "--architecture", "arm64", "--handler", "orders.other")
        pyproject = written(project_root, {"orders.py": HANDLER, ".python-version": "3.9"}, *options)

        assert hook_of(pyproject) == {"runtime": "python3.13", "architecture": "arm64"}
        assert target_of(pyproject)["handler"] == "orders.other"

    def test_a_handler_of_no_module_is_refused(self, project_root: Path) -> None:
        assert "no module for the handler `ordres.app`" in refused(
            project_root, {"orders.py": HANDLER}, "--handler", "ordres.app"
        )

    def test_the_likeliest_handler_is_taken(self, project_root: Path) -> None:
        files = {
            "orders/__init__.py": "from orders.app import lambda_handler\n",
            "orders/app.py": HANDLER,
            "orders/errors.py": "def error_handler(event, context):\n    return None\n",
            "tests/test_app.py": HANDLER,
        }

        assert target_of(written(project_root, files))["handler"] == "orders.app.lambda_handler"

    def test_of_several_none_is_taken(self, project_root: Path) -> None:
        project_of(project_root, {"orders/__init__.py": "", "orders/a.py": HANDLER, "orders/b.py": HANDLER})

        result = init(project_root, "--yes")

        assert "several functions look like handlers: orders.a.lambda_handler, orders.b.lambda_handler" in result.output
        assert "handler" not in project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("lock", "requires"),
        [
            ("uv.lock", ["uv"]),
            ("pdm.lock", ["pdm"]),
            ("Pipfile.lock", ["pipenv"]),
            ("poetry.lock", ["poetry", "poetry-plugin-export"]),
            ("pylock.toml", []),
        ],
    )
    def test_a_lock_file_and_its_tool(self, lock: str, requires: list[str], project_root: Path) -> None:
        pyproject = written(
            project_root,
            {"pyproject.toml": HATCHLING + PROJECT, lock: "", "orders.py": HANDLER, "requirements.txt": "foo"},
        )

        assert hook_of(pyproject)["lock-file"] == lock
        assert "requirements" not in hook_of(pyproject)
        assert pyproject["build-system"]["requires"] == ["hatchling", "hatch-lambda", *requires]

    def test_uv_does_not_begin_to_install_a_project_that_it_did_not(self, project_root: Path) -> None:
        pyproject = written(project_root, {"pyproject.toml": PROJECT, "uv.lock": "", "orders.py": HANDLER})

        assert pyproject["tool"]["uv"] == {"package": False}

    def test_a_project_of_poetrys_tables_gets_what_hatchling_needs(self, project_root: Path) -> None:
        poetry = (
            '[tool.poetry]\nname = "shop"\nversion = "2.1"\n\n[tool.poetry.dependencies]\npython = "^3.11,<3.13"\n\n'
            '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
        ).replace("^3.11,<3.13", "~3.12")
        pyproject = written(
            project_root, {"pyproject.toml": poetry, "poetry.lock": "", "src/shop/__init__.py": HANDLER}
        )

        assert pyproject["project"] == {"name": "shop", "version": "2.1"}
        assert hook_of(pyproject)["runtime"] == "python3.12"
        assert target_of(pyproject) == {"handler": "shop.lambda_handler"}


class TestLayouts:
    @pytest.mark.parametrize(
        ("files", "wheel", "handler"),
        [
            (["orders/__init__.py", "orders/app.py"], {}, "orders.app.lambda_handler"),
            (["src/orders/__init__.py", "src/orders/app.py"], {}, "orders.app.lambda_handler"),
            (["orders.py"], {}, "orders.lambda_handler"),
            (["app.py", "shop/__init__.py"], {"only-include": ["app.py", "shop"]}, "app.lambda_handler"),
            (["src/app.py"], {"only-include": ["src/app.py"], "sources": ["src"]}, "app.lambda_handler"),
            (["my-code/app.py"], {"only-include": ["my-code/app.py"], "sources": ["my-code"]}, "app.lambda_handler"),
        ],
    )
    def test_files_that_hatch_would_miss_are_selected_for_the_wheel_too(
        self, files: list[str], wheel: object, handler: str, project_root: Path
    ) -> None:
        codes = {path: HANDLER if path.endswith(("app.py", "orders.py")) else "" for path in files}
        pyproject = written(project_root, {"pyproject.toml": HATCHLING + PROJECT, **codes})

        assert target_of(pyproject, "wheel") == wheel
        assert target_of(pyproject)["handler"] == handler

    def test_a_handler_beside_the_package_does_not_change_the_wheel(self, project_root: Path) -> None:
        files = {"pyproject.toml": HATCHLING + PROJECT, "orders/__init__.py": "", "lambda_function.py": HANDLER}
        pyproject = written(project_root, files)

        assert target_of(pyproject, "wheel") == {}
        assert target_of(pyproject)["only-include"] == ["lambda_function.py", "orders"]


class TestTemplates:
    def test_of_several_functions_each_gets_a_table(self, project_root: Path) -> None:
        files = {
            "template.yaml": SAM,
            "functions/check/app.py": HANDLER,
            "functions/check/requirements.txt": "foo\n",
            "functions/sell/app.py": HANDLER,
            "page/index.js": "",
        }
        project_of(project_root, files)
        result = init(project_root, "--yes")
        hook = hook_of(tomllib.loads(project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")))

        assert result.exit_code == 0, result.output
        assert (hook["runtime"], hook["architecture"]) == ("python3.12", "arm64")
        assert hook["functions"] == {
            "CheckFunction": {
                "handler": "app.lambda_handler",
                "requirements": ["functions/check/requirements.txt"],
                "sources": ["functions/check"],
                "include": ["*", "!/functions/**"],
            },
            "SellFunction": {
                "handler": "app.lambda_handler",
                "runtime": "python3.13",
                "sources": ["functions/sell"],
                "include": ["*", "!/functions/**"],
            },
        }
        assert "Note: Page of template.yaml is left out: its runtime is nodejs22.x." in result.output
        assert "Note: Model of template.yaml is left out: it is a container image." in result.output

    def test_serverless_functions_share_the_project(self, project_root: Path) -> None:
        service = """\
service: orders
provider: { name: aws, runtime: python3.13, architecture: arm64, stage: "${opt:stage, 'dev'}" }
functions:
  create: { handler: orders/create.handle }
  report: { handler: orders.report.handle, architecture: x86_64 }
"""
        handle = "def handle(event, context):\n    return event\n"
        pyproject = written(
            project_root,
            {
                "serverless.yml": service,
                "orders/__init__.py": "",
                "orders/create.py": handle,
                "orders/report.py": handle,
            },
        )

        assert hook_of(pyproject)["functions"] == {
            "create": {"handler": "orders.create.handle"},
            "report": {"handler": "orders.report.handle", "architecture": "x86_64"},
        }

    def test_a_handler_that_is_not_there_is_noted_and_not_written(self, project_root: Path) -> None:
        service = "provider: {runtime: python3.13}\nfunctions: {api: {handler: wsgi_handler.handler}}\n"
        project_of(project_root, {"serverless.yml": service, "app.py": "app = 1\n"})

        result = init(project_root, "--yes")

        assert result.exit_code == 0
        assert "the handler wsgi_handler.handler of serverless.yml is not among the project's files" in result.output
        assert "\nhandler" not in project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")

    def test_names_and_handlers_that_no_table_can_have(self, project_root: Path) -> None:
        service = (
            "provider: {runtime: python3.13}\nfunctions: {my api: {handler: app.lambda_handler}, b: {handler: app}}\n"
        )
        project_of(project_root, {"serverless.yml": service, "app.py": HANDLER})

        result = init(project_root, "--yes")

        assert result.exit_code == 0, result.output
        assert "Note: b has the handler app, which names no module and function." in result.output
        text = project_root.joinpath("pyproject.toml").read_text(encoding="utf-8")
        assert hook_of(tomllib.loads(text))["functions"] == {"my-api": {"handler": "app.lambda_handler"}, "b": {}}

    @pytest.mark.parametrize(
        "text", ["Resources: [", "[1, 2]", "Resources: {a: 1, b: {Type: [x]}}", "? !!python/name:os\n: 1"]
    )
    def test_a_template_that_is_none_does_not_stop_it(self, text: str, project_root: Path) -> None:
        assert "functions" not in hook_of(written(project_root, {"template.yaml": text, "orders.py": HANDLER}))


class TestBuilds:
    """The project builds right after."""

    @pytest.fixture(autouse=True)
    def _foo(self, index: Path) -> None:
        make_wheel(index, "foo")

    @pytest.mark.slow
    def test_functions_of_a_sam_template(self, project_root: Path) -> None:
        files = {
            "template.yaml": SAM,
            "functions/check/app.py": HANDLER,
            "functions/check/requirements.txt": "foo\n",
            "functions/sell/app.py": HANDLER,
        }
        written(project_root, files)
        Project(project_root).build()

        zips = {path.name.split("-")[2]: _names(path) for path in project_root.joinpath("dist").iterdir()}
        assert zips == {
            "CheckFunction": {"app.py", "requirements.txt", "foo.py"},
            "SellFunction": {"app.py"},
        }

    @pytest.mark.slow
    def test_a_directory_with_requirements(self, project_root: Path) -> None:
        written(project_root, {"requirements.txt": "foo\n", "lambda_function.py": HANDLER})
        project = Project(project_root)
        project.build("-t", "lambda")

        (path,) = project.dist.iterdir()
        assert path.name == "project-0.1.0-python3.14-x86_64.zip"
        assert _names(path) == {"lambda_function.py", "foo.py"}

    @pytest.mark.slow
    def test_a_project_of_setuptools_and_its_wheel(self, project_root: Path) -> None:
        text = (
            PROJECT
            + 'dependencies = ["foo"]\n[build-system]\nrequires = ["setuptools"]\n'
            + 'build-backend = "setuptools.build_meta"\n'
        )
        written(project_root, {"pyproject.toml": text, "shop/__init__.py": "", "shop/app.py": HANDLER})
        project = Project(project_root)
        project.build("-t", "wheel", "-t", "lambda")

        assert {path.suffix: _names(path) for path in project.dist.iterdir()} == {
            ".whl": {"shop/__init__.py", "shop/app.py"},
            ".zip": {"shop/__init__.py", "shop/app.py", "foo.py"},
        }


def _names(path: Path) -> set[str]:
    with ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_page_shows_what_it_shows(project_root: Path) -> None:
    template = SAM.partition("  SellFunction")[0].replace("functions/check", "hello_world").replace("3.12", "3.13")
    files = {"template.yaml": template, "hello_world/app.py": HANDLER, "hello_world/requirements.txt": "foo\n"}
    project_of(project_root.parent / "hello", files)

    result = init(project_root.parent / "hello")

    page = text_of("how-to/start.md")
    (shown,) = re.findall(r"it shows:\n\n```\n(.*?)```", page, re.DOTALL)
    assert result.stdout.rstrip() == shown.rstrip()
