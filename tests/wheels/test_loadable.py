from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common import system_libraries
from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target, all_targets
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.loadable import fault_report, find_faults
from hatch_lambda.wheels.scan import Scan, scan_unchecked
from tests.support.elf import ET_EXEC, ET_REL, make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hatch_lambda.wheels.loadable import Fault

ARM = Target(RUNTIMES["python3.13"], ARCHITECTURES["arm64"])
X86 = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
OLD_X86 = Target(RUNTIMES["python3.11"], ARCHITECTURES["x86_64"])

MACH_O = struct.pack("<IiiIIIII", 0xFEEDFACF, 0x0100000C, 0, 8, 0, 0, 0, 0)
PE = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + struct.pack("<H16xHH", 0x8664, 0, 0x20B)

EXTENSION = "foo/_speed.cpython-313-x86_64-linux-gnu.so"


@pytest.fixture
def faults(tmp_path: Path) -> Callable[..., tuple[Fault, ...]]:
    """The faults of wheels by distribution (`foo` where only files are given)."""

    def run(
        files: Mapping[str, Any], target: Target = X86, *, trusted: frozenset[str] = frozenset()
    ) -> tuple[Fault, ...]:
        return find_faults(scan_all(wheels(tmp_path, files)), target, trusted=trusted)

    return run


def wheels(folder: Path, files: Mapping[str, Any]) -> list[tuple[str, str, Path]]:
    by_name = files if all(isinstance(content, dict) for content in files.values()) else {"foo": files}
    return [(name, "1.0", make_wheel(folder, name, files=content)) for name, content in by_name.items()]


def scan_all(wheels: Iterable[tuple[str, str, Path]]) -> list[Scan]:
    return [scan_unchecked(*wheel) for wheel in wheels]


def needs(found: tuple[Fault, ...]) -> list[tuple[str, str]]:
    return [(fault.path, fault.needs) for fault in found]


class TestMachines:
    def test_machine_code_of_the_target_is_fine(self, faults: Callable[..., Any]) -> None:
        assert faults({EXTENSION: make_elf(versions={"libc.so.6": ["GLIBC_2.34"]})}) == ()

    @pytest.mark.parametrize("path", ["foo/_speed.so", "foo/data.bin", "README", "foo-1.0.data/scripts/foo", "x/y.txt"])
    def test_another_machine_is_found_at_any_path(self, faults: Callable[..., Any], path: str) -> None:
        (fault,) = faults({path: make_elf("x86_64")}, ARM)

        assert (fault.distribution, fault.path, fault.needs) == ("foo 1.0", path, "Linux on x86_64")
        assert fault.runtime_has == "the runtime is Linux on aarch64"

    @pytest.mark.parametrize("machine", ["i386", "arm", "riscv64", "ppc64le", "s390x"])
    def test_another_word_size_or_machine(self, faults: Callable[..., Any], machine: str) -> None:
        assert needs(faults({"foo.so": make_elf(machine)})) == [("foo.so", f"Linux on {machine}")]

    def test_the_32_bit_kind_of_x86_64(self, faults: Callable[..., Any]) -> None:
        assert needs(faults({"foo.so": make_elf("x86_64", bits=32)})) == [("foo.so", "Linux on x32")]

    def test_elf_for_another_machine_is_a_fault_even_next_to_a_matching_file(self, faults: Callable[..., Any]) -> None:
        other = "foo/_speed.cpython-313-aarch64-linux-gnu.so"

        assert needs(faults({EXTENSION: make_elf(), other: make_elf("aarch64")})) == [(other, "Linux on aarch64")]

    @pytest.mark.parametrize("machine", [0xBE, 0xE0, 0xF7])
    def test_code_for_graphics_cards_and_kernels_is_no_machines(self, faults: Callable[..., Any], machine: int) -> None:
        assert faults({"foo/kernel.cubin": make_elf(machine, file_type=ET_REL)}) == ()

    def test_an_object_file_counts(self, faults: Callable[..., Any]) -> None:
        assert needs(faults({"foo.o": make_elf("aarch64", file_type=ET_REL)})) == [("foo.o", "Linux on aarch64")]

    def test_what_cannot_be_read_as_machine_code(self, faults: Callable[..., Any]) -> None:
        with pytest.raises(BrokenWheelError, match=r"foo\.so starts as machine code but cannot be read"):
            faults({"foo.so": make_elf()[:200]})


class TestOtherSystems:
    @pytest.mark.parametrize(
        ("path", "content"),
        [
            ("setuptools/cli-64.exe", PE),
            ("foo-1.0.data/scripts/foo.exe", PE),
            ("foo/helper_amd64.dll", PE),
            ("foo/helper.dylib", MACH_O),
            ("foo/macos/helper", MACH_O),
            ("foo/lib/darwin-arm64/tool", MACH_O),
        ],
    )
    def test_files_named_for_another_system_are_ignored(self, tmp_path: Path, path: str, content: bytes) -> None:
        bundle = wheels(tmp_path, {path: content, "foo/__init__.py": ""})

        assert find_faults(scan_all(bundle), X86) == ()

    @pytest.mark.parametrize("path", ["foo/libfoo.so", "foo/libfoo.so.1", "foo/helper", "foo-1.0.data/scripts/foo"])
    def test_what_linux_would_load_is_a_fault(self, faults: Callable[..., Any], path: str) -> None:
        assert needs(faults({path: MACH_O})) == [(path, "macOS on aarch64")]

    @pytest.mark.parametrize(
        ("path", "content"),
        [
            ("foo/_speed.cp313-win_amd64.pyd", PE),
            ("foo/_speed.pyd", PE),
            ("foo/_speed.cpython-313-darwin.so", MACH_O),
        ],
    )
    def test_an_extension_module_needs_a_sibling(self, faults: Callable[..., Any], path: str, content: bytes) -> None:
        (fault,) = faults({path: content})
        assert fault.path == path

        for sibling in (EXTENSION, "foo/_speed.abi3.so", "foo/_speed.so", "foo/_speed/__init__.py", "foo/_speed.py"):
            assert faults({path: content, sibling: make_elf() if sibling.endswith("so") else ""}) == ()

    def test_an_extension_module_that_linux_would_import(self, faults: Callable[..., Any]) -> None:
        """`.abi3.so` and `.so` are macOS's suffixes too; a module in Python is found after them."""
        assert needs(faults({"foo/_speed.abi3.so": MACH_O, "foo/_speed.py": ""})) == [
            ("foo/_speed.abi3.so", "macOS on aarch64")
        ]
        assert faults({"foo/_speed.abi3.so": MACH_O, EXTENSION: make_elf()}) == ()


class TestOtherPythons:
    @pytest.mark.parametrize(
        "tag",
        [
            "cpython-39-x86_64-linux-gnu",
            "cpython-313t-x86_64-linux-gnu",
            "cpython-313-x86_64-linux-musl",
            "cpython-313-aarch64-linux-gnu",
            "pypy310-pp73-x86_64-linux-gnu",
        ],
    )
    def test_an_extension_module_for_another(self, faults: Callable[..., Any], tag: str) -> None:
        path = f"foo/_speed.{tag}.so"

        (fault,) = faults({path: make_elf()})

        assert fault.needs == f"a Python that imports `*.{tag}.so`"
        assert fault.runtime_has == ("the runtime imports `*.cpython-313-x86_64-linux-gnu.so`, `*.abi3.so`, `*.so`")
        assert f'exclude = ["{path}"]' in fault.advice

    @pytest.mark.parametrize("sibling", [EXTENSION, "foo/_speed.abi3.so", "foo/_speed.so", "foo/_speed.py"])
    def test_a_sibling_that_the_runtime_imports(self, faults: Callable[..., Any], sibling: str) -> None:
        other = "foo/_speed.cpython-39-x86_64-linux-gnu.so"

        assert faults({other: make_elf(), sibling: make_elf() if sibling.endswith("so") else ""}) == ()

    def test_a_file_that_nobody_can_import(self, faults: Callable[..., Any]) -> None:
        assert faults({"foo/test-data/x.cpython-39-x86_64-linux-gnu.so": make_elf()}) == ()


FOREIGN = [
    ("app.cpython-311-x86_64-linux-gnu.so", make_elf()),
    ("shop/app.cpython-313-x86_64-linux-musl.so", make_elf()),
    ("shop/app.pypy310-pp73-x86_64-linux-gnu.so", make_elf()),
    ("app.abi3t.so", make_elf()),
    ("app.cp313-win_amd64.pyd", PE),
    ("app.pyd", PE),
    ("shop/app.cpython-313-darwin.so", MACH_O),
]


class TestTheProjectsOwn:
    @pytest.mark.parametrize(("path", "content"), FOREIGN)
    def test_its_sources_do_not_replace_an_extension(self, tmp_path: Path, path: str, content: bytes) -> None:
        source = path.partition(".")[0] + ".py"
        (scan,) = scan_all(wheels(tmp_path, {path: content, source: ""}))

        assert find_faults([scan], X86) == ()  # a dependency falls back to its sources
        (fault,) = find_faults([scan], X86, project=scan)
        assert fault.path == path

    @pytest.mark.parametrize("other", ["app.cpython-313-x86_64-linux-gnu.so", "app.abi3.so", "app/__init__.py"])
    def test_another_file_is_what_this_python_imports(self, tmp_path: Path, other: str) -> None:
        files = {"app.cpython-311-x86_64-linux-gnu.so": make_elf(), "app.py": "", other: make_elf()}
        (scan,) = scan_all(wheels(tmp_path, files))

        assert find_faults([scan], X86, project=scan) == ()

    def test_the_message_says_how_to_build(self, tmp_path: Path) -> None:
        (scan,) = scan_all(wheels(tmp_path, {FOREIGN[0][0]: make_elf(), "app.py": ""}))

        (fault,) = find_faults([scan], X86, project=scan)

        assert fault.needs == "a Python that imports `*.cpython-311-x86_64-linux-gnu.so`"
        assert "build with the runtime's Python (`python3.13 -m hatchling build -t lambda`)" in fault.advice


class TestVersions:
    @pytest.mark.parametrize(
        ("library", "symbol", "needed", "has"),
        [
            ("libc.so.6", "GLIBC_2.28", "glibc 2.28 (GLIBC_2.28 of libc.so.6)", "glibc 2.26"),
            ("libm.so.6", "GLIBC_2.27", "glibc 2.27 (GLIBC_2.27 of libm.so.6)", "glibc 2.26"),
            ("libc.so.6", "GLIBC_ABI_DT_RELR", "glibc 2.36 (GLIBC_ABI_DT_RELR of libc.so.6)", "glibc 2.26"),
            ("libstdc++.so.6", "GLIBCXX_3.4.25", "GLIBCXX_3.4.25 of libstdc++.so.6", "GLIBCXX_3.4.24"),
            ("libstdc++.so.6", "CXXABI_1.3.12", "CXXABI_1.3.12 of libstdc++.so.6", "CXXABI_1.3.11"),
            ("libgcc_s.so.1", "GCC_12.0.0", "GCC_12.0.0 of libgcc_s.so.1", "GCC_7.0.0"),
            ("libz.so.1", "ZLIB_1.2.9", "ZLIB_1.2.9 of libz.so.1", "ZLIB_1.2.5.2"),
        ],
    )
    def test_a_newer_one_than_the_runtimes(
        self, faults: Callable[..., Any], library: str, symbol: str, needed: str, has: str
    ) -> None:
        (fault,) = faults({"foo.so": make_elf(needed=(library,), versions={library: [symbol]})}, OLD_X86)

        assert fault.needs == needed
        assert fault.runtime_has == f"the runtime has {has} (Amazon Linux 2)"
        assert "manylinux_2_26 or lower" in fault.advice

    def test_the_newest_that_the_runtime_has(self, faults: Callable[..., Any]) -> None:
        versions = {
            "libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.26", "GLIBC_PRIVATE"],
            "libstdc++.so.6": ["GLIBCXX_3.4.9", "GLIBCXX_3.4.24", "CXXABI_1.3.11", "CXXABI_TM_1"],
            "libgcc_s.so.1": ["GCC_7.0.0"],
            "libz.so.1": ["ZLIB_1.2.5.2"],
        }

        assert faults({"foo.so": make_elf(versions=versions)}, OLD_X86) == ()

    def test_versions_are_compared_as_numbers_and_reported_once_per_kind(self, faults: Callable[..., Any]) -> None:
        elf = make_elf(versions={"libstdc++.so.6": ["GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "GLIBCXX_3.4.29"]})

        assert needs(faults({"foo.so": elf})) == [("foo.so", "GLIBCXX_3.4.30 of libstdc++.so.6")]

    def test_a_library_that_the_wheel_brings_has_the_versions_it_has(self, faults: Callable[..., Any]) -> None:
        user = make_elf(needed=("libstdc++.so.6",), versions={"libstdc++.so.6": ["GLIBCXX_3.4.40"]})

        assert faults({"foo.so": user, "foo.libs/libstdc++.so.6": make_elf(soname="libstdc++.so.6")}) == ()

    def test_nobody_brings_a_glibc(self, faults: Callable[..., Any]) -> None:
        user = make_elf(versions={"libc.so.6": ["GLIBC_2.40"]})

        assert len(faults({"foo.so": user, "foo.libs/libc.so.6": make_elf(soname="libc.so.6")})) == 1


class TestLibraries:
    def test_a_library_that_nothing_provides(self, faults: Callable[..., Any]) -> None:
        (fault,) = faults({"psycopg2": {"psycopg2/_psycopg.so": make_elf(needed=("libpq.so.5", "libc.so.6"))}})

        assert str(fault) == (
            "psycopg2 1.0: psycopg2/_psycopg.so needs the library libpq.so.5; neither the bundle nor the runtime "
            "(Amazon Linux 2023) has it. To do: use `psycopg2-binary` or `psycopg[binary]`, which include it; or "
            "ship it under this name in `lib/` of the zip (`force-include` in "
            '`tool.hatch.build.targets.lambda`); if one of your layers has it, set `compatible = ["psycopg2"]`.'
        )

    @pytest.mark.parametrize(
        ("name", "facts"),
        [
            ("foo.libs/libx-1234.so.5.1", {"soname": "libx.so.5"}),
            ("foo.libs/libx.so.5", {}),
            ("foo/lib/libx.so.5", {"soname": "something-else"}),
        ],
    )
    def test_one_of_the_same_wheel(self, faults: Callable[..., Any], name: str, facts: dict[str, str]) -> None:
        user = make_elf(needed=("libx.so.5",), runpath="$ORIGIN/../foo.libs")

        assert faults({"foo/_foo.so": user, name: make_elf(**facts)}) == ()  # type: ignore[arg-type]

    def test_a_library_of_a_wheel_that_is_loaded_earlier(self, faults: Callable[..., Any]) -> None:
        user, library = make_elf(needed=("libx.so.5",)), make_elf(soname="libx.so.5")

        assert faults({"foo": {"foo.so": user}, "bar": {"bar/lib/libx.so.5": library}}) == ()

    def test_a_library_for_another_machine_does_not_count(self, faults: Callable[..., Any]) -> None:
        found = faults({"foo.so": make_elf(needed=("libx.so.5",)), "libx.so.5": make_elf("aarch64")})

        assert ("foo.so", "the library libx.so.5") in needs(found)

    @pytest.mark.parametrize(
        ("library", "found_on"),
        [
            ("libnsl.so.1", [True, False]),
            ("libssl.so.10", [True, False]),
            ("libssl.so.3", [False, True]),
            ("libexpat.so.1", [True, False]),
            ("libzstd.so.1", [False, True]),
            ("libGL.so.1", [False, False]),
            ("libgomp.so.1", [False, False]),
            ("libpython3.11.so.1.0", [True, False]),
            ("libpython3.13.so.1.0", [False, True]),
            ("ld-linux-x86-64.so.2", [True, True]),
            ("ld-linux-aarch64.so.1", [False, False]),
            ("/lib64/libz.so.1", [True, True]),
            ("/opt/homebrew/libz.so.1", [False, False]),
            ("./libz.so.1", [False, False]),
        ],
    )
    def test_those_of_the_two_systems_differ(
        self, faults: Callable[..., Any], library: str, found_on: list[bool]
    ) -> None:
        """Amazon Linux 2, then 2023."""
        elf = {"foo.so": make_elf(needed=(library,))}

        assert [not faults(elf, target) for target in (OLD_X86, X86)] == found_on

    def test_the_two_machines_differ(self) -> None:
        only_x86 = system_libraries.libraries(X86) - system_libraries.libraries(ARM)

        assert only_x86 == {"ld-linux-x86-64.so.2", "libmvec.so.1"}

    @pytest.mark.parametrize("target", all_targets(), ids=str)
    def test_every_target_has_its_tables(self, target: Target) -> None:
        assert "libc.so.6" in system_libraries.libraries(target)
        assert set(system_libraries.newest_versions(target)) == {"GLIBCXX", "CXXABI", "GCC", "ZLIB"}
        assert system_libraries.loaders(target)


class TestLibc:
    def test_musl(self, faults: Callable[..., Any]) -> None:
        library = {"foo.so": make_elf(needed=("libc.musl-x86_64.so.1",))}
        program = {"foo-1.0.data/scripts/foo": make_elf(interpreter="/lib/ld-musl-x86_64.so.1", needed=())}

        for files in (library, program):
            (fault,) = faults(files)
            assert fault.needs.startswith("musl")
            assert fault.runtime_has == "the runtime has glibc 2.34 and its loader"

    @pytest.mark.parametrize("file_type", [ET_EXEC, 3])
    def test_programs_are_judged_like_libraries(self, faults: Callable[..., Any], file_type: int) -> None:
        def program(**facts: Any) -> dict[str, bytes]:
            facts = {"interpreter": "/lib64/ld-linux-x86-64.so.2", **facts}
            return {"foo-1.0.data/scripts/foo": make_elf(file_type=file_type, **facts)}

        assert faults(program()) == ()
        assert faults(program(versions={"libc.so.6": ["GLIBC_2.35"]}))
        assert faults(program(needed=("libx.so.1",)))
        (fault,) = faults(program(interpreter="/nix/store/abc-glibc/lib/ld-linux-x86-64.so.2"))
        assert fault.needs == "the loader /nix/store/abc-glibc/lib/ld-linux-x86-64.so.2"

    def test_a_static_program_is_fine(self, faults: Callable[..., Any]) -> None:
        assert faults({"foo/bin/foo": make_elf(needed=(), file_type=ET_EXEC)}) == ()


class TestEscapes:
    def test_a_library_may_be_missing_where_its_user_vouches_for_the_distribution(
        self, faults: Callable[..., Any]
    ) -> None:
        files = {"Foo-Bar": {"foo.so": make_elf(needed=("libodbc.so.2",))}}

        assert needs(faults(files)) == [("foo.so", "the library libodbc.so.2")]
        assert faults(files, trusted=frozenset({"foo-bar"})) == ()

    def test_compatible_does_not_allow_another_machine(self, faults: Callable[..., Any]) -> None:
        assert faults({"foo": {"x.so": make_elf()}}, ARM, trusted=frozenset({"foo"}))

    def test_libraries_known_to_be_optional(self, faults: Callable[..., Any]) -> None:
        helper = "debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so"

        assert faults({"debugpy": {helper: make_elf(), "debugpy/_x.cp39-win_amd64.pyd": PE}}, ARM) == ()
        assert faults({"numba": {"numba/_pool.so": make_elf(needed=("libtbb.so.12",))}}) == ()
        assert len(faults({"debugpy": {"debugpy/other.so": make_elf()}}, ARM)) == 1
        assert len(faults({"foo": {helper: make_elf()}}, ARM)) == 1


def test_identical_faults_are_reported_together(faults: Callable[..., Any]) -> None:
    elf = make_elf(needed=("libGL.so.1",))
    found = faults({f"foo/_{n}.so": elf for n in range(5)})

    assert fault_report(found, X86) == (
        "Not everything in the bundle can be loaded by python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34).\n"
        "\n"
        "foo 1.0\n"
        "  foo/_0.so\n"
        "  foo/_1.so\n"
        "  foo/_2.so\n"
        "  and 2 more\n"
        "    needs the library libGL.so.1\n"
        "  but neither the bundle nor the runtime (Amazon Linux 2023) has it\n"
        "  what you can do: use a wheel that includes it; or ship it under this name in `lib/` of "
        "the zip (`force-include` in `tool.hatch.build.targets.lambda`); if one of your layers has it, set "
        '`compatible = ["foo"]`'
    )


# The most downloaded of native packages (https://hugovk.github.io/top-pypi-packages), and some that carry machine code
# of other systems
POPULAR = (
    *("aiohttp", "cffi", "charset-normalizer", "cryptography", "greenlet", "grpcio", "lxml", "markupsafe", "numpy"),
    *("orjson", "pandas", "pillow", "protobuf", "psycopg2-binary", "pyarrow", "pydantic-core", "pyyaml", "regex"),
    *("scipy", "sqlalchemy", "debugpy", "pip", "ruff", "selenium", "setuptools"),
)
HEAVY = ("numpy", "pandas", "scipy")


@pytest.mark.index
@pytest.mark.parametrize(
    ("runtime", "architecture", "packages"),
    [
        # all for each operating system and for each architecture, and some for the other two pairs
        ("python3.13", "x86_64", POPULAR),
        ("python3.11", "arm64", POPULAR),
        ("python3.13", "arm64", HEAVY),
        ("python3.11", "x86_64", HEAVY),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_real_wheels_raise_no_false_alarm(runtime: str, architecture: str, packages: tuple[str, ...]) -> None:
    target = Target(RUNTIMES[runtime], ARCHITECTURES[architecture])
    # Not in `tmp_path`, which pytest keeps: it is a quarter of a gigabyte.
    with tempfile.TemporaryDirectory() as folder:
        wheels_of_index = download(target, Path(folder), packages)
        assert len(wheels_of_index) == len(packages)

        assert find_faults(scan_all(wheels_of_index), target) == ()
        for *_, wheel in wheels_of_index:
            check_wheel(wheel)

        heavy = [wheel for wheel in wheels_of_index if wheel[0] in HEAVY]
        start = time.process_time()
        find_faults(scan_all(heavy), target)
        assert time.process_time() - start < 3  # a fraction of it; machines differ


def download(target: Target, folder: Path, packages: tuple[str, ...]) -> list[tuple[str, str, Path]]:
    platforms = [f"--platform={platform}" for platform in target.platforms]
    python = [f"--python-version={target.python_full_version}", "--implementation=cp"]
    abis = [f"--abi={abi}" for abi in (target.interpreter, "abi3", "none")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, *python, *abis, *platforms, "--dest", folder, *packages], check=True)
    return [(wheel.name.split("-")[0], wheel.name.split("-")[1], wheel) for wheel in sorted(folder.glob("*.whl"))]
