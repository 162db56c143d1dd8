"""Which zips are deployed: those that are named, or those of the project as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.zips import Zip, find
from hatch_lambda.plugin import made_zips
from hatch_lambda.plugin.deployable import project_in
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, write_project
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.deploy.conftest import Deploy, Shop

NAMED = f"""{HOOK}
[tool.hatch.build.hooks.lambda.layers.base]
[tool.hatch.build.hooks.lambda.functions.api]
handler = "orders.api.handler"
layers = ["base"]
"""


def found(project: Shop, *paths: Path) -> list[tuple[str, str | None, str]]:
    """Name, variant and target."""
    known, _table = project_in(project.root)
    return [(each.name, each.variant_name, str(each.target)) for each in find(paths, known)]


def test_those_of_the_current_version_and_target_by_default(shop: Callable[..., Shop]) -> None:
    project = shop("", NAMED)
    for version in ("0.9", "1.0"):
        project.put("api", version=version)
    project.put("api", target="python3.13-arm64")
    project.put("base", below="python/")
    project.put()  # of a time when it had no functions
    assert found(project) == [
        ("orders-1.0-base-python3.13-x86_64.zip", "base", "python3.13-x86_64"),
        ("orders-1.0-api-python3.13-x86_64.zip", "api", "python3.13-x86_64"),
    ]
    assert found(project, project.dist) == found(project)


def test_a_variable_of_the_build_selects_the_target(shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    project = shop()
    project.put()
    project.put(target="python3.13-arm64")
    monkeypatch.setenv("HATCH_LAMBDA_ARCHITECTURE", "arm64")
    assert found(project) == [("orders-1.0-python3.13-arm64.zip", "function", "python3.13-arm64")]


def test_one_of_another_version_is_deployed_if_named(shop: Callable[..., Shop]) -> None:
    project = shop()
    old = project.put(version="0.9")
    assert found(project, old) == [(old.name, "function", "python3.13-x86_64")]


def test_what_else_a_build_leaves_is_passed_over(shop: Callable[..., Shop]) -> None:
    project = shop()
    zip_file = project.put()
    wheel = make_wheel(project.dist, "orders")
    report = project.dist / "orders.html"
    report.touch()
    assert [name for name, *_ in found(project, wheel, report, zip_file)] == [zip_file.name]
    with pytest.raises(DeployError, match="There is no zip among"):
        found(project, wheel)


@pytest.mark.parametrize("version", ["1.0-1", "2!1.0rc1+local.5"])
def test_a_version_may_look_like_anything(version: str, shop: Callable[..., Shop]) -> None:
    project, _table = project_in(shop("", NAMED).root)
    assert project
    origin = project.origin_of(project.directory / f"orders-{version}-python3.13-x86_64.zip")
    assert origin
    assert (origin.variant.name, origin.version) == ("function", version)


def test_the_record_of_a_build_wins_over_the_name(shop: Callable[..., Shop]) -> None:
    project = shop("", NAMED)
    wheel = make_wheel(project.root / "wheels", "orders")
    path = project.dist / "front.zip"
    path.parent.mkdir()
    with made_zips.note(
        *(project.root / ".hatch/lambda", project.root, [path]), version="api", target="python3.13-x86_64", key="k"
    ):
        make_zip(path, wheels=[wheel])
    assert found(project, path) == [("front.zip", "api", "python3.13-x86_64")]


class TestRefused:
    def test_none_is_built(self, shop: Callable[..., Shop], deploy: Deploy) -> None:
        project = shop()
        output = deploy(code=1).output
        assert "There is no zip of orders 1.0 for python3.13-x86_64 in " in output
        assert "`hatch build -t lambda`" in output
        project.put(version="0.9")
        assert "it has orders-0.9-python3.13-x86_64.zip" in deploy(code=1).output

    def test_one_of_another_project(self, shop: Callable[..., Shop], deploy: Deploy, tmp_path: Path) -> None:
        shop()
        other = make_zip(tmp_path / "carts.zip", wheels=[make_wheel(tmp_path, "carts")])
        output = deploy(other, code=1).output
        assert f"{other} is not a zip of the project orders" in output
        assert "it lacks `orders` and has carts" in output
        assert "`--project`" in output

    def test_a_layer_of_another_project(self, shop: Callable[..., Shop], deploy: Deploy, tmp_path: Path) -> None:
        shop()
        other = make_zip(tmp_path / "carts.zip", wheels=[make_wheel(tmp_path, "carts")], root="python/")
        assert "is a layer, but by its name and the records of builds, none of the" in deploy(other, code=1).output

    def test_one_that_is_no_zip(self, shop: Callable[..., Shop], deploy: Deploy) -> None:
        project = shop()
        text = project.root / "notes.zip"
        text.write_text("not a zip")
        assert "is not a zip file" in deploy(text, code=1).output
        other = project.root / "notes.txt"
        other.touch()
        assert f"{other} is not a zip." in deploy(other, code=1).output

    def test_outside_of_projects_it_has_to_be_named(
        self, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert "There is no project here" in deploy(code=1).output
        zip_file = make_zip(tmp_path / "a.zip", {"app.py": ""})
        assert "pass --function NAME" in deploy(zip_file, code=1).output
        assert "is not known for a.zip" in deploy(zip_file, "--function", "{name}", code=1).output

    def test_pyproject_that_is_broken(self, shop: Callable[..., Shop], deploy: Deploy) -> None:
        project = shop()
        project.root.joinpath("pyproject.toml").write_text("[project\n")
        output = deploy(code=1).output
        assert "pyproject.toml is not valid TOML" in output
        assert "Traceback" not in output

    def test_several_of_one_variant(self, shop: Callable[..., Shop], deploy: Deploy) -> None:
        project = shop("", HOOK + '\n[tool.hatch.build.targets.lambda]\narchive-name = "{name}-{version}.zip"')
        make_zip(project.dist / "orders-1.0.zip")
        make_zip(project.dist / "orders-1.0.0.zip")
        assert "has 2 zips for `function`" in deploy(code=1).output


def test_a_zip_alone_fits_where_nothing_in_it_speaks_against(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "carts", requires_python=">=3.14")
    zip_file = make_zip(tmp_path / "carts.zip", wheels=[wheel])
    assert {each.runtime.name for each in Zip(zip_file, is_layer=False).fits} == {"python3.14", "python3.15"}


def test_a_project_of_another_folder(aws: object, deploy: Deploy, tmp_path: Path) -> None:
    del aws
    write_project(tmp_path / "elsewhere", HOOK, "", PACKAGE)
    assert "There is no zip of orders 1.0" in deploy("--project", tmp_path / "elsewhere", code=1).output
