"""The plugin as its user has it: whole projects, real builds, and what is seen on the terminal and in `dist`."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from hatchling.plugin.manager import PluginManager

from hatch_lambda.plugin.build_hook import LambdaBuildHook
from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel, source_files
from tests.support.projects import (
    BUNDLE,
    DIST_INFO,
    FOO,
    HOOK,
    PACKAGE,
    SDIST,
    WHEEL,
    ZIP,
    NewProject,
    Project,
    write_project,
)

if TYPE_CHECKING:
    from pathlib import Path

# --- What the zip holds ---


def test_both_plugins_are_registered_with_hatch() -> None:
    plugins = PluginManager()

    assert plugins.build_hook.get("lambda") is LambdaBuildHook
    assert plugins.builder.get("lambda") is LambdaBuilder


def test_the_zip_holds_the_project_and_its_dependencies_and_nothing_else(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build()

    assert set(project.in_dist()) == {ZIP}
    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}


def test_metadata_entry_points_and_commands_work_from_the_unpacked_zip(
    new_project: NewProject, index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "foo")
    project = new_project(
        project=(
            'dependencies = ["foo"]\nscripts.order = "orders.app:main"\nentry-points.shop.app = "orders.app:handler"\n'
        )
    )
    project.build()
    task = tmp_path / "task"
    with ZipFile(project.zip) as archive:
        archive.extractall(task)

    assert "Requires-Dist: foo" in (task / "orders-1.0.dist-info/METADATA").read_text(encoding="utf-8")
    assert "[shop]\napp = orders.app:handler" in (task / "orders-1.0.dist-info/entry_points.txt").read_text("utf-8")
    assert _said(task / "bin/order") == "ordered"
    ask = tmp_path / "ask.py"
    ask.write_text(
        f"import sys; sys.path.insert(0, {str(task)!r})\n"
        "from importlib.metadata import entry_points, version\n"
        "(app,) = entry_points(group='shop')\n"
        "print(version('orders'), version('foo'), app.load()('event', None))\n",
        encoding="utf-8",
    )
    assert _said(ask) == "1.0 1.0 event"


def _said(script: Path) -> str:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script)], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_project_without_dependencies_is_zipped_alone_and_no_pip_is_started(
    new_project: NewProject, tmp_path: Path
) -> None:
    project = new_project()
    trap = Trap(tmp_path / "trap")

    shown = project.build("-t", "lambda", **trap.variables)

    assert project.zipped() == {*PACKAGE, *DIST_INFO}
    assert "the project and 0 distributions" in shown
    assert [event for event in trap.caught if "pip" in event] == []


TREE = {
    **PACKAGE,
    "orders/terms.txt": "terms",
    "orders/made.gen": "made",
    "extra/tool.py": "",
    "source/inner/__init__.py": "",
    "lone.py": "",
    ".gitignore": "*.gen\n",
}
OWN = {*PACKAGE, "orders/terms.txt"}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param("", OWN, id="nothing: what Hatch finds"),
        pytest.param('[tool.hatch.build]\nexclude = ["*.txt"]', {*PACKAGE}, id="build exclude"),
        pytest.param('[tool.hatch.build.targets.wheel]\ninclude = ["/extra"]', {"extra/tool.py"}, id="wheel include"),
        pytest.param('[tool.hatch.build.targets.wheel]\nexclude = ["*.txt"]', {*PACKAGE}, id="wheel exclude"),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["source/inner"]', {"inner/__init__.py"}, id="wheel packages"
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\nonly-include = ["source"]\nsources = ["source"]',
            {"inner/__init__.py"},
            id="wheel only-include and sources",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\nartifacts = ["*.gen"]', {*OWN, "orders/made.gen"}, id="wheel artifacts"
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel.force-include]\n"lone.py" = "orders/forced.py"',
            {*OWN, "orders/forced.py"},
            id="wheel force-include",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel.shared-data]\n"lone.py" = "share/lone.py"',
            {*OWN, "share/lone.py"},
            id="wheel shared-data",
        ),
        pytest.param("[tool.hatch.build.targets.wheel]\nbypass-selection = true", OWN, id="wheel bypass-selection"),
        pytest.param('[tool.hatch.build.targets.lambda]\ninclude = ["/extra"]', {"extra/tool.py"}, id="lambda include"),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders", "extra"]\n'
            '[tool.hatch.build.targets.lambda]\nexclude = ["*.txt"]',
            {*PACKAGE, "extra/tool.py"},
            id="lambda exclude from the wheel's packages",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders"]\n'
            '[tool.hatch.build.targets.lambda]\nonly-include = ["lone.py"]',
            {"lone.py"},
            id="lambda only-include over the wheel's packages",
        ),
        pytest.param(
            '[tool.hatch.build.targets.wheel]\npackages = ["orders"]\n'
            '[tool.hatch.build.targets.lambda]\npackages = ["source/inner"]',
            {"inner/__init__.py"},
            id="lambda packages over the wheel's",
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda.sources]\n"orders" = "shop"',
            {"shop/__init__.py", "shop/app.py", "shop/terms.txt"},
            id="lambda sources",
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda]\nartifacts = ["*.gen"]', {*OWN, "orders/made.gen"}, id="lambda artifacts"
        ),
        pytest.param(
            "[tool.hatch.build.targets.lambda]\nignore-vcs = true", {*OWN, "orders/made.gen"}, id="lambda ignore-vcs"
        ),
        pytest.param(
            '[tool.hatch.build.targets.lambda.force-include]\n"extra" = "orders/more"',
            {*OWN, "orders/more/tool.py"},
            id="lambda force-include",
        ),
    ],
)
def test_files_are_selected_as_the_wheel_selects_them_with_the_target_over_it(
    new_project: NewProject, tables: str, expected: set[str]
) -> None:
    project = new_project(f"{HOOK}\n{tables}\n", files=TREE)

    project.build()

    assert project.zipped() == {*expected, *DIST_INFO}


def test_what_the_target_selects_changes_nothing_in_the_wheel(new_project: NewProject) -> None:
    project = new_project(f'{HOOK}\n[tool.hatch.build.targets.lambda]\nonly-include = ["lone.py"]\n', files=TREE)
    project.build("-t", "wheel")
    alone = project.in_dist()[WHEEL]

    project.build("-t", "lambda", "-t", "wheel")

    assert project.in_dist()[WHEEL] == alone
    with ZipFile(project.dist / WHEEL) as archive:
        assert {*archive.namelist()} == {*OWN, *DIST_INFO}


CUSTOM_HOOK = """\
import pathlib

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        pathlib.Path(self.root, "orders", "made.gen").write_text("made by a hook")
        build_data["artifacts"].append("orders/*.gen")
        build_data["force_include"][str(pathlib.Path(self.root, "lone.py"))] = "orders/forced.py"
"""


@pytest.mark.parametrize("owner", ["build", "build.targets.wheel", "build.targets.lambda"])
def test_what_build_hooks_make_reaches_the_zip(new_project: NewProject, owner: str) -> None:
    files = {**PACKAGE, "lone.py": "", "hatch_build.py": CUSTOM_HOOK, ".gitignore": "*.gen\n"}
    project = new_project(f"{HOOK}\n[tool.hatch.{owner}.hooks.custom]\n", files=files)

    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO, "orders/made.gen", "orders/forced.py"}
    assert project.read("orders/made.gen") == b"made by a hook"


def test_a_project_whose_files_a_hook_of_the_wheel_makes_needs_no_selection(new_project: NewProject) -> None:
    hook = CUSTOM_HOOK.replace('"orders", "made.gen"', '"made.gen"').replace("orders/*.gen", "*.gen")
    files = {"hatch_build.py": hook, ".gitignore": "*.gen\n", "lone.py": ""}
    project = new_project(f"{HOOK}\n[tool.hatch.build.targets.wheel.hooks.custom]\n", files=files)
    project.build("-t", "wheel")

    project.build("-t", "lambda")

    with ZipFile(project.dist / WHEEL) as archive:
        assert project.zipped() == {*archive.namelist()}


def test_a_compiled_file_of_the_project_ships_where_it_is_for_the_target(new_project: NewProject) -> None:
    native = make_elf("x86_64", versions={"libc.so.6": ["GLIBC_2.17"]})
    project = new_project(files={**PACKAGE, "orders/_native.so": native})

    project.build()

    assert project.read("orders/_native.so") == native


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        pytest.param(make_elf("aarch64"), "aarch64", id="another architecture"),
        pytest.param(make_elf(versions={"libc.so.6": ["GLIBC_2.38"]}), "needs glibc 2.38", id="a newer glibc"),
        pytest.param(b"\xcf\xfa\xed\xfe" + bytes(28), "needs macOS on", id="another system"),
    ],
)
def test_a_compiled_file_of_the_project_that_does_not_load_stops_the_build(
    new_project: NewProject, native: bytes, reason: str
) -> None:
    project = new_project(files={**PACKAGE, "orders/_native.so": native})

    shown = project.fail()

    assert "orders/_native.so" in shown
    assert reason in shown
    assert "python3.13 on x86_64" in shown


def test_a_file_that_the_project_and_a_dependency_both_have_stops_the_build(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo", files={"orders/app.py": "def handler(event, context): ...\n"})
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail()

    assert "orders 1.0 and foo 1.0 both have a file `orders/app.py`" in shown


# --- Where the dependencies come from ---


def test_dependencies_of_a_metadata_hook_are_packaged(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    hook = (
        "from hatchling.metadata.plugin.interface import MetadataHookInterface\n\n\n"
        "class CustomMetadataHook(MetadataHookInterface):\n"
        "    def update(self, metadata):\n"
        "        metadata['dependencies'] = ['foo']\n"
    )
    project = new_project(
        f"{HOOK}\n[tool.hatch.metadata.hooks.custom]\n",
        project='dynamic = ["dependencies"]',
        files={**PACKAGE, "hatch_build.py": hook},
    )

    project.build()

    assert project.zipped() >= FOO


def test_context_fields_in_dependencies_are_filled_in(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    del index
    make_source_tree(tmp_path / "beside", "beside")
    make_wheel(tmp_path / "project/wheels", "foo")
    project = new_project(
        f"{HOOK}\n[tool.hatch.metadata]\nallow-direct-references = true\n",
        project=(
            'dependencies = ["beside @ {root:parent:uri}/beside", "foo @ {root:uri}/wheels/foo-1.0-py3-none-any.whl"]'
        ),
    )

    project.build(HATCH_LAMBDA_PYTHON=sys.executable)

    assert project.zipped() >= {"beside.py", *FOO}


def test_the_environment_wins_over_the_table(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", tag="cp312-cp312-manylinux_2_28_aarch64")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build(HATCH_LAMBDA_RUNTIME="python3.12", HATCH_LAMBDA_ARCHITECTURE="arm64")

    assert set(project.in_dist()) == {"orders-1.0-python3.12-arm64.zip"}
    assert shown.startswith("Bundle for python3.12 on arm64 ")


def test_the_hooks_table_may_stand_under_the_target_and_replaces_the_general_one(new_project: NewProject) -> None:
    project = new_project(
        '[tool.hatch.build.hooks.lambda]\nruntime = "python3.10"\narchitecture = "arm64"\n'
        '[tool.hatch.build.targets.lambda.hooks.lambda]\nruntime = "python3.13"\n'
    )

    project.build()

    assert set(project.in_dist()) == {ZIP}


# --- Options of the command line ---


def test_wheel_and_zip_are_built_side_by_side(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build("-t", "wheel", "-t", "lambda", "-t", "sdist")

    assert set(project.in_dist()) == {WHEEL, ZIP, SDIST}
    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}


@pytest.mark.parametrize("folder", ["out", "deep/er", "{tmp}/elsewhere"])
def test_the_zip_goes_to_the_folder_that_is_asked_for(new_project: NewProject, tmp_path: Path, folder: str) -> None:
    folder = folder.format(tmp=tmp_path)
    project = new_project()

    shown = project.build("-t", "lambda", "-d", folder)

    assert [path.name for path in (project.root / folder).iterdir()] == [ZIP]
    assert shown.splitlines()[-1].endswith(f"{folder}/{ZIP}")
    assert not project.dist.exists()


def test_cleaning_takes_the_former_zips_of_this_project_and_target_and_nothing_else(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')
    project.build("-t", "lambda", "-t", "wheel", "-t", "sdist")
    former = {"orders-0.9-python3.13-x86_64.zip", "orders-1.0.dev3+g12-python3.13-x86_64.zip"}
    others = {
        "orders-1.0-python3.12-x86_64.zip",
        "orders-1.0-python3.13-arm64.zip",
        "others-1.0-python3.13-x86_64.zip",
        "orders_api-1.0-python3.13-x86_64.zip",
        "orders.zip",
        "notes.txt",
    }
    for name in former | others:
        project.dist.joinpath(name).write_bytes(b"")

    project.build("-t", "lambda", "-c")

    assert set(project.in_dist()) == {ZIP, WHEEL, SDIST, *others}


def test_cleaning_only_leaves_neither_zip_nor_bundle_of_this_target(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')
    project.build("-t", "lambda", "-t", "wheel")
    project.build("-t", "lambda", HATCH_LAMBDA_ARCHITECTURE="arm64")
    assert (project.root / BUNDLE).is_dir()

    project.build("-t", "lambda", "--clean-only")

    assert set(project.in_dist()) == {WHEEL, "orders-1.0-python3.13-arm64.zip"}
    assert [path.name for path in project.root.joinpath(".hatch", "lambda").iterdir()] == ["python3.13-arm64"]


def test_cleaning_the_wheel_leaves_zip_and_bundle(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')
    project.build("-t", "lambda", "-t", "wheel")

    project.build("-t", "wheel", "--clean-only")

    assert set(project.in_dist()) == {ZIP}
    assert (project.root / BUNDLE / "foo.py").is_file()


def test_cleaning_only_needs_no_table(new_project: NewProject) -> None:
    project = new_project("")
    project.put_former_zip()

    project.build("-t", "lambda", "--clean-only")

    assert project.in_dist() == {}


def test_the_hooks_alone_lay_the_bundle_out_and_write_no_zip(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build("-t", "lambda", "--hooks-only")

    assert project.in_dist() == {}
    bundle = project.root / BUNDLE
    assert {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()} == FOO
    assert "  8 unpack" in shown


def test_bundles_may_be_cleaned_after_the_build(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build("-t", "lambda", "--clean-hooks-after")

    assert set(project.in_dist()) == {ZIP}
    assert not (project.root / BUNDLE).exists()


def test_without_its_hook_the_target_says_that_it_needs_it(new_project: NewProject) -> None:
    shown = new_project().fail("-t", "lambda", "--no-hooks")

    assert "requires the `lambda` build hook, but hooks are disabled" in shown


def test_an_unknown_version_is_refused_with_the_one_there_is(new_project: NewProject) -> None:
    shown = new_project().fail("-t", "lambda:layers")

    assert "`layers`" in shown
    assert "`function`" in shown


def test_the_version_may_be_named(new_project: NewProject) -> None:
    project = new_project()

    project.build("-t", "lambda:function")

    assert project.zipped() == {*PACKAGE, *DIST_INFO}


# --- Messages that carry the remedy ---


def test_without_the_hooks_table_the_message_has_one_that_works(new_project: NewProject) -> None:
    project = new_project("")

    shown = project.fail()

    assert "[tool.hatch.build.hooks.lambda]" in shown
    project.add_to_pyproject(shown.partition("\n\n")[2])
    project.build()
    assert project.zipped() == {*PACKAGE, *DIST_INFO}


def test_for_a_lone_module_the_message_has_the_two_lines_that_work(new_project: NewProject) -> None:
    project = new_project(files={"app.py": "def handler(event, context): ...\n", "hatch_build.py": ""})

    shown = project.fail()

    assert "no package or module named `orders`" in shown
    two_lines = shown.partition("\n\n")[2].strip()
    assert two_lines.splitlines() == ["[tool.hatch.build.targets.lambda]", 'only-include = ["app.py"]']
    project.add_to_pyproject(two_lines)
    project.build()
    assert project.zipped() == {"app.py", *DIST_INFO}


# --- What goes wrong ---


def test_all_faults_of_the_table_come_at_once(new_project: NewProject) -> None:
    project = new_project(
        '[tool.hatch.build.hooks.lambda]\nruntime = "python3.9"\narchitecture = "amd64"\nprefer-binary = "yes"\n'
        'requirements = "requirements.txt"\nconstraints = ["nowhere.txt"]\ncompatible = ["foo", 3]\non-missing = true\n'
        'pip-args = [""]\nbuild-directory = "."\npython = "no/python"\n'
    )

    faults = project.fail(HATCH_LAMBDA_ARCHITECTURE="").splitlines()

    named = {fault.split("`")[1].removeprefix("tool.hatch.build.hooks.lambda.") for fault in faults}
    assert all(fault.startswith("Field `tool.hatch.build.hooks.lambda.") for fault in faults)
    assert named == {
        *("runtime", "architecture", "prefer-binary", "requirements", "constraints", "compatible", "on-missing"),
        *("pip-args", "build-directory", "python"),
    }
    runtime = next(fault for fault in faults if "runtime" in fault)
    assert "python3.9" in runtime
    assert "`python3.10`" in runtime
    assert "`python3.14`" in runtime


def test_faults_under_the_target_have_their_own_path(new_project: NewProject) -> None:
    project = new_project('[tool.hatch.build.targets.lambda.hooks.lambda]\nruntime = "python3.9"\n')

    assert project.fail().startswith("Field `tool.hatch.build.targets.lambda.hooks.lambda.runtime` ")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("[tool.hatch.build.hooks.lambda]\n", ("hooks.lambda.runtime` is required", "`python3.13`")),
        (f'{HOOK}architectur = "arm64"\n', ("Unknown field", "hooks.lambda.architectur`", "`architecture`")),
        (f"{HOOK}prefer_binary = true\n", ("Unknown field", "hooks.lambda.prefer_binary`", "`prefer-binary`")),
        (f"{HOOK}zzz = 1\n", ("Unknown field", "hooks.lambda.zzz`", "`runtime`", "`architecture`")),
        (f'{HOOK}lock-file = "poetry.lock"\n', ("hooks.lambda.lock-file`", "`pylock.NAME.toml`", "'poetry.lock'")),
        (
            f"{HOOK}[tool.hatch.build.hooks.lambda.functions.api]\nextra = 1\n",
            ("Unknown field", "hooks.lambda.functions.api.extra`", "`extras`"),
        ),
        (
            f'{HOOK}[tool.hatch.build.targets.lambda]\nversions = ["api"]\n',
            ("targets.lambda.versions`", "api"),
        ),
        (
            f'{HOOK}[tool.hatch.build.targets.lambda]\narchive-name = "a.zip"\nversions = ["code", "layer"]\n',
            ("targets.lambda.archive-name`", "`a.zip`", "{variant}"),
        ),
        (f'{HOOK}requirements = ["gone.txt"]\n', ("hooks.lambda.requirements`", "gone.txt", "no such file")),
        (f'{HOOK}[tool.hatch.build.targets.wheel.force-include]\n"gone.txt" = "x"\n', ("gone.txt",)),
    ],
)
def test_a_fault_is_named_with_its_path_and_what_would_be_right(
    new_project: NewProject, tables: str, words: tuple[str, ...]
) -> None:
    shown = new_project(tables).fail()

    for word in words:
        assert word in shown


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ('[tool.hatch.build.hooks]\nlambda = "python3.13"\n', "`tool.hatch.build.hooks.lambda` must be a table"),
        (
            f"{HOOK}[tool.hatch.build.targets.lambda]\ninclude = 3\n",
            "`tool.hatch.build.targets.lambda.include` must be an array of strings",
        ),
        (
            f"{HOOK}[tool.hatch.build.targets.wheel]\npackages = 3\n",
            "`tool.hatch.build.targets.wheel.packages` must be an array of strings",
        ),
    ],
)
def test_a_fault_that_hatch_finds_is_told_as_plainly_and_with_the_users_own_path(
    new_project: NewProject, tables: str, words: str
) -> None:
    assert words in new_project(tables).fail()


def test_a_malformed_dependency_of_the_project_is_told_as_plainly(new_project: NewProject) -> None:
    shown = new_project(project='dependencies = ["foo !!"]').fail()

    assert "`project.dependencies` is invalid" in shown
    assert "foo !!" in shown


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("HATCH_LAMBDA_RUNTIME", "python2.7", "`python3.13`"),
        ("HATCH_LAMBDA_ARCHITECTURE", "sparc", "`arm64`"),
        ("HATCH_LAMBDA_PYTHON", "no/python", "no such file"),
        ("SOURCE_DATE_EPOCH", "yesterday", "number of seconds"),
    ],
)
def test_a_fault_of_the_environment_names_the_variable(
    new_project: NewProject, variable: str, value: str, allowed: str
) -> None:
    shown = new_project().fail(**{variable: value})

    assert f"Environment variable `{variable}`" in shown
    assert value in shown
    assert allowed in shown


def test_a_package_that_does_not_exist_is_named(new_project: NewProject, index: Path) -> None:
    del index

    shown = new_project(project='dependencies = ["nonesuch>=2"]').fail()

    assert "The dependencies of orders cannot be resolved for python3.13 on x86_64" in shown
    assert "No matching distribution found for nonesuch>=2" in shown


def test_a_conflict_is_told_with_both_sides(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "one", requires=["shared<2"])
    make_wheel(index, "two", requires=["shared>=2"])
    make_wheel(index, "shared", "1.0")
    make_wheel(index, "shared", "2.0")

    shown = new_project(project='dependencies = ["one", "two"]').fail()

    assert "The dependencies of orders cannot be resolved for python3.13 on x86_64" in shown
    assert "one 1.0 depends on shared<2" in shown
    assert "two 1.0 depends on shared>=2" in shown


def test_a_malformed_requirements_file_is_named_with_its_line(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    files = {**PACKAGE, "requirements.txt": "foo\nfoo bar baz\n"}

    shown = new_project(f'{HOOK}requirements = ["requirements.txt"]\n', files=files).fail()

    assert "foo bar baz" in shown
    assert "requirements.txt" in shown
    assert "line 2" in shown


def test_a_broken_sdist_is_told_with_the_telling_lines_of_its_build(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", requires=["shattered"])
    make_sdist(index, "shattered", build="broken")

    shown = new_project(project='dependencies = ["foo"]').fail(HATCH_LAMBDA_PYTHON=sys.executable)

    assert "shattered 1.0" in shown
    assert "required by: orders -> foo 1.0 -> shattered 1.0" in shown
    assert "error: this sdist cannot be built by anyone" in shown
    assert "some noise before" not in shown
    assert "what you can do" in shown


def test_a_file_that_is_no_wheel_is_named(new_project: NewProject, index: Path) -> None:
    index.joinpath("foo-1.0-py3-none-any.whl").write_bytes(b"not a zip")

    assert "foo" in new_project(project='dependencies = ["foo"]').fail()


def test_a_wheel_for_another_system_only_stops_the_build_with_who_needs_it_and_why(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo", requires=["native"])
    make_wheel(index, "native", tag="cp313-cp313-win_amd64", files={"native.pyd": _windows_library()})

    shown = new_project(project='dependencies = ["foo"]').fail()

    assert "required by: orders -> foo 1.0 -> native 1.0" in shown
    assert "cp313-cp313-win_amd64" in shown


def _windows_library() -> bytes:
    dos_header = b"MZ".ljust(60, b"\0") + (64).to_bytes(4, "little")
    return dos_header + b"PE\0\0" + (0x8664).to_bytes(2, "little") + bytes(18) + (0x20B).to_bytes(2, "little")


def test_an_index_out_of_reach_is_told_without_its_password(
    new_project: NewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail(
        "-t", "lambda", PIP_INDEX_URL="http://reader:hush@127.0.0.1:9/simple", PIP_RETRIES="1", HATCH_VERBOSE="1"
    )

    assert "cannot be resolved" in shown
    assert "127.0.0.1" in shown
    assert "onnection refused" in shown
    assert "hush" not in shown


def test_a_file_where_the_bundle_should_go_is_named(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(
        f'{HOOK}build-directory = "taken"\n', project='dependencies = ["foo"]', files={**PACKAGE, "taken": ""}
    )

    shown = project.fail()

    assert str(project.root / "taken") in shown


def test_the_next_build_after_a_failure_works(new_project: NewProject, index: Path) -> None:
    project = new_project(project='dependencies = ["foo"]')
    project.fail()
    make_wheel(index, "foo")

    project.build()

    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}


# --- What is shown ---


def test_the_target_comes_first_then_a_line_a_stage_then_the_sizes_beside_the_limits(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    lines = project.build().splitlines()

    assert lines[0] == "Bundle for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34)"
    stages = [re.fullmatch(r"  (\d) (.+?) {2,}(.+?) +\d+\.\d s|  (\d) (.+)", line) for line in lines[1:10]]
    assert [stage[1] for stage in stages if stage] == [*"123456789"]
    assert f"{ZIP}: the project and 1 distribution" in lines
    zipped, unzipped = (next(line for line in lines if line.strip().startswith(word)) for word in ("zipped", "unzip"))
    assert f"{project.zip.stat().st_size / 1024:.1f} kB of 50.0 MB" in zipped
    with ZipFile(project.zip) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    assert f"{size / 1024:.1f} kB of 250.0 MB" in unzipped
    assert lines[-1] == f"dist/{ZIP}"
    assert "Successfully downloaded" not in "".join(lines)


def test_quiet_means_nothing_but_errors(new_project: NewProject, index: Path) -> None:
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail("-t", "lambda", HATCH_QUIET="1")

    assert shown.startswith("The dependencies of orders cannot be resolved")
    make_wheel(index, "foo")
    assert project.build("-t", "lambda", HATCH_QUIET="1") == ""


def test_verbose_shows_the_words_of_pip(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build("-t", "lambda", HATCH_VERBOSE="1")

    assert f"Looking in links: {index}" in shown
    assert "Successfully downloaded foo" in shown


def test_a_zip_that_lambda_would_refuse_is_not_made_and_the_largest_in_it_are_named(
    new_project: NewProject, index: Path
) -> None:
    pattern = random.Random(1).randbytes(500)
    for number in range(12):
        make_wheel(index, f"part{number:02}", files={f"part{number:02}/data.bin": pattern * 44_000 + bytes(number)})
    names = [f"part{number:02}" for number in range(12)]
    project = new_project(project=f"dependencies = {names}")

    shown = project.fail("-t", "lambda")

    assert "The zip would have 251.8 MB unzipped" in shown
    assert "Lambda takes 250.0 MB, layers included" in shown
    assert re.findall(r"MB  (part\d+) 1\.0", shown) == sorted(names, reverse=True)[:10]


def test_files_that_often_hold_secrets_are_named(new_project: NewProject) -> None:
    secret = "--index-url https://bob:hunter2@index.example/simple"
    extra = {".env": "A=1", "server.pem": "x", "requirements.txt": secret, "requirements-dev.txt": "a", "key.py": ""}
    project = new_project(files={**PACKAGE, **{f"orders/{name}": text for name, text in extra.items()}})

    shown = project.build("-t", "lambda")

    (warning,) = [line for line in shown.splitlines() if "secrets" in line]
    assert warning.endswith(": orders/.env, orders/requirements.txt, orders/server.pem")
    assert "hunter2" not in shown


# --- What other targets pay ---


@dataclass(frozen=True)
class Trap:
    """Tells which programs Python processes start and where they connect to, their children's included."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        self.folder.mkdir(exist_ok=True)
        self.folder.joinpath("sitecustomize.py").write_text(
            "import sys\n\n\n"
            "def hook(event, arguments):\n"
            "    if event in {'subprocess.Popen', 'os.exec', 'os.posix_spawn', 'os.system', 'socket.connect'}:\n"
            f"        with open({str(self.folder / 'log')!r}, 'a') as log:\n"
            "            log.write(f'{event} {arguments!r}\\n')\n\n\n"
            "sys.addaudithook(hook)\n",
            encoding="utf-8",
        )
        return {"PYTHONPATH": os.pathsep.join(filter(None, [str(self.folder), os.environ.get("PYTHONPATH")]))}

    @property
    def caught(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.mark.parametrize("target", ["wheel", "sdist", "wheel:editable"])
def test_the_hook_costs_other_targets_nothing(new_project: NewProject, tmp_path: Path, target: str) -> None:
    # With `dev-mode-dirs` an editable wheel needs no further package.
    tool = f'{HOOK}\n[tool.hatch.build.targets.wheel]\ndev-mode-dirs = ["."]\n'
    project = new_project(tool, project='dependencies = ["nonesuch"]')
    trap = Trap(tmp_path / "trap")

    ended = project.python("-X", "importtime", "-m", "hatchling", "build", "-t", target, **trap.variables)

    assert ended.returncode == 0, ended.stderr
    imported = {
        line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")
    }
    assert "hatch_lambda.plugin.build_hook" in imported  # it was asked
    ours = {name for name in imported if name.partition(".")[0] == "hatch_lambda"}
    assert ours <= {
        "hatch_lambda",
        "hatch_lambda.hooks",
        "hatch_lambda.plugin",
        "hatch_lambda.plugin.build_hook",
        "hatch_lambda.plugin.builder",
    }
    assert {name.partition(".")[0] for name in imported}.isdisjoint({"pip", "elftools", "findpython"})
    assert trap.caught == []
    assert not (project.root / ".hatch").exists()


def test_the_trap_of_these_tests_does_catch_pip(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "foo")
    trap = Trap(tmp_path / "trap")

    new_project(project='dependencies = ["foo"]').build("-t", "lambda", **trap.variables)

    assert any(event.startswith("subprocess.Popen") and "for_target" in event for event in trap.caught)


def test_faults_of_the_table_do_not_stop_other_targets(new_project: NewProject) -> None:
    project = new_project('[tool.hatch.build.hooks.lambda]\nruntime = "python9"\n')

    project.build("-t", "wheel", "-t", "sdist")

    assert set(project.in_dist()) == {WHEEL, SDIST}


# --- Same inputs, same bytes ---


def test_the_zip_is_the_same_in_another_folder_under_another_umask_time_zone_and_hash_seed(tmp_path: Path) -> None:
    def build(place: str, *, umask: int, mode: int, **variables: str) -> str:
        folder = tmp_path / place
        make_wheel(
            folder / "index", "foo", files={"foo.py": "", "foo/tool.sh": "#!/bin/sh\n"}, executables=["foo/tool.sh"]
        )
        make_sdist(folder / "index", "bar")
        project = write_project(
            folder / "project", HOOK, 'dependencies = ["foo", "bar"]\nscripts.order = "orders.app:main"', PACKAGE
        )
        for path in project.root.rglob("*.py"):
            path.chmod(mode)
            os.utime(path, (mode, 1_700_000_000 + mode))
        project = replace(project, umask=umask)
        project.build(PIP_FIND_LINKS=str(folder / "index"), HATCH_LAMBDA_PYTHON=sys.executable, **variables)
        return hashlib.sha256(project.zip.read_bytes()).hexdigest()

    first = build("here", umask=0o022, mode=0o644, TZ="UTC", PYTHONHASHSEED="1", LC_ALL="C.UTF-8")
    second = build("over/there", umask=0o077, mode=0o600, TZ="Asia/Tokyo", PYTHONHASHSEED="2", LC_ALL="C")

    assert first == second


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_zip_has_the_mode_of_any_new_file(new_project: NewProject, umask: int) -> None:
    project = replace(new_project(), umask=umask)

    project.build()

    assert project.zip.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        pytest.param(None, (2020, 2, 2, 0, 0, 0), id="Hatch's own"),
        pytest.param("1700000000", (2023, 11, 14, 22, 13, 20), id="given"),
        pytest.param("0", (1980, 1, 1, 0, 0, 0), id="older than zips"),
    ],
)
def test_all_times_are_that_of_the_source(
    new_project: NewProject, index: Path, epoch: str | None, expected: tuple[int, ...]
) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build(**({"SOURCE_DATE_EPOCH": epoch} if epoch else {}))

    with ZipFile(project.zip) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {expected}


# --- All or nothing ---


def _make_slow_sdist(folder: Path, name: str, slow_function: str) -> None:
    """Its backend says that it has begun, and is then busy for longer than any test waits."""
    files = source_files(name)
    files["backend.py"] += (
        f"\n\ndef {slow_function}(*args, **kwargs):\n"
        "    import time\n"
        "    pathlib.Path(os.environ['BUSY']).write_text(str(os.getpid()))\n"
        "    time.sleep(120)\n"
    )
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


@dataclass(frozen=True)
class BusyBuild:
    """A build whose sdist backend is at work, in a process group of its own as from a shell."""

    process: subprocess.Popen[bytes]
    backend: int
    shown: Path

    def signal(self, number: int) -> tuple[int, str]:
        os.killpg(self.process.pid, number)
        return self.process.wait(30), self.shown.read_text(encoding="utf-8")


def _start_busy_build(project: Project, tmp_path: Path) -> BusyBuild:
    busy, shown = tmp_path / "busy", tmp_path / "shown"
    with shown.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hatchling", "build", "-t", "lambda"],
            cwd=project.root,
            env={**os.environ, "BUSY": str(busy), "HATCH_LAMBDA_PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while not (busy.exists() and busy.read_text(encoding="utf-8")):
        assert process.poll() is None, shown.read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return BusyBuild(process, int(busy.read_text(encoding="utf-8")), shown)


def _has_ended(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not _runs(pid):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    ended = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(ended.stdout.strip()) and not ended.stdout.strip().startswith("Z")


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
@pytest.mark.parametrize("slow_function", ["prepare_metadata_for_build_wheel", "build_wheel"])
def test_an_interrupted_build_ends_at_once_and_leaves_nothing(
    new_project: NewProject, index: Path, tmp_path: Path, slow_function: str
) -> None:
    _make_slow_sdist(index, "slow", slow_function)
    project = new_project(project='dependencies = ["slow"]')
    before = project.put_former_zip()
    build = _start_busy_build(project, tmp_path)

    code, shown = build.signal(signal.SIGINT)

    assert code == 130
    assert shown.splitlines()[-1].startswith("Interrupted")
    project.assert_clean_failure(shown, before)
    assert _has_ended(build.backend)


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
def test_progress_is_shown_while_a_stage_is_at_work(new_project: NewProject, index: Path, tmp_path: Path) -> None:
    _make_slow_sdist(index, "slow", "build_wheel")
    build = _start_busy_build(new_project(project='dependencies = ["slow"]'), tmp_path)
    so_far = build.shown.read_text(encoding="utf-8")
    build.signal(signal.SIGKILL)

    assert so_far.startswith("Bundle for python3.13 on x86_64")
    assert "\n  1 download " in so_far
    assert "\n  3 download wheels " in so_far


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
def test_a_killed_build_leaves_the_former_zip_and_the_next_one_works(
    new_project: NewProject, index: Path, tmp_path: Path
) -> None:
    _make_slow_sdist(index, "slow", "build_wheel")
    project = new_project(project='dependencies = ["slow"]')
    before = project.put_former_zip()

    _start_busy_build(project, tmp_path).signal(signal.SIGKILL)

    assert project.in_dist() == before
    make_sdist(index, "slow")
    project.build(HATCH_LAMBDA_PYTHON=sys.executable)
    assert "slow.py" in project.zipped()


_WITH_SMALL_FILES_ONLY = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv[:] = ["hatchling", "build", "-t", "lambda"]
runpy.run_module("hatchling", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
@pytest.mark.parametrize(
    ("contents", "where"),
    [
        pytest.param([os.urandom(300_000), os.urandom(300_000)], ZIP, id="writing the zip"),
        pytest.param([bytes(600_000)], BUNDLE.rpartition("/")[0], id="laying the bundle out"),
        pytest.param([os.urandom(600_000)], "foo0", id="downloading"),
    ],
)
def test_where_a_file_cannot_be_written_the_build_says_so_and_leaves_what_was_there(
    new_project: NewProject, index: Path, contents: list[bytes], where: str
) -> None:
    for number, content in enumerate(contents):
        make_wheel(index, f"foo{number}", files={f"foo{number}.bin": content})
    names = [f"foo{number}" for number in range(len(contents))]
    project = new_project(project=f"dependencies = {names}")
    before = project.put_former_zip()

    ended = project.python("-c", _WITH_SMALL_FILES_ONLY, "450000")

    assert ended.returncode == 1
    assert not ended.stdout
    project.assert_clean_failure(ended.stderr, before)
    reason = ended.stderr.partition("The ")[2]
    assert "File too large" in reason
    assert where in reason


def test_builds_at_the_same_time_do_not_disturb_each_other(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", files={f"foo/module_{number}.py": f"{number}\n" * 100 for number in range(400)})
    project = new_project(project='dependencies = ["foo"]')
    project.build()
    alone = project.in_dist()

    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "hatchling", "build", "-t", "lambda"],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(4)
    ]
    shown = [build.communicate()[0] for build in builds]

    assert [build.returncode for build in builds] == [0] * 4, "\n".join(shown)
    assert project.in_dist() == alone
