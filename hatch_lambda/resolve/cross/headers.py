"""CPython's C headers for every runtime, for hosts without an interpreter of the runtime's version.

`headers.tar.xz`, made by `scripts/pack_headers.py`, has a directory for each version. `internal/` is there, too: the C
code of Cython 0.29 and 3.0 includes it on Python 3.11 and newer.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError

if TYPE_CHECKING:
    from hatch_lambda.common.target import Runtime

PACK = Path(__file__).with_name("headers.tar.xz")


def unpack_headers(runtime: Runtime, folder: Path) -> Path:
    """Write the headers of a runtime's Python below a directory. Returns the one that has `Python.h`.

    `pyconfig.h` is that of x86_64 Linux; on arm64 only macros differ that have no effect on extension modules. Raises
    `LambdaBuildError` if the running Python cannot read the pack, and `OSError`.
    """
    try:
        with tarfile.open(PACK, "r:xz") as archive:
            for member in archive:
                if member.name.startswith(f"{runtime.name}/") and (content := archive.extractfile(member)):
                    path = folder / member.name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.read())
    except tarfile.CompressionError:
        raise LambdaBuildError(
            f"The C headers of {runtime.name} cannot be unpacked: the running Python was built without the module "
            "`lzma`.\nWhat you can do: run Hatch with another Python, or install one of the runtime's version."
        ) from None
    return folder / runtime.name
