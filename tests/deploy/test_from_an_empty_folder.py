"""The whole way: an empty folder, a project, a zip, a function that answers here, and one on AWS."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from tests.deploy.conftest import shown
from tests.support.aws import ROLE, Aws
from tests.support.functions import run
from tests.support.projects import Project
from tests.support.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.conftest import Deploy


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` and `serve` require Linux")
def test_a_new_project_is_built_invoked_served_and_deployed(
    aws: Aws, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(
        main, ["init", "--new", "greetings", "--runtime", "python{}.{}".format(*sys.version_info)]
    )
    assert made.exit_code == 0, made.output
    project = Project(tmp_path / "greetings")
    monkeypatch.chdir(project.root)
    with project.root.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write(f'\n[tool.hatch.publish.lambda]\nrole = "{ROLE}"\nalias = "live"\n')
    app = project.root / "greetings" / "app.py"

    project.build()
    (zip_file,) = project.root.joinpath("dist").iterdir()
    invoked = run(zip_file, "greetings.app.handler", "--event", project.root / "event.json")
    assert json.loads(json.loads(invoked.stdout)["body"]) == {"message": "Hello, Ada!"}

    with serving(directory=project.root, scratch=tmp_path) as served:
        assert json.loads(served.request("GET", "/hello?name=Ada").body) == {"message": "Hello, Ada!"}
        event = project.root.joinpath("event.json").read_bytes()
        answer = json.loads(served.client().invoke(FunctionName="greetings", Payload=event)["Payload"].read())
        assert json.loads(answer["body"]) == {"message": "Hello, Ada!"}

        before = len(served.lines)
        app.write_text(app.read_text(encoding="utf-8").replace("Hello", "Good morning"), encoding="utf-8")
        served.said("eloaded", since=before)
        assert json.loads(served.request("GET", "/hello?name=Ada").body) == {"message": "Good morning, Ada!"}
        assert served.stop() == 0

    app.write_text(app.read_text(encoding="utf-8").replace("Good morning", "Hello"), encoding="utf-8")
    project.build()
    assert shown(deploy()) == ["function greetings: created, version 1, alias live created"]
    app.write_text(app.read_text(encoding="utf-8").replace("Hello", "Good morning"), encoding="utf-8")
    project.build()
    assert shown(deploy()) == ["function greetings: code updated, version 2, alias live moved from 1"]
    assert shown(deploy()) == ["function greetings: up to date, version 2, alias live is there already"]
    assert aws.alias(function="greetings") == "2"
