"""Whether there is a cross compiler (Zig, as the distribution `ziglang` brings it), and whether it is needed."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target


class Zig(NamedTuple):
    program: str
    version: str


def installed_zig() -> Zig | None:
    """None where it is not installed, and on Windows, whose build backends know only Microsoft's compilers."""
    found = importlib.util.find_spec("ziglang") if os.name == "posix" else None
    if not found or not found.origin:
        return None
    program = Path(found.origin).with_name("zig")
    return Zig(str(program), metadata.version("ziglang")) if program.is_file() else None


def host_may_serve(target: Target, python: tuple[int, int]) -> bool:
    """Whether this machine's compilers make code for the target's processor and Python, if maybe for a newer glibc.

    `python`: of the interpreter that builds.
    """
    return (
        sys.platform == "linux"
        and platform.machine() == target.architecture.machine
        and platform.libc_ver()[0] == "glibc"
        and python == target.runtime.python
        and _has_compiler()
    )


def lacks_compiler() -> bool:
    """Whether Zig may stand in for this machine's own C compiler, since there is none."""
    return sys.platform == "linux" and not _has_compiler()


def _has_compiler() -> bool:
    return bool(os.environ.get("CC") or any(map(shutil.which, ("cc", "gcc", "clang"))))
