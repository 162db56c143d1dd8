"""Which files are compiled, and where import looks for their bytecode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.wheels.members import EXECUTABLE_MODE

if TYPE_CHECKING:
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.wheels.members import BundleFile


def bytecode_path(path: str, runtime: Runtime) -> str:
    """Where import looks for the bytecode of a module (PEP 3147)."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{runtime.cache_tag}.pyc"


def is_compilable(file: BundleFile) -> bool:
    """Whether Python may ever look for bytecode of a file.

    Not only identifiers can be imported: migrations and plugins are imported by names like `0001_initial` or by path,
    which uses their bytecode as well. Scripts are run, not imported.
    """
    return (
        file.path.endswith(".py")
        and not file.path.partition("/")[0].endswith((".dist-info", ".egg-info", ".data"))
        and not (file.path.startswith("bin/") and file.mode == EXECUTABLE_MODE)
    )
