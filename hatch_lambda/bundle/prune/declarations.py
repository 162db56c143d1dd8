"""The sets `headers` and `stubs`: files that only compilers or type checkers read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.bundle.files import folders_of, parents
from hatch_lambda.bundle.prune import mentions
from hatch_lambda.bundle.prune.search import Found, Search, is_module

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.wheels.members import BundleFile

_HEADER = re.compile(r".*\.(?:h|hpp|hh|hxx|inl|pxd|pxi|cmake)|(?:.*/)?pkgconfig/[^/]+\.pc")
_STATIC_LIBRARY = b"!<arch>\n"

# They compile at run time, with their own compiler, or one of a layer or driver, and use their own headers or others':
# C++ by cppyy's cling, C by ziglang or TinyCC; Cython's `inline` and pyximport, pythran, pytensor and brian2 with
# numpy's headers; torch, triton, jax, tensorflow, taichi and warp kernels for processors and graphics cards; cupy,
# numba, pycuda and pyopencl with NVIDIA's (`nvidia-…`) and OpenCL's headers.
_COMPILERS = re.compile(
    r"brian2|cppyy(?:-.+)?|cupy(?:-.+)?|cython|jax(?:lib)?|nanobind|nvidia-.+|pocl-.+|pybind11(?:-.+)?|pycuda|pyopencl"
    r"|pytensor|pythran|taichi|tensorflow(?:-.+)?|theano(?:-.+)?|torch|triton|warp-lang|ziglang"
)
_STUB_READERS = re.compile(r"astroid|basedpyright|jedi|mypy|pyre-check|pyrefly|pyright|pytype|ty")

# Modules that build extensions, or describe how they were built.
_BUILD_TOOLS = re.compile(
    r"numpy/(?:distutils|f2py|random/_examples|testing/_private/extbuild\.py)\b|scipy/special/_precompute/"
    r"|(?:.*/)?(?:__config__|setup)\.py"
)


def headers(search: Search) -> Found:
    """C and C++ headers, Cython declarations, static libraries, CMake and pkg-config files."""

    def is_static_library(path: str) -> bool:
        return path.endswith(".a") and search.read(path).startswith(_STATIC_LIBRARY)

    def uses_headers(path: str, content: bytes) -> bool:
        if not path and b"get_include" in content:
            return True
        return not _BUILD_TOOLS.match(path) and mentions.reads_headers(content)

    found = {path for path in search.files if _HEADER.fullmatch(path) or is_static_library(path)}
    return _unless_read(found, search, "headers", _COMPILERS, "may compile with them", "uses headers", uses_headers)


def stubs(search: Search) -> Found:
    """Those of PEP 561."""

    def reads_stubs(_path: str, content: bytes) -> bool:
        return mentions.reads_stubs(content)

    found = {path for path in search.files if path.endswith(".pyi") or path.rpartition("/")[2] == "py.typed"}
    gone, kept = _unless_read(found, search, "stubs", _STUB_READERS, "reads them", "reads stubs", reads_stubs)
    return Found(gone - _only_in_namespaces(gone, search.files), kept)


def _unless_read(  # noqa: PLR0913, PLR0917 - what differs between the two sets
    found: set[str],
    search: Search,
    kind: str,
    tools: re.Pattern[str],
    tools_use: str,
    use: str,
    uses: Callable[[str, bytes], bool],
) -> Found:
    """Files except those that a distribution or the project may use. `tools`: names of distributions that use all.

    `uses`: decides by the path, which is empty for sources of the project, and the content of a source.
    """
    if not found:
        return Found(set())
    distributions = sorted({canonicalize_name(file.owner.partition(" ")[0]) for file in search.files.values()})
    if tool := next(filter(tools.fullmatch, distributions), None):
        return Found(set(), (f"kept {kind}: {tool} {tools_use}",))
    if any(uses("", content) for content in search.also):
        return Found(set(), (f"kept {kind}: the project {use}",))
    owners = {search.files[path].owner for path in found}
    readers: dict[str, str] = {}
    for path, file in search.files.items():
        if path.endswith(".py") and file.owner in owners and uses(path, search.read(path)):
            readers.setdefault(file.owner, path)
    kept = tuple(f"kept {kind} of {owner}: {path} {use}" for owner, path in readers.items())
    return Found({path for path in found if search.files[path].owner not in readers}, kept)


def _only_in_namespaces(gone: set[str], files: Mapping[str, BundleFile]) -> set[str]:
    """Those in directories without other files: such a directory can be imported (PEP 420), and must not vanish."""
    left = folders_of(path for path in files if path not in gone)
    beside = {path[: path.find(".", path.rfind("/") + 1)] for path in files if is_module(path)}
    return {
        path
        for path in gone
        if any(
            parent not in left and parent not in beside and all(part.isidentifier() for part in parent.split("/"))
            for parent in parents(path)
        )
    }
