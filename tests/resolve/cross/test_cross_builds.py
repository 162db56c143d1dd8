"""Native code for the target from this machine: hand-made sdists, the real pip, setuptools and Zig."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import RUNTIMES, target_named
from hatch_lambda.resolve import compile as compile_stage
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.resolve.cross import remedies
from hatch_lambda.resolve.cross.headers import PACK
from hatch_lambda.resolve.cross.zig import installed_zig
from hatch_lambda.wheels.build_record import DOCUMENT, WITHOUT_COMPILER, BuildRecord, read_document
from hatch_lambda.wheels.machine_code import read_machine_code
from tests.support.lambda_runtime import pythons_at_hand
from tests.support.native_sdists import (
    CXX_MODULE,
    MODULE,
    SETUP,
    make_native_sdist,
    native_files,
    wheel_of_installed,
)
from tests.support.packages import make_sdist
from tests.support.situation import HERE, files_in, sha256, stored_wheels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.wheels.machine_code import MachineCode
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]

THIS, OTHER = ("x86_64", "arm64") if platform.machine() == "x86_64" else ("arm64", "x86_64")
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

pytestmark = [
    pytest.mark.skipif(installed_zig() is None, reason="no cross compiler (ziglang) at hand"),
    pytest.mark.skipif(RUNTIMES.get(HERE) is None, reason="no runtime has the running version"),
    pytest.mark.usefixtures("zig"),
]


@pytest.fixture(scope="session")
def setuptools_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of_installed(tmp_path_factory.mktemp("setuptools"), "setuptools")


@pytest.fixture(autouse=True)
def _packages(index: Path, setuptools_wheel: Path) -> None:
    shutil.copy(setuptools_wheel, index)


def native(bundle: Bundle) -> dict[str, MachineCode]:
    """The bundle's machine code by its path."""
    found = {}
    for path in bundle.directory.rglob("*.so"):
        with path.open("rb") as file:
            code = read_machine_code(path.name, file)
            assert code
            found[path.relative_to(bundle.directory).as_posix()] = code
    return found


def test_c_for_the_other_architecture(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    make_native_sdist(index, "wrapt", native_files("wrapt"))

    (path, code), *others = native(bundle_of("wrapt", runtime=HERE, architecture=OTHER)).items()

    assert not others
    assert path == f"_wrapt.cpython-{sys.version_info[0]}{sys.version_info[1]}-{MACHINES[OTHER]}-linux-gnu.so"
    assert code.architecture == MACHINES[OTHER]
    assert set(code.libraries) <= {"libc.so.6"}
    assert "built wrapt 1.0" in ui.text
    assert "without extension modules" not in ui.text


def test_cxx_for_the_other_architecture(index: Path, bundle_of: BundleOf) -> None:
    """libc++ is linked statically: Lambda has none."""
    make_native_sdist(index, "wrapt", native_files("wrapt", CXX_MODULE, suffix="cpp"))

    (code,) = native(bundle_of("wrapt", runtime=HERE, architecture=OTHER)).values()

    assert code.architecture == MACHINES[OTHER]
    assert not [library for library in code.libraries if "++" in library]


def test_another_python_than_the_running_one(index: Path, bundle_of: BundleOf) -> None:
    """The headers are the runtime's, whichever Python builds."""
    runtime = next(name for name in reversed(RUNTIMES) if name != HERE)
    version = MODULE.replace("PyLong_FromLong(ANSWER)", "PyLong_FromLong(PY_VERSION_HEX >> 16)")
    make_native_sdist(index, "wrapt", native_files("wrapt", version))

    ((path, code),) = native(bundle_of("wrapt", runtime=runtime, architecture=THIS)).items()

    assert path == f"_wrapt.{RUNTIMES[runtime].cache_tag}-{MACHINES[THIS]}-linux-gnu.so"
    assert code.architecture == MACHINES[THIS]
    if python := pythons_at_hand().get(runtime.removeprefix("python")):
        major, minor = RUNTIMES[runtime].python
        assert answer_of(python, bundle_of("wrapt", runtime=runtime, architecture=THIS)) == str(major << 8 | minor)


def answer_of(python: Path | str, bundle: Bundle) -> str:
    code = f"import sys; sys.path.insert(0, {str(bundle.directory)!r}); import wrapt; print(wrapt.answer())"
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler at hand")
def test_what_needs_a_newer_glibc_than_the_runtime_has(
    index: Path, bundle_of: BundleOf, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pow` is that of glibc 2.29 for this machine's compiler; python3.11 and older have 2.26."""
    runtime = "python3.11"
    python = pythons_at_hand().get("3.11")
    if python is None or platform.libc_ver() < ("glibc", "2.29"):
        pytest.skip("no Python 3.11 at hand, or no newer glibc than that of Amazon Linux 2")
    monkeypatch.setenv("HATCH_LAMBDA_PYTHON", str(python))
    power = "(long)pow(2.0, (double)PyTuple_GET_SIZE(PyTuple_Pack(3, self, self, self)))"  # not known to the compiler
    source = f"#include <math.h>\n{MODULE.replace('ANSWER', power, 1)}"
    setup = SETUP.replace("define_macros", 'libraries=["m"], define_macros')
    make_native_sdist(index, "wrapt", native_files("wrapt", source, setup=setup))

    bundle = bundle_of("wrapt", runtime=runtime, architecture=THIS, python=str(python), cross=True)

    (code,) = native(bundle).values()
    assert code.glibc is not None
    assert str(code.glibc) <= "2.26"
    assert answer_of(python, bundle) == "8"
    with pytest.raises(MissingDependencyError, match=r"needs glibc 2\.29, the runtime has 2\.26"):
        bundle_of("wrapt", runtime=runtime, architecture=THIS, python=str(python), cross=False)
    del ui


def test_the_same_bytes_twice(
    index: Path, tmp_path: Path, bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In other directories and with an empty cache; `__FILE__` has no path of the build."""
    source = CXX_MODULE.replace("std::string text;", "std::string text = __FILE__;")
    make_native_sdist(index, "wrapt", native_files("wrapt", source, suffix="cpp"))
    found = []
    for name in ("first", "the-second"):
        cache = tmp_path / name
        cache.mkdir()
        (cache / "compilers").symlink_to((tmp_path / "lambda-cache" / "compilers").resolve())
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(cache))
        bundle_of("wrapt", runtime=HERE, architecture=OTHER)
        (wheel,) = stored_wheels(cache).values()
        found.append(wheel.read_bytes())

    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]


def test_pure_sdists_are_built_as_before(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    files = native_files(
        "wrapt", setup="from setuptools import setup\nsetup(name='wrapt', version='1.0', py_modules=['wrapt'])\n"
    )
    del files["_wrapt.c"]
    make_native_sdist(index, "wrapt", files)
    make_sdist(index, "foo")

    crossed = files_in(bundle_of("foo", "wrapt", runtime=HERE, architecture=OTHER).directory)
    plain = files_in(bundle_of("foo", "wrapt", runtime=HERE, architecture=OTHER, cross=False).directory)

    assert crossed == plain
    assert "cross-compiled" not in ui.text


def test_the_setting_forbids_it(index: Path, bundle_of: BundleOf) -> None:
    make_native_sdist(index, "wrapt", native_files("wrapt"))

    with pytest.raises(MissingDependencyError) as caught:
        bundle_of("wrapt", runtime=HERE, architecture=OTHER, cross=False)

    (missing,) = caught.value.missing
    assert "let the cross compiler build it: remove `cross = false`" in missing.remedies


@pytest.mark.parametrize("include", ["", "/usr/include", "/usr/local/include"])
def test_a_header_of_a_library_of_the_system(include: str, index: Path, bundle_of: BundleOf, cache: Path) -> None:
    """Not even this machine's: it is named, with who requires it, and nothing is kept."""
    setup = SETUP.replace("define_macros", f"include_dirs=[{include!r}], define_macros") if include else SETUP
    make_native_sdist(index, "wrapt", native_files("wrapt", f"#include <zlib.h>\n{MODULE}", setup=setup))

    with pytest.raises(MissingDependencyError) as caught:
        bundle_of("wrapt", runtime=HERE, architecture=OTHER)

    message = str(caught.value)
    assert "required by: orders -> wrapt 1.0" in message
    assert (
        "the build failed: it needs a library of the system, which a cross build does not have: the header `zlib.h`"
        in message
    )
    assert "_wrapt.c:1:10: fatal error: 'zlib.h' file not found" in message
    assert not stored_wheels(cache)


def test_an_optional_extension_that_the_compiler_refuses(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    make_native_sdist(index, "wrapt", native_files("wrapt", f"#error no such luck\n{MODULE}", optional=True))
    warning = (
        "built here without extension modules, so in pure Python, which is slower: wrapt 1.0 (the compiler failed: "
    )

    for verbose in (False, True):
        ui.lines.clear()
        bundle_of("wrapt", runtime=HERE, architecture=OTHER, verbose=verbose)
        assert f"{warning}_wrapt.c:1:2: error: no such luck)" in ui.text


def test_a_compiler_s_words_with_verbosity(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    make_native_sdist(index, "wrapt", native_files("wrapt", f"#error no such luck\n{MODULE}", optional=True))

    bundle_of("wrapt", runtime=HERE, architecture=OTHER, verbose=True)

    assert "    _wrapt.c:1:2: error: no such luck" in ui.lines


def test_what_becomes_pure_without_a_compiler_for_the_target(
    index: Path, bundle_of: BundleOf, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning says what would compile it."""
    for module in (compile_stage, remedies):
        monkeypatch.setattr(module, "installed_zig", lambda: None)
    make_native_sdist(index, "wrapt", native_files("wrapt", optional=True))

    bundle_of("wrapt", runtime=HERE, architecture=OTHER)

    (warning,) = [line for line in ui.lines if "which is slower: wrapt 1.0 (" in line]
    assert (
        "install the cross compiler, which builds it for the target: `hatch-lambda[cross]` in `build-system.requires`)"
    ) in warning


def test_a_build_that_calls_no_compiler(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    setup = "from setuptools import setup\nsetup(name='wrapt', version='1.0', py_modules=['wrapt'])\n"
    make_native_sdist(index, "wrapt", native_files("wrapt", setup=setup))

    bundle_of("wrapt", runtime=HERE, architecture=OTHER)

    assert "in pure Python, which is slower: wrapt 1.0 (no compiler was called)" in ui.text


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler at hand")
@pytest.mark.skipif(
    not os.path.exists(f"{sys.base_prefix}/include/python{sys.version_info[0]}.{sys.version_info[1]}/Python.h"),  # noqa: PTH110
    reason="no headers of this Python at hand",
)
def test_a_build_requirement_that_is_compiled_stays_this_machine_s(index: Path, bundle_of: BundleOf) -> None:
    """`wrapt` imports it while it is built."""
    make_native_sdist(index, "helper", native_files("helper"))
    files = native_files("wrapt", setup=f"import helper\nassert helper.answer() == 42\n{SETUP}")
    files["pyproject.toml"] = files["pyproject.toml"].replace('["setuptools"]', '["setuptools", "helper"]')
    make_native_sdist(index, "wrapt", files)

    (code,) = native(bundle_of("wrapt", runtime=HERE, architecture=OTHER)).values()

    assert code.architecture == MACHINES[OTHER]


def test_what_is_summed_up(index: Path, bundle_of: BundleOf) -> None:
    make_native_sdist(index, "wrapt", native_files("wrapt"))
    make_sdist(index, "foo")

    bundle = bundle_of("wrapt", "foo", runtime=HERE, architecture=OTHER)

    assert str(bundle.origins) == "2 built here, 1 of them cross-compiled"


def test_what_the_wheels_say(index: Path, bundle_of: BundleOf) -> None:
    """Also the cached ones."""
    sdist = make_native_sdist(index, "wrapt", native_files("wrapt"))
    make_sdist(index, "foo")
    zig = installed_zig()
    assert zig

    for _ in range(2):
        folder = bundle_of("wrapt", "foo", runtime=HERE, architecture=OTHER).directory
        wrapt, foo = (
            read_document(folder.joinpath(f"{name}-1.0.dist-info", DOCUMENT).read_bytes()) for name in ("wrapt", "foo")
        )
        assert wrapt
        assert (wrapt.toolchain, wrapt.sdist, wrapt.sdist_sha256) == (f"zig {zig.version}", sdist.name, sha256(sdist))
        assert wrapt.target == f"{MACHINES[OTHER]}-linux-gnu.{target_named(HERE, OTHER).glibc}"
        assert sha256(PACK) in wrapt.headers
        assert foo == BuildRecord(
            WITHOUT_COMPILER, sdist="foo-1.0.tar.gz", sdist_sha256=sha256(index / "foo-1.0.tar.gz")
        )
