"""Cross builds by each backend that the index has, of a C or C++ module of a few lines."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import RUNTIMES, target_named
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.resolve.cross.zig import installed_zig
from hatch_lambda.wheels.machine_code import read_machine_code
from tests.support.native_sdists import CXX_MODULE, MODULE, make_native_sdist, native_files
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

THIS, OTHER, MACHINE = (
    ("x86_64", "arm64", "aarch64") if platform.machine() == "x86_64" else ("arm64", "x86_64", "x86_64")
)

pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(installed_zig() is None, reason="no cross compiler (ziglang) at hand"),
    pytest.mark.skipif(RUNTIMES.get(HERE) is None, reason="no runtime has the running version"),
    pytest.mark.usefixtures("zig"),
]

CMAKE = """\
cmake_minimum_required(VERSION 3.18)
project(wrapt LANGUAGES CXX)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
python_add_library(_wrapt MODULE WITH_SOABI _wrapt.cpp)
install(TARGETS _wrapt DESTINATION .)
"""
MESON = """\
project('wrapt', 'c', version: '1.0')
python = import('python').find_installation(pure: false)
python.extension_module('_wrapt', '_wrapt.c', c_args: ['-DANSWER=42'], install: true)
python.install_sources('wrapt.py')
"""
CYTHON_SETUP = """\
from Cython.Build import cythonize
from setuptools import setup

setup(name="wrapt", version="1.0", py_modules=["wrapt"], ext_modules=cythonize("_wrapt.pyx"))
"""
HATCH_HOOK = """\
import shlex, subprocess, sysconfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        name = "_wrapt" + sysconfig.get_config_var("EXT_SUFFIX")
        command = shlex.split(sysconfig.get_config_var("LDSHARED")) + shlex.split(sysconfig.get_config_var("CFLAGS"))
        include = sysconfig.get_path("include")
        subprocess.run([*command, f"-I{include}", "-DANSWER=42", "_wrapt.c", "-o", name], check=True)
        build_data |= {"pure_python": False, "infer_tag": True, "force_include": {name: name}}
"""
PROJECT = '[project]\nname = "wrapt"\nversion = "1.0"\n'


def pyproject(requires: str, backend: str, more: str = "") -> str:
    return f'[build-system]\nrequires = [{requires}]\nbuild-backend = "{backend}"\n\n{PROJECT}{more}'


C, CXX = native_files("wrapt"), native_files("wrapt", CXX_MODULE, suffix="cpp")
BACKENDS: Mapping[str, Mapping[str, str]] = {
    "scikit-build-core": {
        **CXX,
        "pyproject.toml": pyproject('"scikit-build-core"', "scikit_build_core.build"),
        "CMakeLists.txt": CMAKE,
    },
    "meson-python": {
        **C,
        "pyproject.toml": pyproject('"meson-python"', "mesonpy"),
        "meson.build": MESON,
    },
    "setuptools with Cython": {
        **{name: text for name, text in C.items() if name != "_wrapt.c"},
        "pyproject.toml": C["pyproject.toml"].replace('["setuptools"]', '["setuptools", "cython"]'),
        "setup.py": CYTHON_SETUP,
        "_wrapt.pyx": "def answer():\n    return 42\n",
    },
    "hatchling with a hook": {
        **C,
        "pyproject.toml": pyproject(
            '"hatchling"',
            "hatchling.build",
            '[tool.hatch.build.targets.wheel]\nonly-include = ["wrapt.py"]\n'
            "[tool.hatch.build.targets.wheel.hooks.custom]\n",
        ),
        "hatch_build.py": HATCH_HOOK,
    },
}


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend(backend: str, tmp_path: Path, bundle_of: BundleOf) -> None:
    """Also those that compile when they are asked for metadata."""
    files = {name: text for name, text in BACKENDS[backend].items() if name != "setup.py" or "setuptools" in backend}
    sdist = make_native_sdist(tmp_path / "sdists", "wrapt", files)

    bundle = bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=HERE, architecture=OTHER)

    (path,) = bundle.directory.glob("_wrapt*.so")
    with path.open("rb") as file:
        code = read_machine_code(path.name, file)
    assert path.name == f"_wrapt{target_named(HERE, OTHER).extension_suffixes[0]}"
    assert code
    assert code.architecture == MACHINE
    assert str(bundle.origins) == "1 cross-compiled here"


@pytest.mark.parametrize("backend", ["hatchling with a hook", "setuptools with Cython"])
def test_a_backend_of_another_python_than_the_runtime_s(backend: str, tmp_path: Path, bundle_of: BundleOf) -> None:
    """The tags, too, are those of the runtime."""
    runtime = next(name for name in reversed(RUNTIMES) if name != HERE)
    sdist = make_native_sdist(tmp_path / "sdists", "wrapt", BACKENDS[backend])

    bundle = bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=runtime, architecture=OTHER)

    assert [*bundle.directory.glob(f"_wrapt.{RUNTIMES[runtime].cache_tag}-{MACHINE}-linux-gnu.so")]


RUST = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: wrapt\nVersion: 1.0\n",
    "pyproject.toml": pyproject('"maturin"', "maturin"),
    "Cargo.toml": '[package]\nname = "wrapt"\nversion = "1.0.0"\nedition = "2021"\n\n[lib]\ncrate-type = ["cdylib"]\n',
    "src/lib.rs": '#[no_mangle]\npub extern "C" fn PyInit_wrapt() -> *mut u8 { std::ptr::null_mut() }\n',
}


@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo at hand")
def test_maturin(tmp_path: Path, bundle_of: BundleOf) -> None:
    """With Rust's standard library for the target, or with the command that installs it."""
    sdist = make_native_sdist(tmp_path / "sdists", "wrapt", RUST)
    triple = f"{MACHINE}-unknown-linux-gnu"
    libraries = subprocess.run(
        ["rustc", "--print", "target-libdir", "--target", triple], capture_output=True, text=True, check=True
    ).stdout.strip()

    if Path(libraries).is_dir():
        bundle = bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=HERE, architecture=OTHER)
        assert [*bundle.directory.rglob("*.so")]
        return
    with pytest.raises(MissingDependencyError) as caught:
        bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=HERE, architecture=OTHER)
    (missing,) = caught.value.missing
    assert f"install Rust's standard library for the target: `rustup target add {triple}`" in missing.remedies


# A crate of this name makes maturin ask for a Python, as the real one does.
PYO3 = {
    "pyo3/Cargo.toml": '[package]\nname = "pyo3"\nversion = "0.26.0"\n\n[features]\nextension-module = []\n',
    "pyo3/src/lib.rs": "",
    "Cargo.toml": RUST["Cargo.toml"]
    + '\n[dependencies]\npyo3 = { path = "pyo3", version = "0.26.0", features = ["extension-module"] }\n',
}


@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo at hand")
def test_maturin_with_another_python_than_the_runtime_s(tmp_path: Path, bundle_of: BundleOf) -> None:
    """For this machine's processor, for which cargo has Rust's standard library."""
    runtime = next(name for name in reversed(RUNTIMES) if name != HERE)
    sdist = make_native_sdist(tmp_path / "sdists", "wrapt", {**RUST, **PYO3})

    bundle = bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=runtime, architecture=THIS)

    suffix = f".{RUNTIMES[runtime].cache_tag}-{platform.machine()}-linux-gnu.so"
    assert [path.name for path in bundle.directory.rglob("*.so")] == [f"wrapt{suffix}"]


def test_openmp(tmp_path: Path, bundle_of: BundleOf) -> None:
    setup = native_files("wrapt")["setup.py"].replace("define_macros", 'extra_compile_args=["-fopenmp"], define_macros')
    sdist = make_native_sdist(tmp_path / "sdists", "wrapt", {**C, "setup.py": setup, "_wrapt.c": MODULE})

    with pytest.raises(MissingDependencyError) as caught:
        bundle_of(f"wrapt @ {sdist.as_uri()}", runtime=HERE, architecture=OTHER)

    assert "the build failed: it needs OpenMP, which the cross compiler does not have" in str(caught.value)
