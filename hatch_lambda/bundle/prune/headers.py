"""The set `headers`: files that only compilers read."""

from __future__ import annotations

import re

from hatch_lambda.bundle.prune import mentions
from hatch_lambda.bundle.prune.search import Found, Search

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

# Modules that build extensions, or describe how they were built.
_BUILD_TOOLS = re.compile(
    r"numpy/(?:distutils|f2py|random/_examples|testing/_private/extbuild\.py)\b|scipy/special/_precompute/"
    r"|(?:.*/)?(?:__config__|setup)\.py"
)


def headers(search: Search) -> Found:
    """C and C++ headers, Cython declarations, static libraries, CMake and pkg-config files."""
    found = {path for path in search.files if _HEADER.fullmatch(path) or _is_static_library(path, search)}
    if compiler := next((name for name in search.distributions if _COMPILERS.fullmatch(name)), None):
        return Found(set(), (f"kept headers: {compiler} may compile with them",) if found else ())
    if any(b"get_include" in content or mentions.reads_headers(content) for content in search.also):
        return Found(set(), ("kept headers: the project uses headers",) if found else ())
    owners = frozenset(search.files[path].owner for path in found)
    readers: dict[str, str] = {}
    for path, content in search.sources(owners):
        if not _BUILD_TOOLS.match(path) and mentions.reads_headers(content):
            readers.setdefault(search.files[path].owner, path)
    kept = tuple(f"kept headers of {owner}: {path} uses headers" for owner, path in readers.items())
    return Found({path for path in found if search.files[path].owner not in readers}, kept)


def _is_static_library(path: str, search: Search) -> bool:
    return path.endswith(".a") and search.read(path).startswith(_STATIC_LIBRARY)
