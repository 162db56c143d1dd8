"""Local projects of setuptools and others are built where they are, and look the same afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from tests.support.leftovers import has_ended
from tests.support.packages import make_source_tree, make_wheel
from tests.support.projects import HOOK
from tests.support.situation import HERE, REUSED, files_in, request_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.projects import NewProject
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]

SETUP = 'from setuptools import setup, find_packages\nsetup(name="lib", version="1.0", include_package_data=True, {})\n'
FLAT = SETUP.format("packages=find_packages()")
SRC = SETUP.format('packages=find_packages("src"), package_dir={"": "src"}')
BACKEND = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
WRAPPED = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "wrapping"\nbackend-path = ["."]\n'
PACKAGE = {"lib/__init__.py": "", "lib/old.py": "", "lib/data.txt": "", "MANIFEST.in": "graft .\n"}

# Leaves behind what setuptools used to, wherever one asks it not to.
LITTERING = """
import pathlib
from backend import *
from backend import build_wheel as build, prepare_metadata_for_build_wheel as prepare, make_wheel


def prepare_metadata_for_build_wheel(*arguments):
    pathlib.Path("lib.egg-info").mkdir()
    return prepare(*arguments)


def build_wheel(directory, *_):
    build = pathlib.Path("build")
    build.mkdir(exist_ok=True)
    for path in pathlib.Path("lib").glob("*.py"):
        (build / path.name).write_bytes(path.read_bytes())
    files = {f"lib/{path.name}": path.read_text() for path in build.iterdir()}
    return make_wheel(pathlib.Path(directory), "lib", files=files).name
"""


@pytest.fixture(autouse=True)
def _setuptools_of_these_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def everything_in(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def modules(bundle: Bundle) -> set[str]:
    return {name.removeprefix("lib/") for name in files_in(bundle.directory) if name.startswith("lib/")}


LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "flat": ("", {"setup.py": FLAT, "pyproject.toml": BACKEND, **PACKAGE}),
    "src": ("src/", {"setup.py": SRC, "pyproject.toml": BACKEND, **{f"src/{name}": PACKAGE[name] for name in PACKAGE}}),
    "without a backend's name": ("", {"setup.py": FLAT, "pyproject.toml": "[tool.x]\n", **PACKAGE}),
    "a backend around it": (
        "",
        {
            "setup.py": FLAT,
            "pyproject.toml": WRAPPED,
            "wrapping.py": "from setuptools.build_meta import *\n",
            **PACKAGE,
        },
    ),
}


class TestARenamedModule:
    @pytest.mark.parametrize(("layout", "is_built_before"), [(layout, layout != "src") for layout in LAYOUTS])
    def test_it_is_not_packaged_under_its_former_name(
        self, layout: str, tmp_path: Path, bundle_with_state: BundleOf, *, is_built_before: bool
    ) -> None:
        top, files = LAYOUTS[layout]
        tree = write(tmp_path / "my libs" / "lib", files)
        if is_built_before:  # by its developer, or else by us
            script = [sys.executable, "setup.py", "-q", "build"]
            subprocess.run(script, cwd=tree, check=True, capture_output=True)
            assert (tree / "build/lib/lib/old.py").is_file()
        else:
            before = everything_in(tree)
            assert {"old.py", "__init__.py"} <= modules(bundle_with_state(f"lib @ {tree.as_uri()}", runtime=HERE))
            assert everything_in(tree) == before

        (tree / top / "lib/old.py").rename(tree / top / "lib/new.py")
        before = everything_in(tree)
        found = modules(bundle_with_state(f"lib @ {tree.as_uri()}", runtime=HERE))

        assert {"new.py", "old.py", "__init__.py"} & found == {"new.py", "__init__.py"}
        assert everything_in(tree) == before

    @pytest.mark.parametrize("line", ["-e ../lib", "lib @ file://{}/../repository#subdirectory=libs/lib"])
    def test_however_the_project_is_named(
        self, line: str, tmp_path: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        place = "repository/libs/lib" if "subdirectory" in line else "lib"
        tree = write(tmp_path / place, LAYOUTS["flat"][1])
        write(project_root, {"requirements.txt": line.format(project_root) + "\n"})
        before = everything_in(tree)
        bundle_with_state(requirements=["requirements.txt"], runtime=HERE)
        assert everything_in(tree) == before
        (tree / "lib/old.py").rename(tree / "lib/new.py")

        bundle = bundle_with_state(requirements=["requirements.txt"], runtime=HERE)

        assert {"new.py", "old.py"} & modules(bundle) == {"new.py"}

    def test_what_any_backend_leaves_in_the_usual_places_is_removed(
        self, tmp_path: Path, bundle_with_state: BundleOf
    ) -> None:
        tree = make_source_tree(tmp_path / "lib", "lib")
        pyproject = (tree / "pyproject.toml").read_text(encoding="utf-8")
        write(tree, {"pyproject.toml": pyproject.replace('"backend"', '"littering"'), "littering.py": LITTERING})
        write(tree, {"lib/old.py": "", "lib/__pycache__/old.pyc": ""})
        before = everything_in(tree)
        assert modules(bundle_with_state(f"lib @ {tree.as_uri()}", runtime=HERE)) == {"old.py"}
        assert everything_in(tree) == before
        (tree / "lib/old.py").rename(tree / "lib/new.py")

        assert modules(bundle_with_state(f"lib @ {tree.as_uri()}", runtime=HERE)) == {"new.py"}


def test_a_build_sees_the_repository_and_what_lies_next_to_the_project(
    tmp_path: Path, bundle_with_state: BundleOf
) -> None:
    """As setuptools-scm and `force-include` need it."""
    script = (
        "import pathlib, subprocess\n"
        'version = subprocess.check_output(["git", "describe", "--tags", "--dirty"], text=True).strip()\n'
        'text = pathlib.Path("../shared.txt").read_text()\n'
        'pathlib.Path("lib/shared.txt").write_text(text)\n'
    )
    setup = (
        'from setuptools import setup\nsetup(name="lib", version=version, packages=["lib"], '
        'package_data={"lib": ["*.txt"]})\n'
    )
    repository = write(
        tmp_path / "repository", {"shared.txt": "shared", ".gitignore": "lib/lib/*\n!lib/lib/__init__.py"}
    )
    tree = write(repository / "lib", {"setup.py": script + setup, "lib/__init__.py": "", "lib/generated.py": ""})
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"], ["tag", "2.5"]):
        who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=repository, check=True)

    bundle = bundle_with_state(f"lib @ {tree.as_uri()}", runtime=HERE)

    assert bundle.distributions == ("lib 2.5",)
    assert modules(bundle) == {"__init__.py", "generated.py", "shared.txt"}


@pytest.mark.slow
def test_it_is_built_once_for_all_functions_of_one_build(
    index: Path, tmp_path: Path, project_root: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILT", str(tmp_path / "built"))
    count = 'import os, sys\nif "bdist_wheel" in sys.argv:\n    open(os.environ["BUILT"], "a").write("x")\n'
    tree = write(tmp_path / "lib", {**LAYOUTS["flat"][1], "setup.py": count + FLAT})
    make_wheel(index, "foo")

    def build(name: str) -> str:
        for requirements in ([], ["foo"]):
            table = {"runtime": HERE, "build-directory": f".hatch/{len(requirements)}"}
            request = request_for(project_root, [f"lib @ {tree.as_uri()}", *requirements], table)
            pipeline.run(request._replace(build=name, anew=True, state=None), Reporter(ui))
        return (tmp_path / "built").read_text(encoding="utf-8")

    assert build("first") == "x"
    assert build("second") == "xx", "a backend may look at more than the project"


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_what_a_backend_leaves_running_is_ended(tmp_path: Path, bundle_of: BundleOf) -> None:
    backend = """
import subprocess
from backend import *
from backend import build_wheel as build, prepare_metadata_for_build_wheel as prepare


def leave(how):
    name = f"{pathlib.Path.cwd()}-processes"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    open(name, "a").write(f"{subprocess.Popen(['sleep', '600'], **quiet, **how).pid} ")


def prepare_metadata_for_build_wheel(*arguments):
    leave({})
    return prepare(*arguments)


def build_wheel(*arguments):
    leave({"start_new_session": True})
    return build(*arguments)
"""
    tree = make_source_tree(tmp_path / "lib", "lib")
    pyproject = (tree / "pyproject.toml").read_text(encoding="utf-8")
    write(tree, {"pyproject.toml": pyproject.replace('"backend"', '"leaving"'), "leaving.py": backend})

    bundle_of(f"lib @ {tree.as_uri()}", runtime=HERE)

    pids = (tmp_path / "lib-processes").read_text(encoding="utf-8").split()
    assert len(pids) == 3, "metadata is made twice"
    assert all(has_ended(int(pid)) for pid in pids)


class TestLinks:
    def test_an_edit_in_a_linked_package_reaches_the_bundle(
        self, tmp_path: Path, bundle_with_state: BundleOf, ui: RecordingUI
    ) -> None:
        tree = write(tmp_path / "lib", {"setup.py": FLAT, "pyproject.toml": BACKEND})
        write(tmp_path / "shared", {"lib/__init__.py": "X = 1\n"})
        (tree / "lib").symlink_to(tmp_path / "shared/lib")
        (tree / "loop").symlink_to(tree)
        (tree / ".#lock").symlink_to("me@nowhere")
        os.mkfifo(tree / "pipe")
        requirement = f"lib @ {tree.as_uri()}"
        bundle_with_state(requirement, runtime=HERE)
        bundle_with_state(requirement, runtime=HERE)
        assert len(REUSED.findall(ui.text)) == 1

        write(tmp_path / "shared", {"lib/__init__.py": "X = 2\n"})
        bundle = bundle_with_state(requirement, runtime=HERE)

        assert files_in(bundle.directory)["lib/__init__.py"] == b"X = 2\n"

    def test_so_does_an_edit_in_a_subdirectory_of_a_repository(
        self, tmp_path: Path, bundle_with_state: BundleOf
    ) -> None:
        write(tmp_path / "repository/lib", {"setup.py": FLAT, "pyproject.toml": BACKEND, "lib/__init__.py": "X = 1\n"})
        requirement = f"lib @ {(tmp_path / 'repository').as_uri()}#subdirectory=lib"
        bundle_with_state(requirement, runtime=HERE)

        write(tmp_path / "repository/lib", {"lib/__init__.py": "X = 2\n"})
        bundle = bundle_with_state(requirement, runtime=HERE)

        assert files_in(bundle.directory)["lib/__init__.py"] == b"X = 2\n"


def test_a_whole_build_of_several_functions_builds_it_once(
    index: Path, tmp_path: Path, new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILT", str(tmp_path / "built"))
    count = 'import os, sys\nif "bdist_wheel" in sys.argv:\n    open(os.environ["BUILT"], "a").write("x")\n'
    tree = write(tmp_path / "lib", {**LAYOUTS["flat"][1], "setup.py": count + FLAT})
    make_wheel(index, "foo")
    functions = f'{HOOK.replace("python3.13", HERE)}functions.api = {{}}\nfunctions.worker = {{extras = ["more"]}}\n'
    project = new_project(
        functions,
        project=f'dependencies = ["lib @ {tree.as_uri()}"]\noptional-dependencies.more = ["foo"]\n\n'
        "[tool.hatch.metadata]\nallow-direct-references = true\n",
    )

    for number in (1, 2):
        project.build("-c", "-t", "lambda")
        assert (tmp_path / "built").read_text(encoding="utf-8") == "x" * number
    assert len(list(project.dist.glob("*.zip"))) == 2
