"""What the compiler of a cross build makes of a command line, and what it leaves in the log."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve.cross import compiler

if TYPE_CHECKING:
    from pathlib import Path

INCLUDE = "/scratch/headers/python3.13"
ADDED = {"-fno-sanitize=undefined", "-g0", "-Wno-unused-command-line-argument", "-Wno-date-time"}


def zig(*arguments: str, machine: str = "aarch64", tool: str = "cc") -> list[str]:
    """The arguments that Zig gets, without those that it always gets."""
    configuration = {
        "zig": "zig",
        "target": f"{machine}-linux-gnu.2.34",
        "include": INCLUDE,
        "temporary": "/scratch/tmp",
    }
    program, command, *rest = compiler.command(tool, [*arguments], configuration)
    assert (program, command) == ("zig", tool)
    if tool in compiler.COMPILERS:
        assert rest[:2] == ["-target", f"{machine}-linux-gnu.2.34"]
        assert set(rest) >= ADDED
        rest = [argument for argument in rest[2:] if argument not in ADDED]
    return [argument for argument in rest if not argument.startswith("-ffile-prefix-map")]


@pytest.mark.parametrize(
    "dropped",
    [
        *(["-march=native"], ["-mtune=native"], ["-flto"], ["-flto=auto"], ["-g"], ["-g3"], ["-ggdb"]),
        *(["-fuse-ld=gold"], ["-Wl,-rpath,/usr/lib"], ["-rpath", "/usr/lib"], ["-arch", "arm64"]),
        *(
            ["-I/usr/include"],
            ["-I", "/usr/include/ffi"],
            ["-isystem", "/usr/local/include"],
            ["-L/usr/lib/x86_64-linux-gnu"],
        ),
        *(
            ["-L/lib64"],
            ["-L", "/usr/lib"],
            ["-I/opt/homebrew/include"],
            ["-I/usr/include/../include"],
            ["-lpython3.11"],
        ),
    ],
)
def test_what_would_leak_this_machine_is_dropped(dropped: list[str]) -> None:
    assert zig("-O3", *dropped, "-c", "x.c") == ["-O3", "-c", "x.c"]


@pytest.mark.parametrize(
    "kept",
    [
        *(["-Isrc"], ["-I", "include"], [f"-I{INCLUDE}"], ["-Lbuild/lib"], ["-I/home/me/usr/include"], ["-msse4.2"]),
        *(["-Dusr=/usr/include"], ["-Wl,-z,relro"], ["-lm"], ["-std=c++17"], ["/scratch/tmp/x/libfoo.a"], ["-fPIC"]),
    ],
)
def test_everything_else_stays(kept: list[str]) -> None:
    assert "".join(zig("-O3", *kept)) == "".join(["-O3", *kept])


def test_headers_of_another_python(tmp_path: Path) -> None:
    (tmp_path / "Python.h").touch()

    assert zig("-O3", f"-I{tmp_path}", "-c", "x.c") == ["-O3", "-c", "x.c"]


@pytest.mark.parametrize("arguments", [["-fopenmp"], ["-fopenmp=libomp"], ["-lgomp"]])
def test_openmp_is_refused(arguments: list[str]) -> None:
    with pytest.raises(compiler.Refused, match="the cross compiler has no OpenMP"):
        zig(*arguments, "x.c")


def test_a_library_of_this_machine_is_refused() -> None:
    with pytest.raises(compiler.Refused, match=r"/usr/lib/libz\.so is a library of this machine"):
        zig("-shared", "x.o", "/usr/lib/libz.so")


def test_without_a_level_it_is_no_debug_build() -> None:
    assert zig("-c", "x.c") == ["-O2", "-c", "x.c"]
    assert zig("-O0", "-c", "x.c") == ["-O0", "-c", "x.c"]


def test_an_arm_architecture_is_spelled_as_zig_has_it() -> None:
    assert zig("-O3", "-march=armv8-a+crc+crypto") == ["-O3", "-mcpu=generic+crc+aes+sha2"]
    assert zig("-O3", "-march=armv8.2-a") == ["-O3", "-mcpu=generic"]
    with pytest.raises(compiler.Refused, match="not an ARM processor"):
        zig("-march=armv8-a", machine="x86_64")


def test_an_archiver_gets_what_it_is_given() -> None:
    assert zig("rcs", "libx.a", "x.o", tool="ar") == ["rcs", "libx.a", "x.o"]


@pytest.mark.parametrize("tool", ["pkg-config", "pg_config", "gfortran"])
def test_what_answers_for_this_machine_is_refused(tool: str) -> None:
    with pytest.raises(compiler.Refused, match=f"{tool} answers for this machine"):
        compiler.command(tool, ["--libs", "libffi"], {"zig": "zig"})


def test_each_call_is_logged_with_its_end(tmp_path: Path) -> None:
    """The compiler's own exit code and words come out, too."""
    program, configuration, log = tmp_path / "zig", tmp_path / "compiler.json", tmp_path / "log"
    program.write_text("#!/bin/sh\necho 'x.c:1: error: why' >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    facts = {"zig": str(program), "target": "x", "include": "", "temporary": "/tmp", "log": str(log)}
    configuration.write_text(json.dumps(facts), encoding="utf-8")

    for tool in ("cc", "pkg-config"):
        ended = subprocess.run(
            [sys.executable, "-I", "-S", compiler.__file__, configuration, tool, "x.c"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.stderr.endswith({"cc": "error: why\n", "pkg-config": "target of a cross build\n"}[tool])
        assert ended.returncode == {"cc": 3, "pkg-config": 1}[tool]

    first, second = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    assert first == {"tool": "cc", "arguments": ["x.c"], "exit_code": 3, "words": "x.c:1: error: why\n"}
    assert (second["tool"], second["exit_code"]) == ("pkg-config", 1)
