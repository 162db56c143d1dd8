"""Layers of a project's own, and the functions that use them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.elf import make_elf
from tests.support.functions import answer
from tests.support.handlers import RUNNING
from tests.support.packages import make_wheel
from tests.support.projects import DIST_INFO, FOO, HOOK, PACKAGE, NewProject, Project

if TYPE_CHECKING:
    from collections.abc import Mapping

HOOKS = "tool.hatch.build.hooks.lambda"
TABLES = f"""{HOOK}
[{HOOKS}.layers.common]
dependency-groups = ["common"]
files = {{ "scripts/wrapper" = "bin/wrapper", "native" = "lib" }}

[{HOOKS}.functions.api]
dependency-groups = ["common", "api"]
layers = ["common"]
handler = "orders.app.handler"

[{HOOKS}.functions.jobs]
dependency-groups = ["jobs"]
layers = ["common"]
"""
GROUPS = """
[dependency-groups]
common = ["foo"]
api = ["bar"]
jobs = ["baz"]
"""
APP = """\
import foo, bar

def handler(event, context):
    return [foo.VERSION, bar.VERSION]
"""
FILES: dict[str, str | bytes] = {
    **PACKAGE,
    "orders/app.py": APP,
    "scripts/wrapper": '#!/bin/sh\nexec "$@"\n',
    "native/libown.so.1": make_elf(soname="libown.so.1"),
}


def of(name: str, version: str = "1.0") -> set[str]:
    return {path.replace("foo", name).replace("1.0", version) for path in FOO}


def below_python(paths: set[str]) -> set[str]:
    return {f"python/{path}" for path in paths}


def zip_of(project: Project, variant: str) -> Path:
    return project.dist / f"orders-1.0-{variant}-python3.13-x86_64.zip"


def names(project: Project, variant: str) -> set[str]:
    with ZipFile(zip_of(project, variant)) as archive:
        found = archive.namelist()
    assert len(found) == len(set(found))
    return set(found)


def build(project: Project, *versions: str) -> list[str]:
    return [
        Path(path).name.split("-")[2] for path in LambdaBuilder(str(project.root)).build(versions=[*versions] or None)
    ]


def failure(project: Project, capsys: pytest.CaptureFixture[str], *versions: str) -> str:
    """Build, make sure that it fails as it has to, and return what was shown."""
    before = project.put_former_zip()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        build(project, *versions)
    assert stopped.value.code == 1
    project.assert_clean_failure(shown := capsys.readouterr().err, before)
    return shown


@pytest.fixture
def project(new_project: NewProject, index: Path) -> Project:
    for name, requires in {"foo": ["common-lib"], "common-lib": [], "bar": ["foo"], "baz": ["common-lib"]}.items():
        make_wheel(index, name, requires=requires)
    project = new_project(TABLES, project=GROUPS, files=FILES)
    project.root.joinpath("scripts/wrapper").chmod(0o755)
    return project


LIB = {path.replace("common-lib", "common_lib") for path in of("common-lib")}


def unpacked(project: Project, function: str, layer: str, folder: Path) -> tuple[Path, Path]:
    """/var/task and /opt."""
    places = folder / "task", folder / "opt"
    for place, variant in zip(places, (function, layer), strict=True):
        with ZipFile(zip_of(project, variant)) as archive:
            archive.extractall(place)
            for info in archive.infolist():
                (place / info.filename).chmod(info.external_attr >> 16 & 0o777)
    return places


class TestTogether:
    def test_what_a_layer_brings_is_in_no_function_and_all_run(
        self, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert build(project) == ["common", "api", "jobs"]

        files = {"bin/wrapper", "lib/libown.so.1"}
        assert names(project, "common") == {*below_python({*FOO, *LIB}), *files}
        assert names(project, "api") == {"orders/__init__.py", "orders/app.py", *DIST_INFO, *of("bar")}
        assert names(project, "jobs") == {"orders/__init__.py", "orders/app.py", *DIST_INFO, *of("baz")}
        task, opt = unpacked(project, "api", "common", tmp_path)
        assert stat.S_IMODE((opt / "bin/wrapper").stat().st_mode) == 0o755
        assert stat.S_IMODE((opt / "lib/libown.so.1").stat().st_mode) == 0o644
        code = (
            f"import sys; sys.path[:0] = {[str(task), str(opt / 'python')]}\n"
            "from importlib.metadata import version\nfrom orders.app import handler\n"
            "print(handler(None, None), version('foo'), version('orders'))"
        )
        ran = [sys.executable, "-I", "-S", "-c", code]
        assert subprocess.run(ran, capture_output=True, text=True, check=True).stdout == "['1.0', '1.0'] 1.0 1.0\n"
        shown = capsys.readouterr().err
        assert "common-python3.13-x86_64.zip: 2 distributions and 2 files below /opt\n" in shown
        assert "api-python3.13-x86_64.zip: the project (2 files) and 1 distribution\n" in shown
        assert "  layers " in shown
        assert "  together " in shown

    def test_the_layer_is_the_same_whoever_is_built_and_nothing_is_resolved_again(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        build(project)
        zips = project.in_dist()
        capsys.readouterr()

        build(project)

        shown = capsys.readouterr().err
        assert "1 download" not in shown
        assert shown.count("Reusing the resolution") == 3
        assert project.in_dist() == zips
        shutil.rmtree(project.root / ".hatch")
        shutil.rmtree(project.dist)
        build(project, "jobs")
        build(project, "common")
        assert project.in_dist() == {name: zips[name] for name in project.in_dist()}
        assert len(project.in_dist()) == 2

    def test_a_change_of_the_layers_files_writes_the_layer_alone(self, project: Project) -> None:
        build(project)
        before = {path: path.stat().st_ino for path in project.dist.iterdir()}
        project.root.joinpath("scripts/wrapper").write_text("#!/bin/sh\n")

        build(project)

        written = {path.name.split("-")[2] for path in project.dist.iterdir() if path.stat().st_ino != before[path]}
        assert written == ({"common"} if os.name != "nt" else {"common", "api", "jobs"})


class TestVersions:
    """One resolution over a layer and all functions that use it."""

    def versions(self, project: Project) -> dict[str, set[str]]:
        return {
            variant: {
                name.split("/")[-2].removesuffix(".dist-info") for name in names(project, variant) if "METADATA" in name
            }
            - {"orders-1.0"}
            for variant in ("common", "api", "jobs")
        }

    def test_a_function_may_ask_for_an_older_version(self, project: Project, index: Path) -> None:
        make_wheel(index, "foo", "2.0")
        make_wheel(index, "bar", "2.0", requires=["foo<2"])
        make_wheel(index, "baz", "2.0", requires=["foo"])

        build(project)

        assert self.versions(project) == {
            "common": {"foo-1.0", "common_lib-1.0"},
            "api": {"bar-2.0"},
            "jobs": {"baz-2.0"},
        }

    def test_functions_may_be_in_conflict_beyond_the_layer(self, project: Project, index: Path) -> None:
        make_wheel(index, "qux", "1.0")
        make_wheel(index, "qux", "2.0")
        make_wheel(index, "bar", "2.0", requires=["qux<2", "foo"])
        make_wheel(index, "baz", "2.0", requires=["qux>=2", "foo"])
        make_wheel(index, "bar", "1.0", requires=["qux<2"])
        make_wheel(index, "baz", "1.0", requires=["qux>=2"])

        build(project)

        assert self.versions(project) == {
            "common": {"foo-1.0", "common_lib-1.0"},
            "api": {"bar-2.0", "qux-1.0"},
            "jobs": {"baz-2.0", "qux-2.0"},
        }

    def test_a_conflict_names_layer_function_and_distribution(
        self, project: Project, index: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, requirement in (("bar", "foo<2"), ("baz", "foo>=2")):
            make_wheel(index, name, "1.0", requires=[requirement])
        make_wheel(index, "foo", "2.0")

        shown = failure(project, capsys, "api")

        assert (
            "The function `api` needs another version of `foo` than its layers have: foo 2.0 in the layer `common`."
            in shown
        )
        assert "bar 1.0 depends on foo<2" in shown
        assert f"`{HOOKS}.functions.api.layers`" in shown


class TestProject:
    """Layers with the project's own packages."""

    def write(self, new_project: NewProject, function: str = "", layer: str = "") -> Project:
        tables = f"""{HOOK}
[{HOOKS}.layers.shared]
project = true
include = ["/shared/"]
{layer}
[{HOOKS}.functions.api]
layers = ["shared"]
handler = "orders.app.handler"
{function}
[tool.hatch.build.targets.wheel]
packages = ["orders", "shared"]
"""
        app = "from shared.words import GREETING\n\ndef handler(event, context):\n    return GREETING\n"
        files = {**PACKAGE, "orders/app.py": app, "shared/__init__.py": "", "shared/words.py": "GREETING = 'hello'\n"}
        return new_project(tables, files=files)

    def test_they_are_below_python_and_not_in_the_function(self, new_project: NewProject) -> None:
        project = self.write(new_project)

        build(project)

        shared = {"shared/__init__.py", "shared/words.py"}
        assert names(project, "shared") == below_python({*shared, *DIST_INFO})
        assert names(project, "api") == {"orders/__init__.py", "orders/app.py", *DIST_INFO}
        with ZipFile(zip_of(project, "api")) as archive:
            assert "shared" not in archive.read("orders-1.0.dist-info/RECORD").decode()

    def test_without_project_what_selects_its_files_is_named(
        self, new_project: NewProject, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project = self.write(new_project, layer='force-include = { "orders/app.py" = "app.py" }\nexclude = ["*.md"]')
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace("project = true", ""))

        build(project, "shared")

        shown = capsys.readouterr().err
        for key in ("include", "force-include"):
            assert f"`{HOOKS}.layers.shared.{key}` has no effect without `project = true`" in shown
        assert f"`*.md` in `{HOOKS}.layers.shared.exclude` matches no file" in shown

    def test_a_package_over_both_stops(self, new_project: NewProject, capsys: pytest.CaptureFixture[str]) -> None:
        project = self.write(new_project, layer='exclude = ["/shared/words.py"]')

        shown = failure(project, capsys, "api")

        assert (
            "orders 1.0 in the function and orders 1.0 in the layer `shared` have modules in the package `shared`"
            in shown
        )
        assert f"`{HOOKS}.functions.api.layers`" in shown

    def test_a_handler_in_the_layer_is_found(self, new_project: NewProject, capsys: pytest.CaptureFixture[str]) -> None:
        project = self.write(new_project, function='include = ["/nothing"]', layer='exclude = ["/nothing"]')
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace('include = ["/shared/"]', ""))

        build(project, "api")

        assert names(project, "api") == {*DIST_INFO}
        path.write_text(path.read_text().replace("orders.app.handler", "orders.app.handle"))
        assert "Did you mean `orders.app.handler`" in failure(project, capsys, "api")


@pytest.mark.skipif(sys.platform != "linux" or RUNNING not in RUNTIMES, reason="no runtime has this interpreter")
@pytest.mark.parametrize("compiled", ["false", "true", '"only"'])
def test_the_runtime_client_runs_function_and_layer(new_project: NewProject, index: Path, compiled: str) -> None:
    make_wheel(index, "foo")
    make_wheel(index, "bar", requires=["foo"], files={"bar.py": "from foo import VERSION\n"})
    tables = f"""{HOOK}compile-bytecode = {compiled}
[{HOOKS}.layers.shared]
project = true
include = ["/shared/"]
dependency-groups = ["shared"]
[{HOOKS}.functions.api]
layers = ["shared"]
dependency-groups = ["api"]
handler = "orders.app.handler"
[tool.hatch.build.targets.wheel]
packages = ["orders", "shared"]
"""
    app = "import bar\nfrom shared.words import said\n\ndef handler(event, context):\n    return said(bar.VERSION)\n"
    words = "def said(text):\n    return [text, said.__code__.co_filename]\n"
    files = {**PACKAGE, "orders/app.py": app, "shared/__init__.py": "", "shared/words.py": words}
    groups = '[dependency-groups]\nshared = ["foo"]\napi = ["bar"]\n'
    project = new_project(tables.replace("python3.13", RUNNING), project=groups, files=files)

    layer, function = map(Path, LambdaBuilder(str(project.root)).build())

    found = [
        sorted(name for name in ZipFile(path).namelist() if name.endswith((".py", ".pyc")))
        for path in (layer, function)
    ]
    assert all(name.startswith(("python/shared/", "python/foo.", "python/__pycache__/foo")) for name in found[0])
    assert all(name.startswith(("orders/", "bar.", "__pycache__/bar")) for name in found[1])
    text, path = answer(function, "orders.app.handler", None, "--layer", layer)
    assert text == "1.0"
    assert path.endswith("/opt/python/shared/words.py")
    assert path.startswith("/opt/") is (compiled == '"only"')  # where there is a source, Python says where it is


class TestNamespaces:
    @pytest.mark.parametrize("init", [None, "", "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"])
    def test_a_package_of_two_distributions_over_both(
        self, project: Project, index: Path, capsys: pytest.CaptureFixture[str], init: str | None
    ) -> None:
        inits = {} if init is None else {"acme/__init__.py": init}
        make_wheel(index, "foo", files={"acme/foo.py": "", "foo.py": "VERSION = 1", **inits})
        make_wheel(index, "bar", files={"acme/bar.py": "", "bar.py": "VERSION = 1", **inits}, requires=["foo"])

        if init == "":
            shown = failure(project, capsys, "api")
            assert "Both bar 1.0 in the function and foo 1.0 in the layer `common` have modules in" in shown
            assert "the package `acme`. Python would import only those of bar 1.0" in shown
        else:
            assert build(project, "api") == ["api"]


class TestLibraries:
    """Those that the audit finds in layers."""

    def needing(self, index: Path, name: str, library: str) -> None:
        tag = "cp313-cp313-manylinux_2_17_x86_64"
        make_wheel(index, name, tag=tag, files={f"{name}.so": make_elf(needed=[library]), f"{name}.py": ""})

    @pytest.mark.parametrize("name", ["foo", "bar"])
    def test_what_is_in_lib_is_found_for_layer_and_function(self, project: Project, index: Path, name: str) -> None:
        for wheel in index.glob(f"{name}-*"):
            wheel.unlink()
        self.needing(index, name, "libown.so.1")
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace('handler = "orders.app.handler"', ""))

        assert build(project, "api", "common") == ["api", "common"]

    def test_elsewhere_in_the_layer_it_is_not(
        self, project: Project, index: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for wheel in index.glob("bar-*"):
            wheel.unlink()
        self.needing(index, "bar", "libown.so.1")
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace('"native" = "lib"', '"native" = "extensions"'))

        assert "bar.so" in failure(project, capsys, "api")

    def test_machine_code_of_files_is_checked(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        project.root.joinpath("native/libown.so.1").write_bytes(make_elf(machine="aarch64"))

        shown = failure(project, capsys, "common")

        assert "files-of-common" in shown
        assert "lib/libown.so.1" in shown


def set_files(project: Project, files: Mapping[str, str]) -> None:
    path = project.root / "pyproject.toml"
    line = next(line for line in path.read_text().splitlines() if line.startswith("files = "))
    pairs = ", ".join(f'"{source}" = "{place}"' for source, place in files.items())
    path.write_text(path.read_text().replace(line, f"files = {{ {pairs} }}"))


def test_files_that_often_hold_secrets_are_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.root.joinpath("native/deploy.pem").touch()

    build(project, "common")

    assert (
        "these files often hold secrets, and anyone with the zip can read them: lib/deploy.pem"
        in capsys.readouterr().err
    )


def test_an_empty_layer_is_named(new_project: NewProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(new_project(f"{HOOK}[{HOOKS}.layers.common]\n"))

    assert "the zip is empty, and Lambda accepts no empty layer" in capsys.readouterr().err


def test_an_old_runtime_is_named_once(new_project: NewProject, capsys: pytest.CaptureFixture[str]) -> None:
    tables = "".join(f"[{HOOKS}.functions.{name}]\n" for name in ("api", "worker"))
    build(new_project(HOOK.replace("python3.13", "python3.9") + tables))

    # and once more at the end, as all warnings
    assert capsys.readouterr().err.count("Warning: python3.9 reached end of support") == 2


class TestFaults:
    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({"missing.sh": "bin/x"}, "names `missing.sh`, but no such file exists: "),
            ({"../outside.sh": "bin/x"}, "names `../outside.sh`, which leads out of the project: "),
            ({"link.sh": "bin/x"}, "names `link.sh`, which leads out of the project: "),
            ({"linked": "bin"}, "names `linked`, which leads out of the project: "),
            (
                {"native": "lib", "scripts/wrapper": "lib/libown.so.1"},
                "which would be at `lib/libown.so.1`, as another",
            ),
            ({"native": "lib/x", "scripts/wrapper": "lib"}, "has `lib` as a file and as a directory of the layer"),
            (
                {"scripts/wrapper": "/opt/bin/x"},
                "for `/opt/bin/x`, which must be a path in the layer, as in `bin/wrapper`",
            ),
            ({"scripts/wrapper": "../x"}, "for `../x`, which must be a path in the layer"),
            ({"scripts/wrapper": "python/foo.py"}, "puts a file at `python/foo.py`, which foo 1.0 has as a file"),
            ({"scripts/wrapper": "python"}, "puts a file at `python`, which is a directory of the layer"),
            ({"scripts/wrapper": "python/foo.py/x"}, "puts a file at `python/foo.py/x`, which foo 1.0 has as a file"),
        ],
    )
    def test_of_files(
        self, project: Project, capsys: pytest.CaptureFixture[str], files: Mapping[str, str], words: str
    ) -> None:
        outside = project.root.parent / "outside.sh"
        outside.touch()
        project.root.joinpath("link.sh").symlink_to(outside)
        project.root.joinpath("linked").mkdir()
        project.root.joinpath("linked/folder").symlink_to(project.root.parent)
        set_files(project, files)

        shown = failure(project, capsys, "common")

        assert f"Field `{HOOKS}.layers.common.files` {words}" in shown or words in shown

    def test_a_file_may_go_into_a_directory(self, project: Project) -> None:
        set_files(project, {"scripts/wrapper": "bin/", "native": "."})

        build(project, "common")

        assert {"bin/wrapper", "libown.so.1"} <= names(project, "common")

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            (
                'layers = ["common"]',
                'layers = ["comon"]',
                "`comon`, and the project has no such layer; it has `common`",
            ),
            (
                'layers = ["common"]',
                'layers = ["a", "b", "c", "d", "e", "f"]',
                "must be a list of at most 5 different names",
            ),
            ('layers = ["common"]', 'layers = ["common", "common"]', "must be a list of at most 5 different names"),
            ('layers = ["common"]', 'layers = "common"', "must be a list of strings"),
            (
                'layers = ["common"]',
                'layers = ["common"]\narchitecture = "arm64"',
                "names `common`, which is for python3.13-x86_64; the function is for python3.13-arm64",
            ),
            ("layers.common]", "layers.api]", "layers` has the invalid name 'api': a function has it"),
            ("layers.common]", "layers.code]", "layers` has the invalid name 'code'"),
            (
                "layers.common]",
                'layers.common]\nhandler = "a.b"',
                "Unknown field `tool.hatch.build.hooks.lambda.layers.common.handler`",
            ),
            (
                "layers.common]",
                "layers.common]\nlayers = []",
                "Unknown field `tool.hatch.build.hooks.lambda.layers.common.layers`",
            ),
            ("layers.common]", 'layers.common]\nproject = "yes"', "layers.common.project` must be a boolean"),
        ],
    )
    def test_of_tables(
        self, project: Project, capsys: pytest.CaptureFixture[str], before: str, after: str, words: str
    ) -> None:
        path = project.root / "pyproject.toml"
        path.write_text(path.read_text().replace(before, after, 1))

        assert words in failure(project, capsys)

    def test_of_size_count_function_and_layers(
        self, project: Project, index: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        large = b"".join(os.urandom(700) + bytes(65_536) for _ in range(2_100))
        make_wheel(index, "foo", files={"foo.py": "VERSION = 1", "foo.bin": large})
        make_wheel(index, "bar", files={"bar.py": "VERSION = 1", "bar.bin": large})

        shown = failure(project, capsys, "api")

        assert "The function and its layers together would have 265." in shown
        assert "function 132.7 MB, layer common 132.7 MB" in shown


def test_layers_of_a_function_must_agree_on_files(
    new_project: NewProject, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, "foo")
    tables = "".join(f'[{HOOKS}.layers.{name}]\nfiles = {{ "{name}.sh" = "bin/run" }}\n' for name in ("one", "two"))
    project = new_project(
        f'{HOOK}{tables}[{HOOKS}.functions.api]\nlayers = ["one", "two"]\n',
        project='dependencies = ["foo"]',
        files={**PACKAGE, "one.sh": "1", "two.sh": "2"},
    )

    shown = failure(project, capsys, "api")

    assert "files-of-one and files-of-two both have a file `bin/run`, with different content" in shown
    project.root.joinpath("two.sh").write_text("1")
    assert build(project) == ["one", "two", "api"]
    assert names(project, "api") == {*PACKAGE, *DIST_INFO}
