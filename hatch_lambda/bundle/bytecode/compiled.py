"""What there is to compile, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.ui import counted
from hatch_lambda.wheels.members import EXECUTABLE_MODE, BundleFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_lambda.common.target import Runtime
    from hatch_lambda.wheels.store import Store


class Uncompiled(NamedTuple):
    """A module that the runtime's Python cannot compile either: it goes without bytecode, as it would at import."""

    path: str
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Bytecode:
    """The compiled modules of a bundle. `reused`: how many of them an earlier build has made."""

    files: tuple[BundleFile, ...]
    uncompiled: tuple[Uncompiled, ...]
    reused: int
    compiler: str
    """`Python 3.13.0`, for messages."""

    def __str__(self) -> str:
        """For a line of progress."""
        anew = len(self.files) - self.reused
        parts = [f"{counted(anew, 'module')} compiled by {self.compiler}"] if anew or not self.reused else []
        parts += [f"{self.reused} reused"] if self.reused else []
        parts += [f"{len(self.uncompiled)} cannot be compiled"] if self.uncompiled else []
        return ", ".join(parts)

    def added_to(self, files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
        """The files with their bytecode, sorted by path; what they had in its places goes."""
        by_path = {file.path: file for file in (*files, *self.files)}
        return tuple(by_path[path] for path in sorted(by_path))


def is_module(file: BundleFile) -> bool:
    """Whether bytecode may ever be looked for.

    Not only identifiers can be imported: migrations and plugins are by names like `0001_initial`, or by their path, and
    that takes the bytecode beside them as well. Scripts are run and not imported.
    """
    return (
        file.path.endswith(".py")
        and not file.path.partition("/")[0].endswith((".dist-info", ".egg-info", ".data"))
        and not (file.path.startswith("bin/") and file.mode == EXECUTABLE_MODE)
    )


def bytecode_path(path: str, runtime: Runtime) -> str:
    """Where import looks for the bytecode of a module (PEP 3147)."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{runtime.cache_tag}.pyc"


def folder_in(store: Store) -> Path:
    """Where bytecode is kept, and which interpreter was found to make it."""
    return store.root / "bytecode"


def begun_in(root: Path) -> Path:
    """Where the store makes what is to appear as a whole, and where it sweeps."""
    return root / "begun"
