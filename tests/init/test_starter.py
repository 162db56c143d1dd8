"""`hatch-lambda init --new`: a project that builds, runs and passes its test right away."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from tests.support.functions import run
from tests.support.projects import Project

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", "--new", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")
def test_it_builds_runs_and_passes_its_tests(here: Path) -> None:
    running = "python{}.{}".format(*sys.version_info)
    result = new("web-orders", "--runtime", running)
    assert result.exit_code == 0, result.output
    root = here / "web-orders"
    for line in result.output.splitlines()[1:8]:
        assert root.joinpath(line.strip()).is_file()

    shown = Project(root).build()
    (path,) = root.joinpath("dist").iterdir()
    invoked = run(path, "web_orders.app.handler", "--event", root / "event.json")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=root, capture_output=True, text=True, check=False
    )

    assert "Warning" not in shown
    assert path.name in root.joinpath("README.md").read_text(encoding="utf-8")
    assert json.loads(json.loads(invoked.stdout)["body"]) == {"message": "Hello, Ada!"}
    assert "2 passed" in tested.stdout, tested.stdout


def test_it_needs_no_extra(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    monkeypatch.setitem(sys.modules, "yaml", None)

    assert new("orders").exit_code == 0
    other = CliRunner().invoke(main, ["init", str(here)])

    assert other.exit_code == 1
    assert "requires tomlkit and PyYAML, which are not installed" in other.stderr
    assert "pip install 'hatch-lambda[init]'" in other.stderr


def test_an_empty_directory_will_do_and_others_stay(here: Path) -> None:
    here.joinpath("orders").mkdir()
    assert new("orders").exit_code == 0

    before = sorted(here.rglob("*"))
    again = new("orders")
    here.joinpath("file").write_text("")

    assert again.exit_code == 1
    assert "orders exists already, and is not empty." in again.stderr
    assert "file exists already." in new("file").stderr
    assert sorted(here.rglob("*")) == sorted([*before, here / "file"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a b", "use ASCII letters"),
        ("json", "would hide the standard library's module `json`"),
        ("class", "which Python cannot import"),
        ("7th", "which Python cannot import"),
        ("tests", "a name that is taken"),
    ],
)
def test_names_that_would_not_work_are_refused(name: str, said: str, here: Path) -> None:
    result = new(name)

    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert not [*here.iterdir()]


def test_it_makes_a_project_of_its_own(here: Path) -> None:
    assert new("orders", str(here)).exit_code == 2
    assert new("deep/orders", "--architecture", "arm64").exit_code == 0
    assert 'architecture = "arm64"' in here.joinpath("deep", "orders", "pyproject.toml").read_text(encoding="utf-8")
