"""Files of the project that must not, or cannot, get into an archive."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.packages import make_wheel
from tests.support.projects import DIST_INFO, FOO, HOOK, PACKAGE, SDIST, WHEEL, NewProject, Project
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs and links")


@pytest.mark.parametrize(
    ("directory", "selection"),
    [
        pytest.param("orders/_build", "", id="in the package"),
        pytest.param("build/lambda", 'include = ["/build", "/orders"]', id="below a selected directory"),
        pytest.param("orders/_build", 'artifacts = ["*.py"]', id="artifacts"),
        pytest.param("made/lambda", 'force-include."made" = "made"', id="force-include"),
        pytest.param("orders/a[b]", "", id="a name that is a pattern"),
    ],
)
@pytest.mark.parametrize("table", ["hooks", "targets.lambda.hooks"])
def test_the_build_directory_is_never_packaged(
    new_project: NewProject, index: Path, directory: str, selection: str, table: str
) -> None:
    make_wheel(index, "foo")
    own = "build" if table == "hooks" else "build.targets.lambda"
    project = new_project(
        f'[tool.hatch.build.{table}.lambda]\nruntime = "python3.13"\nbuild-directory = "{directory}"\n'
        f"[tool.hatch.{own}]\n{selection}\n",
        project='dependencies = ["foo"]',
    )

    project.build()
    first = project.zip.read_bytes()
    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}
    assert project.zip.read_bytes() == first
    if table == "hooks":
        project.build("-t", "sdist", "-t", "wheel")
        with tarfile.open(project.dist / SDIST) as sdist, ZipFile(project.dist / WHEEL) as wheel:
            assert not [name for name in (*sdist.getnames(), *wheel.namelist()) if "foo" in name]


def test_git_ignores_the_build_directory(new_project: NewProject) -> None:
    project = new_project()

    project.build()

    assert project.root.joinpath(".hatch/lambda/.gitignore").read_text() == "*\n"


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def bind(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


@posix
@pytest.mark.parametrize("settings", ["", 'prune = ["tests"]', "compile-bytecode = true"])
@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        pytest.param("gone.py", dangling, "a link to `nowhere`, which does not exist", id="dangling link"),
        pytest.param("pipe.py", os.mkfifo if os.name == "posix" else None, "a named pipe", id="FIFO"),
        pytest.param("socket", bind, "a socket", id="socket"),
        pytest.param("null", lambda path: path.symlink_to(os.devnull), "a device", id="device"),
    ],
)
def test_a_file_that_is_not_regular_stops_the_build(
    new_project: NewProject, name: str, make: Callable[[Path], None], said: str, settings: str
) -> None:
    project = new_project(HOOK + settings)
    make(project.root / "orders" / name)

    shown = project.fail(HATCH_LAMBDA_RUNTIME=HERE)

    assert f"The project's file `orders/{name}` cannot be packaged: it is {said}." in shown
    assert f'exclude = ["/orders/{name}"]' in shown


@posix
@pytest.mark.parametrize("table", ["lambda", "wheel"])
@pytest.mark.parametrize("source", ["ext", "ext/pipe", "ext/gone"])
def test_a_forced_file_that_is_not_regular_is_not_called_missing(
    new_project: NewProject, source: str, table: str
) -> None:
    tables = f'{HOOK}[tool.hatch.build.targets.{table}.force-include]\n"{source}" = "orders/e"\n'
    project = new_project(tables, files={**PACKAGE, "ext/a.txt": ""})
    os.mkfifo(project.root / "ext/pipe")
    dangling(project.root / "ext/gone")

    shown = project.fail()

    path, what = ("ext/pipe", "a named pipe") if source == "ext/pipe" else ("ext/gone", "a link to `nowhere`")
    assert f"The project's file `{path}` cannot be packaged: it is {what}" in shown
    assert "`force-include`, which ignores `exclude`" in shown
    assert "exclude = " not in shown


@posix
def test_the_advised_pattern_leaves_out_what_is_in_shared_data(new_project: NewProject) -> None:
    tables = f'{HOOK}[tool.hatch.build.targets.wheel.shared-data]\n"ext" = "share/e"\n'
    project = new_project(tables, files={**PACKAGE, "ext/a.txt": ""})
    os.mkfifo(project.root / "ext/pipe")

    pattern = project.fail().partition('exclude = ["')[2].partition('"]')[0]

    project.add_to_pyproject(f'[tool.hatch.build.targets.lambda]\nexclude = ["{pattern}"]\n')
    project.build()
    assert "share/e/a.txt" in project.zipped()


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
@pytest.mark.quick
def test_a_file_name_that_is_not_utf_8_stops_the_build(new_project: NewProject) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    project = new_project(files={**PACKAGE, f"orders/{name}": "x"})

    shown = project.fail()

    assert "The project's file `orders/caf\\udce9.txt` cannot be packaged: its name is not valid UTF-8." in shown
    pattern = shown.partition('exclude = ["')[2].partition('"]')[0]
    project.add_to_pyproject(f'[tool.hatch.build.targets.lambda]\nexclude = ["{pattern}"]\n')
    project.build()
    assert project.zipped() == {*PACKAGE, *DIST_INFO}


def test_a_directory_above_may_have_such_a_name(new_project: NewProject, tmp_path: Path) -> None:
    root = new_project().root.rename(tmp_path / (os.fsdecode(b"caf\xe9") if sys.platform == "linux" else "café"))

    Project(root).build()


@posix
@pytest.mark.skipif(os.name == "posix" and not os.geteuid(), reason="this user may look into everything")
def test_an_unreadable_file_stops_the_build(new_project: NewProject) -> None:
    project = new_project()
    project.root.joinpath("orders/app.py").chmod(0)

    assert "`orders/app.py` cannot be packaged: it cannot be read" in project.fail()


@posix
@pytest.mark.parametrize("settings", ["", 'prune = ["tests"]', "compile-bytecode = true"])
def test_the_locks_of_editors_are_skipped(new_project: NewProject, settings: str) -> None:
    project = new_project(f'{HOOK}{settings}\n[tool.hatch.build]\nexclude = ["__pycache__"]')
    project.root.joinpath("orders/.#app.py").symlink_to("jane@host.4711:1700000000")

    project.build(HATCH_LAMBDA_RUNTIME=HERE)

    (built,) = project.root.glob("dist/*.zip")
    with ZipFile(built) as archive:
        assert not [name for name in archive.namelist() if ".#" in name]


@posix
def test_special_files_that_are_not_selected_do_no_harm(new_project: NewProject) -> None:
    project = new_project(f'{HOOK}prune = ["tests"]')
    os.mkfifo(project.root / "pipe.py")
    project.root.joinpath("gone.py").symlink_to("nowhere")

    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO}


@posix
def test_links_that_lead_out_of_the_project_are_named(new_project: NewProject, tmp_path: Path) -> None:
    project = new_project(
        f"{HOOK}[tool.hatch.build.targets.lambda.force-include]\n'../shared/lone.py' = 'orders/lone.py'\n"
    )
    shared = tmp_path / "shared"
    shared.joinpath("deep").mkdir(parents=True)
    for name in ("lone.py", "deep/x.py"):
        shared.joinpath(name).write_text("")
    shared.joinpath("deep/y.py").symlink_to("x.py")
    package = project.root / "orders"
    package.joinpath("out.py").symlink_to(shared / "lone.py")
    package.joinpath("common").symlink_to("../../shared/deep")
    package.joinpath("inner.py").symlink_to("app.py")
    project.root.joinpath("unselected.py").symlink_to(shared / "lone.py")

    shown = project.build()

    assert {"orders/common/x.py", "orders/common/y.py", "orders/out.py", "orders/inner.py"} < project.zipped()
    assert (
        shown.splitlines().count(
            "Warning: these links lead out of the project, and what they lead to is packaged: "
            f"orders/common -> {shared}/deep, orders/out.py -> {shared}/lone.py"
        )
        == 1
    )


@posix
def test_a_project_below_a_link_is_no_link_out(new_project: NewProject, tmp_path: Path) -> None:
    project = new_project()
    link = tmp_path / "link"
    link.symlink_to(project.root)

    assert "links" not in replace(project, root=link).build()


@pytest.mark.parametrize("arguments", [(), ("-t", "lambda:layer"), ("-c", "-t", "lambda"), ("-t", "wheel")])
def test_a_build_directory_with_files_of_others_stops_the_build(
    new_project: NewProject, arguments: tuple[str, ...]
) -> None:
    project = new_project(f'{HOOK}build-directory = "orders"\n')

    shown = project.fail(*arguments)

    assert "`tool.hatch.build.hooks.lambda.build-directory` must be a dedicated directory" in shown
    assert "'orders' contains `__init__.py`" in shown
    assert "What you can do:" in shown
    assert sorted(path.name for path in (project.root / "orders").iterdir()) == ["__init__.py", "app.py"]


@pytest.mark.parametrize(
    ("entry", "is_ours"),
    [
        *((f"{name}/x", True) for name in ("python3.9-arm64", ".zips", "api/python3.13-x86_64", "store/wheels", "out")),
        *((name, True) for name in (".gitignore", ".part-0123abcd-7-x", ".DS_Store", ".zips")),
        *((name, False) for name in ("notes.txt", ".env", "api/app.py", "api/python3.13-x86_64.py", "store/x.py")),
        *((name, False) for name in ("out.txt", "python3.13-x86_64.zip")),
    ],
)
def test_what_builds_have_created_is_not_foreign(new_project: NewProject, entry: str, *, is_ours: bool) -> None:
    tables = f'{HOOK}build-directory = "made"\n[tool.hatch.build]\ndirectory = "made/out"\n'
    project = new_project(tables, files={**PACKAGE, f"made/{entry}": ""})
    builder = LambdaBuilder(str(project.root))

    named = f"'made' contains `{entry.partition('/')[0]}`"
    with nullcontext() if is_ours else pytest.raises(ConfigurationError, match=named):
        builder.current.check(["function"])


@posix
def test_links_of_earlier_builds_are_not_foreign_and_others_are(new_project: NewProject, tmp_path: Path) -> None:
    project = new_project(f'{HOOK}build-directory = "made"\n')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/thesis.txt").write_text("years of work")
    (tmp_path / "real").mkdir()
    (project.root / "made").symlink_to(tmp_path / "real")
    (tmp_path / "real/python3.13-x86_64").symlink_to(tmp_path / "elsewhere")
    project.build()
    (tmp_path / "real/mine").symlink_to("nowhere")

    assert "'made' contains `mine`" in project.fail()
