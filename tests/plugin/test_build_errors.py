"""What stops a build: the message, its remedy, and `dist` as it was."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import (
    DIST_INFO,
    FOO,
    HOOK,
    PACKAGE,
    NewProject,
)

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.quick
@pytest.mark.usefixtures("python_of_the_runtime")
def test_all_faults_of_the_table_come_at_once(new_project: NewProject) -> None:
    project = new_project(
        '[tool.hatch.build.hooks.lambda]\nruntime = "python3.7"\narchitecture = "amd64"\nprefer-binary = "yes"\n'
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
    assert "python3.7" in runtime
    assert "`python3.8`" in runtime
    assert "`python3.15`" in runtime


def test_faults_under_the_target_have_their_own_path(new_project: NewProject) -> None:
    project = new_project('[tool.hatch.build.targets.lambda.hooks.lambda]\nruntime = "python3.7"\n')

    assert project.fail().startswith("Field `tool.hatch.build.targets.lambda.hooks.lambda.runtime` ")


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("[tool.hatch.build.hooks.lambda]\n", ("hooks.lambda.runtime` is required", "`python3.13`")),
        (f'{HOOK}architectur = "arm64"\n', ("Unknown field", "hooks.lambda.architectur`", "`architecture`")),
        (f"{HOOK}prefer_binary = true\n", ("Unknown field", "hooks.lambda.prefer_binary`", "`prefer-binary`")),
        (f"{HOOK}zzz = 1\n", ("Unknown field", "hooks.lambda.zzz`", "`runtime`", "`architecture`")),
        (f'{HOOK}lock-file = "conda.lock"\n', ("hooks.lambda.lock-file`", "`pylock.NAME.toml`", "'conda.lock'")),
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


@pytest.mark.quick
@pytest.mark.parametrize("specifier", ["<3.12", ">=3.14", "==3.13.99"])
def test_a_runtime_that_the_project_does_not_support(new_project: NewProject, specifier: str) -> None:
    shown = new_project(project=f'requires-python = "{specifier}"').fail()

    assert f"`project.requires-python` is `{specifier}`, but python3.13 has Python 3.13." in shown
    assert "choose another `tool.hatch.build.hooks.lambda.runtime`" in shown


def test_each_functions_runtime_is_held_against_requires_python(new_project: NewProject) -> None:
    functions = '[tool.hatch.build.hooks.lambda.functions.old]\nruntime = "python3.11"\n'
    project = new_project(f"{HOOK}{functions}", project='requires-python = ">=3.12"')

    shown = project.fail()

    assert "python3.11 has Python 3.11." in shown
    assert "choose another `tool.hatch.build.hooks.lambda.functions.old.runtime`" in shown


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


@pytest.mark.quick
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


def test_a_broken_sdist_is_told_with_the_error_lines_of_its_build(new_project: NewProject, index: Path) -> None:
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
