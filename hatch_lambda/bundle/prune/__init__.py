"""Files that a bundle does not need at run time, in named sets: `bytecode`, `tests`, `headers`, `stubs`,
`other-pythons`. The set `debug` is no files, but parts of some (`bundle/strip`).

Whatever can be imported today must work afterwards; in doubt, a file stays.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import LeftOut
from hatch_lambda.bundle.prune.declarations import headers, stubs
from hatch_lambda.bundle.prune.idle_tests import idle_tests
from hatch_lambda.bundle.prune.search import Contents, Found, Search
from hatch_lambda.config.settings import PRUNABLE
from hatch_lambda.wheels.extension_modules import is_never_imported
from hatch_lambda.wheels.foreign_code import read_foreign_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile


@dataclass(frozen=True)
class Pruned:
    """The files to remove, by their paths in the bundle.

    `left_out`: their number and size for each requested set. `kept`: lines on what else is in a set, and why it stays.
    """

    paths: frozenset[str] = frozenset()
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    kept: tuple[str, ...] = ()


def decide(
    layouts: Iterable[Sequence[BundleFile]], sets: frozenset[str], target: Target, also: Sequence[bytes] = ()
) -> Pruned:
    """Decide for a bundle, given as the layouts of its wheels.

    `also`: sources that use the bundle, the project's own: what they name stays.
    Raises `BrokenWheelError`.
    """
    files = {file.path: file for layout in layouts for file in layout}
    left_out: dict[str, LeftOut] = {}
    kept: list[str] = []
    gone: set[str] = set()
    with Contents() as contents:
        for name in (name for name in PRUNABLE if name in sets & _SETS.keys()):
            left = {path: file for path, file in files.items() if path not in gone}
            found = _SETS[name](Search(left, target, contents, also))
            left_out[name] = LeftOut(len(found.paths), sum(files[path].source.size for path in found.paths))
            kept += sorted(found.kept)
            gone |= found.paths
    return Pruned(frozenset(gone), left_out, tuple(kept))


def _bytecode(search: Search) -> Found:
    """Bytecode whose source is included. Outside of `__pycache__`, import uses it only without a source (PEP 3147)."""
    return Found(
        {
            path
            for path in search.files
            if "__pycache__" in path.split("/")[:-1] or (path.endswith((".pyc", ".pyo")) and path[:-1] in search.files)
        }
    )


def _other_pythons(search: Search) -> Found:
    """Extension modules whose suffixes the runtime's Python does not import, and native code of macOS and Windows.

    Other ELF files stay, as code may open them by their paths; so do .NET assemblies, which run on every system.
    """

    def is_of_another_system(path: str) -> bool:
        name = path.rpartition("/")[2]
        code = read_foreign_code(io.BytesIO(search.start(path))) if _MAY_BE_NATIVE.search(name) else None
        return code is not None and not code.is_managed

    return Found(
        {path for path in search.files if is_never_imported(path, search.target) or is_of_another_system(path)}
    )


# Programs often have no suffix.
_MAY_BE_NATIVE = re.compile(r"\.(?:bundle|dll|dylib|exe|ocx|pyd|so|sys)$|^[^.]+$", re.IGNORECASE)


_SETS: dict[str, Callable[[Search], Found]] = {
    "bytecode": _bytecode,
    "tests": idle_tests,
    "headers": headers,
    "stubs": stubs,
    "other-pythons": _other_pythons,
}
