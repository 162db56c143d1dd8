"""A compiler for stage 1 on a machine without one: some backends configure a whole build to say what they require."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.resolve.cross.environment import Tools
from hatch_lambda.resolve.cross.headers import unpack_headers
from hatch_lambda.resolve.cross.zig import Zig, installed_zig, lacks_compiler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.common.interpreters import Interpreter


def zig_for_metadata(python: Interpreter) -> Zig | None:
    """None where this machine has a compiler, or there is no Zig, or no headers of the Python that runs backends."""
    return installed_zig() if lacks_compiler() and _runtime(python) in RUNTIMES else None


def with_compiler(
    environment: Mapping[str, str], zig: Zig, python: Interpreter, cache: Path, scratch: Path
) -> dict[str, str]:
    """An environment whose compilers are Zig's, for this machine: configuring a build runs what it compiles.

    `cache`: Zig's own. `scratch`: a directory of this run's own. Raises `LambdaBuildError`.
    """
    include = unpack_headers(RUNTIMES[_runtime(python)], scratch / "headers")
    tools = Tools.for_this_machine(zig.program, include, scratch, Path(environment["TMPDIR"]))
    return {
        **environment,
        "PATH": os.pathsep.join([str(tools.folder), environment.get("PATH", os.defpath)]),
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
    }


def _runtime(python: Interpreter) -> str:
    return "python{}.{}".format(*python.python)
