"""What a build backend is told about its platform, and that nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.common.target import target_named
from hatch_lambda.resolve.cross.toolchain import CrossCompiler
from hatch_lambda.resolve.cross.zig import Zig

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., dict[str, object]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no cross builds on Windows")

QUESTIONS = """
import json, os, platform, sys, sysconfig
print(json.dumps({
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"), "platform": sysconfig.get_platform(),
    "include": sysconfig.get_path("include"), "paths": sysconfig.get_paths()["include"],
    "machine": platform.machine(), "uname": os.uname()[4], "libc": platform.libc_ver(), "system": platform.system(),
    "glibc": os.confstr("CS_GNU_LIBC_VERSION") if sys.platform == "linux" else "glibc 2.34",
    "version": list(sys.version_info[:2]), "cc": os.environ.get("CC"), "path": os.environ["PATH"],
    "toolchain": os.environ.get("CMAKE_TOOLCHAIN_FILE"), "build_platform": os.environ.get("_PYTHON_HOST_PLATFORM"),
    "cflags": os.environ.get("CFLAGS"),
}))
"""


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Start the interpreter of a cross build of `my-wrapt` in a directory, and ask it about its platform."""
    scratch = tmp_path / "scratch" / "my-wrapt"
    scratch.mkdir(parents=True)
    python = Interpreter(Path(sys.executable), sys.version_info[:2])
    target = target_named("python3.14", "arm64")
    toolchain = CrossCompiler.of(target, Zig("/opt/zig", "0.16.0"), python, tmp_path / "zig-cache")
    base = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "CFLAGS": "-DMINE"}
    base["PEP517_BUILD_BACKEND"] = "hatchling.build"  # under a front end that builds this project
    environment = toolchain.environment(base, scratch)

    def answers(name: str | None = None, **variables: str) -> dict[str, object]:
        folder = tmp_path / "sources"
        folder.mkdir(exist_ok=True)
        if name:
            (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\n", encoding="utf-8")
        program = toolchain.interpreter(python, scratch)
        ended = subprocess.run(
            [program, "-c", QUESTIONS], cwd=folder, env={**environment, **variables}, capture_output=True, check=True
        )
        assert not ended.stderr
        found: dict[str, object] = json.loads(ended.stdout)
        return found

    return answers


@pytest.mark.parametrize("variable", ["_PYPROJECT_HOOKS_BUILD_BACKEND", "PEP517_BUILD_BACKEND"])
@pytest.mark.parametrize("name", [None, "my-wrapt", "My.Wrapt", "my_wrapt"])
def test_a_backend_sees_the_target(variable: str, name: str | None, ask: Ask, tmp_path: Path) -> None:
    found = ask(name, **{variable: "setuptools.build_meta"})

    assert found["suffix"] == ".cpython-314-aarch64-linux-gnu.so"
    assert found["platform"] == found["build_platform"] == "linux-aarch64"
    assert found["machine"] == found["uname"] == "aarch64"
    assert found["libc"] == ["glibc", "2.34"]
    assert (found["glibc"], found["system"]) == ("glibc 2.34", "Linux")
    assert found["include"] == found["paths"] == str(tmp_path / "scratch/my-wrapt/headers/python3.14")
    assert found["version"] == [*sys.version_info[:2]]
    assert found["cc"] == str(tmp_path / "scratch/my-wrapt/tools/cc")
    assert str(found["path"]).startswith(str(tmp_path / "scratch/my-wrapt/tools"))
    assert str(found["cflags"]).endswith(" -DMINE")


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        pytest.param(None, {}, id="pip"),
        pytest.param("cython", {"PEP517_BUILD_BACKEND": "setuptools.build_meta"}, id="a build requirement"),
    ],
)
def test_everything_else_sees_this_machine(name: str | None, variables: dict[str, str], ask: Ask) -> None:
    """Also under a front end that builds this project, and has left its variables."""
    found = ask(name, **variables)

    assert found["suffix"] != ".cpython-314-aarch64-linux-gnu.so"
    assert found["machine"] == found["uname"] == os.uname().machine
    assert (found["cc"], found["toolchain"], found["build_platform"]) == (None, None, None)
    assert found["cflags"] == "-DMINE"


def test_meson_gets_the_compilers_of_this_machine(ask: Ask) -> None:
    """Those of the target are in its cross file."""
    found = ask(None, PEP517_BUILD_BACKEND="mesonpy")

    assert found["machine"] == "aarch64"
    assert (found["cc"], found["cflags"]) == (None, "-DMINE")
    assert "my-wrapt/tools" not in str(found["path"])
