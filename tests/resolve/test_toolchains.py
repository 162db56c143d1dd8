from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.resolve.toolchains import HostCompilers, NoCompilers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COMPILERS = (
    *("cc", "c++", "gcc", "g++", "c89", "c99", "gcc-12", "g++-4.8", "gcc-13.2.0", "clang", "clang++", "clang-17"),
    *("clang++-17", "clang-cl", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-12", "aarch64-linux-gnu-g++-12"),
    *("x86_64-conda-linux-gnu-c++", "arm-none-eabi-gcc", "i686-w64-mingw32-gcc", "musl-gcc", "tcc", "icx", "icpx"),
    *("nvcc", "hipcc", "gfortran", "gfortran-12", "x86_64-linux-gnu-gfortran-12", "flang-new", "ifort", "f77", "f95"),
    *("rustc", "cargo", "rustc-1.75", "cargo-1.75", "rustup", "go", "go1.22", "gccgo", "gccgo-12", "tinygo", "zig"),
    *("swiftc", "ccache", "sccache", "distcc", "cl.exe", "gcc.exe", "clang-cl.exe", "go.exe", "emcc.bat"),
)
OTHERS = (
    *("ccheck", "ccmake", "cmake", "gcc-ar", "gcc-ranlib-12", "gcov", "gcov-12", "c++filt", "cpp", "clangd"),
    *("clang-format", "clang-tidy-17", "x86_64-linux-gnu-ld", "x86_64-linux-gnu-gcc-ar", "ld", "as", "ar", "make"),
    *("ninja", "meson", "cargo-audit", "cargo-clippy", "rustfmt", "rust-gdb", "gofmt", "go-md2man", "golint"),
    *("protoc-gen-go", "google", "ziglang", "git", "gcloud", "sh", "env", "python3", "python3.11", "perl", "f2py"),
    *("sccmap", "clear", "cls", "close", "gccrs-notes", "cccc", "account", "dcc64x"),
)


def programs(folder: Path, names: Iterable[str], script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)


def shell(command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without compilers, though everything is on PATH; each program there says that it ran."""
    folder = tmp_path_factory.mktemp("without-compilers")
    programs(folder / "tools", {*COMPILERS, *OTHERS} - {"sh", "env"}, 'echo "$(basename "$0") ran"')
    path = os.pathsep.join([str(folder / "tools"), "/usr/bin", "/bin"])
    return NoCompilers().environment({"PATH": path, "CC": "gcc -pthread", "HOME": str(folder)}, folder)


class TestHostCompilers:
    def test_the_record_has_the_compiler_s_own_words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        python = Interpreter(tmp_path, (3, 11))
        programs(tmp_path / "bin", ["cc", "my-cc"], 'echo "$(basename "$0") $1 12.2"; echo Copyright')
        programs(tmp_path / "bin", ["mute"], "exit 1")
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

        said = []
        for name in ("", "my-cc -pthread", "mute", "not-there"):
            monkeypatch.setenv("CC", name)
            said.append(HostCompilers().record(python))

        assert [record.headers for record in said] == ["Python 3.11"] * 4
        assert [record.toolchain for record in said[:2]] == ["cc --version 12.2", "my-cc -pthread 12.2"]
        assert {record.toolchain for record in said[2:]} == {"the compilers of the machine that built it"}

    def test_the_environment_is_a_copy_of_the_one_that_is_given(self, tmp_path: Path) -> None:
        base = {"PATH": "/usr/bin", "CC": "clang", "CMAKE_ARGS": "-G Ninja"}

        environment = HostCompilers().environment(base, tmp_path)

        assert environment == base
        assert environment is not base

    def test_the_two_toolchains_belong_to_stages_4_and_5(self) -> None:
        assert (HostCompilers().stage, NoCompilers().stage) == (4, 5)


class TestNoCompilers:
    @pytest.mark.parametrize("name", COMPILERS)
    def test_a_compiler_on_path_does_not_run_and_says_why(self, name: str, environment: dict[str, str]) -> None:
        completed = shell(f"{name} -c hello.c", environment)

        assert completed.returncode != 0
        assert completed.stdout == ""
        assert completed.stderr == f"error: {name}: hatch-lambda builds without a compiler in this stage\n"

    @pytest.mark.parametrize("name", [name for name in OTHERS if name not in {"sh", "env"}])
    def test_any_other_program_runs(self, name: str, environment: dict[str, str]) -> None:
        assert shell(name, environment).stdout == f"{name} ran\n"

    def test_no_compiler_of_this_machine_runs(self, tmp_path: Path) -> None:
        environment = NoCompilers().environment(os.environ, tmp_path)
        usual = ("cc", "c++", "gcc", "g++", "clang", "clang++", "gfortran", "rustc", "cargo", "go", "zig")

        ran = [name for name in usual if shell(f"{name} --version", environment).returncode == 0]

        assert ran == []
        assert shell("sh -c 'exit 3'", environment).returncode == 3

    @pytest.mark.parametrize(
        "variable",
        ["CC", "CXX", "FC", "F77", "F90", "LDSHARED", "LDCXXSHARED", "OBJC", "CUDACXX", "CARGO", "RUSTC", "GO"],
    )
    def test_none_is_to_be_had_by_an_environment_variable(self, variable: str, environment: dict[str, str]) -> None:
        completed = shell(f'"${variable}" -c hello.c', environment)

        assert completed.returncode != 0
        assert "hatch-lambda builds without a compiler" in completed.stderr

    def test_what_could_lead_a_build_past_those_variables_is_gone_and_all_else_stays(self, tmp_path: Path) -> None:
        led_past = {
            "CMAKE_ARGS": "-DCMAKE_C_COMPILER=/usr/bin/gcc",
            "CMAKE_C_COMPILER": "/usr/bin/gcc",
            "CMAKE_TOOLCHAIN_FILE": "/x.cmake",
            "SKBUILD_CMAKE_ARGS": "-DCMAKE_C_COMPILER=/usr/bin/gcc",
            "CARGO_HOME": "/home/me/.cargo",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER": "/usr/bin/gcc",
            "RUSTC_WRAPPER": "/usr/bin/sccache",
            "RUSTUP_HOME": "/home/me/.rustup",
            "GOROOT": "/usr/lib/go",
            "VCINSTALLDIR": "C:\\VC",
        }
        others = {"HOME": "/root", "LANG": "C", "PIP_FIND_LINKS": "/wheels", "SOURCE_DATE_EPOCH": "1", "CFLAGS": "-O3"}

        environment = NoCompilers().environment({**led_past, **others, "PATH": "/bin"}, tmp_path)

        assert not led_past.keys() & environment.keys()
        assert others.items() <= environment.items()

    def test_the_given_environment_is_not_touched(self, tmp_path: Path) -> None:
        base = {"PATH": "/usr/bin", "CC": "gcc", "CMAKE_ARGS": "x"}
        before = dict(base)

        NoCompilers().environment(base, tmp_path)

        assert base == before

    @pytest.mark.parametrize("path", [None, "", "/nonexistent:", "::", "relative/folder"])
    def test_a_path_with_holes_in_it_or_none_at_all_will_do(
        self, path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        programs(tmp_path / "relative" / "folder", ["cc"], "exit 0")
        monkeypatch.chdir(tmp_path)
        base = {} if path is None else {"PATH": path}
        (tmp_path / "scratch").mkdir()

        environment = NoCompilers().environment(base, tmp_path / "scratch")

        assert shell("cc", environment).returncode == 127

    def test_it_can_be_made_twice_in_one_place(self, tmp_path: Path) -> None:
        first = NoCompilers().environment(os.environ, tmp_path)

        assert NoCompilers().environment(os.environ, tmp_path) == first

    @pytest.mark.skipif(not importlib.util.find_spec("setuptools"), reason="no setuptools at hand")
    def test_setuptools_gets_none_wherever_its_interpreter_was_built(self, tmp_path: Path) -> None:
        (tmp_path / "hello.c").write_text("int main(void) { return 0; }\n", encoding="ascii")
        answer = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CUSTOMIZE_COMPILER],
            cwd=tmp_path,
            env=NoCompilers().environment(os.environ, tmp_path),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

        told = json.loads(answer.splitlines()[-1])
        assert told["compiled"] is False
        assert set(told["commands"].values()) == {shutil.which("cc", path=str(tmp_path / "no-compilers"))}


CUSTOMIZE_COMPILER = """
import json, setuptools
from distutils.ccompiler import new_compiler
from distutils.sysconfig import customize_compiler
compiler = new_compiler()
customize_compiler(compiler)
commands = {}
for name in ("compiler", "compiler_so", "compiler_cxx", "linker_so", "linker_exe"):
    command = getattr(compiler, name, None)
    if command:
        commands[name] = command if isinstance(command, str) else command[0]
try:
    compiler.compile(["hello.c"])
    compiled = True
except Exception:
    compiled = False
print(json.dumps({"commands": commands, "compiled": compiled}))
"""
