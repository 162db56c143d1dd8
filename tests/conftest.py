"""What all tests share: an environment without the outside world, and an index in a folder."""

from __future__ import annotations

import functools
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from platformdirs import user_cache_path

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from tests.support.example_project import build_example
from tests.support.fork_server import ForkingPopen, ForkServer
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, NewProject, Project, write_project
from tests.support.recording_ui import RecordingUI
from tests.support.simple_index import SimpleIndex
from tests.support.situation import Situation, defaults, request_for
from tests.support.skips import pytest_runtest_makereport  # noqa: F401 - a hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_lambda.bundle.files import Bundle
    from tests.support.example_project import BuiltExample


AMBIENT = dict(os.environ)
"""The environment that the tests were started in."""

OnlyIndex: TypeAlias = "Callable[..., None]"

# By these the logs of CI are folded, and have lines for that.
CONTINUOUS_INTEGRATION = frozenset({"CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE"})


# Who asks for one of these builds something whole, compiles or talks to an index of its own.
WHOLE = frozenset(
    {"bundle_of", "bundle_with_state", "compiler", "new_project", "project", "project_of", "scene", "serve"}
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`: one more than there are cores, since many tests wait for a process."""
    return (os.cpu_count() or 1) + 1 if config.option.numprocesses == "auto" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what builds, and have the slowest begin first, so that no process is left alone with one."""
    for item in items:
        if not WHOLE.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(key=_speed)


def _speed(item: pytest.Item) -> int:
    """Of three: with real processes or the real index, with whole builds, without."""
    marks = {mark.name for mark in item.iter_markers()}
    return 0 if marks & {"index", "real_processes"} else 1 if "slow" in marks else 2


@pytest.fixture(scope="session")
def _fork_server() -> Iterator[ForkServer]:
    with ForkServer(AMBIENT) as server:
        yield server


@pytest.fixture(autouse=True)
def _forks_instead_of_starts(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _fork_server: ForkServer
) -> None:
    """Builds and pips of this Python are forked, unless a test is marked with `real_processes`."""
    mark = request.node.get_closest_marker("real_processes")
    asked_for = mark is not None and mark.kwargs.get("needed", True)  # a test may differ from its module
    if os.name == "posix" and "REAL_PROCESSES" not in AMBIENT and not asked_for:
        monkeypatch.setattr(ForkingPopen, "server", _fork_server)
        monkeypatch.setattr(subprocess, "Popen", ForkingPopen)


@pytest.fixture(autouse=True)
def _no_ambient_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only tests that are marked to need the index get the machine's own settings of pip and uv."""
    for name in list(os.environ):
        if name.startswith(("HATCH_", "SOURCE_DATE_EPOCH")) or name in CONTINUOUS_INTEGRATION:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(tmp_path / "lambda-cache"))
    if "zig" not in request.fixturenames:  # what builds do without it is the same on every machine
        monkeypatch.setitem(sys.modules, "ziglang", None)
    if request.node.get_closest_marker("index"):
        return
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HATCH_LAMBDA_PYTHON", sys.executable)  # any runtime's would be looked for, and cannot be forked
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # `--isolated` still reads the machine's file
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("TMPDIR", str(_folder(tmp_path / "tmp")))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it remembers what TMPDIR was before


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def zig(tmp_path: Path) -> None:
    """Builds may use the cross compiler; what it compiles once, such as libc++, is kept between runs."""
    shared = user_cache_path("hatch-lambda-tests", appauthor=False) / "compilers"
    shared.mkdir(parents=True, exist_ok=True)
    _folder(tmp_path / "lambda-cache").joinpath("compilers").symlink_to(shared)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """Of those that fetch from an index in this process."""
    before = {*threading.enumerate()}
    yield
    ours = [thread for thread in {*threading.enumerate()} - before if "_work" in thread.name]
    for thread in ours:
        thread.join(5)
    stacks = sys._current_frames()
    assert [traceback.format_stack(stacks[thread.ident]) for thread in ours if thread.ident in stacks] == []


@pytest.fixture
def python_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have builds look for the Python of the runtime, as they do by default."""
    monkeypatch.delenv("HATCH_LAMBDA_PYTHON")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels and sdists: all that pip finds."""
    folder = _folder(tmp_path / "index")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(scope="session")
def built_example(tmp_path_factory: pytest.TempPathFactory) -> BuiltExample:
    """`built_example("python3.13", "arm64")`: the example's zip for it, or for what its table says.

    Each is built once in a session, over one cache; what its table does not say, without the lock.
    """
    cache = tmp_path_factory.mktemp("example-cache")

    @functools.cache
    def build(runtime: str = "", architecture: str = "") -> Path:
        environment = {"HATCH_LAMBDA_RUNTIME": runtime, "HATCH_LAMBDA_ARCHITECTURE": architecture}
        if runtime:  # else the sdist is built by the table's Python
            environment["HATCH_LAMBDA_PYTHON"] = sys.executable
        return build_example(
            tmp_path_factory.mktemp("example"),
            locked=not runtime,
            HATCH_LAMBDA_CACHE_DIR=str(cache),
            **{name: value for name, value in environment.items() if value},
        )

    return build


@pytest.fixture
def new_project(project_root: Path) -> NewProject:
    """Write a project. `tool`: the tables below `[tool]`; `project`: further lines of the `[project]` table."""

    def write(tool: str = HOOK, *, project: str = "", files: Mapping[str, str | bytes] = PACKAGE) -> Project:
        return write_project(project_root, tool, project, files)

    return write


@pytest.fixture
def ui() -> RecordingUI:
    return RecordingUI()


@pytest.fixture
def project_root(tmp_path: Path) -> Path:
    return _folder(tmp_path / "project")


@pytest.fixture
def bundle_of(index: Path, project_root: Path, ui: RecordingUI) -> Callable[..., Bundle]:
    """`bundle_of("foo>=1", runtime=…, architecture=…, …)`: run the nine stages over the local index."""
    del index

    def run(*requirements: str, verbose: bool = False, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load({**defaults(), **table}, project_root, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements)
        return pipeline.run(request, Reporter(ui, verbose=verbose))

    return run


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put a `cc` first on PATH that "compiles" to given bytes; builds see no other one."""

    def install(output: bytes) -> None:
        folder = _folder(tmp_path / "compiler")
        (folder / "output").write_bytes(output)
        program = folder / "cc"
        program.write_text(f'#!/bin/sh\ncp "{folder / "output"}" "$2"\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CC", raising=False)

    return install


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are found as before, except compilers."""
    folder = _folder(tmp_path / "no-compiler")
    is_compiler = re.compile(r"(.*-)?(cc|gcc|g\+\+|c\+\+|clang|clang\+\+|c89|c99|tcc|zig)(-[\d.]+)?")
    for path in filter(None, os.environ["PATH"].split(os.pathsep)):
        for program in Path(path).iterdir() if Path(path).is_dir() else ():
            if not is_compiler.fullmatch(program.name) and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> type[SimpleIndex]:
    """Indexes by HTTP, for a pip that may use them."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/nobody-here")  # whoever forgets to name one
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return SimpleIndex


@pytest.fixture
def only_index(monkeypatch: pytest.MonkeyPatch) -> OnlyIndex:
    """Configure pip plainly: with these indexes (by default as the machine has it) and nothing else.

    With more than indexes in pip's configuration (a machine's own may have find-links folders, constraints and further
    indexes) all would rightly be left to pip.
    """

    def configure(*urls: str) -> None:
        kept = set() if urls else {"PIP_INDEX_URL", "PIP_CERT"}
        for name in list(os.environ):
            if (name.startswith("PIP_") and name not in kept) or (urls and name.lower().endswith("_proxy")):
                monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        if urls:
            monkeypatch.setenv("PIP_INDEX_URL", urls[0])
            monkeypatch.setenv("PIP_EXTRA_INDEX_URL", " ".join(urls[1:]))

    return configure


@pytest.fixture
def bundle_with_state(index: Path, project_root: Path, ui: RecordingUI) -> Callable[..., Bundle]:
    """As conftest's `bundle_of`, with the real pip, and with what earlier builds have left."""
    del index

    def run(*requirements: str, root: Path = project_root, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        return pipeline.run(request_for(root, requirements, table), Reporter(ui))

    return run


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, whatever starts a program or asks the network fails."""

    def refuse(*args: object, **_: object) -> None:
        pytest.fail(f"started or asked: {args}")

    def forbid() -> None:
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)

    return forbid


@pytest.fixture
def situation(project_root: Path, tmp_path: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Situation:
    return Situation(project_root, tmp_path, ui, monkeypatch, [make_wheel(tmp_path / "wheels", "foo")])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "lambda-cache"


@pytest.fixture
def laid_out(situation: Situation) -> Situation:
    """A bundle of two distributions, one of them with a program and an empty file."""
    situation.wheels = [
        make_wheel(
            situation.tmp / "wheels",
            "bar",
            files={"bar/__init__.py": "", "bar/data.txt": "1234\n", "bar/run": "#!/bin/sh\n"},
            executables=["bar/run"],
        ),
        make_wheel(situation.tmp / "wheels", "foo", files={"foo/__init__.py": "", "foo/a.py": "A = 1\n"}),
    ]
    situation.build()
    return situation
