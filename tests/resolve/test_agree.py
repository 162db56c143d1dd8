"""Versions on which layers and functions agree, however their requirements are written and resolved."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.ui import Reporter, SilentUI
from hatch_lambda.config.tables import load_project
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.resolve.layers import Layer, without_layers
from hatch_lambda.wheels.store import StoredWheel
from tests.support.packages import make_source_tree, make_wheel
from tests.support.projects import HOOK, PACKAGE, NewProject, Project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.simple_index import SimpleIndex

HOOKS = "tool.hatch.build.hooks.lambda"
TABLES = f"""{HOOK}
[{HOOKS}.layers.common]
dependency-groups = ["common"]
[{HOOKS}.functions.api]
dependency-groups = ["api"]
layers = ["common"]
"""


def held(root: Path, *versions: str) -> Mapping[str, set[str]]:
    """The distributions in each zip, as `name-version`."""
    found = {}
    for path in map(Path, LambdaBuilder(str(root)).build(versions=[*versions] or None)):
        with ZipFile(path) as archive:
            folders = {name.split("/")[-2] for name in archive.namelist() if name.endswith(".dist-info/METADATA")}
        found[path.name.split("-")[2]] = {folder.removesuffix(".dist-info") for folder in folders} - {"orders-1.0"}
    return found


def groups(**of: str) -> str:
    return "[dependency-groups]\n" + "".join(f'{name} = ["{requirement}"]\n' for name, requirement in of.items())


def test_without_pip(
    new_project: NewProject, serve: type[SimpleIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    for version in ("1.0", "2.0"):
        make_wheel(served, "foo", version)
    make_wheel(served, "bar", requires=["foo<2"])
    monkeypatch.setenv("HATCH_LAMBDA_RESOLVER", "finder")
    project = new_project(TABLES, project=groups(common="foo", api="bar"))

    with serve(served, as_json=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert held(project.root) == {"common": {"foo-1.0"}, "api": {"bar-1.0"}}


def test_a_local_project_in_both(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "acme-lib", "9.0")  # somebody else's
    project = new_project(
        f"{TABLES}\n[tool.uv.sources]\nacme-lib = {{ path = 'lib' }}\n",
        project=groups(common="acme-lib", api="acme-lib"),
    )
    make_source_tree(project.root / "lib", "acme-lib")

    assert held(project.root) == {"common": {"acme_lib-1.0"}, "api": set()}
    assert held(project.root) == {"common": {"acme_lib-1.0"}, "api": set()}


def test_requirements_with_hashes(new_project: NewProject, index: Path) -> None:
    wheels = {name: make_wheel(index, name) for name in ("foo", "bar")}
    lines = {
        name: f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
        for name, wheel in wheels.items()
    }
    tables = (
        f'{HOOK}[{HOOKS}.layers.common]\nrequirements = ["common.txt"]\n'
        f'[{HOOKS}.functions.api]\nrequirements = ["api.txt"]\nlayers = ["common"]\n'
    )
    project = new_project(tables, files={**PACKAGE, "common.txt": lines["foo"], "api.txt": "".join(lines.values())})

    assert held(project.root) == {"common": {"foo-1.0"}, "api": {"bar-1.0"}}


class TestSeveralLayers:
    """All that are connected agree; others do not take part."""

    @pytest.fixture
    def project(self, new_project: NewProject, index: Path) -> Project:
        for version in ("1.0", "2.0"):
            make_wheel(index, "foo", version)
        make_wheel(index, "bar", requires=["foo"])
        make_wheel(index, "baz", requires=["foo<2"])
        tables = "".join(
            f"[{HOOKS}.layers.{name}]\ndependency-groups = ['{name}']\n" for name in ("one", "two", "alone")
        )
        tables += (
            f"[{HOOKS}.functions.api]\nlayers = ['one', 'two']\n"
            f"[{HOOKS}.functions.jobs]\nlayers = ['two']\ndependency-groups = ['jobs']\n"
        )
        return new_project(HOOK + tables, project=groups(one="foo", two="bar", alone="foo", jobs="baz"))

    def test_each_has_what_it_requires_in_the_versions_of_all(self, project: Project) -> None:
        expected = {
            "one": {"foo-1.0"},
            "two": {"foo-1.0", "bar-1.0"},
            "alone": {"foo-2.0"},
            "api": set(),
            "jobs": {"baz-1.0"},
        }

        assert held(project.root) == expected
        assert held(project.root, "jobs", "one") == {name: expected[name] for name in ("jobs", "one")}

    def test_a_change_of_one_function_has_all_resolved_again(self, project: Project) -> None:
        held(project.root)
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace('jobs = ["baz"]', 'jobs = ["foo"]'))

        assert held(project.root) == {
            "one": {"foo-2.0"},
            "two": {"foo-2.0", "bar-1.0"},
            "alone": {"foo-2.0"},
            "api": set(),
            "jobs": set(),
        }


@pytest.mark.parametrize("needed", [True, False])
def test_what_a_function_names_is_not_pruned_from_its_layer(
    new_project: NewProject, index: Path, *, needed: bool
) -> None:
    files = {"foo/__init__.py": "", "foo/tests/__init__.py": "", "foo/tests/test_data.py": "def test_data(): ...\n"}
    make_wheel(index, "foo", files=files)
    make_wheel(index, "bar", files={"bar.py": "from foo.tests import test_data\n" if needed else ""}, requires=["foo"])
    project = new_project(TABLES.replace(HOOK, f"{HOOK}prune = ['tests']\n"), project=groups(common="foo", api="bar"))

    for _ in range(2):
        held(project.root, "common")
        with ZipFile(project.dist / "orders-1.0-common-python3.13-x86_64.zip") as archive:
            assert ("python/foo/tests/test_data.py" in archive.namelist()) is needed


class TestLocks:
    """Layers first, functions to the same versions."""

    LOCKED = f"{HOOK}lock-file = 'pylock.{{function}}.toml'\n" + TABLES.removeprefix(HOOK)

    def test_the_versions_are_those_of_a_build(self, new_project: NewProject, index: Path) -> None:
        for version in ("1.0", "2.0"):
            make_wheel(index, "foo", version)
        make_wheel(index, "bar", requires=["foo<2"])
        project = new_project(self.LOCKED, project=groups(common="foo", api="bar"))

        for _ in range(2):  # the second time, pins are kept
            ended = project.python("-m", "hatch_lambda", "lock", "-f", "common", "-f", "api")
            assert ended.returncode == 0, ended.stderr
            checked = project.python("-m", "hatch_lambda", "lock", "--check", "-f", "common", "-f", "api")
            assert checked.returncode == 0, checked.stderr

        shutil.rmtree(os.environ["HATCH_LAMBDA_CACHE_DIR"])  # so that pip downloads them
        assert held(project.root) == {"common": {"foo-1.0"}, "api": {"bar-1.0"}}

    def test_locks_that_differ_stop_the_build(
        self, new_project: NewProject, index: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_wheel(index, "foo", "1.0")
        project = new_project(self.LOCKED, project=groups(common="foo", api="foo"))
        assert project.python("-m", "hatch_lambda", "lock", "-f", "common").returncode == 0
        make_wheel(index, "foo", "2.0")
        path = project.root / "pyproject.toml"
        with_layers = path.read_text()
        path.write_text(with_layers.replace('layers = ["common"]', ""))
        assert project.python("-m", "hatch_lambda", "lock", "-f", "api").returncode == 0
        path.write_text(with_layers)

        with pytest.raises(SystemExit):
            held(project.root)

        shown = capsys.readouterr().err
        assert f"one of `{HOOKS}.functions.api.layers` only allows `foo==1.0`: the lock file has foo 2.0" in shown


def kept(name: str, version: str) -> StoredWheel:
    return StoredWheel(name, version, f"{name}-{version}-py3-none-any.whl", "0" * 64, Path("/nowhere"))


class TestWithoutLayers:
    """Versions that no resolution has brought together: each has its own lock file, say."""

    def left(self, root: Path, wheels: Sequence[StoredWheel], *layers: StoredWheel) -> list[str]:
        names = ["One", "two"][: len(layers)]
        tables = {"layers": {name: {} for name in names}, "functions": {"api": {"layers": names}}}
        settings = load_project({"runtime": "python3.13", **tables}, {}, root, environ={}).versions
        brought = [Layer(settings[name], (wheel,)) for name, wheel in zip(names, layers, strict=True)]
        left = without_layers(tuple(wheels), brought, settings["api"], Reporter(SilentUI()))
        return [wheel.distribution for wheel in left]

    def test_what_a_layer_brings_is_left_out(self, tmp_path: Path) -> None:
        assert self.left(tmp_path, [kept("bar", "1"), kept("foo", "1")], kept("foo", "1")) == ["bar 1"]

    def test_another_version_in_the_layer(self, tmp_path: Path) -> None:
        with pytest.raises(LambdaBuildError) as raised:
            self.left(tmp_path, [kept("foo", "2")], kept("foo", "1"))

        assert str(raised.value).startswith(
            "The layer `One` brings foo 1, but the function `api` needs foo 2.\n"
            "Python would import one of the two for both."
        )
        assert f"`{HOOKS}.functions.api.layers`" in str(raised.value)

    def test_two_layers_with_two_versions(self, tmp_path: Path) -> None:
        with pytest.raises(LambdaBuildError, match="The layer `two` brings foo 2, but the layer `One` brings foo 1"):
            self.left(tmp_path, [], kept("foo", "1"), kept("foo", "2"))
