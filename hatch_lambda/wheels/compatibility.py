"""Whether a wheel is compatible with the target, by its tags and its native code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from hatch_lambda.common.errors import BrokenWheelError

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.tags import Tag

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.machine_code import MachineCode


def judge(path: Path, target: Target) -> Verdict:
    """Judge a wheel by its tags, and by its native code if they do not state a glibc."""
    fitting = wheel_tags(path.name) & target.tag_set
    if not fitting:
        return Verdict(compatible=False, reason=f"tagged {compressed_tags(path.name)}")
    # Tags like `linux_x86_64`, which indexes refuse, promise no glibc: such wheels were built locally.
    is_local = all(tag.platform.startswith("linux_") for tag in fitting)
    if is_local and (fault := fault_of_machine_code(path, target)):
        return Verdict(compatible=False, reason=fault)
    return Verdict(compatible=True, reason="its tags are compatible")


def wheel_tags(filename: str) -> frozenset[Tag]:
    """The tags in a wheel's file name (PEP 427). Raises `BrokenWheelError`."""
    try:
        return parse_wheel_filename(filename)[3]
    except InvalidWheelFilename as error:
        raise BrokenWheelError(filename, str(error)) from None


def fits(filename: str, target: Target) -> bool:
    """Whether the target supports the tags of a wheel. Raises `BrokenWheelError`."""
    return bool(wheel_tags(filename) & target.tag_set)


def compressed_tags(filename: str) -> str:
    """The tags as in the file name: `cp313-cp313-win_amd64`."""
    return "-".join(filename.removesuffix(".whl").split("-")[-3:])


def fault_of_machine_code(wheel: Path, target: Target) -> str | None:
    """Why the target cannot load a file of a wheel, if any. Raises `BrokenWheelError`."""
    from hatch_lambda.wheels.machine_code import scan_wheel

    return next((fault for code in scan_wheel(wheel) if (fault := _fault(code, target))), None)


# glibc has the feature of the symbol from this version on.
# https://sourceware.org/git/?p=glibc.git;a=blob;f=NEWS, under 2.36
ABI_SYMBOLS = {"GLIBC_ABI_DT_RELR": Version("2.36")}


def _fault(code: MachineCode, target: Target) -> str | None:
    if code.kind == "PE" and code.path.lower().endswith(".exe"):
        return None  # a launcher for Windows, as in setuptools and pip; nothing on Linux loads it
    if code.kind != "ELF" or code.architecture != target.architecture.machine:
        return f"its {code.path} is {code.kind} machine code for {code.architecture}"
    if code.musl:
        return f"its {code.path} needs musl, the runtime has glibc"
    needed = [ABI_SYMBOLS[symbol] for _library, symbol in code.needs if symbol in ABI_SYMBOLS]
    newest = max([*needed, *filter(None, [code.glibc])], default=None)
    if newest and newest > Version(target.glibc):
        return f"its {code.path} needs glibc {newest}, the runtime has {target.glibc}"
    return None


@dataclass(frozen=True)
class Verdict:
    """Whether a wheel is compatible, and why."""

    compatible: bool
    reason: str
