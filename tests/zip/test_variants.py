"""The versions of the target: layer and code, and the functions of a project."""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import partial
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from hatch_lambda.zip.variants import compose
from tests.support.elf import make_elf
from tests.support.lambda_runtime import invoke, pythons_at_hand
from tests.support.packages import make_wheel
from tests.support.projects import DIST_INFO, FOO, HOOK, PACKAGE, ZIP, Project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import NewProject

LAYER = "orders-1.0-layer-python3.13-x86_64.zip"
CODE = "orders-1.0-code-python3.13-x86_64.zip"
API = "orders-1.0-api-python3.13-x86_64.zip"
WORKER = "orders-1.0-worker-python3.13-arm64.zip"

FUNCTIONS = f"""{HOOK}
[tool.hatch.build.hooks.lambda.functions.api]
extras = ["web"]
include = ["/orders/api/", "/orders/__init__.py"]

[tool.hatch.build.hooks.lambda.functions.worker]
dependency-groups = ["batch"]
architecture = "arm64"
exclude = ["/orders/api/"]
"""
TWO = """
dependencies = ["foo"]
[project.optional-dependencies]
web = ["bar"]
[dependency-groups]
batch = ["baz", { include-group = "more" }]
more = ["qux"]
"""
TREE = {**PACKAGE, "orders/api/__init__.py": "", "orders/api/app.py": "def handler(event, context): ...\n"}


def names(path: Path) -> set[str]:
    with ZipFile(path) as archive:
        return set(archive.namelist())


def of(name: str) -> set[str]:
    return {path.replace("foo", name) for path in FOO}


def started_resolutions(shown: str) -> int:
    return len(re.findall(r"^  1 download ", shown, re.MULTILINE))


class TestLayerAndCode:
    def test_they_share_what_one_zip_would_hold(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(project='dependencies = ["foo"]')

        project.build("-t", "lambda:code,layer")

        assert set(project.in_dist()) == {CODE, LAYER}
        assert names(project.dist / CODE) == {*PACKAGE, *DIST_INFO}
        assert names(project.dist / LAYER) == {f"python/{name}" for name in FOO}

    def test_what_both_need_is_resolved_once(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(project='dependencies = ["foo"]')

        assert started_resolutions(project.build("-t", "lambda:function,code,layer")) == 1

    def test_the_layer_keeps_its_bytes_when_only_the_code_changes(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(project='dependencies = ["foo"]')
        project.build("-t", "lambda:code,layer")
        before = project.in_dist()
        project.root.joinpath("orders/app.py").write_text("def handler(event, context): return 2\n", encoding="utf-8")

        project.build("-t", "lambda:code,layer")

        after = project.in_dist()
        assert after[LAYER] == before[LAYER]
        assert after[CODE] != before[CODE]

    def test_the_project_itself_is_in_no_layer(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(f'{HOOK}requirements = ["requirements.txt"]\n')
        project.root.joinpath("requirements.txt").write_text("foo\n", encoding="utf-8")
        make_wheel(index, "orders", files={"orders/__init__.py": "", "orders/old.py": ""})
        project.root.joinpath("requirements.txt").write_text("foo\norders\n", encoding="utf-8")

        project.build("-t", "lambda:layer")

        assert names(project.dist / LAYER) == {f"python/{name}" for name in FOO}

    @pytest.mark.parametrize(
        ("own_init", "its_init", "fits"),
        [
            (None, None, True),  # PEP 420: every folder counts
            ("", None, False),
            (None, "", False),
            ("__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",) * 2 + (True,),
        ],
        ids=["namespace", "the project's init", "the layer's init", "both say that others have modules too"],
    )
    def test_python_must_find_both_halves_of_a_split_package(
        self, own_init: str | None, its_init: str | None, new_project: NewProject, index: Path, *, fits: bool
    ) -> None:
        inits = [{} if init is None else {"acme/__init__.py": init} for init in (own_init, its_init)]
        make_wheel(index, "acme-lib", files={"acme/lib.py": "", **inits[1]})
        project = new_project(
            f'{HOOK}[tool.hatch.build.targets.wheel]\nonly-include = ["acme"]\n',
            project='dependencies = ["acme-lib"]',
            files={"acme/app.py": "def handler(event, context): ...\n", **inits[0]},
        )

        if fits:
            project.build("-t", "lambda:code,layer")
        else:
            shown = project.fail("-t", "lambda:code,layer")
            assert "Both the project and acme-lib 1.0 have modules in the package `acme`." in shown
            assert "`function`" in shown

    def test_together_they_stay_within_the_limit(self, new_project: NewProject, index: Path) -> None:
        # Lambda counts a function with its layers.
        large = b"".join(os.urandom(700) + bytes(65_536) for _ in range(2_100))
        make_wheel(index, "foo", files={"foo.bin": large})
        project = new_project(
            project='dependencies = ["foo"]', files={"orders/__init__.py": "", "orders/own.bin": large}
        )

        assert "unzipped (27" in project.fail("-t", "lambda:code")

    def test_a_name_that_both_would_have_is_refused(self, new_project: NewProject) -> None:
        project = new_project(f'{HOOK}[tool.hatch.build.targets.lambda]\narchive-name = "{{name}}.zip"\n')

        shown = project.fail("-t", "lambda:code,layer")

        assert "tool.hatch.build.targets.lambda.archive-name` gives several zips of this build the name" in shown
        assert "{variant}" in shown

    def test_an_unknown_version_is_reported_with_all_known_ones(self, new_project: NewProject) -> None:
        shown = new_project(FUNCTIONS, project=TWO).fail("-t", "lambda:web")

        assert "no version `web`; it has `function`, `layer`, `code`, `api`, `worker`" in shown

    def test_cleaning_removes_only_the_zips_that_are_built(self, new_project: NewProject) -> None:
        project = new_project()
        project.build("-t", "lambda:function,code,layer")
        kept = project.dist / "orders-1.0-layer-python3.12-arm64.zip"
        kept.touch()

        project.build("-t", "lambda:layer", "--clean-only")

        assert set(project.in_dist()) == {ZIP, CODE, kept.name}


class TestFunctions:
    @pytest.fixture
    def project(self, new_project: NewProject, index: Path) -> Project:
        for name in ("foo", "bar", "baz", "qux"):
            make_wheel(index, name)
        return new_project(FUNCTIONS, project=TWO, files=TREE)

    def test_each_has_its_own_dependencies_architecture_and_files(self, project: Project) -> None:
        project.build()

        assert set(project.in_dist()) == {API, WORKER}
        api = {"orders/api/__init__.py", "orders/api/app.py", "orders/__init__.py"}
        assert names(project.dist / API) == {*api, *DIST_INFO, *FOO, *of("bar")}
        assert names(project.dist / WORKER) == {*PACKAGE, *DIST_INFO, *FOO, *of("baz"), *of("qux")}

    def test_record_is_true_to_the_files_that_a_function_has(self, project: Project) -> None:
        project.build("-t", "lambda:api")

        with ZipFile(project.dist / API) as archive:
            record = archive.read("orders-1.0.dist-info/RECORD").decode()
        listed = {line.split(",")[0] for line in record.splitlines()}
        assert listed == {name for name in names(project.dist / API) if name.startswith("orders")}

    def test_one_can_be_built_alone(self, project: Project) -> None:
        project.build("-t", "lambda:worker")

        assert set(project.in_dist()) == {WORKER}

    def test_other_versions_can_still_be_named(self, project: Project) -> None:
        project.build("-t", "lambda:function,layer")

        assert set(project.in_dist()) == {ZIP, LAYER}

    def test_each_has_its_own_bundle(self, project: Project) -> None:
        project.build()

        folders = {path.relative_to(project.root).as_posix() for path in project.root.glob(".hatch/**/bundle")}
        assert folders == {
            ".hatch/lambda/api/python3.13-x86_64/bundle",
            ".hatch/lambda/worker/python3.13-arm64/bundle",
        }

    def test_those_that_need_the_same_are_resolved_once(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        tables = [f"[tool.hatch.build.hooks.lambda.functions.{name}]\n" for name in ("a", "b", "c")]
        project = new_project(HOOK + "".join(tables), project='dependencies = ["foo"]')

        shown = project.build()

        assert started_resolutions(shown) == 1
        assert shown.count("Reusing the resolution from ") == 2
        assert len(project.in_dist()) == 3

    def test_a_failing_function_leaves_the_zips_of_the_others(self, project: Project, index: Path) -> None:
        (index / "qux-1.0-py3-none-any.whl").unlink()
        before = project.put_former_zip()

        ended = project.run("-t", "lambda")

        assert ended.returncode == 1
        assert "qux" in ended.stderr
        assert set(project.in_dist()) == {*before, API}


class TestExtrasAndGroups:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ("", {"foo"}),
            ('extras = ["WEB.api"]', {"foo", "bar"}),
            ('extras = ["all"]', {"foo", "bar", "qux"}),
            ('dependency-groups = ["Batch_jobs"]', {"foo", "baz", "qux"}),
            ('dependency-groups = ["with-extra"]', {"foo", "bar"}),
            ('extras = ["web-api"]\nrequirements = ["requirements.txt"]', {"bar", "quux"}),
        ],
    )
    def test_only_the_named_files_are_included(
        self, settings: str, expected: set[str], new_project: NewProject, index: Path
    ) -> None:
        for name in ("foo", "bar", "baz", "qux", "quux", "dev-tool"):
            make_wheel(index, name)
        project = new_project(
            f"{HOOK}{settings}\n",
            project=(
                'dependencies = ["foo"]\n[project.optional-dependencies]\nweb_api = ["bar"]\n'
                'all = ["orders[web-api]", "qux"]\n[dependency-groups]\ndev = ["dev-tool"]\n'
                'batch-jobs = ["baz", { include-group = "more" }]\nmore = ["qux"]\nwith-extra = ["orders[web_api]"]\n'
            ),
            files={**PACKAGE, "requirements.txt": "quux\n"},
        )

        project.build()

        found = {name.split("-")[0] for name in project.zipped() if ".dist-info/" in name}
        assert found == {"orders", *expected}

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            (
                'extras = ["wep"]',
                "`tool.hatch.build.hooks.lambda.extras` names `wep`, and the project has no such extra; it has `web`",
            ),
            (
                'dependency-groups = ["dev"]',
                "lambda.dependency-groups` names `dev`, and the project has no such dependency group; it has `loop`",
            ),
            ('dependency-groups = ["loop"]', "Table `dependency-groups` cannot be used: "),
            (
                "[tool.hatch.build.hooks.lambda.functions.api]\nextras = ['x']",
                "`tool.hatch.build.hooks.lambda.functions.api.extras` names `x`",
            ),
        ],
    )
    def test_an_unknown_function_is_reported_with_the_known_ones(
        self, settings: str, words: str, new_project: NewProject
    ) -> None:
        project = new_project(
            f"{HOOK}{settings}\n",
            project='optional-dependencies.web = []\n[dependency-groups]\nloop = [{ include-group = "loop" }]\n',
        )

        assert words in project.fail()

    def test_a_marker_on_the_project_itself_holds_for_what_it_stands_for(
        self, new_project: NewProject, index: Path
    ) -> None:
        make_wheel(index, "foo")
        make_wheel(index, "bar")
        project = new_project(
            f'{HOOK}dependency-groups = ["all"]\n',
            project=(
                '[project.optional-dependencies]\nwin = ["bar"]\nlin = ["foo ; python_version > \'3\'"]\n'
                "[dependency-groups]\n"
                "all = [\"orders[win] ; sys_platform == 'win32'\", \"orders[lin] ; sys_platform == 'linux'\"]\n"
            ),
        )

        project.build()

        assert {name.split("-")[0] for name in project.zipped() if ".dist-info/" in name} == {"orders", "foo"}


@pytest.mark.index
@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_code_and_layer_run_together_as_one_zip_does(
    version: str, new_project: NewProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if version not in pythons_at_hand():
        pytest.skip(f"no CPython {version} at hand")
    app = """\
import json
from importlib.metadata import version
from pydantic import BaseModel

class Order(BaseModel):
    item: str
    count: int

def handler(event, context):
    order = Order.model_validate(event)
    return {"order": order.model_dump(), "versions": [version("orders"), version("pydantic").split(".")[0]]}
"""
    project = new_project(
        f'[tool.hatch.build.hooks.lambda]\nruntime = "python{version}"\n',
        project='dependencies = ["pydantic==2.11.7"]',
        files={"orders/__init__.py": "", "orders/app.py": app},
    )
    project.build("-t", "lambda:function,code,layer")
    call = partial(
        invoke,
        version=version,
        handler="orders.app.handler",
        event={"item": "tea", "count": "3"},
        clients=tmp_path_factory.getbasetemp() / "runtime-clients",
    )
    one, code, layer = (
        project.dist / f"orders-1.0-{variant}python{version}-x86_64.zip" for variant in ("", "code-", "layer-")
    )

    whole, halves, half = call(one), call(code, layers=[layer]), call(code)

    assert whole.response == halves.response == {"order": {"item": "tea", "count": 3}, "versions": ["1.0", "2"]}
    assert "No module named 'pydantic'" in str(half.error), "the code alone has no dependencies"
    assert hashlib.sha256(layer.read_bytes()).digest() != hashlib.sha256(code.read_bytes()).digest()


class TestLockedOnly:
    """`HATCH_LAMBDA_LOCKED=1`, for CI."""

    def test_unlocked_requirements_are_not_resolved(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(project='dependencies = ["foo"]')
        project.build()
        project.put_former_zip()

        ended = project.run("-t", "lambda", HATCH_LAMBDA_LOCKED="1")

        assert ended.returncode == 1
        assert "`HATCH_LAMBDA_LOCKED` requires all dependencies to be locked" in ended.stderr
        assert "`tool.hatch.build.hooks.lambda.lock-file` is not set" in ended.stderr
        assert "`hatch-lambda lock`" in ended.stderr

    def test_a_project_without_dependencies_requires_no_lock(self, new_project: NewProject) -> None:
        new_project().build("-t", "lambda", HATCH_LAMBDA_LOCKED="1")


class TestBytecodeOfWheels:
    @pytest.mark.parametrize(("setting", "stays"), [("", False), ("prune = []\n", True)])
    def test_it_is_included_only_if_nothing_is_pruned(
        self, setting: str, new_project: NewProject, index: Path, *, stays: bool
    ) -> None:
        pyc = "foo/__pycache__/__init__.cpython-313.pyc"
        make_wheel(index, "foo", files={"foo/__init__.py": "", pyc: b"\0"})
        project = new_project(f"{HOOK}{setting}", project='dependencies = ["foo"]')

        shown = project.build()

        assert (pyc in project.zipped()) is stays
        assert (pyc in project.read("foo-1.0.dist-info/RECORD").decode()) is stays
        assert ("1 file   bytecode" in shown) is not stays


def test_machine_code_that_a_function_excludes_does_not_stop_it(new_project: NewProject) -> None:
    tables = (
        "[tool.hatch.build.hooks.lambda.functions.api]\ninclude = ['/orders/*.py']\n"
        "[tool.hatch.build.hooks.lambda.functions.all]\n"
    )
    files: dict[str, str | bytes] = {**PACKAGE, "orders/native.so": make_elf(machine="aarch64")}
    project = new_project(f"{HOOK}{tables}", files=files)

    project.build("-t", "lambda:api")

    assert "orders/native.so" in project.fail("-t", "lambda:all")


class TestWhatIsLeftBesideTheZip:
    PAPERS = f"{HOOK}[tool.hatch.build.targets.lambda]\nreport = true\nsbom = true\n"

    @pytest.fixture
    def project(self, new_project: NewProject, index: Path) -> Project:
        make_wheel(index, "foo")
        return new_project(self.PAPERS, project='dependencies = ["foo"]')

    def test_a_page_and_a_bill_of_materials(self, project: Project, index: Path) -> None:
        project.build()

        stem = ZIP.removesuffix(".zip")
        assert set(project.in_dist()) == {ZIP, f"{stem}.html", f"{stem}.cdx.json"}
        assert "foo" in (project.dist / f"{stem}.html").read_text(encoding="utf-8")
        bill = json.loads((project.dist / f"{stem}.cdx.json").read_text(encoding="utf-8"))
        (foo,) = (part for part in bill["components"] if part["name"] == "foo")
        (wheel,) = index.glob("foo-*.whl")
        assert foo["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]

    def test_they_are_the_same_each_time(self, project: Project) -> None:
        project.build()
        before = project.in_dist()

        project.build()

        assert project.in_dist() == before

    def test_they_go_with_the_zip(self, project: Project) -> None:
        project.build()
        (project.dist / "mine.html").touch()

        project.build("-t", "lambda", "--clean-only")

        assert set(project.in_dist()) == {"mine.html"}


@pytest.mark.usefixtures("python_of_the_runtime")
def test_a_module_of_the_projects_own_that_cannot_be_compiled_is_warned_of(new_project: NewProject) -> None:
    if "3.13" not in pythons_at_hand():
        pytest.skip("no CPython 3.13 at hand")
    project = new_project(f"{HOOK}compile-bytecode = true\n", files={**PACKAGE, "orders/old.py": "print 'x'\n"})

    shown = project.build()

    assert "Warning: python3.13 cannot compile orders/old.py: " in shown
    assert "orders/__pycache__/app.cpython-313.pyc" in project.zipped()
    assert "orders/__pycache__/old.cpython-313.pyc" not in project.zipped()


class TestCleaned:
    def test_a_function_reuses_nothing_outdated_without_cleaning(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        tables = [f"[tool.hatch.build.hooks.lambda.functions.{name}]\n" for name in ("a", "b")]
        project = new_project(HOOK + "".join(tables), project='dependencies = ["foo"]')
        project.build()

        assert started_resolutions(project.build("-c", "-t", "lambda:a")) == 1
        assert started_resolutions(project.build("-c", "-t", "lambda")) == 1, "of both, one resolves for both"
        assert started_resolutions(project.build()) == 0

    def test_with_the_wheel_the_zip_is_built_again(self, new_project: NewProject, index: Path) -> None:
        make_wheel(index, "foo")
        project = new_project(f"{HOOK}with-wheel = true\n", project='dependencies = ["foo"]')
        project.build("-t", "wheel")

        assert started_resolutions(project.build("-t", "wheel")) == 0
        assert started_resolutions(project.build("-c", "-t", "wheel")) == 1
        assert ZIP in project.in_dist()
        project.build("-t", "wheel", "--clean-only")
        assert project.in_dist() == {}
        assert not list(project.root.glob(".hatch/lambda/*/bundle"))


class TestBytecodeWithoutSources:
    """Conflicts between modules of which one has a source and the other has none, or neither."""

    @staticmethod
    def file(path: str, content: bytes, owner: str) -> BundleFile:
        return BundleFile(path, FILE_MODE, Generated(content), f"{owner} 1.0")

    def test_a_module_of_both_is_a_conflict(self) -> None:
        own = (self.file("acme/__init__.py", b"X = 1", "orders"),)
        compiled, source = (self.file(f"acme/__init__.py{end}", b"X = 2", "acme") for end in ("c", ""))

        with pytest.raises(ConflictingFilesError, match=re.escape("both have a file `acme/__init__.py`")):
            compose("function", own, (compiled,), sources=(source,))

    def test_a_package_of_both_code_and_layer_is_one(self) -> None:
        own, own_source = (self.file(f"acme/__init__.py{end}", b"", "orders") for end in ("c", ""))
        compiled, source = (self.file(f"acme/more.py{end}", b"", "acme") for end in ("c", ""))

        with pytest.raises(
            ConflictingFilesError, match=r"Both the project and acme 1\.0 have modules in the package `acme`"
        ):
            compose("code", (own,), (compiled,), own_sources=(own_source,), sources=(source,))
