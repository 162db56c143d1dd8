"""The pages on deployment by other tools: their projects are built, their templates read by what reads them there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2
import pytest
from ruamel.yaml import YAML

from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.tables import load_project
from hatch_lambda.plugin.project_wheel import HATCH_KEYS
from tests.support.packages import make_wheel
from tests.support.pages import blocks, text_of
from tests.support.projects import Project, write_project

if TYPE_CHECKING:
    from collections.abc import Callable

ABOUT = 'dependencies = ["pydantic"]\n'
FILES = {
    "orders/__init__.py": "",
    "orders/app.py": "def handler(event, context):\n    return event\n",
    "orders/api.py": "def handler(event, context):\n    return event\n",
    "orders/worker/__init__.py": "",
    "orders/worker/jobs.py": "def handler(event, context):\n    return event\n",
}
PAGES = ("terraform", "aws-cli", "sam", "cdk", "serverless")
EVERY_PAGE = (*PAGES, "move-from-sam", "move-from-serverless", "move-from-zappa", "move-from-poetry")

ARTIFACT = re.compile(r"dist/(orders[\w-]*\.zip)")


def titled(page: str, title: str) -> list[str]:
    """The blocks of a page that are a file of this name."""
    found = re.findall(rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', text_of(page), re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no {title}"
    return found


@pytest.fixture
def built(project_root: Path, index: Path) -> Callable[[str], Project]:
    """`built(tables)`: the project of a page, after `hatch build -t lambda`."""
    make_wheel(index, "pydantic")

    def build(tables: str) -> Project:
        write_project(project_root, tables, ABOUT, FILES)
        project = Project(project_root)
        project.build()
        return project

    return build


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_each_zip_that_a_page_names_is_left_by_a_build_of_its_settings(
    page: str, built: Callable[[str], Project]
) -> None:
    named = set(ARTIFACT.findall(text_of(f"how-to/{page}.md")))
    made = set()
    for tables in titled(f"how-to/{page}.md", "pyproject.toml"):
        project = built(tables)
        made |= {path.name for path in project.dist.glob("*.zip")}
        shutil.rmtree(project.dist)
    assert named
    assert named <= made


class TestTerraform:
    def test_each_configuration_can_be_parsed(self) -> None:
        for text in blocks("how-to/terraform.md", "terraform"):
            parsed: dict[str, Any] = hcl2.loads(text)
            functions = [
                each
                for each in parsed.get("resource", [])
                if '"aws_lambda_function"' in str(each) or "aws_lambda_function" in each
            ]
            assert functions or parsed.get("module")

    def test_its_hash_is_the_one_that_lambda_stores_and_stays_the_same(self, built: Callable[[str], Project]) -> None:
        tables = titled("how-to/terraform.md", "pyproject.toml")[0]

        def source_code_hash() -> str:
            data = (built(tables).dist / "orders.zip").read_bytes()
            return base64.b64encode(hashlib.sha256(data).digest()).decode()

        first = source_code_hash()
        project = Project(built(tables).root)
        shutil.rmtree(project.root / "dist")
        shutil.rmtree(project.root / ".hatch")
        assert source_code_hash() == first
        (command,) = (text for text in blocks("how-to/terraform.md", "sh") if "openssl" in text)
        if shutil.which("openssl"):
            shown = subprocess.run(
                ["bash", "-ec", command], cwd=project.root, capture_output=True, text=True, check=True
            )
            assert shown.stdout.strip() == first


@pytest.mark.slow
def test_cfn_lint_finds_nothing_in_the_templates_for_sam(tmp_path: Path) -> None:
    templates = []
    for page in ("sam", "move-from-sam"):
        for number, text in enumerate(blocks(f"how-to/{page}.md", "yaml")):
            template = tmp_path / f"{page}-{number}.yaml"
            template.write_text(text, encoding="utf-8")
            templates.append(template)
    assert len(templates) == 6
    program = Path(sys.executable).with_name("cfn-lint")
    command: list[str | Path] = [program, "--regions", "eu-central-1", "--", *templates]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_makefile_leaves_the_project_in_sams_directory(built: Callable[[str], Project]) -> None:
    project = built(titled("how-to/sam.md", "pyproject.toml")[1])
    (makefile,) = titled("how-to/sam.md", "Makefile")
    artifacts = project.root.parent / "artifacts"
    artifacts.mkdir()
    copy = re.findall(r"^\tcp .*", makefile, re.MULTILINE)[0].strip().replace("$(ARTIFACTS_DIR)", str(artifacts))
    subprocess.run(["sh", "-ec", copy], cwd=project.root, check=True)
    assert {path.name for path in artifacts.iterdir()} >= {"orders", "pydantic.py"} or (
        artifacts / "orders/app.py"
    ).is_file()


@pytest.mark.parametrize("page", ["serverless", "move-from-serverless"])
def test_what_serverless_packages_is_a_zip_of_ours(page: str) -> None:
    """`package.artifact` of the service or of each function, as its schema has it."""
    services = [YAML(typ="safe").load(text) for text in blocks(f"how-to/{page}.md", "yaml")]
    after = [service for service in services if "plugins" not in service]
    assert after
    for service in after:
        functions = service["functions"].values()
        whole = service.get("package", {}).get("artifact")
        artifacts = [whole] if whole else [function["package"]["artifact"] for function in functions]
        assert all(ARTIFACT.fullmatch(artifact) for artifact in artifacts)
        assert all(function["handler"].endswith(".handler") for function in functions)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_the_settings_of_each_page_are_valid(page: str, tmp_path: Path) -> None:
    for name in ("requirements.txt", "orders/requirements.txt"):
        tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(name).touch()
    for text in blocks(f"how-to/{page}.md", "toml"):
        tables = tomllib.loads(text)["tool"]["hatch"]["build"]
        load_project(tables["hooks"]["lambda"], tables["targets"]["lambda"], tmp_path, hatch_keys=HATCH_KEYS)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_each_python_and_json_of_a_page_can_be_read(page: str) -> None:
    for text in blocks(f"how-to/{page}.md", "python"):
        compile(text, page, "exec")
    for text in blocks(f"how-to/{page}.md", "json"):
        json.loads(text)
    for text in blocks(f"how-to/{page}.md", "sh"):
        subprocess.run(["bash", "-n", "-c", text], check=True)


def test_cdk_synthesizes_a_stack_whose_asset_is_our_zip(built: Callable[[str], Project], tmp_path: Path) -> None:
    """In an environment of its own, since aws-cdk-lib is large and needs Node: `hatch run cdk:test`."""
    pytest.importorskip("aws_cdk", reason="aws-cdk-lib is in an environment of its own: `hatch run cdk:test`")
    first, layered, *_ = titled("how-to/cdk.md", "app.py")
    for number, (app, tables) in enumerate(
        zip((first, layered), titled("how-to/cdk.md", "pyproject.toml"), strict=True)
    ):
        project = built(tables)
        out = tmp_path / f"out-{number}"
        script = project.root / "app.py"
        script.write_text(app.replace("App()", f"App(outdir={str(out)!r})"), encoding="utf-8")
        ended = subprocess.run([sys.executable, script], cwd=project.root, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assets = {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("asset.*.zip")}
        ours = {hashlib.sha256(path.read_bytes()).hexdigest() for path in project.dist.glob("*.zip")}
        assert assets == ours
        template = json.loads(next(out.glob("*.template.json")).read_text(encoding="utf-8"))
        (function,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function")
        assert function["Properties"]["Architectures"] == ["arm64"]
        assert function["Properties"]["Runtime"] == "python3.13"
        shutil.rmtree(project.dist)
