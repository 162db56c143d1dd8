from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hatch_lambda
from hatch_lambda import LambdaBuildError, MissingDependencyError, PythonPipDependencyBuilder
from hatch_lambda.common.errors import ConfigurationError
from tests.support.packages import make_sdist, make_wheel

if TYPE_CHECKING:
    from tests.support.recording_ui import RecordingUI


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("orders\n", encoding="utf-8")
    return path


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """A folder with something in it."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "former.py").write_text("FORMER = 1", encoding="utf-8")
    return folder


def build(artifacts: object, requirements: object, runtime: str = "python3.13", **options: Any) -> None:
    PythonPipDependencyBuilder().build_dependencies(artifacts, requirements, runtime, **options)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


class TestSignature:
    def test_it_is_the_one_of_the_contract(self) -> None:
        parameters = inspect.signature(PythonPipDependencyBuilder().build_dependencies).parameters.values()

        assert [(parameter.name, parameter.default) for parameter in parameters] == [
            ("artifacts_dir_path", inspect.Parameter.empty),
            ("requirements_path", inspect.Parameter.empty),
            ("runtime", inspect.Parameter.empty),
            ("ui", None),
            ("config", None),
        ]
        assert {parameter.kind for parameter in parameters} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}

    def test_the_builder_needs_nothing_to_be_made(self) -> None:
        assert list(inspect.signature(PythonPipDependencyBuilder).parameters) == []


class TestImports:
    def test_the_public_names_are_there_and_no_others(self) -> None:
        assert set(hatch_lambda.__all__) == {
            "UI",
            "LambdaBuildError",
            "MissingDependencyError",
            "PythonPipDependencyBuilder",
        }
        assert all(getattr(hatch_lambda, name).__name__ == name for name in hatch_lambda.__all__)
        with pytest.raises(AttributeError, match="module 'hatch_lambda' has no attribute 'LambdaBuilder'"):
            _ = hatch_lambda.LambdaBuilder

    def test_all_errors_are_of_one_family(self) -> None:
        assert issubclass(MissingDependencyError, LambdaBuildError)
        assert issubclass(ConfigurationError, LambdaBuildError)

    def test_the_package_alone_imports_none_of_what_a_build_needs(self) -> None:
        script = "import sys, hatch_lambda; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
        answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

        heavy = {
            "packaging",
            "pip",
            "hatchling",
            "findpython",
            "elftools",
            "importlib.metadata",
            "subprocess",
            "zipfile",
        }
        assert "hatch_lambda" in answer.split()
        assert heavy & set(answer.split()) == set()


class TestBuilding:
    def test_the_folder_holds_the_closure_and_nothing_that_it_held_before(
        self, index: Path, artifacts: Path, requirements: Path
    ) -> None:
        make_wheel(index, "orders", requires=["menu"])
        make_wheel(index, "menu", version="2.5")

        build(artifacts, requirements)

        found = contents(artifacts)
        assert found["orders.py"] == "VERSION = '1.0'\n"
        assert found["menu.py"] == "VERSION = '2.5'\n"
        assert "menu-2.5.dist-info/METADATA" in found
        assert "former.py" not in found

    def test_a_folder_that_is_not_there_is_made_with_those_above_it(
        self, index: Path, tmp_path: Path, requirements: Path
    ) -> None:
        make_wheel(index, "orders")

        build(str(tmp_path / "new" / "bundle"), str(requirements))

        assert "orders.py" in contents(tmp_path / "new" / "bundle")

    def test_paths_are_relative_to_the_current_folder(
        self, index: Path, tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(index, "orders", version="1.0")
        make_wheel(index, "orders", version="2.0")
        (tmp_path / "limits.txt").write_text("orders<2", encoding="utf-8")
        monkeypatch.chdir(requirements.parent)

        build("bundle", "requirements.txt", config={"constraints": ["limits.txt"]})

        assert contents(tmp_path / "bundle")["orders.py"] == "VERSION = '1.0'\n"

    def test_config_says_the_architecture(self, index: Path, artifacts: Path, requirements: Path) -> None:
        for machine in ("x86_64", "aarch64"):
            make_wheel(index, "orders", tag=f"cp312-cp312-manylinux_2_28_{machine}", files={f"for_{machine}.py": ""})

        build(artifacts, requirements, "python3.12", config={"architecture": "arm64"})

        assert [name for name in contents(artifacts) if name.startswith("for_")] == ["for_aarch64.py"]

    @pytest.mark.parametrize(
        ("runtime", "said"),
        [
            ("python3.8", "Warning: python3.8 reached end of support on 2024-10-14 (AWS); consider a newer runtime."),
            ("python3.9", "Warning: python3.9 reached end of support on 2025-12-15 (AWS); consider a newer runtime."),
            ("python3.13", ""),
            ("python3.15", "Note: python3.15 is a public preview at AWS, which is not for production."),
        ],
    )
    def test_deprecated_runtimes_are_a_warning_and_previews_a_note(
        self, runtime: str, said: str, index: Path, *, artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        tag = runtime.replace("python", "cp").replace(".", "")
        make_wheel(index, "orders", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")

        build(artifacts, requirements, runtime, ui=ui)

        assert "orders.py" in contents(artifacts)
        assert [line.strip() for line in ui.text.splitlines() if "Warning" in line or "Note" in line] == (
            [said] if said else []
        )

    def test_the_environment_of_the_hook_has_no_say(
        self, index: Path, artifacts: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(index, "orders", tag="cp312-cp312-manylinux_2_28_x86_64")
        monkeypatch.setenv("HATCH_LAMBDA_RUNTIME", "python3.10")
        monkeypatch.setenv("HATCH_LAMBDA_ARCHITECTURE", "arm64")

        build(artifacts, requirements, "python3.12")

        assert "orders-1.0.dist-info/METADATA" in contents(artifacts)

    def test_the_callers_config_is_not_touched(self, index: Path, artifacts: Path, requirements: Path) -> None:
        make_wheel(index, "orders")
        config = {"architecture": "arm64", "pip-args": ["--pre"]}

        build(artifacts, requirements, config=config)

        assert config == {"architecture": "arm64", "pip-args": ["--pre"]}


class TestUi:
    def test_five_lines_are_enough_for_one(self, index: Path, artifacts: Path, requirements: Path) -> None:
        make_wheel(index, "orders")
        told = []

        class Printer:
            def status(self, message: str) -> None:
                told.append(message)

            def error(self, message: str) -> None:
                told.append(f"! {message}")

        PythonPipDependencyBuilder().build_dependencies(artifacts, requirements, "python3.13", ui=Printer())

        assert told[0] == "Bundle for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34)"
        assert [line.split()[0] for line in told if line.startswith("  ")] == list("123456789")
        assert not [line for line in told if line.startswith("!")]

    def test_an_error_is_told_and_raised_in_the_same_words(
        self, index: Path, artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "orders", requires=["menu==4"])

        with pytest.raises(LambdaBuildError) as raised:
            build(artifacts, requirements, ui=ui)

        assert ui.errors == [str(raised.value)]
        assert "menu==4" in ui.errors[0]

    def test_without_one_nothing_is_printed(
        self, index: Path, artifacts: Path, requirements: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        make_wheel(index, "orders")

        build(artifacts, requirements)

        assert capfd.readouterr() == ("", "")


class TestFailing:
    @pytest.mark.slow
    def test_unmet_dependencies_come_as_data(
        self, index: Path, artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "orders", requires=["menu"])
        make_sdist(index, "menu", version="2.5", build="broken")

        with pytest.raises(MissingDependencyError) as raised:
            build(artifacts, requirements, ui=ui)

        (missing,) = raised.value.missing
        assert (missing.name, str(missing.version)) == ("menu", "2.5")
        assert missing.chain == ("requirements.txt", "orders 1.0", "menu 2.5")
        assert missing.remedies
        assert contents(artifacts) == {"former.py": "FORMER = 1"}
        assert ui.errors == [str(raised.value)]

    @pytest.mark.parametrize(
        ("config", "told"),
        [
            ({"architecture": "mips"}, ["`config.architecture`", "'mips'", "`arm64`"]),
            ({"architectur": "arm64"}, ["`config.architectur`", "did you mean `architecture`?"]),
            ({"prefer-binary": 1, "constraints": ["no.txt"]}, ["`config.prefer-binary`", "no.txt"]),
            ({"runtime": "python3.10"}, ["`config.runtime`"]),
            ({"requirements": ["other.txt"]}, ["`config.requirements`"]),
            ({"build-directory": "build"}, ["`config.build-directory`"]),
        ],
    )
    def test_what_config_cannot_mean_is_refused_rather_than_ignored(
        self, config: dict[str, object], told: list[str], artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        with pytest.raises(ConfigurationError) as raised:
            build(artifacts, requirements, ui=ui, config=config)

        assert [word for word in told if word not in str(raised.value)] == []
        assert ui.errors == [str(raised.value)]
        assert contents(artifacts) == {"former.py": "FORMER = 1"}

    def test_an_unknown_runtime_is_refused_with_all_there_are(
        self, artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        with pytest.raises(ConfigurationError, match=r"runtime.*`python3\.10`.*`python3\.14`.*'python2\.7'") as raised:
            build(artifacts, requirements, "python2.7", ui=ui)

        assert ui.errors == [str(raised.value)]
        assert contents(artifacts) == {"former.py": "FORMER = 1"}

    def test_a_requirements_file_that_is_not_there_is_told_with_its_path(
        self, tmp_path: Path, artifacts: Path, ui: RecordingUI
    ) -> None:
        with pytest.raises(ConfigurationError) as raised:
            build(artifacts, tmp_path / "requirement.txt", ui=ui)

        assert str(tmp_path / "requirement.txt") in str(raised.value)
        assert ui.errors == [str(raised.value)]
        assert contents(artifacts) == {"former.py": "FORMER = 1"}

    def test_a_malformed_requirements_file_is_told_with_pips_words(
        self, index: Path, artifacts: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "orders")
        requirements.write_text("orders\norders = 1.0\n", encoding="utf-8")

        with pytest.raises(LambdaBuildError) as raised:
            build(artifacts, requirements, ui=ui)

        assert "orders = 1.0" in str(raised.value)
        assert ui.errors == [str(raised.value)]
        assert contents(artifacts) == {"former.py": "FORMER = 1"}

    def test_a_file_in_the_folders_place_is_an_error_and_stays(
        self, index: Path, tmp_path: Path, requirements: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "orders")
        (tmp_path / "bundle").write_text("a file", encoding="utf-8")

        with pytest.raises(LambdaBuildError) as raised:
            build(tmp_path / "bundle", requirements, ui=ui)

        assert str(tmp_path / "bundle") in str(raised.value)
        assert ui.errors == [str(raised.value)]
        assert (tmp_path / "bundle").read_text() == "a file"

    def test_a_link_to_a_folder_is_as_good_as_a_folder(
        self, index: Path, tmp_path: Path, artifacts: Path, requirements: Path
    ) -> None:
        make_wheel(index, "orders")
        link = tmp_path / "bundle"
        link.symlink_to(artifacts)

        build(link, requirements)

        assert "orders.py" in contents(link)
        assert "former.py" not in contents(link)


class TestFoldersThatAreNotToBeEmptied:
    def refused(self, artifacts: object, requirements: Path, ui: RecordingUI) -> str:
        with pytest.raises(ConfigurationError) as raised:
            build(artifacts, requirements, ui=ui)
        assert ui.errors == [str(raised.value)]
        assert requirements.is_file()
        return str(raised.value)

    @pytest.mark.parametrize("above", [0, 1])
    def test_one_with_the_requirements_file_in_it_is_refused(
        self, above: int, requirements: Path, ui: RecordingUI
    ) -> None:
        folder = requirements.parents[above]

        message = self.refused(folder, requirements, ui)

        assert message == f"The directory {folder} would be cleared, but it contains {requirements}"

    @pytest.mark.parametrize("place", [".", "..", "../..", "deploy/..", ""])
    def test_one_with_the_current_folder_in_it_is_refused(
        self, place: str, tmp_path: Path, requirements: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "x" / "work" / "deploy").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "x" / "work")

        message = self.refused(place, requirements, ui)

        assert "would be cleared" in message
        assert Path.cwd().is_dir()

    def test_one_that_leads_there_by_a_link_is_refused_or_takes_the_links_place(
        self, index: Path, tmp_path: Path, requirements: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(index, "orders")
        work = tmp_path / "work"
        work.mkdir()
        (work / "precious.py").write_text("", encoding="utf-8")
        (tmp_path / "link").symlink_to(work)
        monkeypatch.chdir(work)

        with contextlib.suppress(ConfigurationError):
            build(tmp_path / "link", requirements)

        assert (work / "precious.py").is_file()

    def test_a_folder_beside_them_with_a_name_that_begins_alike_is_not(
        self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(index, "orders")
        work = tmp_path / "work"
        work.mkdir()
        (work / "requirements.txt").write_text("orders", encoding="utf-8")
        monkeypatch.chdir(work)

        build(os.path.join("..", "wor"), "requirements.txt")  # noqa: PTH118 - as a caller may write it

        assert "orders.py" in contents(tmp_path / "wor")
