"""The compilers that a build finds: the host's, or none. `cross` has the third toolchain."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.wheels.build_record import WITHOUT_COMPILER, BuildRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_lambda.common.interpreters import Interpreter


class Call(NamedTuple):
    """A call of a compiler, linker or the like. `words`: what it wrote to stderr."""

    tool: str
    arguments: list[str]
    exit_code: int
    words: str


@dataclass(frozen=True)
class Toolchain:
    """How a build is set up: the only difference between the builds of stages 4 and 5.

    `made`: what the origin of a wheel with native code adds to the stage. `scratch`, below: a directory for this build
    alone, which has the name of the distribution.
    """

    stage: int
    description: str
    made: str

    def environment(self, base: Mapping[str, str], scratch: Path) -> dict[str, str]:
        """The environment to build in."""
        del scratch
        return dict(base)

    def interpreter(self, given: Interpreter, scratch: Path) -> Path:
        """What runs pip and the build backend."""
        del scratch
        return given.path

    def options(self, build_system: Mapping[str, object], scratch: Path) -> str:
        """Further options of the requirement. `build_system`: the table of PEP 518."""
        del build_system, scratch
        return ""

    def facts(self) -> list[object]:
        """What a wheel depends on, for its recipe."""
        return [
            self.stage,
            # Where one is missing, no path: it would be relative to the current directory.
            *(
                (path := shutil.which(name)) and os.path.realpath(path)
                for name in ("cc", "c++", "gfortran", "rustc", "cargo", "go")
            ),
        ]

    def record(self, python: Interpreter) -> BuildRecord:
        """How native code is made. `python`: that builds."""
        del python
        return BuildRecord(WITHOUT_COMPILER)

    def calls(self, scratch: Path) -> tuple[Call, ...] | None:
        """The calls of compilers and the like that a build made, in order; None if they are not known."""
        del scratch
        return None


@dataclass(frozen=True)
class HostCompilers(Toolchain):
    """Compilers of this machine, as a plain `pip wheel` finds them."""

    stage: int = 4
    description: str = "with the compilers of this machine"
    made: str = ""

    def record(self, python: Interpreter) -> BuildRecord:
        named = shlex.split(os.environ.get("CC", ""))
        compilers = [named] if named else [[name] for name in ("cc", "gcc", "clang") if shutil.which(name)]
        version = version_of(compilers[0]) if compilers else ""
        return BuildRecord(version or "the compilers of the machine that built it", headers=str(python))


@dataclass(frozen=True)
class NoCompilers(Toolchain):
    """No compilers: optional extensions fall back to pure Python.

    Each compiler is shadowed by a program that fails and says why: build systems look at environment variables first,
    then at PATH. PATH must stay, as compilers are in the same directories as `sh` and `git`.
    """

    stage: int = 5
    description: str = "without a compiler"
    made: str = ""

    def environment(self, base: Mapping[str, str], scratch: Path) -> dict[str, str]:
        folder = scratch / "no-compilers"
        folder.mkdir(exist_ok=True)
        path = base.get("PATH", os.defpath)
        for name in _USUAL_NAMES | set(_compilers_on(path)):
            _write_stub(folder / _as_executable(name))
        stub = str(folder / _as_executable("cc"))
        return {
            **{name: value for name, value in base.items() if not _ASIDE.fullmatch(name)},
            **dict.fromkeys(_COMPILER_VARIABLES, stub),
            **_SWITCHES,
            "PATH": f"{folder}{os.pathsep}{path}",
        }


def version_of(program: list[str]) -> str:
    """What a compiler says that it is: `gcc (Debian 12.2.0-14) 12.2.0`; empty if it does not answer."""
    try:
        answer = subprocess.run(  # noqa: S603 - a compiler that the build has used
            [*program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=60
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""
    return next(iter(answer.stdout.splitlines()), "").strip() if answer.returncode == 0 else ""


# Compilers for C, C++, Objective-C, Fortran, Rust, Go, Zig, Swift and Nim, with cross-compiler prefixes and version
# suffixes: `aarch64-linux-gnu-gcc-12`, `clang++-17`.
_COMPILER_NAME = re.compile(
    r"""(?:(?:[\w.]+-)*
        (?:cc|c\+\+|gcc|g\+\+|c89|c99|clang|clang\+\+|clang-cl|gfortran|flang|flang-new|gccgo)
        |(?:tcc|icc|icpc|icx|icpx|dpcpp|nvcc|hipcc|pgcc|nvc|nvc\+\+|ifort|ifx|f77|f90|f95|nvfortran|pgfortran|cl|zig|swiftc
          |nim|rustc|cargo|rustup|go|tinygo|emcc|em\+\+|ccache|sccache|distcc|xcrun))
        (?:-?\d+(?:\.\d+)*)?(?:\.exe|\.bat|\.cmd)?""",
    re.VERBOSE,
)

_USUAL_NAMES = frozenset(
    {"cc", "c++", "gcc", "g++", "clang", "clang++", "cl", "gfortran", "f77", "f90", "rustc", "cargo", "go", "zig"}
)

# Read by setuptools and distutils (CC to LDCXXSHARED, F77, F90; these override absolute paths in sysconfig), by CMake
# (CC, CXX, FC, CUDACXX, HIPCXX), Meson (the same and OBJC, OBJCXX), maturin and setuptools-rust (CARGO, RUSTC).
_COMPILER_VARIABLES = (
    *("CC", "CXX", "CPP", "OBJC", "OBJCXX", "SWIFTC", "LD", "LDSHARED", "LDCXXSHARED", "LINKCC"),
    *("F77", "F90", "F95", "FC", "CUDACXX", "HIPCXX", "NVCC"),
    *("CARGO", "RUSTC", "RUSTUP", "GO", "ZIG"),
)

# These could make a build system bypass the variables above.
_ASIDE = re.compile(
    r"CMAKE_(?:ARGS|TOOLCHAIN_FILE|.*_COMPILER)|SKBUILD_.*|CARGO_.*|RUSTUP_.*|RUSTC_WRAPPER|GOROOT|VC.*DIR"
)

_SWITCHES = {
    # Otherwise setuptools looks for MSVC in the registry.
    "DISTUTILS_USE_SDK": "1",
    "MSSdk": "1",
    # Without cargo, maturin adds a build requirement that downloads Rust.
    "MATURIN_NO_INSTALL_RUST": "1",
    "CGO_ENABLED": "0",
    # On macOS, `cc` and the like ask xcode-select for the compilers.
    "DEVELOPER_DIR": "/nonexistent",
}

_UNIX_STUB = """#!/bin/sh
echo "error: $(basename "$0"): hatch-lambda builds without a compiler in this stage" >&2
exit 127
"""
_WINDOWS_STUB = "@echo error: hatch-lambda builds without a compiler in this stage 1>&2\r\n@exit /b 127\r\n"


def _compilers_on(path: str) -> Iterator[str]:
    for entry in path.split(os.pathsep):
        folder = Path(entry or os.curdir)
        try:
            names = [child.name for child in folder.iterdir()]
        except OSError:
            continue
        yield from (name for name in names if _COMPILER_NAME.fullmatch(name))


def _as_executable(name: str) -> str:
    if os.name != "nt":
        return name
    return f"{Path(name).stem if Path(name).suffix in {'.exe', '.bat', '.cmd'} else name}.bat"


def _write_stub(path: Path) -> None:
    path.write_text(_WINDOWS_STUB if os.name == "nt" else _UNIX_STUB, encoding="ascii", newline="")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
