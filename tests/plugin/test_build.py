"""What hook and builder share in one build: settings that are loaded once, and one lock from the hook to the zip."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from filelock import FileLock, Timeout
from hatchling.builders.wheel import WheelBuilder

from hatch_lambda.bundle.bytecode import compile_bundle
from hatch_lambda.bundle.bytecode.paths import bytecode_path
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config.tables import load, load_project
from hatch_lambda.inspect import fitness
from hatch_lambda.inspect.contents import read
from hatch_lambda.plugin import build as build_module
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.wheels.store import Store
from tests.support.functions import answer
from tests.support.handlers import RUNNING
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, ZIP, NewProject

if TYPE_CHECKING:
    from hatch_lambda.bundle.bytecode import Bytecode
    from hatch_lambda.config.settings import ProjectSettings

FUNCTIONS = "[tool.hatch.build.hooks.lambda.functions.api]\n[tool.hatch.build.hooks.lambda.functions.worker]\n"

CUSTOM_HOOK = """\
import subprocess, sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
{body}
"""


def with_custom_hook(new_project: NewProject, body: str, owner: str) -> Path:
    files = {**PACKAGE, "hatch_build.py": CUSTOM_HOOK.format(body=" " * 8 + body)}
    return new_project(f"{HOOK}\n[tool.hatch.build.targets.{owner}.hooks.custom]\n", files=files).root


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects whose settings were loaded."""
    roots: list[str] = []

    def counting(hook_table: dict[str, Any], target_table: dict[str, Any], root: Path, **more: Any) -> ProjectSettings:
        roots.append(root.name)
        return load_project(hook_table, target_table, root, **more)

    monkeypatch.setattr(build_module, "load_project", counting)
    return roots


def held() -> list[str]:
    """The names of the locks of bundles that a build holds."""
    names = []
    for path in Store(Path(os.environ["HATCH_LAMBDA_CACHE_DIR"])).lock_files():
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            names.append(path.name)
    return names


def test_a_build_of_several_zips_loads_the_settings_once(new_project: NewProject, loads: list[str]) -> None:
    root = new_project(f"{HOOK}{FUNCTIONS}[tool.hatch.build.targets.lambda]\nhandler = 'orders.app.handler'\n").root

    paths = list(LambdaBuilder(str(root)).build(clean=True, clean_hooks_after=True))

    assert len(paths) == 2
    assert loads == ["project"]


def test_a_build_of_wheel_and_zip_loads_the_settings_once(new_project: NewProject, loads: list[str]) -> None:
    root = new_project(f"{HOOK}with-wheel = true\n").root

    list(WheelBuilder(str(root)).build(clean=True))

    assert (root / "dist" / ZIP).is_file()
    assert loads == ["project"]


def test_the_bundle_stays_locked_from_the_hook_to_the_zip(new_project: NewProject) -> None:
    root = new_project().root

    build = LambdaBuilder(str(root)).build()
    next(build)

    assert len(held()) == 1
    assert list(build) == []
    assert held() == []


def test_a_build_holds_one_lock_at_a_time(new_project: NewProject) -> None:
    build = LambdaBuilder(str(new_project(HOOK + FUNCTIONS).root)).build(versions=["api", "worker"])
    next(build)
    first = held()
    next(build)
    second = held()
    build.close()

    assert len(first) == len(second) == 1
    assert first != second
    assert held() == []


def test_hooks_alone_leave_nothing_locked(new_project: NewProject) -> None:
    builder = LambdaBuilder(str(new_project(HOOK + FUNCTIONS).root))

    assert list(builder.build(hooks_only=True, clean=True)) == []

    assert held() == []


@pytest.mark.parametrize("owner", ["lambda", "wheel"])
@pytest.mark.parametrize("error", ["ValueError('mine')", "KeyboardInterrupt"])
def test_an_error_between_hook_and_zip_leaves_nothing_locked(new_project: NewProject, owner: str, error: str) -> None:
    builder = LambdaBuilder(str(with_custom_hook(new_project, f"raise {error}", owner)))

    with pytest.raises((ValueError, SystemExit)):
        list(builder.build())

    assert held() == []


def test_the_cache_cannot_be_cleared_while_the_wheel_of_the_project_is_built(
    new_project: NewProject, capfd: pytest.CaptureFixture[str]
) -> None:
    command = "[sys.executable, '-m', 'hatch_lambda', 'cache', 'clear', '--yes']"
    body = f"ended = subprocess.run({command}, capture_output=True, text=True); print(ended.stderr, file=sys.stderr)"
    root = with_custom_hook(new_project, body, "wheel")
    store = Store(Path(os.environ["HATCH_LAMBDA_CACHE_DIR"]))
    store.keep_note("0" * 64, "{}")  # something to clear

    list(LambdaBuilder(str(root)).build())

    assert "Error: A build is running and uses the cache." in capfd.readouterr().err
    assert store.note("0" * 64) == "{}"
    assert (root / "dist" / ZIP).is_file()


@pytest.mark.skipif(RUNNING not in RUNTIMES, reason="no runtime has this interpreter")
def test_bytecode_without_sources_is_checked_by_the_sources(
    new_project: NewProject, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, "foo")
    hook = f'{HOOK}compile-bytecode = "only"\n[tool.hatch.build.targets.lambda]\nhandler = '.replace(
        "python3.13", RUNNING
    )
    root = new_project(f'{hook}"orders.app.handler"\n', project='dependencies = ["foo"]').root

    (path,) = LambdaBuilder(str(root)).build()

    names = {name for name in ZipFile(path).namelist() if ".dist-info" not in name}
    assert names == {"foo.pyc", "orders/__init__.pyc", "orders/app.pyc"}
    shown = capsys.readouterr().err
    assert "cannot be verified" not in shown
    assert "1 file   sources" in shown
    contents = read(Path(path))
    assert [one.name for one in contents.installed] == ["foo", "orders"]
    assert (str(contents.project), contents.unclaimed) == ("orders 1.0", ())
    target = load({"runtime": RUNNING}, root, environ={}).target
    assert fitness.faults(contents, target) == ()
    if sys.platform == "linux":
        assert answer(Path(path), "orders.app.handler", {"order": 7}) == {"order": 7}
    project = new_project(f'{hook}"orders.app.handle"\n', project='dependencies = ["foo"]').root
    with pytest.raises(SystemExit):
        list(LambdaBuilder(str(project)).build())
    assert "Did you mean `orders.app.handler`?" in capsys.readouterr().err


@pytest.mark.skipif(RUNNING not in RUNTIMES, reason="no runtime has this interpreter")
def test_bytecode_is_compiled_once_for_all_functions_and_each_has_that_of_its_modules(
    new_project: NewProject, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, "foo")
    files = {**PACKAGE, "orders/jobs.py": "def handler(event, context): ...\n", "orders/odd.py": "def\n"}
    tables = "".join(
        f'[tool.hatch.build.hooks.lambda.functions.{name}]\ninclude = ["/orders/__init__.py", {modules}]\n'
        for name, modules in {"api": '"/orders/app.py"', "jobs": '"/orders/jobs.py", "/orders/odd.py"'}.items()
    )
    hook = f"{HOOK}compile-bytecode = true\n{tables}".replace("python3.13", RUNNING)
    root = new_project(hook, project='dependencies = ["foo"]', files=files).root
    compiled: list[object] = []

    def counting(*arguments: Any, **more: Any) -> Bytecode:
        compiled.append(arguments)
        return compile_bundle(*arguments, **more)

    monkeypatch.setattr("hatch_lambda.bundle.bytecode.compile_bundle", counting)
    zips = [Path(path) for path in LambdaBuilder(str(root)).build()]

    shown = capsys.readouterr().err
    bytecode = [{name for name in ZipFile(path).namelist() if name.endswith(".pyc")} for path in zips]
    names = [["foo", "orders/__init__", f"orders/{module}"] for module in ("app", "jobs")]
    assert bytecode == [{bytecode_path(f"{name}.py", RUNTIMES[RUNNING]) for name in each} for each in names]
    assert len(compiled) == 2
    assert shown.count("cannot compile orders/odd.py") == 1
    assert [*LambdaBuilder(str(root)).build()] == [str(path) for path in zips]
    assert capsys.readouterr().err.count(", unchanged") == 4
