"""The target: a runtime and an architecture, and all that follows from the two.

The tables are data with their sources; nothing here depends on the building machine. A new runtime is a new entry.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Sequence


class Runtime(NamedTuple):
    """A managed Python runtime of Lambda."""

    name: str
    """AWS's name: `python3.13`."""
    full_version: str
    """A patch release that the runtime has or had; AWS only moves forward.

    Used for markers on `python_full_version` and for `Requires-Python`.
    """
    system: str
    glibc: tuple[int, int]
    deprecated: date | None
    """The end of support. AWS moves these dates, so they only lead to a warning. None for a public preview."""
    magic_number: int
    """The first two bytes of its bytecode; pre-releases of the same Python have others."""
    new_modules: str = ""
    """The top-level modules that its standard library has since this Python."""
    last_modules: str = ""
    """Those that the next Python has no longer."""

    @property
    def python(self) -> tuple[int, int]:
        major, minor = self.name.removeprefix("python").split(".")
        return int(major), int(minor)

    @property
    def is_deprecated(self) -> bool:
        return self.deprecated is not None and self.deprecated <= datetime.now(tz=timezone.utc).date()

    @property
    def cache_tag(self) -> str:
        """The tag in the names of its bytecode and extension modules (PEP 3147, PEP 3149)."""
        return "cpython-{}{}".format(*self.python)

    @property
    @cache  # noqa: B019 - of constants
    def standard_library(self) -> frozenset[str]:
        """Its top-level modules, the public ones the same whichever Python builds."""
        first = {name: runtime.python for runtime in RUNTIMES.values() for name in runtime.new_modules.split()}
        last = {name: runtime.python for runtime in RUNTIMES.values() for name in runtime.last_modules.split()}
        return frozenset(
            name
            for name in (sys.stdlib_module_names - _NOT_ON_LINUX) | first.keys() | last.keys()
            if first.get(name, self.python) <= self.python <= last.get(name, self.python)
        )


class Architecture(NamedTuple):
    """A processor architecture of Lambda."""

    name: str
    """AWS's name: `arm64`."""
    machine: str
    """The name in wheel tags, `uname -m` and markers: `aarch64`."""
    oldest_glibc: tuple[int, int]
    """The oldest glibc in any manylinux tag for it (PEP 600, PEP 599)."""


_AMAZON_LINUX_2 = ("Amazon Linux 2", (2, 26))
_AMAZON_LINUX_2023 = ("Amazon Linux 2023", (2, 34))

# Names, systems and dates: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
# glibc: `ldd --version` in the images of https://gallery.ecr.aws/lambda/python
# Magic numbers: https://github.com/python/cpython/blob/main/Include/internal/pycore_magic_number.h
# Patch releases, each seen in the runtime or its image: 3.10.14 on 2024-11-07, 3.11.10 on 2025-01-21, 3.12.12 on
# 2025-11-30, 3.13.9 on 2026-01-02 (aws/aws-lambda-base-images#364), 3.14.3 on 2026-05-21; 3.8.19 in a CloudTrail record
# of May 2024, 3.9.17 in one of August 2023. 3.15 is a preview since July 2026.
# Modules: `sys.stdlib_module_names`; https://docs.python.org/3/whatsnew/ ("Removed", "New Modules")
RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            *("python3.8", "3.8.19", *_AMAZON_LINUX_2, date(2024, 10, 14), 3413),
            last_modules="dummy_threading",
        ),
        Runtime(
            *("python3.9", "3.9.17", *_AMAZON_LINUX_2, date(2025, 12, 15), 3425),
            new_modules="graphlib zoneinfo",
            last_modules="formatter parser symbol",
        ),
        Runtime("python3.10", "3.10.14", *_AMAZON_LINUX_2, date(2026, 10, 31), 3439, last_modules="binhex"),
        Runtime(
            *("python3.11", "3.11.10", *_AMAZON_LINUX_2, date(2027, 6, 30), 3495),
            new_modules="tomllib",
            last_modules="asynchat asyncore distutils imp smtpd",
        ),
        Runtime(
            *("python3.12", "3.12.12", *_AMAZON_LINUX_2023, date(2028, 10, 31), 3531),
            last_modules="aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap nis nntplib ossaudiodev pipes "
            "sndhdr spwd sunau telnetlib uu xdrlib",
        ),
        Runtime("python3.13", "3.13.9", *_AMAZON_LINUX_2023, date(2029, 6, 30), 3571),
        Runtime(
            *("python3.14", "3.14.3", *_AMAZON_LINUX_2023, date(2029, 6, 30), 3627),
            new_modules="annotationlib compression",
            last_modules="sre_compile sre_constants sre_parse",
        ),
        Runtime("python3.15", "3.15.0", *_AMAZON_LINUX_2023, None, 3666, new_modules="profiling"),
    )
}

# `sys.stdlib_module_names` has them everywhere.
_NOT_ON_LINUX = frozenset({"msilib", "msvcrt", "nt", "winreg", "winsound"})

# Modules that are part of the interpreter in every build of CPython 3.8 to 3.15: `sys.builtin_module_names`.
BUILT_IN_MODULES = frozenset(
    """
    _abc _ast _codecs _collections _functools _imp _io _locale _operator _signal _sre _stat _string _symtable
    _thread _tracemalloc _warnings _weakref atexit builtins errno faulthandler gc itertools marshal posix pwd sys
    time
    """.split()  # noqa: SIM905 - a list of its own would be a screen long
)
# What the interpreter's start and awslambdaric import under every runtime; a test looks at `sys.modules`. The runtime
# puts the bundle on `sys.path` only then.
LOADED_MODULES = frozenset(
    """
    __main__ abc awslambdaric codecs collections copyreg decimal encodings enum functools genericpath importlib io
    json keyword linecache logging math numbers operator os posixpath re reprlib site stat string threading
    traceback types warnings weakref zipimport
    """.split()  # noqa: SIM905 - a list of its own would be a screen long
)
RUNTIME_MODULES = frozenset({"awslambdaric", "bootstrap"})
"""Those of Lambda in `/var/runtime` with names of their own."""

PYTHON_OF_MAGIC_NUMBER: dict[int, str] = {
    runtime.magic_number: "{}.{}".format(*runtime.python) for runtime in RUNTIMES.values()
}

# https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("x86_64", "x86_64", oldest_glibc=(2, 5)),
        Architecture("arm64", "aarch64", oldest_glibc=(2, 17)),
    )
}

# The names of manylinux tags before PEP 600: PEP 513, PEP 571, PEP 599.
_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


@dataclass(frozen=True)
class Target:
    """A runtime on an architecture."""

    runtime: Runtime
    architecture: Architecture

    def __str__(self) -> str:
        return f"{self.runtime.name}-{self.architecture.name}"

    @property
    def description(self) -> str:
        """For messages: `python3.13 on arm64 (Amazon Linux 2023, glibc 2.34)`."""
        return f"{self.runtime.name} on {self.architecture.name} ({self.runtime.system}, glibc {self.glibc})"

    @property
    def glibc(self) -> str:
        return "{}.{}".format(*self.runtime.glibc)

    @property
    def interpreter(self) -> str:
        major, minor = self.runtime.python
        return f"cp{major}{minor}"

    @property
    def python_executable(self) -> str:
        """The path of the runtime's interpreter, for the shebangs of scripts."""
        return f"/var/lang/bin/{self.runtime.name}"

    @property
    def extension_suffixes(self) -> tuple[str, ...]:
        """`importlib.machinery.EXTENSION_SUFFIXES` as the runtime has it, in its order."""
        platform = f"{self.architecture.machine}-linux-gnu"
        stable = [".abi3.so"]
        if self.runtime.python >= (3, 15):  # PEP 803, and python/cpython#122931
            stable = [f".abi3-{platform}.so", ".abi3.so", f".abi3t-{platform}.so", ".abi3t.so"]
        return (f".{self.runtime.cache_tag}-{platform}.so", *stable, ".so")

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags, the newest glibc first. A wheel for an older glibc runs on a newer one (PEP 600)."""
        machine, platforms = self.architecture.machine, []
        major, newest = self.runtime.glibc
        for minor in range(newest, self.architecture.oldest_glibc[1] - 1, -1):
            platforms.append(f"manylinux_{major}_{minor}_{machine}")
            if legacy := _LEGACY_MANYLINUX.get((major, minor)):
                platforms.append(f"{legacy}_{machine}")
        return (*platforms, f"linux_{machine}")

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """The wheel tags that the target supports, the most specific first (PEP 425)."""
        return self._tags(self.platforms)

    @property
    def tags_as_pip_prefers_them(self) -> tuple[Tag, ...]:
        """The same as `tags`, but to pip, `manylinux2014` includes the older names (`_custom_manylinux_platforms`)."""
        machine, platforms = self.architecture.machine, [*self.platforms]
        older = [name for name in platforms if name in {f"manylinux2010_{machine}", f"manylinux1_{machine}"}]
        others = [name for name in platforms if name not in older]
        place = others.index(f"manylinux2014_{machine}") + 1
        return self._tags([*others[:place], *older, *others[place:]])

    def _tags(self, platforms: Sequence[str]) -> tuple[Tag, ...]:
        python, interpreter = self.runtime.python, self.interpreter
        # Without `abis`, `packaging` would take the debug and free-threading flags of this process.
        return (
            *cpython_tags(python, abis=[interpreter], platforms=platforms),
            *compatible_tags(python, interpreter=interpreter, platforms=platforms),
        )

    @cached_property
    def tag_set(self) -> frozenset[Tag]:
        return frozenset(self.tags)

    @property
    def python_full_version(self) -> Version:
        return Version(self.runtime.full_version)

    def serves(self, requires_python: str) -> bool:
        """Whether the runtime's Python is one of these (`Requires-Python`); like pip, ignore an invalid specifier."""
        try:
            return SpecifierSet(requires_python).contains(self.python_full_version, prereleases=True)
        except InvalidSpecifier:
            return True

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """The environment of PEP 508 markers as the runtime's interpreter reports it."""
        major, minor = self.runtime.python
        return {
            "implementation_name": "cpython",
            "implementation_version": self.runtime.full_version,
            "os_name": "posix",
            "platform_machine": self.architecture.machine,
            "platform_python_implementation": "CPython",
            # AWS chooses and changes Lambda's kernel; on both systems it has reported this release. Its full form
            # (`5.10.247-277.989.amzn2.x86_64`) is not a version, and no marker on it is known.
            "platform_release": "5.10.247",
            "platform_system": "Linux",
            "platform_version": "#1 SMP",
            "python_full_version": self.runtime.full_version,
            "python_version": f"{major}.{minor}",
            "sys_platform": "linux",
        }


@cache
def target_named(runtime: str, architecture: str) -> Target:
    """The same object each time: all functions of a project ask for what it computes."""
    return Target(RUNTIMES[runtime], ARCHITECTURES[architecture])


def all_targets() -> tuple[Target, ...]:
    """All targets, the newest runtimes last."""
    return tuple(
        Target(runtime, architecture) for runtime in RUNTIMES.values() for architecture in ARCHITECTURES.values()
    )
