"""Locks that the real tools write and export. uv is in the environment of the tests, the others get their own."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.resolve.lock.export import load
from hatch_lambda.resolve.lock.read import LockFileError
from hatch_lambda.resolve.lock.select import select
from tests.support.locked_projects import OFFERS, LockedProject, serve_repository
from tests.support.locks import distributions
from tests.support.package_index import PackageIndex
from tests.support.situation import HERE, files_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_lambda.config.request import Request
    from tests.support.recording_ui import RecordingUI

    Find = Callable[[str], Path]

# What to install. Poetry, PDM and Pipenv are too many distributions for the environment of the tests.
TOOLS = {
    "poetry": ["poetry", "poetry-plugin-export"],
    "pdm": ["pdm", "hishel<2"],  # 2.29 does not work with 2.0
    "pipenv": ["pipenv"],
}
LOCK = {
    "uv": ["lock"],
    "poetry": ["lock", "--no-interaction"],
    "pdm": ["lock", "--group=:all"],
    "pipenv": ["lock"],
}
TWO_TARGETS = [[*LOCK["pdm"], "--python=>=3.10,<3.12"], [*LOCK["pdm"], "--append", "--python=>=3.12,<4"]]
ALWAYS = {"plain 1.0", "leaf 1.0", "native 1.0", "pathlib1", "gitlib"}


@pytest.fixture(scope="session")
def tool_of(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """The path of a tool, installed once in a session."""
    installed: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name == "uv":
            return Path(sys.executable).with_name("uv")
        if name not in installed:
            folder = tmp_path_factory.mktemp("tool") / name
            uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
            assert uv
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
            python = str(folder / "bin/python")
            subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *TOOLS[name]], check=True)
            installed[name] = folder / "bin" / name
        return installed[name]

    return find


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(OFFERS) as index:
        serve_repository(index, tmp_path_factory.mktemp("repository"))
        yield index


@pytest.fixture(scope="session")
def written() -> dict[object, bytes]:
    """The locks that the tools have written in this session."""
    return {}


@pytest.fixture
def project(
    request: pytest.FixtureRequest,
    tool_of: Find,
    project_root: Path,
    served: PackageIndex,
    written: dict[object, bytes],
) -> LockedProject:
    """A project that a tool has locked, which is on PATH."""
    name, targets = getattr(request, "param", ("uv", False))
    program = tool_of(name)
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UV_CACHE_DIR", str(project_root.parent / "uv-cache"))
    request.getfixturevalue("only_index")(served.urls[0])
    made = LockedProject(project_root, name, str(program), served, targets)
    made.write()
    lock = project_root / made.lock_file
    if (name, targets) in written:
        lock.write_bytes(written[name, targets])
        return made
    for command in TWO_TARGETS if targets else [LOCK[name]]:
        made.run(*command)
    for left in (".pdm-python", "__pypackages__", ".venv"):  # by locking
        shutil.rmtree(project_root / left, ignore_errors=True)
        (project_root / left).unlink(missing_ok=True)
    written[name, targets] = lock.read_bytes()
    return made


def request_of(project: LockedProject, runtime: str, architecture: str, more: str = "") -> Request:
    """`more`: lines of the hook's table."""
    pyproject = project.root / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    setting = f'runtime = "{runtime}"\narchitecture = "{architecture}"\n{more}\nlock-file'
    pyproject.write_text(re.sub(r"(?s)\nruntime = .*?\nlock-file", f"\n{setting}", text), encoding="utf-8")
    builder = LambdaBuilder(str(project.root))
    return builder.current.requests.of("function")


def locked_for(project: LockedProject, runtime: str, architecture: str, more: str = "") -> set[str]:
    settings = request_of(project, runtime, architecture, more).settings
    assert settings.lock_file
    return {str(each) for each in select(load(settings.lock_file, settings))}


def with_index(name: str, *, targets: bool = False) -> object:
    return pytest.param((name, targets), marks=[] if name == "uv" else pytest.mark.index, id=name)


EACH = [with_index(name) for name in LOCK]


class TestRealTools:
    @pytest.mark.parametrize("project", EACH, indirect=True)
    def test_what_they_lock_is_packaged(self, project: LockedProject, ui: RecordingUI) -> None:
        new = set() if project.tool == "pdm" else {"fork 2.0"}
        old = {"pdm": set(), "pipenv": {"fork 2.0"}}.get(project.tool, {"fork 1.0"})
        armed = set() if project.tool == "pipenv" else {"armed 1.0"}

        def of(found: set[str]) -> set[str]:
            """Not all of them say the version of what does not come from an index."""
            return {re.sub(r"^(gitlib|pathlib1) .*", r"\1", each) for each in found}

        before = files_in(project.root)
        request = request_of(project, "python3.13", "x86_64")
        before["pyproject.toml"] = (project.root / "pyproject.toml").read_bytes()
        bundle = pipeline.run(request, Reporter(ui))
        after = {path: content for path, content in files_in(project.root).items() if not path.startswith(".hatch/")}
        assert after == before
        assert of(distributions(bundle)) == ALWAYS | new
        assert "nothing that is packaged requires it" not in ui.text

        extras = "" if project.tool == "pipenv" else 'extras = ["api"]\n'
        groups = 'dependency-groups = ["worker"]\n'
        api = {"apilib 1.0"} if extras else set()
        assert of(locked_for(project, "python3.11", "arm64", extras + groups)) == (
            ALWAYS | old | armed | api | {"joblib 1.0"}
        )
        assert of(locked_for(project, "python3.13", "arm64")) == ALWAYS | new | armed
        assert of(locked_for(project, "python3.11", "x86_64", extras)) == ALWAYS | old | api

    @pytest.mark.parametrize("project", [with_index("pdm", targets=True)], indirect=True)
    def test_targets_of_pdm(self, project: LockedProject) -> None:
        locked = {"plain 1.0", "leaf 1.0", "native 1.0", "pathlib1"}
        assert locked_for(project, "python3.11", "x86_64") == locked | {"fork 1.0"}
        assert locked_for(project, "python3.13", "arm64") == locked | {"fork 2.0", "armed 1.0"}

    @pytest.mark.parametrize("project", EACH, indirect=True)
    def test_an_outdated_lock(self, project: LockedProject) -> None:
        declares = project.root / ("Pipfile" if project.tool == "pipenv" else "pyproject.toml")
        text = declares.read_text(encoding="utf-8")
        declares.write_text(text.replace("devtool", "joblib"), encoding="utf-8")
        with pytest.raises(LockFileError) as caught:
            locked_for(project, "python3.13", "x86_64")
        message = str(caught.value)
        assert message.startswith(
            f"{project.lock_file} {'cannot be exported' if project.tool == 'poetry' else 'is outdated'}"
        )
        assert f"`{project.tool} lock`" in message or f"\n  {project.tool} lock" in message


def test_the_member_of_a_workspace_of_uv(project: LockedProject, project_root: Path) -> None:
    member = project_root / "members/api"
    member.mkdir(parents=True)
    head = project.root.joinpath("pyproject.toml").read_text(encoding="utf-8").partition("[dependency-groups]")[0]
    text = re.sub(r"dependencies = .*", 'dependencies = ["fork", "orders"]', head.replace('"orders"', '"api"', 1))
    hook = '[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\nlock-file = "../../uv.lock"\n'
    sources = "[tool.uv.sources]\norders = { workspace = true }\n"
    (member / "api.py").touch()
    (member / "pyproject.toml").write_text(f"{text}\n{hook}{sources}", encoding="utf-8")
    with project_root.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write('[tool.uv.workspace]\nmembers = ["members/*"]\n')
    project.run("lock")

    locked = locked_for(dataclasses.replace(project, root=member), "python3.13", "x86_64")

    assert {name.partition(" ")[0] for name in locked} == {
        *("fork", "orders", "plain", "leaf", "native", "pathlib1", "gitlib")
    }


def test_uv_itself_would_install_the_same(project: LockedProject) -> None:
    project.run("export", "--quiet", "--format=requirements.txt", "--no-dev", "--no-emit-project", "-o", "all.txt")
    for runtime, architecture in (("3.11", "aarch64"), ("3.13", "x86_64")):
        ended = subprocess.run(
            [
                *(project.program, "pip", "install", "--dry-run", "--target", "anywhere", "-r", "all.txt"),
                *("--python-version", runtime, "--python-platform", f"{architecture}-manylinux_2_28"),
                *("--index-url", project.index.urls[0]),
            ],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        theirs = set(re.findall(r"^ \+ ([\w.-]+)==", ended.stderr, re.MULTILINE)) | set(
            re.findall(r"^ \+ ([\w.-]+) ?[=@]", ended.stderr, re.MULTILINE)
        )
        ours = locked_for(project, f"python{runtime}", "arm64" if architecture == "aarch64" else architecture)
        assert {name.partition(" ")[0] for name in ours} == theirs


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="the runtimes are Linux on x86_64"
)
@pytest.mark.parametrize("project", [with_index("poetry"), with_index("pdm")], indirect=True)
def test_they_themselves_would_install_the_same_here(project: LockedProject) -> None:
    options = {"poetry": ["install", "--only=main", "--no-root"], "pdm": ["sync", "--prod", "--no-self"]}
    shown = project.run(*options[project.tool], "--dry-run")
    theirs = set(re.findall(r"^ *- (?:Installing )?([\w-]+) (?!.*Skipped)", shown, re.MULTILINE))
    ours = locked_for(project, HERE, "x86_64")
    assert {name.partition(" ")[0] for name in ours} == theirs, shown
