"""Wheels built from sdists are cached by all that the build depends on."""

from __future__ import annotations

import dataclasses
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.common.process import Completed
from hatch_lambda.common.target import target_named
from hatch_lambda.common.ui import Reporter
from hatch_lambda.resolve.build import build
from hatch_lambda.resolve.closure import Closure, Sdist
from hatch_lambda.resolve.cross.toolchain import CrossCompiler
from hatch_lambda.resolve.cross.zig import Zig
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.toolchains import HostCompilers, NoCompilers
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_sdist, make_wheel
from tests.support.situation import DAMAGES, HERE, distribution_of, files_in, request_for, sha256, stored_wheels

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.resolve.toolchains import Toolchain
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]


@dataclass
class Workshop:
    """Stages 4 and 5 over one sdist, whose build is played; what counts is whether it is started."""

    tmp: Path
    ui: RecordingUI
    store: Store
    sdist: Path
    table: dict[str, object] = field(default_factory=dict)
    built: int = 0
    projects: int = 0
    tag: str = "py3-none-any"

    def build_wheel(self, _job: object, _requirements: object, destination: Path, **_: object) -> Completed:
        self.built += 1
        make_wheel(destination, "foo", tag=self.tag, files={"foo.py": f"NUMBER = {self.built}\n"})
        return Completed(0, "")

    def build(self, toolchain: Toolchain | None = None) -> Path:
        """For a project of its own each time."""
        self.projects += 1
        root, scratch = self.tmp / f"project-{self.projects}", self.tmp / f"scratch-{self.projects}"
        root.mkdir()
        scratch.mkdir()
        unmet = dataclasses.replace(
            distribution_of(self.tmp / "foo-1.0-py3-none-any.whl"),
            wheels=(),
            source=Sdist(self.sdist, sha256(self.sdist), self.sdist.as_uri()),
        )
        job = Job(request_for(root, ["foo"], {"runtime": HERE, **self.table}), scratch, Reporter(self.ui))
        (found,) = build(Closure((unmet,)), job, toolchain or HostCompilers(), self.store).distributions
        return found.wheels[-1].path


@pytest.fixture
def workshop(tmp_path: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path, ui, Store(tmp_path / "store"), make_sdist(tmp_path / "sdists", "foo"))
    monkeypatch.setattr(process, "pip_wheel", workshop.build_wheel)
    return workshop


class TestWheelsBuiltFromSdists:
    def test_for_another_project_it_is_not_built_again(
        self, index: Path, tmp_path: Path, bundle_with_state: BundleOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_sdist(index, "foo")
        first = bundle_with_state("foo", runtime=HERE)
        other = tmp_path / "other"
        other.mkdir()
        monkeypatch.setattr(process, "pip_wheel", lambda *_, **__: pytest.fail("built again"))

        second = bundle_with_state("foo", root=other, runtime=HERE)

        assert second.directory != first.directory
        assert files_in(second.directory) == files_in(first.directory)

    def test_the_same_is_built_once(self, workshop: Workshop) -> None:
        content = {workshop.build().read_bytes() for _ in range(3)}

        assert workshop.built == 1
        assert len(content) == 1

    def test_nor_from_another_directory_without_any_compiler(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(workshop.tmp))
        for name in ("here", "there"):
            (workshop.tmp / name).mkdir()
            monkeypatch.chdir(workshop.tmp / name)
            workshop.build()

        assert workshop.built == 1

    @pytest.mark.parametrize("name", ["CC", "CXX", "CFLAGS", "LDFLAGS", "RUSTFLAGS"])
    def test_after_a_change_of_what_compilers_listen_to_it_is(
        self, name: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workshop.build()
        monkeypatch.setenv(name, "1700000000")

        workshop.build()

        assert workshop.built == 2

    @pytest.mark.parametrize("by", ["variable", "pip.conf"])
    def test_after_a_change_of_build_constraints_it_is(
        self, by: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        constraints = workshop.tmp / "build.txt"
        constraints.write_text("setuptools<80\n")
        if by == "variable":
            monkeypatch.setenv("PIP_BUILD_CONSTRAINT", str(constraints))
        else:
            (workshop.tmp / "pip.conf").write_text(f"[global]\nbuild-constraint = {constraints}\n")
            monkeypatch.setenv("PIP_CONFIG_FILE", str(workshop.tmp / "pip.conf"))
        workshop.build()
        workshop.build()
        assert workshop.built == 1
        constraints.write_text("setuptools<70\n")

        workshop.build()

        assert workshop.built == 2

    def test_with_build_constraints_behind_a_url_it_is(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_BUILD_CONSTRAINT", "https://example.org/build.txt")
        workshop.build()
        workshop.build()

        assert workshop.built == 2

    @pytest.mark.parametrize(
        "name",
        [
            *("PIP_CACHE_DIR", "PIP_TIMEOUT", "GITHUB_RUN_ID", "TMPDIR", "GPG_TTY", "WT_SESSION"),
            *("CODEBUILD_BUILD_ID", "DBUS_SESSION_BUS_ADDRESS", "SOURCE_DATE_EPOCH"),
        ],
    )
    def test_after_a_change_of_something_else_it_is_not(
        self, name: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workshop.build()
        monkeypatch.setenv(name, str(workshop.tmp))

        workshop.build()

        assert workshop.built == 1

    def test_other_bytes_of_the_sdist_are_another_build(self, workshop: Workshop) -> None:
        workshop.build()
        make_sdist(workshop.sdist.parent, "foo", requires=["bar"])

        workshop.build()

        assert workshop.built == 2

    def test_another_interpreter_is_another_build(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        workshop.build()
        another = Interpreter(Path(sys.executable), (3, sys.version_info[1] + 1))
        monkeypatch.setattr("hatch_lambda.common.interpreters.interpreter_to_build_with", lambda *_: another)

        workshop.build()

        assert workshop.built == 2

    def test_the_interpreter_is_searched_once_a_build(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        searched: list[object] = []

        def search(*wanted: object) -> Interpreter:
            searched.append(wanted)
            return Interpreter(Path(sys.executable), sys.version_info[:2])

        monkeypatch.setattr("hatch_lambda.common.interpreters.interpreter_to_build_with", search)

        workshop.build()

        assert len(searched) == 1

    def test_another_target_is_another_build(self, workshop: Workshop) -> None:
        workshop.build()
        workshop.table = {"architecture": "arm64"}

        workshop.build()

        assert workshop.built == 2

    def test_without_a_compiler_is_another_build(self, workshop: Workshop) -> None:
        with_compilers = workshop.build(HostCompilers())
        without = workshop.build(NoCompilers())

        assert workshop.built == 2
        assert with_compilers.read_bytes() != without.read_bytes()
        assert workshop.build(NoCompilers()).read_bytes() == without.read_bytes()
        assert workshop.built == 2

    def test_another_release_of_the_cross_compiler_is_another_build(
        self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And so are other headers; where it is installed does not matter."""

        def cross(version: str, place: str = "/opt/zig") -> CrossCompiler:
            python = Interpreter(Path(sys.executable), sys.version_info[:2])
            zig = Zig(place, version)
            return CrossCompiler.of(target_named(HERE, "x86_64"), zig, python, workshop.tmp)

        for toolchain in (
            HostCompilers(),
            cross("0.16.0"),
            cross("0.16.0", "/usr/zig"),
            cross("0.17.1"),
            cross("0.16.0"),
        ):
            workshop.build(toolchain)
        assert workshop.built == 3

        monkeypatch.setattr("hatch_lambda.resolve.cross.toolchain.PACK", workshop.sdist)
        workshop.build(cross("0.16.0"))

        assert workshop.built == 4

    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
    def test_one_that_is_not_as_it_was_is_built_again(self, how: Callable[[Path], object], workshop: Workshop) -> None:
        workshop.build()
        how(stored_wheels(workshop.store.root)["foo-1.0-py3-none-any.whl"])

        assert zipfile.ZipFile(workshop.build()).read("foo.py") == b"NUMBER = 2\n"
