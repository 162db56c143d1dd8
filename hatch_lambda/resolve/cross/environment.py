"""What a build backend is given so that it builds for the target, whichever backend it is."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.resolve.cross import compiler, in_backend
from hatch_lambda.resolve.cross.headers import PACK
from hatch_lambda.wheels.build_record import BuildRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.cross.zig import Zig

MESON_FILE = "cross.ini"
_C, _CXX = ("cc", "gcc", "clang"), ("c++", "g++", "clang++")
_FLAGS = "-O2 -fPIC -DNDEBUG -fwrapv -Wall"

# By these, builds would find libraries of this machine, or compilers that are not there.
_CONFIGURATION_PROGRAMS = (
    *("pkg-config", "pkgconf", "pg_config", "mysql_config", "mariadb_config", "xml2-config", "xslt-config"),
    *("curl-config", "freetype-config", "icu-config", "gdal-config", "geos-config", "nc-config", "krb5-config"),
    *("llvm-config", "sdl2-config", "gfortran", "f77", "f90", "f95", "flang", "nvcc"),
)


@dataclass(frozen=True)
class Tools:
    """The compilers of one build, as scripts below `scratch`."""

    scratch: Path

    @property
    def folder(self) -> Path:
        return self.scratch / "tools"

    @property
    def log(self) -> Path:
        """Their calls (see `compiler`)."""
        return self.scratch / "calls.jsonl"

    @classmethod
    def written(cls, target: Target, zig: str, include: Path, scratch: Path, temporary: Path) -> Tools:
        """`include`: of the target's Python. `temporary`: where pip builds."""
        prefix = f"{target.architecture.machine}-linux-gnu-"
        names = {
            **{f"{start}{name}": "cc" for start in ("", prefix) for name in _C},
            **{f"{start}{name}": "c++" for start in ("", prefix) for name in _CXX},
            **{f"{start}{name}": name for start in ("", prefix) for name in ("ar", "ranlib", "strip", "objcopy")},
            **{name: name for name in _CONFIGURATION_PROGRAMS},
        }
        facts = {"zig": zig, "target": zig_target(target), "include": str(include), "temporary": str(temporary)}
        return cls(scratch).with_scripts(names, facts)

    @classmethod
    def for_this_machine(cls, zig: str, include: Path, scratch: Path, temporary: Path) -> Tools:
        """`include`: of the Python that runs the backend, instead of any that it names."""
        machine = platform.machine()
        _, glibc = platform.libc_ver()
        # Debian's Python names its compiler with the prefix.
        names = {
            f"{start}{name}": tool
            for start in ("", f"{machine}-linux-gnu-")
            for tool, synonyms in {"cc": _C, "c++": _CXX, "ar": ("ar", "gcc-ar"), "ranlib": ("ranlib",)}.items()
            for name in synonyms
        }
        target = f"{machine}-linux-gnu.{glibc}" if glibc else f"{machine}-linux-musl"
        facts = {"zig": zig, "target": target, "include": str(include), "temporary": str(temporary)}
        return cls(scratch).with_scripts(names, {**facts, "headers": str(include)})

    def with_scripts(self, names: Mapping[str, str], facts: Mapping[str, str]) -> Tools:
        """Write a script for each name. `facts`: what `compiler` reads."""
        self.folder.mkdir(parents=True)
        path = self.scratch / "compiler.json"
        path.write_text(json.dumps({**facts, "log": str(self.log)}), encoding="utf-8")
        for name, tool in names.items():
            words = [sys.executable, "-I", "-S", compiler.__file__, str(path), tool]
            script = self.folder / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        return self

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


def zig_target(target: Target) -> str:
    """`aarch64-linux-gnu.2.34`"""
    return f"{target.architecture.machine}-linux-gnu.{target.glibc}"


def record_of_zig(zig: Zig, target: Target) -> BuildRecord:
    """How what it compiles is built."""
    headers = f"those of {target.runtime.name} in hatch-lambda's {PACK.name}, sha256:{sha256_of(PACK)}"
    return BuildRecord(f"zig {zig.version}", zig_target(target), headers)


def facts(  # noqa: PLR0913, PLR0917 - all that a build depends on
    target: Target, tools: Tools, include: Path, python: Path, cache: Path, given: Mapping[str, str]
) -> dict[str, object]:
    """What `in_backend` reads. `python`: which runs the backend. `given`: the user's environment."""
    return {
        "name": tools.scratch.name,
        "machine": target.architecture.machine,
        "python": target.runtime.python,
        "glibc": target.glibc,
        "include": str(include),
        "tools": str(tools.folder),
        "variables": _sysconfig_variables(target, tools, include),
        "environment": {
            **{name: _flags(given, name, _FLAGS) for name in ("CFLAGS", "CXXFLAGS")},
            **_compilers(tools),
            **_general(target, tools, cache),
            **_for_cargo(target, tools, python),
            "CMAKE_TOOLCHAIN_FILE": str(_cmake_toolchain(target, tools, include, python)),
        },
        "unset": ["CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET", "RUSTC_WRAPPER"],
        "not_for_meson": [*_compilers(tools), "CFLAGS", "CXXFLAGS"],
    }


def write_starter(folder: Path, name: str, described: Mapping[str, object]) -> None:
    """Have `in_backend` start with each Python that reads a directory: by a `.pth`, or by a `sitecustomize.py`."""
    shutil.copyfile(in_backend.__file__, folder / "hatch_lambda_cross.py")
    (folder / "hatch_lambda_cross.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / name).write_text("import hatch_lambda_cross; hatch_lambda_cross.begin()\n", encoding="utf-8")


def _flags(given: Mapping[str, str], name: str, ours: str) -> str:
    return f"{ours} {given.get(name, '')}".strip()


def _compilers(tools: Tools) -> dict[str, str]:
    return {
        "CC": tools["cc"],
        "CXX": tools["c++"],
        "AR": tools["ar"],
        "RANLIB": tools["ranlib"],
        "LDSHARED": f"{tools['cc']} -shared",
        "LDCXXSHARED": f"{tools['c++']} -shared",
        "STRIP": tools["strip"],
    }


def _general(target: Target, tools: Tools, cache: Path) -> dict[str, str]:
    machine, scratch = target.architecture.machine, tools.scratch
    variables = {
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
        "CROSS_COMPILE": f"{machine}-linux-gnu-",
        "PKG_CONFIG_LIBDIR": os.devnull,
        "PKG_CONFIG_PATH": "",
        # What is compiled once for all builds, such as libc++, and what is for this one alone.
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
    }
    if platform.machine() != machine or sys.platform != "linux":
        # Read by any `configure`: as with `--host`, it does not run what it compiles.
        # https://www.gnu.org/software/autoconf/manual/autoconf.html#Site-Defaults
        site = scratch / "config.site"
        site.write_text(
            f"host_alias={machine}-linux-gnu\nbuild_alias={platform.machine()}-build-linux-gnu\ncross_compiling=yes\n",
            encoding="utf-8",
        )
        variables["CONFIG_SITE"] = str(site)
    return variables


def _for_cargo(target: Target, tools: Tools, interpreter: Path) -> dict[str, str]:
    """For maturin and setuptools-rust. Build scripts and macros are still compiled and linked for this machine."""
    triple, runtime = f"{target.architecture.machine}-unknown-linux-gnu", target.runtime.name
    # maturin takes the version of Python from the name, where it finds no such interpreter or may not ask it.
    python = interpreter.with_name(runtime)
    here = f"{platform.machine()}-unknown-linux-gnu"
    variables = {"MATURIN_NO_INSTALL_RUST": "1"}
    if sys.platform == "linux" and (own := shutil.which("cc")):
        underlined = here.replace("-", "_")
        variables |= {f"CARGO_TARGET_{underlined.upper()}_LINKER": own, f"CC_{underlined}": own}
        variables |= {f"CXX_{underlined}": cxx for cxx in [shutil.which("c++")] if cxx}
    underlined = triple.replace("-", "_")
    return {
        **variables,
        "CARGO_BUILD_TARGET": triple,
        f"CARGO_TARGET_{underlined.upper()}_LINKER": tools["cc"],
        **{f"{name}_{underlined}": tools[tool] for name, tool in (("CC", "cc"), ("CXX", "c++"), ("AR", "ar"))},
        "PYO3_CROSS": "1",
        "PYO3_CROSS_PYTHON_VERSION": runtime.removeprefix("python"),
        "PYO3_CROSS_PYTHON_IMPLEMENTATION": "CPython",
        "MATURIN_PEP517_ARGS": f"--target {triple} --compatibility linux --interpreter {python}",
    }


def _sysconfig_variables(target: Target, tools: Tools, include: Path) -> dict[str, object]:
    """https://docs.python.org/3/library/sysconfig.html: what the runtime's own Makefile would say."""
    version, machine = "{}.{}".format(*target.runtime.python), target.architecture.machine
    suffix, triple, no_dots = target.extension_suffixes[0], f"{machine}-linux-gnu", version.replace(".", "")
    cc, cxx = tools["cc"], tools["c++"]
    return {
        "EXT_SUFFIX": suffix,
        "SO": suffix,
        "SHLIB_SUFFIX": ".so",
        "SOABI": suffix[1:-3],
        "MULTIARCH": triple,
        "HOST_GNU_TYPE": triple,
        "BUILD_GNU_TYPE": triple,
        "MACHDEP": "linux",
        "SIZEOF_VOID_P": 8,
        "INCLUDEPY": str(include),
        "CONFINCLUDEPY": str(include),
        "CC": cc,
        "CXX": cxx,
        "LINKCC": cc,
        "AR": tools["ar"],
        "RANLIB": tools["ranlib"],
        "ARFLAGS": "rcs",
        "LDSHARED": f"{cc} -shared",
        "BLDSHARED": f"{cc} -shared",
        "LDCXXSHARED": f"{cxx} -shared",
        "CFLAGS": _FLAGS,
        "PY_CFLAGS": _FLAGS,
        "PY_CORE_CFLAGS": _FLAGS,
        "OPT": "-O2 -DNDEBUG",
        "CCSHARED": "-fPIC",
        **dict.fromkeys(("BASECFLAGS", "LDFLAGS", "PY_LDFLAGS", "CONFIGURE_CFLAGS", "CONFIGURE_LDFLAGS"), ""),
        **dict.fromkeys(("CPPFLAGS", "PY_CPPFLAGS", "LIBS", "BLDLIBRARY", "LIBPYTHON", "abiflags"), ""),
        **dict.fromkeys(("LIBDIR", "LIBPL"), "/nonexistent/lib"),
        **dict.fromkeys(("LIBRARY", "LDLIBRARY", "INSTSONAME"), f"libpython{version}.a"),
        **dict.fromkeys(("Py_ENABLE_SHARED", "Py_DEBUG", "Py_GIL_DISABLED"), 0),
        **dict.fromkeys(("VERSION", "py_version_short", "LDVERSION"), version),
        **dict.fromkeys(("py_version_nodot", "py_version_nodot_plat"), no_dots),
        "MACOSX_DEPLOYMENT_TARGET": None,
    }


def _cmake_toolchain(target: Target, tools: Tools, include: Path, python: Path) -> Path:
    """https://cmake.org/cmake/help/latest/manual/cmake-toolchains.7.html"""
    path, abi = tools.scratch / "toolchain.cmake", target.extension_suffixes[0][1:-3]
    lines = [
        "set(CMAKE_SYSTEM_NAME Linux)",
        f"set(CMAKE_SYSTEM_PROCESSOR {target.architecture.machine})",
        *(f'set(CMAKE_{language}_COMPILER "{tools["cc"]}")' for language in ("C", "ASM")),
        f'set(CMAKE_CXX_COMPILER "{tools["c++"]}")',
        *(f'set(CMAKE_{name.upper()} "{tools[name]}" CACHE FILEPATH "")' for name in ("ar", "ranlib", "strip")),
        f'set(CMAKE_FIND_ROOT_PATH "{python.parent.parent}" "{tools.scratch}")',
        "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)",
        "set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)",
        # Packages of build requirements, such as pybind11's, are found by their paths.
        "set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)",
        "set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)",
        'set(CMAKE_SYSTEM_PREFIX_PATH "/nonexistent")',
        f'set(PYTHON_EXECUTABLE "{python}" CACHE FILEPATH "")',
        f'set(PYTHON_INCLUDE_DIR "{include}" CACHE PATH "")',
        f'set(PYTHON_MODULE_EXTENSION "{target.extension_suffixes[0]}" CACHE STRING "")',
        f'set(CMAKE_PROJECT_TOP_LEVEL_INCLUDES "{_cmake_provider(tools, abi)}")',
    ]
    for name in ("Python", "Python3"):
        lines += [
            f'set({name}_EXECUTABLE "{python}" CACHE FILEPATH "")',
            f'set({name}_ROOT_DIR "{python.parent.parent}" CACHE PATH "")',
            f'set({name}_INCLUDE_DIR "{include}" CACHE PATH "")',
            # There is none, and modules need none, but older CMakes and projects ask for one that exists.
            f'set({name}_LIBRARY "{include / "pyconfig.h"}" CACHE FILEPATH "")',
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _cmake_provider(tools: Tools, abi: str) -> Path:
    """FindPython asks no interpreter for the tag of modules (`WITH_SOABI`) in a cross build, and heeds no variable.

    So it is set after FindPython, from CMake 3.24 on; with older ones the tag is left out, as Python allows.
    https://cmake.org/cmake/help/latest/command/cmake_language.html#dependency-providers
    """
    path = tools.scratch / "provider.cmake"
    lines = [
        "macro(hatch_lambda_provide method package)",
        "  find_package(${package} ${ARGN} BYPASS_PROVIDER)",
        '  if("${package}" MATCHES "^Python3?$" AND ${package}_FOUND)',
        f'    set(${{package}}_SOABI "{abi}")',
        "  endif()",
        "endmacro()",
        "cmake_language(SET_DEPENDENCY_PROVIDER hatch_lambda_provide SUPPORTED_METHODS FIND_PACKAGE)",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def meson_cross_file(target: Target, tools: Tools, python: Path) -> Path:
    """https://mesonbuild.com/Cross-compilation.html"""
    machine = target.architecture.machine
    path = tools.scratch / MESON_FILE
    binaries = {
        "c": tools["cc"],
        "cpp": tools["c++"],
        "ar": tools["ar"],
        "strip": tools["strip"],
        "python": str(python),
        "python3": str(python),
        "pkg-config": tools["pkg-config"],
    }
    lines = [
        *("[binaries]", *(f"{name} = '{value}'" for name, value in binaries.items())),
        *("[host_machine]", "system = 'linux'", f"cpu_family = '{machine}'", f"cpu = '{machine}'", "endian = 'little'"),
        *("[properties]", "needs_exe_wrapper = true", "skip_sanity_check = true"),
        # numpy asks for it
        f"longdouble_format = '{'IEEE_QUAD_LE' if machine == 'aarch64' else 'INTEL_EXTENDED_16_BYTES_LE'}'",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
