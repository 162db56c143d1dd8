"""Wheels that lie about their machine code."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.attacks import MANYLINUX, SPEED, UNIX
from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.projects import BUNDLE, PACKAGE, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


MACH_O = b"\xcf\xfa\xed\xfe\x07\x00\x00\x01" + bytes(40)
PE = bytearray(b"MZ" + bytes(200))
struct.pack_into("<I", PE, 0x3C, 64)
PE[64:68] = b"PE\0\0"
struct.pack_into("<H", PE, 68, 0x8664)
struct.pack_into("<H", PE, 88, 0x20B)
LIES: dict[str, tuple[str, str, bytes, str]] = {
    "aarch64": (MANYLINUX, SPEED, make_elf("aarch64"), "Linux on aarch64"),
    "32 bits": (MANYLINUX, SPEED, make_elf("i386"), "Linux on i386"),
    "musl": (MANYLINUX, SPEED, make_elf(needed=["libc.musl-x86_64.so.1"]), "musl"),
    "a newer glibc": (MANYLINUX, SPEED, make_elf(versions={"libc.so.6": ["GLIBC_2.38"]}), "glibc 2.38"),
    "a newer glibc by relocations": (
        MANYLINUX,
        SPEED,
        make_elf(versions={"libc.so.6": ["GLIBC_ABI_DT_RELR"]}),
        "glibc 2.36",
    ),
    "a newer libstdc++": (
        MANYLINUX,
        SPEED,
        make_elf(needed=["libstdc++.so.6"], versions={"libstdc++.so.6": ["GLIBCXX_3.4.99"]}),
        "GLIBCXX_3.4.99",
    ),
    "macOS": (MANYLINUX, SPEED, MACH_O, "macOS on x86_64"),
    "Windows": (MANYLINUX, SPEED, bytes(PE), "Windows on x86_64"),
    "another Python": (
        MANYLINUX,
        "foo/_speed.cpython-39-x86_64-linux-gnu.so",
        make_elf(),
        "a Python that imports `*.cpython-39-x86_64-linux-gnu.so`",
    ),
    "another architecture's suffix": (
        MANYLINUX,
        "foo/_speed.cpython-313-aarch64-linux-gnu.so",
        make_elf(),
        "a Python that imports `*.cpython-313-aarch64-linux-gnu.so`",
    ),
    "stable ABI of another machine": (
        "cp39-abi3-manylinux2014_x86_64",
        "foo.abi3.so",
        make_elf("aarch64"),
        "Linux on aarch64",
    ),
    "pure, with foreign code": ("py3-none-any", "foo/libfoo.so", make_elf("aarch64"), "Linux on aarch64"),
    "pure, with foreign code in disguise": ("py3-none-any", "foo/logo.png", make_elf("aarch64"), "Linux on aarch64"),
    "pure, as a script": ("py3-none-any", "foo-1.0.data/scripts/foo", make_elf("aarch64"), "Linux on aarch64"),
    "pure, as data": ("py3-none-any", "foo-1.0.data/data/lib/libx.so", make_elf("aarch64"), "Linux on aarch64"),
    "a library that nobody has": (MANYLINUX, SPEED, make_elf(needed=["libpq.so.5"]), "the library libpq.so.5"),
    "a library in this machine's folder": (
        MANYLINUX,
        SPEED,
        make_elf(needed=["/home/me/build/libmine.so"]),
        "the library /home/me/build/libmine.so",
    ),
}


@pytest.mark.parametrize("case", LIES)
def test_a_wheel_that_lies_about_its_machine_code_stops_the_build(
    case: str, tmp_path: Path, stage_7: BundleOf, as_it_was: Callable[[], None]
) -> None:
    tag, path, content, needs = LIES[case]
    wheel = make_wheel(tmp_path, "foo", tag=tag, files={"foo/__init__.py": "", path: content})

    with pytest.raises(UnfitMachineCodeError) as caught:
        stage_7(wheel)

    message = str(caught.value)
    assert message.startswith("Not everything in the bundle can be loaded by python3.13 on x86_64")
    for words in ("\nfoo 1.0\n", f"  {path}\n", f"needs {needs}", "\n  but ", "what you can do: "):
        assert words in message
    as_it_was()


@pytest.mark.parametrize("vouched", [False, True])
def test_compatible_allows_only_missing_libraries(vouched: bool, index: Path, bundle_of: BundleOf) -> None:  # noqa: FBT001
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libpq.so.5"])})
    compatible = ["foo"] if vouched else []

    if vouched:
        assert (bundle_of("foo", compatible=compatible).directory / SPEED).is_file()
    else:
        with pytest.raises(UnfitMachineCodeError, match="psycopg2-binary"):
            bundle_of("foo", compatible=compatible)
    make_wheel(index, "bar", tag=MANYLINUX, files={"bar/libx.so": make_elf("aarch64")})
    with pytest.raises(UnfitMachineCodeError, match="bar/libx"):
        bundle_of("bar", compatible=["bar"])


def test_a_build_from_the_command_line_names_the_setting_that_helps(
    index: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libghost.so.1"])})
    made = project("foo")

    shown = made.fail()

    assert "needs the library libghost.so.1" in shown
    assert 'compatible = ["foo"]' in shown
    assert not (made.root / BUNDLE).exists()
    made.add_to_pyproject('compatible = ["foo"]')
    made.build()
    assert SPEED in made.zipped()


@pytest.mark.parametrize("path", ["orders/_fast.so", "orders/assets/data.bin", "orders/templates/page.html"])
def test_foreign_machine_code_of_the_project_itself(path: str, project: Callable[..., Project]) -> None:
    shown = project(files={**PACKAGE, path: make_elf("aarch64")}).fail()

    assert f"  {path}\n    needs Linux on aarch64" in shown
    assert "\norders-1.0\n" in shown or "\norders 1.0\n" in shown


def test_a_library_of_the_project_for_another_machine_does_not_count(
    index: Path, project: Callable[..., Project]
) -> None:
    make_wheel(index, "foo", tag=MANYLINUX, files={SPEED: make_elf(needed=["libmine.so.1"])})

    shown = project("foo", files={**PACKAGE, "orders/libmine.so.1": make_elf("aarch64", soname="libmine.so.1")}).fail()

    assert "libmine.so.1" in shown
