from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from packaging.version import Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.wheels import machine_code
from hatch_lambda.wheels.machine_code import (
    BrokenMachineCodeError,
    MachineCode,
    read_machine_code,
    scan_directory,
    scan_wheel,
)
from tests.support.elf import ET_EXEC, ET_REL, MACHINES, make_elf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read(content: bytes) -> MachineCode | None:
    return read_machine_code("some/file.so", io.BytesIO(content))


def read_elf(machine: str | int = "x86_64", **facts: Any) -> MachineCode:
    found = read(make_elf(machine, **facts))
    assert found is not None
    return found


def read_or_broken(content: bytes) -> MachineCode | str | None:
    try:
        return read(content)
    except BrokenMachineCodeError:
        return "broken"


def make_wheel(folder: Path, members: Mapping[str, bytes]) -> Path:
    wheel = folder / "sample-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return wheel


class TestElf:
    def test_every_fact_of_a_shared_object_is_read(self) -> None:
        content = make_elf(
            "aarch64",
            needed=("libz.so.1", "libc.so.6"),
            versions={"libstdc++.so.6": ("GLIBCXX_3.4.21", "CXXABI_1.3"), "libc.so.6": ("GLIBC_2.34", "GLIBC_2.17")},
            runpath="$ORIGIN:$ORIGIN/../sample.libs",
            soname="libsample.so.1",
            interpreter="/lib/ld-linux-aarch64.so.1",
        )

        assert read(content) == MachineCode(
            path="some/file.so",
            kind="ELF",
            architecture="aarch64",
            bits=64,
            needs=(
                ("libc.so.6", "GLIBC_2.17"),
                ("libc.so.6", "GLIBC_2.34"),
                ("libstdc++.so.6", "CXXABI_1.3"),
                ("libstdc++.so.6", "GLIBCXX_3.4.21"),
            ),
            libraries=("libz.so.1", "libc.so.6"),
            search_path=("$ORIGIN", "$ORIGIN/../sample.libs"),
            interpreter="/lib/ld-linux-aarch64.so.1",
            soname="libsample.so.1",
        )

    @pytest.mark.parametrize("machine", MACHINES)
    def test_architecture_bits_and_needs_are_read_in_every_byte_order_and_word_size(self, machine: str) -> None:
        found = read_elf(machine, versions={"libc.so.6": ("GLIBC_2.17",)})

        assert (found.architecture, found.bits) == (machine, MACHINES[machine][1])
        assert found.needs == (("libc.so.6", "GLIBC_2.17"),)

    def test_the_32_bit_kind_of_x86_64_is_another_architecture(self) -> None:
        found = read_elf("x86_64", bits=32)

        assert (found.architecture, found.bits) == ("x32", 32)

    def test_an_unknown_machine_is_named_by_its_number(self) -> None:
        assert read_elf(0x1234).architecture == "machine 0x1234"

    def test_a_machine_that_only_the_library_has_a_name_for_is_named_by_its_number(self) -> None:
        assert read_elf(8).architecture == "machine 0x8"  # MIPS

    def test_a_file_without_section_headers_gives_the_same_result(self) -> None:
        facts: dict[str, Any] = {"versions": {"libc.so.6": ("GLIBC_2.28",)}, "runpath": "$ORIGIN"}

        assert read_elf(section_headers=False, **facts) == read_elf(section_headers=True, **facts)

    def test_a_file_without_requirements(self) -> None:
        found = read_elf(needed=())

        assert (found.needs, found.libraries, found.search_path) == ((), (), ())
        assert (found.interpreter, found.soname, found.glibc, found.musl) == (None, None, None, False)

    def test_an_object_file_is_machine_code_of_its_architecture(self) -> None:
        assert read_elf("aarch64", file_type=ET_REL) == MachineCode("some/file.so", "ELF", "aarch64", 64)

    def test_an_executable_names_its_interpreter(self) -> None:
        found = read_elf(file_type=ET_EXEC, interpreter="/lib64/ld-linux-x86-64.so.2")

        assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"

    def test_versions_that_only_weak_symbols_need_are_not_needed(self) -> None:
        found = read_elf(versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.38")}, weak={"GLIBC_2.38"})

        assert found.needs == (("libc.so.6", "GLIBC_2.17"),)

    def test_a_name_that_is_no_utf_8_can_be_printed(self) -> None:
        content = make_elf(needed=("libXX.so",)).replace(b"libXX", b"lib\xff\xfe")

        found = read(content)

        assert found is not None
        assert found.libraries == ("lib\\xff\\xfe.so",)


class TestSearchPath:
    def test_rpath_counts_where_there_is_no_runpath(self) -> None:
        assert read_elf(rpath="$ORIGIN/a:/b").search_path == ("$ORIGIN/a", "/b")

    def test_runpath_beats_rpath(self) -> None:
        assert read_elf(rpath="/a", runpath="/b").search_path == ("/b",)

    def test_an_empty_runpath_beats_rpath_too(self) -> None:
        assert read_elf(rpath="/a", runpath="").search_path == ()


class TestGlibc:
    def test_versions_compare_as_numbers(self) -> None:
        found = read_elf(versions={"libc.so.6": ("GLIBC_2.9", "GLIBC_2.17", "GLIBC_2.2.5")})

        assert found.glibc == Version("2.17")

    def test_the_highest_of_all_its_libraries_counts(self) -> None:
        found = read_elf(versions={"libc.so.6": ("GLIBC_2.17",), "libm.so.6": ("GLIBC_2.29",)})

        assert found.glibc == Version("2.29")

    def test_names_that_are_no_version_of_glibc_do_not_count(self) -> None:
        names = ("GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GLIBCXX_3.4.30", "GLIBC_", "GLIBC_2.x")

        assert read_elf(versions={"libc.so.6": names}).glibc is None


class TestMusl:
    def test_a_library_of_musl_says_musl(self) -> None:
        assert read_elf(needed=("libc.musl-x86_64.so.1",)).musl

    def test_an_executable_for_the_loader_of_musl_says_musl(self) -> None:
        assert read_elf(needed=(), interpreter="/lib/ld-musl-aarch64.so.1").musl

    def test_a_library_of_glibc_does_not(self) -> None:
        assert not read_elf(needed=("libc.so.6",), interpreter="/lib64/ld-linux-x86-64.so.2").musl


class TestBrokenElf:
    @pytest.mark.parametrize("section_headers", [True, False])
    @pytest.mark.parametrize("machine", ["x86_64", "i386", "s390x"])
    def test_a_file_cut_at_any_length_is_whole_broken_or_no_machine_code(
        self, machine: str, *, section_headers: bool
    ) -> None:
        content = make_elf(
            machine,
            versions={"libc.so.6": ("GLIBC_2.17", "GLIBC_2.34")},
            runpath="$ORIGIN",
            interpreter="/lib/ld.so",
            section_headers=section_headers,
        )
        outcomes = [read_or_broken(content[:length]) for length in range(len(content) + 1)]

        # The interpreter's name is the last that is read.
        end = content.index(b"/lib/ld.so\0") + len(b"/lib/ld.so\0")
        assert outcomes[:4] == [None] * 4
        assert outcomes[4:end] == ["broken"] * (end - 4)
        assert set(outcomes[end:]) == {read(content)}

    def test_the_error_carries_the_path_and_the_cause(self) -> None:
        with pytest.raises(BrokenMachineCodeError) as error:
            read(make_elf()[:20])

        assert error.value.path == "some/file.so"
        assert error.value.cause == "it ends before or within the Elf_Ehdr at 0x0"
        assert str(error.value) == (
            "some/file.so starts as machine code but cannot be read: it ends before or within the Elf_Ehdr at 0x0"
        )

    @pytest.mark.parametrize(
        ("offset", "replacement", "cause"),
        [
            pytest.param(4, b"\x09", "word size 9 or byte order 1 is none of ELF's", id="word size"),
            pytest.param(5, b"\x09", "word size 2 or byte order 9 is none of ELF's", id="byte order"),
            pytest.param(32, b"\xff" * 8, "it ends before or within the Elf_Phdr at 0xffffffffffffffff", id="e_phoff"),
            pytest.param(54, b"\x00\x00", "program headers of 0 bytes", id="e_phentsize"),
        ],
    )
    def test_a_header_that_makes_no_sense_is_broken(self, offset: int, replacement: bytes, cause: str) -> None:
        content = bytearray(make_elf())
        content[offset : offset + len(replacement)] = replacement

        with pytest.raises(BrokenMachineCodeError) as error:
            read(bytes(content))

        assert error.value.cause == cause

    def test_a_dynamic_section_without_a_string_table_is_broken(self) -> None:
        content = make_elf()
        entry = struct.pack("<Q", 5)
        start = content.index(struct.pack("<QQ", 1, 1))  # DT_NEEDED, the first string
        place = content.index(entry, start)

        with pytest.raises(BrokenMachineCodeError, match="the dynamic section has no DT_STRTAB"):
            read(content[:place] + struct.pack("<Q", 0x15) + content[place + 8 :])

    def test_a_string_table_outside_of_all_segments_is_broken(self) -> None:
        content = make_elf()
        start = content.index(struct.pack("<QQ", 1, 1))
        place = content.index(struct.pack("<Q", 5), start) + 8

        with pytest.raises(BrokenMachineCodeError, match="no segment holds the address 0x123456"):
            read(content[:place] + struct.pack("<Q", 0x123456) + content[place + 8 :])

    def test_a_broken_file_on_disk_is_broken_too(self, tmp_path: Path) -> None:
        content = bytearray(make_elf())
        content[32:40] = b"\xff" * 7 + b"\x7f"
        path = tmp_path / "broken.so"
        path.write_bytes(content)

        with path.open("rb") as file, pytest.raises(BrokenMachineCodeError):
            read_machine_code("broken.so", file)

    def test_debugging_symbols_alone_need_nothing(self) -> None:
        # What `objcopy --only-keep-debug` leaves: program headers with no bytes in the file
        content = bytearray(make_elf(versions={"libc.so.6": ("GLIBC_2.38",)}))
        for n in range(2):
            struct.pack_into("<Q", content, 64 + n * 56 + 32, 0)

        assert read(bytes(content)) == MachineCode("some/file.so", "ELF", "x86_64", 64)


class TestMachO:
    @pytest.mark.parametrize(
        ("magic", "layout", "machine", "architecture", "bits"),
        [
            (0xFEEDFACF, "<II24x", 0x01000007, "x86_64", 64),
            (0xFEEDFACF, "<II24x", 0x0100000C, "aarch64", 64),
            (0xFEEDFACE, "<II20x", 7, "i386", 32),
            (0xFEEDFACE, ">II20x", 18, "ppc", 32),
            (0xFEEDFACF, ">II24x", 0x01000012, "ppc64", 64),
            (0xFEEDFACF, "<II24x", 0x01000063, "machine 0x1000063", 64),
        ],
    )
    def test_a_thin_file_has_the_architecture_of_its_header(
        self, magic: int, layout: str, machine: int, architecture: str, bits: int
    ) -> None:
        content = struct.pack(layout, magic, machine)

        assert read(content) == MachineCode("some/file.so", "Mach-O", architecture, bits)

    @pytest.mark.parametrize("magic", [0xCAFEBABE, 0xCAFEBABF])
    def test_a_fat_file_is_universal(self, magic: int) -> None:
        assert read(struct.pack(">II40x", magic, 2)) == MachineCode("some/file.so", "Mach-O", "universal", 0)

    @pytest.mark.parametrize("major", [45, 52, 65])
    def test_a_java_class_is_no_machine_code(self, major: int) -> None:
        assert read(struct.pack(">IHH40x", 0xCAFEBABE, 0, major)) is None

    @pytest.mark.parametrize(
        "content",
        [
            struct.pack("<II20x", 0xFEEDFACF, 7)[:-1],
            struct.pack(">I", 0xCAFEBABE),
            struct.pack(">II", 0xCAFEBABE, 0),
        ],
        ids=["thin", "fat", "fat of nothing"],
    )
    def test_a_file_too_short_for_its_header_is_no_machine_code(self, content: bytes) -> None:
        assert read(content) is None


def make_pe(machine: int, optional_magic: int) -> bytes:
    return struct.pack("<2s58xI", b"MZ", 0x80).ljust(0x80, b"\0") + struct.pack(
        "<4sH18xH", b"PE\0\0", machine, optional_magic
    )


class TestPe:
    @pytest.mark.parametrize(
        ("machine", "magic", "architecture", "bits"),
        [
            (0x8664, 0x20B, "x86_64", 64),
            (0xAA64, 0x20B, "aarch64", 64),
            (0x014C, 0x10B, "i386", 32),
            (0x01C4, 0x10B, "arm", 32),
            (0x0EBC, 0, "machine 0xebc", 0),
        ],
    )
    def test_a_dll_has_the_architecture_of_its_header(
        self, machine: int, magic: int, architecture: str, bits: int
    ) -> None:
        assert read(make_pe(machine, magic)) == MachineCode("some/file.so", "PE", architecture, bits)

    @pytest.mark.parametrize(
        "content",
        [
            b"MZ is how this text begins",
            b"MZ".ljust(0x200, b"\0"),
            b"MZ".ljust(0x200, b"\xff"),
            make_pe(0x8664, 0x20B)[:-1],
        ],
    )
    def test_what_only_begins_with_mz_is_no_machine_code(self, content: bytes) -> None:
        assert read(content) is None


class TestOtherFiles:
    @pytest.mark.parametrize(
        "content",
        [b"", b"\x7f", b"\x7fEL", b"#!/usr/bin/python\n", b"import os\n", b"!<arch>\n" + make_elf(file_type=ET_REL)],
        ids=["empty", "one byte", "three bytes of the magic", "script", "module", "static library"],
    )
    def test_files_that_cannot_be_loaded_are_not_machine_code(self, content: bytes) -> None:
        assert read(content) is None

    def test_the_library_is_imported_for_elf_only(self) -> None:
        program = """
import io, sys
from hatch_lambda.wheels.machine_code import read_machine_code
read_machine_code("module.py", io.BytesIO(b"import os"))
print([name for name in sys.modules if name.startswith("elftools")])
"""
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert result.stdout == "[]\n"


class TestScanWheel:
    def test_machine_code_is_found_under_any_name_and_sorted(self, tmp_path: Path) -> None:
        wheel = make_wheel(
            tmp_path,
            {
                "sample/z.so": make_elf("x86_64"),
                "sample/__init__.py": b"import sample.z",
                "sample/folder/": b"",
                "sample/data.txt": make_elf("aarch64"),
                "sample/fake.so": b"no machine code",
                "sample/text.so": b"MZ is how this text begins",
                "sample/a.dll": make_pe(0x8664, 0x20B),
            },
        )

        found = scan_wheel(wheel)

        assert [(file.path, file.kind, file.architecture) for file in found] == [
            ("sample/a.dll", "PE", "x86_64"),
            ("sample/data.txt", "ELF", "aarch64"),
            ("sample/z.so", "ELF", "x86_64"),
        ]

    def test_a_wheel_without_machine_code_has_none(self, tmp_path: Path) -> None:
        assert scan_wheel(make_wheel(tmp_path, {"sample.py": b""})) == ()

    def test_a_broken_member_is_named(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, {"sample/a.so": make_elf()[:100]})

        with pytest.raises(BrokenWheelError, match=r"sample/a\.so starts as machine code but cannot be read"):
            scan_wheel(wheel)

    def test_a_member_too_large_for_memory_gives_the_same_result(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        facts: dict[str, Any] = {"versions": {"libc.so.6": ("GLIBC_2.28",)}}
        wheel = make_wheel(tmp_path, {"some/file.so": make_elf(**facts) + bytes(10_000)})
        monkeypatch.setattr(machine_code, "HELD_IN_MEMORY", 1000)

        assert scan_wheel(wheel) == (read_elf(**facts),)


class TestScanDirectory:
    def test_machine_code_is_found_at_any_depth_and_sorted(self, tmp_path: Path) -> None:
        for name, machine in (("sample/b/z.so", "x86_64"), ("sample/b.so", "aarch64"), ("a", "i386")):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make_elf(machine))
        (tmp_path / "sample" / "module.py").write_text("import os")

        found = scan_directory(tmp_path)

        assert [(file.path, file.architecture) for file in found] == [
            ("a", "i386"),
            ("sample/b.so", "aarch64"),
            ("sample/b/z.so", "x86_64"),
        ]

    def test_a_directory_and_a_wheel_of_the_same_files_give_the_same_result(self, tmp_path: Path) -> None:
        content = make_elf(versions={"libc.so.6": ("GLIBC_2.17",)})
        root = tmp_path / "bundle"
        (root / "sample").mkdir(parents=True)
        (root / "sample" / "a.so").write_bytes(content)

        assert scan_directory(root) == scan_wheel(make_wheel(tmp_path, {"sample/a.so": content}))

    def test_a_folder_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            scan_directory(tmp_path / "nowhere")

    @pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
    def test_links_are_read_within_the_folder_and_not_followed_out(self, tmp_path: Path) -> None:
        outside = tmp_path / "bundle-outside"
        outside.mkdir()
        (outside / "out.so").write_bytes(make_elf())
        root = tmp_path / "bundle"
        root.mkdir()
        (root / "libz.so.1").write_bytes(make_elf())
        (root / "libz.so").symlink_to("libz.so.1")
        (root / "out.so").symlink_to(outside / "out.so")
        (root / "folder").symlink_to(outside)
        (root / "dangling.so").symlink_to("nothing")

        assert [file.path for file in scan_directory(root)] == ["libz.so", "libz.so.1"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
    def test_a_fifo_is_passed_over(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.so")

        assert scan_directory(tmp_path) == ()
