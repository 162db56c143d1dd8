from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config.settings import (
    FIELDS,
    FUNCTION_FIELDS,
    HOOK_TABLE,
    LAYER_FIELDS,
    TARGET_FIELDS,
    TARGET_TABLE,
    Settings,
    ZipSettings,
)
from hatch_lambda.config.tables import load, load_project, missing_table_message
from hatch_lambda.plugin.project_wheel import HATCH_KEYS
from tests.config.test_settings_effects import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def settings_of(project_root: Path) -> Callable[..., Settings]:
    """`settings_of(architecture="arm64")`: of a table that has a runtime."""

    def load_table(environ: dict[str, str] | None = None, **table: object) -> Settings:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        return load({"runtime": "python3.13", **table}, project_root, environ=environ or {})

    return load_table


def zip_settings(table: dict[str, object], root: Path) -> ZipSettings:
    return load_project({"runtime": "python3.13"}, table, root, hatch_keys=HATCH_KEYS, environ={}).zip


@pytest.fixture
def faults_of(settings_of: Callable[..., Settings]) -> Callable[..., tuple[str, ...]]:
    def refuse_table(environ: dict[str, str] | None = None, **table: object) -> tuple[str, ...]:
        with pytest.raises(ConfigurationError) as raised:
            settings_of(environ, **table)
        assert str(raised.value) == printable_lines("\n".join(raised.value.faults))
        return raised.value.faults

    return refuse_table


@pytest.fixture
def file_in(project_root: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = project_root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    return make


ALL_RUNTIMES = ", ".join(f"`{name}`" for name in RUNTIMES)


class TestDefaults:
    def test_a_runtime_is_enough_and_the_rest_is_as_documented(
        self, settings_of: Callable[..., Settings], project_root: Path
    ) -> None:
        settings = settings_of()

        assert settings.root == project_root
        assert str(settings.target) == "python3.13-x86_64"
        assert settings.requirements == ()
        assert settings.constraints == ()
        assert settings.compatible == frozenset()
        assert settings.on_missing == "error"
        assert settings.prefer_binary is True
        assert settings.python is None
        assert settings.pip_args == ()
        assert settings.build_directory == project_root / ".hatch" / "lambda"
        assert settings.bundle_directory == project_root / ".hatch" / "lambda" / "python3.13-x86_64" / "bundle"

    def test_a_missing_runtime_is_an_error_that_lists_all(self, project_root: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load({}, project_root, environ={})

        (fault,) = raised.value.faults

        assert fault == (f"Field `tool.hatch.build.hooks.lambda.runtime` is required: one of {ALL_RUNTIMES}")


class TestEveryField:
    def test_each_one_has_a_sample(self) -> None:
        assert SAMPLES.keys() >= FIELDS.keys() | FUNCTION_FIELDS.keys() | LAYER_FIELDS.keys()

    @pytest.mark.parametrize("key", sorted(FIELDS.keys() - {"functions", "layers"}))
    def test_each_one_sets_the_attribute_of_its_name_and_no_other(
        self, key: str, settings_of: Callable[..., Settings], file_in: Callable[[str], Path]
    ) -> None:
        file_in("other.txt")
        before, after = vars(settings_of()), vars(settings_of(**{key: SAMPLES[key]}))

        assert {name for name in before if before[name] != after[name]} == {key.replace("-", "_")}

    @pytest.mark.parametrize("key", sorted(set(FUNCTION_FIELDS) - {"runtime", "architecture"}))
    def test_each_one_of_a_function_sets_the_attribute_of_its_name_and_no_other(
        self, key: str, file_in: Callable[[str], Path], project_root: Path
    ) -> None:
        file_in("other.txt")
        value = ["common"] if key == "layers" else SAMPLES[key]
        hook = {"runtime": "python3.13", "layers": {"common": {}}}
        own, function = (
            load_project({**hook, "functions": {"api": table}}, {}, project_root, environ={}).versions["api"]
            for table in ({}, {key: value})
        )

        assert {name for name in vars(own) if vars(own)[name] != vars(function)[name]} == {key.replace("-", "_")}

    @pytest.mark.parametrize("value", [None, 3, 2.5, {"a": 1}, ["a", 3], [""], [["a"]], ""], ids=repr)
    @pytest.mark.parametrize("key", FIELDS)
    def test_each_one_refuses_a_value_of_another_type_and_says_what_it_found(
        self, key: str, value: object, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(**{key: value})

        found = value[-1] if isinstance(value, list) and FIELDS[key].type.startswith("list") else value
        assert fault.startswith(f"Field `tool.hatch.build.hooks.lambda.{key}` must be ")
        assert repr(found) in fault or fault.endswith("`a` is 1")

    @pytest.mark.parametrize("value", [True, False])
    @pytest.mark.parametrize("key", [key for key, field in FIELDS.items() if not field.type.startswith("boolean")])
    def test_each_one_but_a_boolean_refuses_booleans_as_toml_writes_them(
        self, key: str, faults_of: Callable[..., tuple[str, ...]], *, value: bool
    ) -> None:
        (fault,) = faults_of(**{key: value})

        assert fault.endswith(f"not {str(value).lower()}")


@pytest.mark.parametrize("key", ["lock-file", "build-directory", "python", "requirements", "constraints"])
def test_a_path_with_a_nul_is_an_error(key: str, faults_of: Callable[..., tuple[str, ...]]) -> None:
    value = "pylock\0.toml"

    (fault,) = faults_of(**{key: [value] if FIELDS[key].type.startswith("list") else value})

    assert fault.startswith(f"Field `tool.hatch.build.hooks.lambda.{key}` ")


class TestChoices:
    @pytest.mark.parametrize("runtime", RUNTIMES)
    @pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
    def test_every_target_can_be_chosen(
        self, runtime: str, architecture: str, settings_of: Callable[..., Settings]
    ) -> None:
        assert str(settings_of(runtime=runtime, architecture=architecture).target) == f"{runtime}-{architecture}"

    @pytest.mark.parametrize("runtime", ["python3.7", "python3.99", "3.13", "Python3.13", "python3.13 ", "nodejs22.x"])
    def test_an_unknown_runtime_is_an_error_that_lists_all(
        self, runtime: str, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(runtime=runtime)

        assert fault == (
            f"Field `tool.hatch.build.hooks.lambda.runtime` must be one of {ALL_RUNTIMES}, not {runtime!r}"
        )

    @pytest.mark.parametrize("architecture", ["aarch64", "amd64", "X86_64", "arm"])
    def test_an_unknown_architecture_is_an_error_that_names_both(
        self, architecture: str, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(architecture=architecture)

        assert fault.endswith(f".architecture` must be one of `x86_64`, `arm64`, not {architecture!r}")

    def test_on_missing_is_error_or_warn(
        self, settings_of: Callable[..., Settings], faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        assert [settings_of(on_missing=choice).on_missing for choice in ("error", "warn")] == ["error", "warn"]
        assert faults_of(on_missing="ignore") == (
            "Field `tool.hatch.build.hooks.lambda.on-missing` must be one of `error`, `warn`, not 'ignore'",
        )

    def test_prefer_binary_is_a_boolean_and_no_word_for_one(self, faults_of: Callable[..., tuple[str, ...]]) -> None:
        assert faults_of(prefer_binary="no") == (
            "Field `tool.hatch.build.hooks.lambda.prefer-binary` must be a boolean, not 'no'",
        )


class TestFiles:
    @pytest.mark.parametrize("key", ["requirements", "constraints"])
    def test_they_are_relative_to_the_project_and_keep_their_order(
        self, key: str, settings_of: Callable[..., Settings], file_in: Callable[[str], Path], tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside.txt"
        outside.touch()
        files = [file_in("z.txt"), file_in("deploy/a.txt"), outside]

        settings = settings_of(**{key: ["z.txt", "deploy/a.txt", str(outside)]})

        assert getattr(settings, key) == tuple(files)

    @pytest.mark.parametrize("key", ["requirements", "constraints"])
    def test_the_folder_that_the_build_is_started_in_has_no_say(
        self,
        key: str,
        settings_of: Callable[..., Settings],
        file_in: Callable[[str], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        inside = file_in("a.txt")
        monkeypatch.chdir(tmp_path)
        Path("a.txt").write_text("of another project")

        assert getattr(settings_of(**{key: ["a.txt"]}), key) == (inside,)

    @pytest.mark.parametrize("key", ["requirements", "constraints"])
    def test_one_that_is_not_there_is_told_with_where_it_was_looked_for(
        self, key: str, faults_of: Callable[..., tuple[str, ...]], project_root: Path
    ) -> None:
        (fault,) = faults_of(**{key: ["requirement.txt"]})

        assert fault == (
            f"Field `tool.hatch.build.hooks.lambda.{key}` names 'requirement.txt', but no such file exists: "
            f"{project_root / 'requirement.txt'}"
        )

    @pytest.mark.parametrize("key", ["requirements", "constraints"])
    def test_all_that_are_not_there_are_told_at_once(
        self, key: str, faults_of: Callable[..., tuple[str, ...]], file_in: Callable[[str], Path]
    ) -> None:
        file_in("there.txt")

        faults = "\n".join(faults_of(**{key: ["base.txt", "there.txt", "extra.txt"]}))

        assert "base.txt" in faults
        assert "extra.txt" in faults
        assert "there.txt" not in faults

    @pytest.mark.parametrize(("key", "value"), [("requirements", ["x" * 300]), ("python", "x" * 300)])
    def test_a_name_that_is_too_long_for_a_file_is_none(
        self, key: str, value: object, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(**{key: value})

        assert f"hooks.lambda.{key}` names '{'x' * 300}', but no such file exists" in fault

    @pytest.mark.parametrize("key", ["requirements", "constraints"])
    @pytest.mark.parametrize("make", [Path.mkdir, getattr(os, "mkfifo", Path.mkdir)], ids=["directory", "FIFO"])
    def test_what_is_not_a_regular_file_is_not_called_missing(
        self,
        key: str,
        make: Callable[[Path], None],
        faults_of: Callable[..., tuple[str, ...]],
        project_root: Path,
    ) -> None:
        make(project_root / "deploy")

        (fault,) = faults_of(**{key: ["gone", "deploy"]})

        assert fault.partition("` ")[2] == (
            f"names 'gone', but no such file exists: {project_root / 'gone'}; "
            f"names 'deploy', which is not a regular file: {project_root / 'deploy'}"
        )

    @pytest.mark.parametrize("key", ["requirements", "constraints", "compatible", "pip-args"])
    def test_a_lone_string_is_no_array_of_its_letters(
        self, key: str, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        assert faults_of(**{key: "abc"}) == (
            f"Field `tool.hatch.build.hooks.lambda.{key}` must be a list of strings, not 'abc'",
        )


class TestNames:
    def test_they_may_be_written_as_their_authors_do(self, settings_of: Callable[..., Settings]) -> None:
        assert settings_of(compatible=["PyYAML", "ruamel.yaml_clib"]).compatible == {"pyyaml", "ruamel-yaml-clib"}

    @pytest.mark.parametrize("name", ["orjson==3.10", "orjson[x]", "-orjson", "or json", "*"])
    def test_what_is_no_name_is_refused(self, name: str, faults_of: Callable[..., tuple[str, ...]]) -> None:
        (fault,) = faults_of(compatible=["orjson", name])

        assert fault == f"Field `{HOOK_TABLE}.compatible` must be a list of distribution names; {name!r} is not valid"


class TestBuildDirectory:
    def test_it_is_relative_to_the_project(self, settings_of: Callable[..., Settings], project_root: Path) -> None:
        settings = settings_of(build_directory="build/./x/../lambda", architecture="arm64")

        assert settings.bundle_directory == project_root / "build" / "lambda" / "python3.13-arm64" / "bundle"

    def test_it_may_lie_anywhere_else(self, settings_of: Callable[..., Settings], tmp_path: Path) -> None:
        assert settings_of(build_directory=str(tmp_path / "beside")).build_directory == tmp_path / "beside"
        assert settings_of(build_directory="../beside").build_directory == tmp_path / "beside"

    @pytest.mark.parametrize("directory", [".", "./", "..", "src/..", "../project", "../../", "/"])
    def test_one_that_would_hold_the_project_is_refused(
        self, directory: str, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(build_directory=directory)

        assert fault == (
            "Field `tool.hatch.build.hooks.lambda.build-directory` must be a dedicated directory "
            f"(it is cleared on every build); {directory!r} contains the project"
        )

    def test_a_neighbour_whose_name_begins_alike_does_not_hold_the_project(
        self, settings_of: Callable[..., Settings], project_root: Path
    ) -> None:
        neighbour = project_root.with_name(project_root.name[:-1])

        assert settings_of(build_directory=str(neighbour)).build_directory == neighbour


@pytest.fixture
def python_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`python-of-mine`, found on PATH only."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / "python-of-mine"
    python.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return python


class TestPython:
    def test_it_may_be_the_name_of_a_program_on_path(
        self, settings_of: Callable[..., Settings], python_on_path: Path
    ) -> None:
        assert settings_of(python="python-of-mine").python == python_on_path

    def test_a_path_is_relative_to_the_project_and_not_looked_for_on_path(
        self, settings_of: Callable[..., Settings], file_in: Callable[[str], Path], python_on_path: Path
    ) -> None:
        own = file_in(".venv/bin/python-of-mine")

        assert settings_of(python=".venv/bin/python-of-mine").python == own
        assert settings_of(python=str(python_on_path)).python == python_on_path

    def test_a_file_of_the_project_goes_before_one_on_path(
        self, settings_of: Callable[..., Settings], file_in: Callable[[str], Path], python_on_path: Path
    ) -> None:
        own = file_in(python_on_path.name)

        assert settings_of(python=python_on_path.name).python == own

    def test_a_tilde_stands_for_the_home_folder(
        self, settings_of: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "my-python").touch()

        assert settings_of(python="~/my-python").python == tmp_path / "my-python"

    def test_a_path_that_is_not_there_is_told(
        self, faults_of: Callable[..., tuple[str, ...]], project_root: Path
    ) -> None:
        (fault,) = faults_of(python="env/bin/python")

        assert fault == (
            "Field `tool.hatch.build.hooks.lambda.python` names 'env/bin/python', but no such file exists: "
            f"{project_root / 'env/bin/python'}"
        )

    def test_a_name_that_is_not_on_path_is_told_as_such(self, faults_of: Callable[..., tuple[str, ...]]) -> None:
        (fault,) = faults_of(python="python-of-nobody")

        assert "`tool.hatch.build.hooks.lambda.python`" in fault
        assert "'python-of-nobody'" in fault
        assert "PATH" in fault


class TestUnknownFields:
    @pytest.mark.parametrize(
        ("key", "nearest"),
        [
            ("runtimes", "runtime"),
            ("Runtime", "runtime"),
            ("architectures", "architecture"),
            ("requirement", "requirements"),
            ("constraint", "constraints"),
            ("on_missing", "on-missing"),
            ("prefer_binary", "prefer-binary"),
            ("pip-arguments", "pip-args"),
            ("build-dir", "build-directory"),
            ("extra", "extras"),
            ("lockfile", "lock-file"),
        ],
    )
    def test_one_that_is_nearly_right_is_told_with_the_one_that_is_meant(
        self, key: str, nearest: str, project_root: Path
    ) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load({"runtime": "python3.13", key: "x"}, project_root, environ={})

        (fault,) = raised.value.faults
        assert fault == f"Unknown field `tool.hatch.build.hooks.lambda.{key}`; did you mean `{nearest}`?"

    def test_one_like_no_other_is_told_with_all_there_are(self, faults_of: Callable[..., tuple[str, ...]]) -> None:
        (fault,) = faults_of(zzz=1)

        assert fault.startswith("Unknown field `tool.hatch.build.hooks.lambda.zzz`; known fields: ")
        assert all(f"`{key}`" in fault for key in FIELDS)

    def test_every_key_of_the_contract_is_there(self) -> None:
        contract = {
            *("runtime", "architecture", "extras", "dependency-groups", "requirements", "constraints", "lock-file"),
            *("provided", "compatible", "on-missing", "exclude", "prune", "compile-bytecode", "prefer-binary", "cross"),
            *("python", "pip-args", "build-directory", "with-wheel", "functions", "layers"),
        }

        assert set(FIELDS) == contract


class TestAllFaultsAtOnce:
    def test_each_stands_in_a_line_of_its_own_with_its_toml_path(self, project_root: Path) -> None:
        table = {
            "runtime": "python2.7",
            "architecture": "mips",
            "requirements": ["gone.txt"],
            "constraints": "c.txt",
            "compatible": ["a b"],
            "on-missing": "cry",
            "prefer-binary": 1,
            "python": "gone/python",
            "pip-args": "--pre",
            "build-directory": ".",
            "exclude": "*.md",
            "prune": ["docs"],
            "runtme": "python3.13",
        }

        with pytest.raises(ConfigurationError) as raised:
            load(table, project_root, environ={})

        lines = str(raised.value).splitlines()
        assert re.findall(r"`tool\.hatch\.build\.hooks\.lambda\.([\w-]+)`", str(raised.value)) == list(table)
        assert len(lines) == len(table)

    def test_a_missing_runtime_does_not_hide_the_others(self, project_root: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load({"architecture": "mips"}, project_root, environ={})

        assert "runtime` is required" in raised.value.faults[0]
        assert "'mips'" in raised.value.faults[1]

    def test_they_name_the_table_that_the_values_stand_in(self, project_root: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load({"x": 1, "prefer-binary": 1}, project_root, environ={}, name=f"{TARGET_TABLE}.hooks.lambda")

        table_of_target = "tool.hatch.build.targets.lambda.hooks.lambda"
        assert sorted(re.findall("`(tool[^`]*)`", str(raised.value))) == [
            f"{table_of_target}.{key}" for key in ("prefer-binary", "runtime", "x")
        ]

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("pip-args", "--index-url=https://bob:sesame@index.example.com/simple"),
            ("pip-args", ["--pre", {"index-url": "https://bob:sesame@index.example.com/simple"}]),
            ("requirements", ["https://bob:sesame@index.example.com/requirements.txt"]),
        ],
    )
    def test_no_credential_is_shown_in_them(
        self, key: str, value: object, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of(**{key: value})

        assert "index.example.com" in fault
        assert "sesame" not in fault


class TestEnvironment:
    @pytest.mark.parametrize("in_table", ["python3.12", "python2.7", 3])
    def test_its_runtime_wins_over_whatever_the_table_says(
        self, in_table: object, settings_of: Callable[..., Settings]
    ) -> None:
        settings = settings_of({"HATCH_LAMBDA_RUNTIME": "python3.10"}, runtime=in_table)

        assert str(settings.target) == "python3.10-x86_64"

    def test_its_runtime_is_enough(self, project_root: Path) -> None:
        environ = {"HATCH_LAMBDA_RUNTIME": "python3.14", "HATCH_LAMBDA_ARCHITECTURE": "arm64"}

        assert str(load({}, project_root, environ=environ).target) == "python3.14-arm64"

    def test_its_architecture_wins(self, settings_of: Callable[..., Settings]) -> None:
        settings = settings_of({"HATCH_LAMBDA_ARCHITECTURE": "x86_64"}, architecture="arm64")

        assert str(settings.target) == "python3.13-x86_64"

    def test_its_python_wins(self, settings_of: Callable[..., Settings], python_on_path: Path) -> None:
        settings = settings_of({"HATCH_LAMBDA_PYTHON": python_on_path.name}, python="gone/python")

        assert settings.python == python_on_path

    def test_the_processs_own_environment_is_what_counts(
        self, project_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HATCH_LAMBDA_RUNTIME", "python3.11")

        assert str(load({"runtime": "python3.13"}, project_root).target) == "python3.11-x86_64"

    def test_empty_variables_say_nothing(self, settings_of: Callable[..., Settings]) -> None:
        empty = dict.fromkeys(("HATCH_LAMBDA_RUNTIME", "HATCH_LAMBDA_ARCHITECTURE", "HATCH_LAMBDA_PYTHON"), "")

        assert settings_of(empty, architecture="arm64") == settings_of(architecture="arm64")

    @pytest.mark.parametrize(
        ("variable", "value", "allowed"),
        [
            ("HATCH_LAMBDA_RUNTIME", "3.13", "one of `python3.8`"),
            ("HATCH_LAMBDA_ARCHITECTURE", "aarch64", "one of `x86_64`, `arm64`"),
            ("HATCH_LAMBDA_PYTHON", "gone/python", "no such file"),
        ],
    )
    def test_a_fault_names_the_variable_and_no_field(
        self, variable: str, value: str, allowed: str, faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        (fault,) = faults_of({variable: value})

        assert fault.startswith(f"Environment variable `{variable}` ")
        assert repr(value) in fault
        assert allowed in fault
        assert HOOK_TABLE not in fault


class TestTargetTable:
    @pytest.mark.parametrize(
        "table",
        [
            {},
            {"versions": ["function"]},
            {
                "include": ["*.py"],
                "packages": ["src/x"],
                "only-include": ["x"],
                "sources": ["src"],
                "artifacts": ["*.so"],
            },
            {"exclude": ["*.md"], "force-include": {"a": "b"}, "hooks": {"lambda": {}}, "directory": "out"},
            {"dependencies": ["x"], "require-runtime-dependencies": True, "reproducible": True, "ignore-vcs": True},
        ],
    )
    def test_what_hatch_itself_reads_there_is_let_through(self, table: dict[str, object], project_root: Path) -> None:
        zip_settings(table, project_root)

    def test_an_unknown_field_is_told_with_the_one_that_is_meant(self, project_root: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            zip_settings({"inlcude": ["*.py"]}, project_root)

        assert raised.value.faults == (
            "Unknown field `tool.hatch.build.targets.lambda.inlcude`; did you mean `include`?",
        )

    def test_every_key_of_the_contract_is_there(self) -> None:
        assert {"archive-name", "handler", "compression-level"} <= set(TARGET_FIELDS)

    def test_all_that_is_said_there_is_taken_over(self, project_root: Path) -> None:
        table = {"archive-name": "{name}.zip", "handler": "orders.app.handler", "compression-level": 9, "report": True}

        assert zip_settings(table, project_root) == ZipSettings(
            archive_name="{name}.zip", handler="orders.app.handler", compression_level=9, report=True
        )

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("archive-name", "x.tar", "must be a file name that ends with `.zip`, not 'x.tar'"),
            ("archive-name", 3, "must be a file name that ends with `.zip`, not 3"),
            ("archive-name", "out/x.zip", "must be a file name without `/`, not 'out/x.zip'"),
            (
                "archive-name",
                "{stage}.zip",
                "has unknown placeholders: `{stage}`; known placeholders: `{name}`, `{version}`, `{variant}`",
            ),
            ("archive-name", "{name.zip", "has an unmatched brace: '{name.zip'"),
            ("handler", "handler", "must name a module and a function, as in `orders.app.handler`, not 'handler'"),
            ("handler", ".app.handler", "must name a module and a function"),
            ("handler", True, "must name a module and a function, as in `orders.app.handler`, not true"),
            ("compression-level", 10, "must be an integer from 0 to 9, not 10"),
            ("compression-level", True, "must be an integer from 0 to 9, not true"),
            ("compression-level", "6", "must be an integer from 0 to 9, not '6'"),
            ("report", "yes", "must be a boolean, not 'yes'"),
            ("sbom", 1, "must be a boolean, not 1"),
        ],
    )
    def test_a_wrong_value_is_told_with_its_path(self, key: str, value: object, words: str, project_root: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            zip_settings({key: value}, project_root)

        (fault,) = raised.value.faults
        assert fault.startswith(f"Field `{TARGET_TABLE}.{key}` {words}")

    @pytest.mark.parametrize(
        ("template", "version", "name"),
        [
            (None, "function", "orders-1.0-python3.13-arm64.zip"),
            (None, "layer", "orders-1.0-layer-python3.13-arm64.zip"),
            (None, "api", "orders-1.0-api-python3.13-arm64.zip"),
            ("{name}.zip", "function", "orders.zip"),
            ("{name}.zip", "code", "orders.zip"),
            ("{variant}.zip", "function", "function.zip"),
            ("{variant}-{runtime}.zip", "code", "code-python3.13.zip"),
            ("x{runtime}{runtime}.zip", "code", "xcode-python3.13python3.13.zip"),
        ],
    )
    def test_a_zip_has_its_version_in_its_name(
        self, template: str | None, version: str, name: str, project_root: Path
    ) -> None:
        zips = ZipSettings(template) if template else ZipSettings()
        target = load({"runtime": "python3.13", "architecture": "arm64"}, project_root, environ={}).target

        assert zips.name_of(version, project="orders", project_version="1.0", target=target) == name


class TestFunctions:
    def test_what_a_function_does_not_say_the_hooks_own_table_says(self, project_root: Path) -> None:
        table = {
            "runtime": "python3.13",
            "extras": ["base"],
            "exclude": ["*.pyx"],
            "functions": {
                "api": {"extras": ["Web_API"], "handler": "orders.api.handler"},
                "worker": {"architecture": "arm64", "runtime": "python3.12", "include": ["orders/worker/"]},
            },
        }

        of_versions = load_project(table, {}, project_root, environ={}).versions

        assert set(of_versions) == {"function", "layer", "code", "api", "worker"}
        own, api, worker = (of_versions[name] for name in ("function", "api", "worker"))
        assert of_versions["layer"] == of_versions["code"] == own
        assert [sorted(settings.extras) for settings in (own, api, worker)] == [["base"], ["web-api"], ["base"]]
        assert api.exclude == worker.exclude == own.exclude == ("*.pyx",)
        assert [str(settings.target) for settings in (own, api, worker)] == [
            *("python3.13-x86_64", "python3.13-x86_64", "python3.12-arm64")
        ]
        assert (own.handler, api.handler, worker.handler) == (None, "orders.api.handler", None)
        assert len({settings.bundle_directory for settings in (own, api, worker)}) == 3

    def test_a_function_takes_the_projects_files_that_it_includes_and_does_not_exclude(
        self, project_root: Path
    ) -> None:
        one = {"include": ["/orders/api/", "/orders/*.py"], "exclude": ["draft.py"]}
        of_versions = load_project(
            {"runtime": "python3.13", "functions": {"api": one, "all": {}}}, {}, project_root, environ={}
        ).versions
        paths = ["orders/api/app.py", "orders/models.py", "orders/api/draft.py", "orders/web/app.py"]
        paths.append("orders-1.0.dist-info/METADATA")

        def taken(version: str) -> list[str]:
            return [path for path in paths if not of_versions[version].is_not_its_own(path)]

        assert taken("api") == ["orders/api/app.py", "orders/models.py", "orders-1.0.dist-info/METADATA"]
        assert taken("all") == taken("function") == paths

    def test_a_pattern_takes_back_files_not_directories(self, project_root: Path) -> None:
        functions = {"files": {"include": ["*", "!/web/**"]}, "directory": {"include": ["*", "!/web/"]}}
        of_versions = load_project(
            {"runtime": "python3.13", "functions": functions}, {}, project_root, environ={}
        ).versions

        assert of_versions["files"].is_not_its_own("web/app.py")
        assert not of_versions["directory"].is_not_its_own("web/app.py")

    def test_the_environment_wins_over_functions_too(self, project_root: Path) -> None:
        table = {"runtime": "python3.13", "functions": {"api": {"architecture": "x86_64"}}}

        of_versions = load_project(table, {}, project_root, environ={"HATCH_LAMBDA_ARCHITECTURE": "arm64"}).versions

        assert {settings.target.architecture.name for settings in of_versions.values()} == {"arm64"}

    @pytest.mark.parametrize(
        ("functions", "faults"),
        [
            ([], ["Field `{}.functions` must be a table of tables, not []"]),
            ({"api": 1}, ["Field `{}.functions` must be a table of tables; `api` is 1"]),
            ({"layer": {}}, ["Field `{}.functions` has the invalid name 'layer'"]),
            ({"../x": {}}, ["Field `{}.functions` has the invalid name '../x'"]),
            (
                {"api": {"extras": "web", "build-directory": "b"}, "worker": {"functions": {}, "runtime": "python2.7"}},
                [
                    "Field `{}.functions.api.extras` must be a list of strings, not 'web'",
                    "Unknown field `{}.functions.api.build-directory`",
                    "Unknown field `{}.functions.worker.functions`",
                    "Field `{}.functions.worker.runtime` must be one of",
                ],
            ),
        ],
    )
    def test_all_that_is_wrong_with_them_is_told_with_its_path(
        self, functions: object, faults: list[str], faults_of: Callable[..., tuple[str, ...]]
    ) -> None:
        told = faults_of(functions=functions)

        assert len(told) == len(faults)
        assert all(fault.startswith(words.format(HOOK_TABLE)) for fault, words in zip(told, faults, strict=True))

    def test_a_fault_of_the_environment_is_told_once(self, faults_of: Callable[..., tuple[str, ...]]) -> None:
        (fault,) = faults_of({"HATCH_LAMBDA_ARCHITECTURE": "mips"}, functions={"a": {}, "b": {}})

        assert fault.startswith("Environment variable `HATCH_LAMBDA_ARCHITECTURE` must be one of")


class TestLockFile:
    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("pylock.toml", "pylock.toml"),
            ("locks/pylock.api.toml", "locks/pylock.api.toml"),
            ("pylock.{target}.toml", "pylock.python313-arm64.toml"),
            ("pylock.{function}-{target}.toml", "pylock.function-python313-arm64.toml"),
            ("uv.lock", "uv.lock"),
            ("../poetry.lock", "../poetry.lock"),
            ("pdm.lock", "pdm.lock"),
            ("Pipfile.lock", "Pipfile.lock"),
        ],
    )
    def test_it_may_be_one_a_target_and_is_not_looked_for_yet(self, name: str, path: str, project_root: Path) -> None:
        table = {"runtime": "python3.13", "architecture": "arm64", "lock-file": name}

        assert load(table, project_root, environ={}).lock_file == project_root / path

    @pytest.mark.parametrize("name", ["yarn.lock", "pylock.a.b.toml", "", 3, ["pylock.toml"]], ids=repr)
    def test_another_name_is_none(self, name: object, faults_of: Callable[..., tuple[str, ...]]) -> None:
        (fault,) = faults_of(**{"lock-file": name})

        assert fault.startswith(f"Field `{HOOK_TABLE}.lock-file` must be ")

    @pytest.mark.parametrize(
        ("value", "locked"), [(None, False), ("", False), ("0", False), ("false", False), ("1", True), ("true", True)]
    )
    def test_the_environment_can_insist_on_it(self, value: str | None, project_root: Path, *, locked: bool) -> None:
        environ = {"HATCH_LAMBDA_LOCKED": value} if value is not None else {}

        assert load({"runtime": "python3.13"}, project_root, environ=environ).locked is locked


class TestMissingTable:
    def test_a_project_without_the_hooks_table_is_told_a_table_that_is_right(self, project_root: Path) -> None:
        text = missing_table_message()

        pasted = dict(re.findall(r'^(\w+) = "([^"]+)"', text, re.MULTILINE))
        assert f"[{HOOK_TABLE}]" in text.splitlines()
        assert str(load(pasted, project_root, environ={}).target) == "python3.13-x86_64"
