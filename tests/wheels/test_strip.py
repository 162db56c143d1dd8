"""Stripping native code: what goes, what stays, and what is left alone. That popular wheels work afterwards, see
`benchmarks/stripping.py`.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_lambda.wheels.machine_code import read_machine_code
from hatch_lambda.wheels.strip import NotStrippableError, find_difference, strip
from tests.support.elf import ET_EXEC, ET_REL, MACHINES, make_elf

if TYPE_CHECKING:
    from pathlib import Path

DEBUG = b"where a line is in the source" * 1000
FACTS: dict[str, Any] = {
    "needed": ["libc.so.6", "libm.so.6"],
    "versions": {"libc.so.6": ["GLIBC_2.17", "GLIBC_2.34"]},
    "soname": "libx.so",
    "runpath": "$ORIGIN",
}

needs_gcc = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="needs gcc, as a C compiler for Linux"
)


def sections(content: bytes) -> dict[str, bytes]:
    return {section.name: section.data() for section in ELFFile(io.BytesIO(content)).iter_sections() if section.name}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("moved", [None, b"a longer DT_RUNPATH"], ids=["plain", "patched"])
def test_debugging_information_and_symbols_go_and_all_else_stays(machine: str, moved: bytes | None) -> None:
    before = make_elf(machine, debug=DEBUG, moved=moved, **FACTS)

    after = strip(before)

    assert len(after) < len(before) - len(DEBUG) + 0x1000 * bool(moved)
    found, was = sections(after), sections(before)
    assert was.keys() - found.keys() == {".debug_info", ".symtab", ".strtab"}
    assert found == {name: was[name] for name in found}
    assert read_machine_code("x", io.BytesIO(after)) == read_machine_code("x", io.BytesIO(before))
    headers = ([segment.header for segment in ELFFile(io.BytesIO(each)).iter_segments()] for each in (before, after))
    for former, present in zip(*headers, strict=True):
        assert {**former, "p_offset": 0} == {**present, "p_offset": 0}
        assert present["p_offset"] % present["p_align"] == present["p_vaddr"] % present["p_align"]
    assert strip(after) == after


@pytest.mark.parametrize(
    "facts", [{}, {"moved": b"x"}, {"debug": DEBUG, "file_type": ET_REL}, {"section_headers": False}], ids=str
)
def test_what_has_nothing_to_strip_stays_as_it_is(facts: dict[str, Any]) -> None:
    content = make_elf(**facts)

    assert strip(content) == content


def test_a_program_is_stripped_too() -> None:
    assert len(strip(make_elf(debug=DEBUG, file_type=ET_EXEC, interpreter="/lib64/ld-linux-x86-64.so.2"))) < len(DEBUG)


def test_data_behind_the_sections_keeps_a_file_whole() -> None:
    """As of programs that carry an archive (PyInstaller, AppImage)."""
    with pytest.raises(NotStrippableError, match="it has data behind its sections, which the program itself may read"):
        strip(make_elf(debug=DEBUG) + b"PK\3\4")
    assert len(strip(make_elf(debug=DEBUG) + b"\0")) < len(DEBUG)


@pytest.mark.parametrize("cut", [1, 64, 1000])
def test_a_file_that_is_cut_off_is_not_stripped(cut: int) -> None:
    with pytest.raises(ValueError, match=r"ends before|is cut off"):
        strip(make_elf(debug=DEBUG)[:-cut])


def test_a_difference_for_the_loader_is_found() -> None:
    """What `strip` of binutils makes of files of patchelf (https://github.com/pypa/auditwheel/issues/716)."""
    before = make_elf(debug=DEBUG, moved=b"moved", **FACTS)
    place = before.index(b"libm.so.6")
    headers = ELFFile(io.BytesIO(before))
    load = headers["e_phoff"] + [s["p_type"] for s in headers.iter_segments()].index("PT_LOAD") * headers["e_phentsize"]

    assert find_difference(before, strip(before)) == ""
    changed = before[:place] + b"libx" + before[place + 4 :]
    assert find_difference(before, changed) == "a segment would have another content"
    assert find_difference(before, make_elf(**FACTS)) == "its headers would differ"
    shifted = bytearray(before)
    shifted[load + 8] += 8
    assert find_difference(before, bytes(shifted)) == "a segment would not be aligned"


@needs_gcc
@pytest.mark.parametrize("options", [(), ("-Wl,--emit-relocs",), ("-gz",), ("-Wl,-z,separate-code",)], ids=str)
def test_what_a_compiler_makes_runs_afterwards(options: tuple[str, ...], tmp_path: Path) -> None:
    source, program, stripped = tmp_path / "x.c", tmp_path / "x", tmp_path / "y"
    source.write_text(
        "#include <stdio.h>\nstatic _Thread_local int seven = 7, zeros[9];\nint bss[100000];\n"
        'int main(void) { printf("%d", seven * 6 + zeros[3] + bss[77]); return 0; }\n'
    )
    command = ["gcc", "-g3", "-O1", *options, str(source), "-o", str(program)]
    subprocess.run(command, check=True)
    before = program.read_bytes()

    stripped.write_bytes(strip(before))
    stripped.chmod(0o755)

    assert subprocess.run([stripped], capture_output=True, check=True).stdout == b"42"
    assert stripped.stat().st_size < len(before) * 0.97
    assert not any(name.startswith(".debug") or name == ".symtab" for name in sections(stripped.read_bytes()))


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 2000), value=st.binary(min_size=1, max_size=8), at_end=st.booleans())
def test_a_damaged_file_is_stripped_without_a_difference_or_not_at_all(
    place: int, value: bytes, *, at_end: bool
) -> None:
    whole = make_elf(debug=b"#" * 500, moved=b"moved", **FACTS)
    start = len(whole) - place - len(value) if at_end else place
    damaged = whole[: max(start, 0)] + value + whole[max(start, 0) + len(value) :]

    try:
        after = strip(damaged)
    except ValueError:
        return

    assert after == damaged or not find_difference(damaged, after)
