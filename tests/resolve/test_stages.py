"""Stages 2 to 9, each reached by the real pip and seen in the bundle, in the lines for the user, or in the error."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError, ConflictingFilesError, LambdaBuildError, ResolutionError
from hatch_lambda.resolve.closure import MissingDependencyError
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.resolve.closure import MissingDependency
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]
    Compiler = Callable[[bytes], None]

# Sdists are built by the running interpreter, so that no other one has to be found.
PYTHON = "{}.{}".format(*sys.version_info)
HERE = f"python{PYTHON}"
CP = f"cp{PYTHON.replace('.', '')}"
# A runtime of another Python, with the running interpreter to build for it.
ANOTHER = {"runtime": "python3.13" if PYTHON != "3.13" else "python3.12", "python": sys.executable}
ANOTHER_CP = ANOTHER["runtime"].replace("python3.", "cp3")

FITTING = make_elf("x86_64", versions={"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.17"]})
FOR_ARM = make_elf("aarch64")
TOO_NEW = make_elf("x86_64", versions={"libc.so.6": ["GLIBC_2.99"]})
FOR_MUSL = make_elf("x86_64", needed=["libc.musl-x86_64.so.1"])
FOR_MACOS = b"\xcf\xfa\xed\xfe" + (0x0100000C).to_bytes(4, "little") + bytes(64)
FOR_WINDOWS = b"".join(
    [b"MZ", bytes(58), (64).to_bytes(4, "little"), b"PE\0\0", (0x8664).to_bytes(2, "little"), bytes(18), b"\x0b\x02"]
).ljust(512, b"\0")

FOREIGN_TAG = "cp39-cp39-macosx_11_0_arm64"


def module(bundle: Bundle, name: str) -> str:
    return (bundle.directory / f"{name}.py").read_text(encoding="utf-8")


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def line_of(stage: int, ui: RecordingUI) -> str:
    [line] = [line for line in ui.lines if line.startswith(f"  {stage} ")]
    return line


def missing(bundle_of: BundleOf, *requirements: str, **table: object) -> Mapping[str, MissingDependency]:
    with pytest.raises(MissingDependencyError) as caught:
        bundle_of(*requirements, **table)
    return {found.name: found for found in caught.value.missing}


class TestStage2Sort:
    def test_a_wheel_whose_tags_do_not_say_its_glibc_is_checked_by_its_content(
        self, index: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        contents = {
            "fits": ("fits.so", FITTING, None),
            "runs": ("bin/runs", FITTING, None),
            "launches": ("launcher.exe", FOR_WINDOWS, None),
            "for-arm": ("for_arm/x.so", FOR_ARM, "its for_arm/x.so is ELF machine code for aarch64"),
            "for-macos": ("for_macos.so", FOR_MACOS, "its for_macos.so is Mach-O machine code for aarch64"),
            "for-musl": ("for_musl.so", FOR_MUSL, "its for_musl.so needs musl, the runtime has glibc"),
            "for-windows": ("for_windows.pyd", FOR_WINDOWS, "its for_windows.pyd is PE machine code for x86_64"),
            "too-new": ("too_new.so.1", TOO_NEW, "its too_new.so.1 needs glibc 2.99, the runtime has 2.34"),
        }
        for name, (path, content, _) in contents.items():
            make_wheel(index, name, tag="py3-none-linux_x86_64", files={path: content})
        found = missing(bundle_of, *contents)
        wrong = {name: reason for name, (_, _, reason) in contents.items() if reason}
        assert set(found) == set(wrong)
        for name, reason in wrong.items():
            assert found[name].verdict.endswith(reason)
        assert "3 compatible wheels, 5 missing" in line_of(2, ui)


class TestStage3DownloadWheels:
    def test_ignore_tags_uses_an_incompatible_wheel_if_the_sdist_cannot_be_built(
        self, index: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        make_sdist(index, "listed-one", "2.0", build="broken")
        make_wheel(index, "listed-one", "2.0", tag=FOREIGN_TAG)
        make_wheel(index, "listed-one", "3.0", tag=FOREIGN_TAG)
        bundle = bundle_of("listed-one", compatible=["Listed_One"], runtime=HERE)
        assert bundle.distributions == ("listed-one 2.0",)
        assert module(bundle, "listed_one") == "VERSION = '2.0'\n"
        assert "allowed listed-one 2.0" in line_of(6, ui)

    def test_a_direct_reference_never_goes_to_the_index(self, index: Path, tmp_path: Path, bundle_of: BundleOf) -> None:
        sdist = make_sdist(tmp_path / "elsewhere", "by-url", build="broken")
        make_wheel(index, "by-url")
        found = missing(bundle_of, f"by-url @ {sdist.as_uri()}", runtime=HERE, compatible=["by-url"])["by-url"]
        assert [attempt.stage for attempt in found.attempts] == [4, 5]

    def test_no_binary_rules_wheels_out_and_the_report_says_so(self, index: Path, bundle_of: BundleOf) -> None:
        make_sdist(index, "thing", build="broken")
        make_wheel(index, "thing")
        found = missing(bundle_of, "thing", runtime=HERE, pip_args=["--no-binary", "thing"])["thing"]
        assert (found.attempts[0].stage, found.attempts[0].outcome) == (3, "excluded by `--no-binary`")
        assert any(remedy.startswith("remove `--no-binary`") for remedy in found.remedies)

    def test_only_files_of_an_allowed_hash_are_taken(
        self, index: Path, project_root: Path, bundle_of: BundleOf
    ) -> None:
        sdist = make_sdist(index, "thing", build="broken")
        make_wheel(index, "thing", tag=FOREIGN_TAG)
        digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
        (project_root / "requirements.txt").write_text(f"thing==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
        found = missing(bundle_of, requirements=["requirements.txt"], runtime=HERE, compatible=["thing"])["thing"]
        assert found.attempts[0].stage == 3
        assert not found.attempts[0].succeeded


class TestStage4Build:
    def test_what_the_host_compiles_for_the_target_is_taken(
        self, index: Path, bundle_of: BundleOf, compiler: Compiler, ui: RecordingUI
    ) -> None:
        compiler(FITTING)
        make_sdist(index, "fast", build="compiled")
        bundle = bundle_of("fast", runtime=HERE)
        assert (bundle.directory / "_fast.so").read_bytes() == FITTING
        assert "built fast 1.0" in line_of(4, ui)

    @pytest.mark.parametrize(
        ("output", "why"),
        [(FOR_ARM, "ELF machine code for aarch64"), (TOO_NEW, "needs glibc 2.99")],
        ids=["another architecture", "newer glibc"],
    )
    def test_what_the_host_compiles_for_itself_is_refused(
        self, output: bytes, why: str, index: Path, bundle_of: BundleOf, compiler: Compiler
    ) -> None:
        compiler(output)
        make_sdist(index, "fast", build="compiled")
        attempts = {attempt.stage: attempt for attempt in missing(bundle_of, "fast", runtime=HERE)["fast"].attempts}
        assert why in attempts[4].outcome
        assert "_fast.so" in attempts[4].outcome
        assert f"with Python {PYTHON}, with the compilers of this machine" in attempts[4].tried
        assert attempts[5].outcome == "the build failed"

    def test_a_wheel_of_another_architecture_is_refused_by_its_tag(
        self, index: Path, bundle_of: BundleOf, compiler: Compiler
    ) -> None:
        compiler(FITTING)
        make_sdist(index, "fast", build="compiled")
        attempts = missing(bundle_of, "fast", runtime=HERE, architecture="arm64")["fast"].attempts
        assert f"tagged {CP}-{CP}-linux_x86_64" in attempts[1].outcome

    def test_the_configured_interpreter_builds_for_any_runtime(self, index: Path, bundle_of: BundleOf) -> None:
        make_sdist(index, "pure", requires_python=f"<3.{sys.version_info[1]}" if PYTHON > "3.13" else None)
        assert f"BUILT_WITH = {sys.version_info[:2]!r}" in module(bundle_of("pure", **ANOTHER), "pure")

    def test_a_sdist_for_a_python_that_is_not_here_is_built_all_the_same(
        self, index: Path, bundle_of: BundleOf
    ) -> None:
        only_there = ANOTHER["runtime"].removeprefix("python")
        make_sdist(index, "pure", requires_python=f"=={only_there}.*")
        assert bundle_of("pure", **ANOTHER).distributions == ("pure 1.0",)


class TestStage5BuildWithoutCompiler:
    def test_optional_extensions_fall_back(
        self, index: Path, bundle_of: BundleOf, compiler: Compiler, ui: RecordingUI
    ) -> None:
        compiler(FOR_ARM)
        make_sdist(index, "slow", build="optional")
        bundle = bundle_of("slow", runtime=HERE)
        assert {name for name in files_in(bundle.directory) if ".dist-info" not in name} == {"slow.py"}
        assert "1 distribution still without a wheel" in line_of(4, ui)
        assert "built slow 1.0" in line_of(5, ui)

    def test_the_tag_of_another_interpreter_does_not_matter_where_there_is_no_machine_code(
        self, index: Path, bundle_of: BundleOf, compiler: Compiler
    ) -> None:
        compiler(FITTING)
        make_sdist(index, "slow", build="optional")
        bundle = bundle_of("slow", **ANOTHER)
        assert {name for name in files_in(bundle.directory) if ".dist-info" not in name} == {"slow.py"}

    def test_machine_code_for_another_interpreter_is_refused(
        self, index: Path, bundle_of: BundleOf, compiler: Compiler
    ) -> None:
        compiler(FITTING)
        make_sdist(index, "fast", build="compiled")
        found = missing(bundle_of, "fast", **ANOTHER)["fast"]
        assert f"tagged {CP}-{CP}-linux_x86_64" in found.verdict

    def test_no_compiler_is_to_be_found(
        self, index: Path, tmp_path: Path, bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch, ui: RecordingUI
    ) -> None:
        programs = ["cc", "c++", "gcc", "g++", "gcc-12", "clang", "clang++-17", "aarch64-linux-gnu-gcc", "tcc"]
        programs += ["gfortran", "f77", "flang", "rustc", "cargo", "go", "gccgo", "zig", "nvcc", "ccache", "icx"]
        folder = tmp_path / "compilers"
        folder.mkdir()
        for name in programs:
            (folder / name).write_text("#!/bin/sh\n", encoding="ascii")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        for variable in ("CC", "CXX", "FC", "F77", "F90", "LDSHARED", "CARGO", "RUSTC", "GO"):
            monkeypatch.setenv(variable, str(folder / "cc"))
        monkeypatch.setenv("SURVEY", json.dumps(programs))
        make_sdist(index, "curious", build="survey")
        assert "FOUND = []" in module(bundle_of("curious", runtime=HERE), "curious")
        assert "1 distribution still without a wheel" in line_of(4, ui)  # there they are found

    def test_what_stage_4_left_in_a_source_folder_is_not_taken_over(
        self, tmp_path: Path, bundle_of: BundleOf, compiler: Compiler
    ) -> None:
        compiler(FOR_ARM)
        tree = make_source_tree(tmp_path / "tree", "tree", build="optional")
        for stale in ("build/lib/tree.so", "tree.egg-info/SOURCES.txt"):
            (tree / stale).parent.mkdir(parents=True)
            (tree / stale).write_bytes(FOR_ARM)
        before = set(files_in(tree))
        bundle = bundle_of(f"tree @ {tree.as_uri()}", runtime=HERE)
        assert not any(name.endswith(".so") for name in files_in(bundle.directory))
        assert before <= set(files_in(tree))


class TestStage6Allow:
    def test_wheels_that_misstate_their_compatibility_are_let_through(
        self, index: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        make_wheel(index, "proven", tag=FOREIGN_TAG)
        make_wheel(index, "top", requires=["proven-deep"])
        make_wheel(index, "proven-deep", tag="cp38-cp38-win_amd64")
        make_wheel(index, "sqlalchemy", tag="cp313-cp313-manylinux_2_39_x86_64", files={"sqlalchemy.so": FITTING})
        make_wheel(index, "vouched-for", tag="cp313-cp313-manylinux_2_39_x86_64", files={"vouched.so": FITTING})
        bundle = bundle_of("proven", "top", "sqlalchemy", "vouched-for", compatible=["vouched-for"])
        assert set(bundle.distributions) == {
            "proven 1.0",
            "proven-deep 1.0",
            "sqlalchemy 1.0",
            "top 1.0",
            "vouched-for 1.0",
        }
        assert "allowed proven 1.0, proven-deep 1.0, sqlalchemy 1.0, vouched-for 1.0" in line_of(6, ui)

    @pytest.mark.parametrize(
        ("name", "tag", "filename", "content"),
        [
            ("pyyaml", "cp36-cp36m-macosx_10_9_x86_64", "x.so", FOR_MACOS),
            ("vouched-for", "cp313-cp313-win_amd64", "x.pyd", FOR_WINDOWS),
            ("vouched-for", "cp313-cp313-manylinux_2_17_aarch64", "x.so", FOR_ARM),
            ("vouched-for", "cp313-cp313-manylinux_2_39_x86_64", "x.so.1", TOO_NEW),
        ],
        ids=["macOS", "Windows", "another architecture", "newer glibc"],
    )
    def test_machine_code_that_cannot_be_loaded_is_rejected_even_if_trusted(  # noqa: PLR0917
        self, name: str, tag: str, filename: str, content: bytes, index: Path, bundle_of: BundleOf
    ) -> None:
        make_wheel(index, name, tag=tag, files={filename: content})
        found = missing(bundle_of, name, compatible=["vouched-for"])[name]
        assert f"{name.replace('-', '_')}-1.0-{tag}.whl" in found.verdict
        assert not any("compatible" in remedy for remedy in found.remedies)

    def test_machine_code_that_might_work_is_allowed_only_if_trusted(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "unknown", tag="cp313-cp313-manylinux_2_39_x86_64", files={"x.so": FITTING})
        found = missing(bundle_of, "unknown")["unknown"]
        assert any('compatible = ["unknown"]' in remedy for remedy in found.remedies)

    def test_a_wheel_for_python_2_stays_out(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "antique", tag="py2-none-any")
        assert "tagged py2-none-any" in missing(bundle_of, "antique", compatible=["antique"])["antique"].verdict


class TestStage7ReportUnmet:
    @pytest.fixture
    def stubborn(self, index: Path) -> None:
        """`stubborn 2.0` is asked for deep down; it has wheels for others, and an sdist that cannot be built."""
        make_wheel(index, "top", requires=["middle[extra]"])
        make_wheel(index, "middle", requires=['stubborn==2.0; extra == "extra"'], extras=["extra"])
        make_wheel(index, "stubborn", "1.0", tag="cp312-abi3-manylinux_2_17_x86_64")
        make_wheel(index, "stubborn", "1.1", tag="cp312-abi3-manylinux_2_17_x86_64")
        make_wheel(index, "stubborn", "1.2", tag="cp313-cp313-manylinux_2_17_aarch64")
        for tag in ("cp314-cp314-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_aarch64", FOREIGN_TAG):
            make_wheel(index, "stubborn", "2.0", tag=tag, files={"stubborn.so": FITTING})
        make_sdist(index, "stubborn", "2.0", build="broken")

    @pytest.mark.usefixtures("stubborn")
    def test_an_unmet_distribution_is_reported_as_data_and_as_text(self, bundle_of: BundleOf, ui: RecordingUI) -> None:
        with pytest.raises(MissingDependencyError) as caught:
            bundle_of("top", runtime="python3.13", python=sys.executable)
        [found] = caught.value.missing
        text = str(caught.value)

        assert (found.name, str(found.version)) == ("stubborn", "2.0")
        assert text.startswith("No wheel for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34) of: stubborn 2.0\n")
        assert found.chain == ("orders", "top 1.0", "middle 1.0", "stubborn 2.0")
        assert "required by: orders -> top 1.0 -> middle 1.0 -> stubborn 2.0" in text
        assert found.offers == (
            "stubborn-2.0-cp313-cp313-manylinux_2_17_aarch64.whl",
            "stubborn-2.0-cp314-cp314-manylinux_2_17_x86_64.whl",
            f"stubborn-2.0-{FOREIGN_TAG}.whl",
            "stubborn-2.0.tar.gz",
        )
        assert [(attempt.stage, attempt.succeeded) for attempt in found.attempts] == [
            (3, False),
            (4, False),
            (5, False),
        ]
        assert found.attempts[0].outcome == "none of its wheels is compatible"
        assert any("error: this sdist cannot be built by anyone" in line for line in found.attempts[1].words)
        assert "some noise before" not in text
        for each in (*found.offers, *found.remedies, *(attempt.tried for attempt in found.attempts)):
            assert each in text
        assert "use an older, compatible version: `stubborn==1.1`" in found.remedies
        assert "use another runtime: it has wheels for `python3.14`" in found.remedies
        assert 'use the other architecture, for which it has wheels: `architecture = "arm64"`' in found.remedies
        assert any("--find-links" in remedy for remedy in found.remedies)
        assert "Traceback" not in text
        assert tempfile.gettempdir() not in text
        assert ui.errors == []  # who catches the exception shows it
        assert "sources only" not in text  # it has wheels, if not for this target

    def test_on_missing_warn_leaves_it_out_and_says_so(self, index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
        make_wheel(index, "top", requires=["foreign"])
        make_wheel(index, "foreign", tag=FOREIGN_TAG, files={"foreign.so": FOR_MACOS})
        bundle = bundle_of("top", on_missing="warn")
        assert bundle.distributions == ("top 1.0",)
        assert not any("foreign" in name for name in files_in(bundle.directory))
        assert "Warning: No wheel for python3.13 on x86_64" in ui.text
        assert "required by: orders -> top 1.0 -> foreign 1.0" in ui.text
        assert "foreign 1.0 left out" in line_of(7, ui)

    def test_nothing_is_unpacked_and_the_earlier_bundle_stays(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "earlier")
        make_wheel(index, "foreign", tag=FOREIGN_TAG, files={"foreign.so": FOR_MACOS})
        before = files_in((earlier := bundle_of("earlier")).directory)
        assert "earlier.py" in before
        missing(bundle_of, "foreign", "earlier")
        assert files_in(earlier.directory) == before

    def test_all_unmet_distributions_are_reported_together(self, index: Path, bundle_of: BundleOf) -> None:
        make_sdist(index, "psycopg2", build="broken")
        make_wheel(index, "foreign", tag=FOREIGN_TAG, files={"foreign.so": FOR_MACOS})
        make_wheel(index, "other-foreign", tag="cp313-cp313-win_amd64", files={"foreign.pyd": FOR_WINDOWS})
        make_wheel(index, "fine", requires=["foreign"])
        found = missing(bundle_of, "psycopg2", "fine", "other-foreign", runtime=HERE)
        assert set(found) == {"psycopg2", "foreign", "other-foreign"}
        assert "depend on `psycopg2-binary` instead, which has wheels" in found["psycopg2"].remedies
        assert found["foreign"].chain == ("orders", "fine 1.0", "foreign 1.0")
        assert found["foreign"].offers == (f"foreign-1.0-{FOREIGN_TAG}.whl",)
        assert "only sources" in found["psycopg2"].verdict

    def test_an_older_version_is_a_remedy_only_where_it_fits_the_python_too(
        self, tmp_path: Path, bundle_of: BundleOf, serve: type[SimpleIndex]
    ) -> None:
        served = tmp_path / "served"
        make_wheel(served, "thing", "1.0", requires_python=">=3.10")
        make_wheel(served, "thing", "1.5", requires_python=">=3.15")
        make_wheel(served, "thing", "2.0", tag=FOREIGN_TAG, files={"thing.so": FOR_MACOS})
        with serve(served) as index:
            found = missing(bundle_of, "thing==2.0", pip_args=["--index-url", index.url])["thing"]
        assert "use an older, compatible version: `thing==1.0`" in found.remedies


class TestStage8Unpack:
    def test_every_scheme_of_a_wheel_lands_where_lambda_looks(self, index: Path, bundle_of: BundleOf) -> None:
        data = "tools-1.0.data"
        make_wheel(
            index,
            "tools",
            files={
                "tools.py": "def main():\n    print('called')\n",
                f"{data}/purelib/pure.py": "PURE = 1\n",
                f"{data}/platlib/plat/__init__.py": "",
                f"{data}/data/share/tools/table.csv": "a,b\n",
                f"{data}/headers/tools.h": "int x;\n",
                f"{data}/scripts/python-script": "#!python\nprint('script')\n",
                f"{data}/scripts/shell-script": "#!/bin/sh\necho shell\n",
                "tools/__pycache__/x.cpython-313.pyc": b"\0",
                "tools-1.0.dist-info/entry_points.txt": "[console_scripts]\ntools = tools:main\n",
                "native/tool": make_elf(),
            },
            executables=["native/tool"],
        )
        old_mask = os.umask(0o077)
        try:
            folder = bundle_of("tools").directory
        finally:
            os.umask(old_mask)

        content = files_in(folder)
        assert {name for name in content if ".dist-info/" not in name} == {
            "tools.py",
            "pure.py",
            "plat/__init__.py",
            "share/tools/table.csv",
            "bin/python-script",
            "bin/shell-script",
            "bin/tools",
            "native/tool",
        }
        assert content["bin/python-script"] == b"#!/var/lang/bin/python3.13\nprint('script')\n"
        assert content["bin/shell-script"] == b"#!/bin/sh\necho shell\n"
        assert content["bin/tools"].startswith(b"#!/var/lang/bin/python3.13\n")
        # The command finds the module that lies beside `bin`, with whichever interpreter.
        called = [sys.executable, "-IB", str(folder / "bin" / "tools")]
        assert subprocess.run(called, check=True, capture_output=True, text=True).stdout == "called\n"
        modes = {path: stat.S_IMODE((folder / path).stat().st_mode) for path in content}
        executable = {path for path, mode in modes.items() if mode == 0o755}
        assert executable == {"bin/python-script", "bin/shell-script", "bin/tools", "native/tool"}
        assert set(modes.values()) == {0o755, 0o644}
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
        self.assert_true_record(folder, "tools-1.0.dist-info")

    @staticmethod
    def assert_true_record(folder: Path, dist_info: str) -> None:
        content = files_in(folder)
        rows = list(csv.reader(content[f"{dist_info}/RECORD"].decode().splitlines()))
        assert {row[0] for row in rows} == set(content)
        for name, digest, size in rows:
            if name != f"{dist_info}/RECORD":
                expected = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={expected}", str(len(content[name])))

    def test_what_an_earlier_build_left_is_gone(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "old", files={"old/a.py": "", "shared.py": "OLD = 1\n"})
        make_wheel(index, "new", files={"shared.py": "NEW = 1\n"})
        folder = bundle_of("old").directory
        (folder / "left-by-hand.txt").write_text("x", encoding="utf-8")
        bundle_of("new")
        assert {name for name in files_in(folder) if ".dist-info/" not in name} == {"shared.py"}
        assert module_text(folder / "shared.py") == "NEW = 1\n"
        assert {path.name for path in folder.iterdir()} == {"shared.py", "new-1.0.dist-info"}

    def test_what_exclude_names_stays_out_and_record_is_true_to_that(
        self, bundle_of: Callable[..., Bundle], index: Path
    ) -> None:
        files = {"big/__init__.py": "", "big/core.pyx": "source", "big/tests/test_a.py": "", "big/data/LICENSE.pyx": ""}
        make_wheel(index, "big", files=files)

        folder = bundle_of("big", exclude=["*.pyx", "big/tests/", "METADATA", "!big/data/*"]).directory

        content = files_in(folder)
        assert [path for path in sorted(content) if ".dist-info/" not in path] == [
            "big/__init__.py",
            "big/data/LICENSE.pyx",
        ]
        assert "big-1.0.dist-info/METADATA" in content
        self.assert_true_record(folder, "big-1.0.dist-info")

    @pytest.mark.parametrize(
        "inits",
        [
            (None, None),
            ("", ""),
            (
                "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
                "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
            ),
            ("__import__('pkg_resources').declare_namespace(__name__)\n",) * 2,
        ],
        ids=["PEP 420", "empty", "pkgutil", "pkg_resources"],
    )
    def test_distributions_share_a_namespace_package(
        self, inits: tuple[str | None, str | None], index: Path, bundle_of: BundleOf
    ) -> None:
        for name, init in zip(("google-one", "google-two"), inits, strict=True):
            files = {f"google/{name[7:]}/__init__.py": f"NAME = {name!r}\n"}
            make_wheel(index, name, files=files if init is None else {**files, "google/__init__.py": init})
        content = files_in(bundle_of("google-one", "google-two").directory)
        assert {"google/one/__init__.py", "google/two/__init__.py"} <= set(content)
        assert ("google/__init__.py" in content) == (inits[0] is not None)

    def test_two_distributions_with_different_files_of_one_path_stop_the_build(
        self, index: Path, bundle_of: BundleOf
    ) -> None:
        make_wheel(index, "earlier")
        earlier = bundle_of("earlier").directory
        before = files_in(earlier)
        make_wheel(index, "one", files={"utils.py": "ONE = 1\n", "same.py": ""})
        make_wheel(index, "two", "2.0", files={"utils.py": "TWO = 2\n", "same.py": ""})
        with pytest.raises(ConflictingFilesError) as caught:
            bundle_of("one", "two")
        for words in ("one 1.0", "two 2.0", "`utils.py`"):
            assert words in str(caught.value)
        assert "same.py" not in str(caught.value)
        assert files_in(earlier) == before

    def test_a_file_and_a_directory_of_the_same_path_stop_the_build(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "one", files={"thing": "a file\n"})
        make_wheel(index, "two", files={"thing/__init__.py": ""})
        with pytest.raises(ConflictingFilesError, match="thing"):
            bundle_of("one", "two")

    @pytest.mark.parametrize("entry", ["../outside.py", "/outside.py", "x/../../outside.py"])
    def test_a_wheel_that_leads_out_of_its_folder_is_refused(
        self, entry: str, index: Path, bundle_of: BundleOf, tmp_path: Path
    ) -> None:
        make_wheel(index, "evil", files={entry: "x = 1\n"})
        with pytest.raises(BrokenWheelError, match=r"evil-1\.0-py3-none-any\.whl"):
            bundle_of("evil")
        assert list(tmp_path.rglob("outside.py")) == []


def module_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class TestStage9CleanUp:
    @staticmethod
    def assert_nothing_is_left(project_root: Path) -> None:
        assert list(Path(tempfile.gettempdir()).iterdir()) == []
        assert [path for path in project_root.rglob("*") if path.name.startswith((".bundle", "tmp"))] == []

    def test_the_scratch_is_gone_after_success(
        self, index: Path, project_root: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        make_sdist(index, "thing")
        bundle_of("thing", runtime=HERE)
        assert "temporary files removed" in line_of(9, ui)
        self.assert_nothing_is_left(project_root)

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("no-such-thing", ResolutionError),
            ("unbuildable", MissingDependencyError),
            ("evil", BrokenWheelError),
        ],
    )
    def test_the_scratch_is_gone_after_a_failure_of_any_stage(
        self, name: str, error: type[LambdaBuildError], index: Path, project_root: Path, bundle_of: BundleOf
    ) -> None:
        make_sdist(index, "unbuildable", build="broken")
        make_wheel(index, "evil", files={"../evil.py": ""})
        with pytest.raises(error):
            bundle_of(name, runtime=HERE)
        self.assert_nothing_is_left(project_root)

    @pytest.mark.parametrize("moment", ["Processing ", "Building wheel for thing", "  4 build", "  8 unpack"])
    def test_the_scratch_is_gone_after_an_interrupt_at_any_moment(  # noqa: PLR0917
        self,
        moment: str,
        index: Path,
        project_root: Path,
        bundle_of: BundleOf,
        ui: RecordingUI,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def interrupted(message: str) -> None:
            if moment in message:
                raise KeyboardInterrupt

        monkeypatch.setattr(ui, "status", interrupted)
        make_sdist(index, "thing")
        with pytest.raises(KeyboardInterrupt):
            bundle_of("thing", runtime=HERE, verbose=True)
        self.assert_nothing_is_left(project_root)
