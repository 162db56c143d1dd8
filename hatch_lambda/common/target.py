"""Where the bundle will run: a runtime and an architecture, and what follows from the two.

The tables are data with their sources; nothing in here looks at the machine that builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator


class Runtime(NamedTuple):
    """A managed Python runtime of Lambda."""

    name: str
    """As AWS writes it: `python3.13`."""
    full_version: str
    """A patch release that the runtime has reached; AWS patches runtimes forward only.

    Markers on `python_full_version` and `Requires-Python` are evaluated with it.
    """
    system: str
    glibc: tuple[int, int]
    deprecated: date
    """When AWS deprecates it; AWS moves these dates, so they only ever lead to a warning."""

    @property
    def python(self) -> tuple[int, int]:
        major, minor = self.name.removeprefix("python").split(".")
        return int(major), int(minor)


class Architecture(NamedTuple):
    """A processor architecture of Lambda."""

    name: str
    """As AWS writes it: `arm64`."""
    machine: str
    """As wheels, `uname -m` and markers write it: `aarch64`."""
    oldest_glibc: tuple[int, int]
    """The oldest glibc that a manylinux tag of this machine can name (PEP 600, PEP 599)."""


_AMAZON_LINUX_2 = ("Amazon Linux 2", (2, 26))
_AMAZON_LINUX_2023 = ("Amazon Linux 2023", (2, 34))

# Names, systems and dates: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
# glibc: `ldd --version` in the images of https://gallery.ecr.aws/lambda/python
# Patch releases, each seen in the runtime or its image: 3.10.14 on 2024-11-07, 3.11.10 on 2025-01-21, 3.12.12 on
# 2025-11-30, 3.13.9 on 2026-01-02 (aws/aws-lambda-base-images#364), 3.14.3 on 2026-05-21.
RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for runtime in (
        Runtime("python3.10", "3.10.14", *_AMAZON_LINUX_2, date(2026, 10, 31)),
        Runtime("python3.11", "3.11.10", *_AMAZON_LINUX_2, date(2027, 6, 30)),
        Runtime("python3.12", "3.12.12", *_AMAZON_LINUX_2023, date(2028, 10, 31)),
        Runtime("python3.13", "3.13.9", *_AMAZON_LINUX_2023, date(2029, 6, 30)),
        Runtime("python3.14", "3.14.3", *_AMAZON_LINUX_2023, date(2029, 6, 30)),
    )
}

# https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        Architecture("x86_64", "x86_64", oldest_glibc=(2, 5)),
        Architecture("arm64", "aarch64", oldest_glibc=(2, 17)),
    )
}

# The names that manylinux had before PEP 600 numbered it: PEP 513, PEP 571, PEP 599.
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
        """For people: `python3.13 on arm64 (Amazon Linux 2023, glibc 2.34)`."""
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
        """Where the runtime has its interpreter, for the shebangs of scripts."""
        return f"/var/lang/bin/{self.runtime.name}"

    @property
    def extension_suffixes(self) -> tuple[str, ...]:
        """`importlib.machinery.EXTENSION_SUFFIXES` as the runtime has it, in its order."""
        major, minor = self.runtime.python
        return (f".cpython-{major}{minor}-{self.architecture.machine}-linux-gnu.so", ".abi3.so", ".so")

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags from the most to the least demanding.

        A wheel for an older glibc runs under a newer one (PEP 600), so every one that a tag can name is in here.
        """
        return (*tuple(self._manylinux_platforms()), f"linux_{self.architecture.machine}")

    def _manylinux_platforms(self) -> Iterator[str]:
        machine = self.architecture.machine
        major, newest = self.runtime.glibc
        for minor in range(newest, self.architecture.oldest_glibc[1] - 1, -1):
            yield f"manylinux_{major}_{minor}_{machine}"
            if legacy := _LEGACY_MANYLINUX.get((major, minor)):
                yield f"{legacy}_{machine}"

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Wheel tags that the target accepts, the most specific first (PEP 425)."""
        python, interpreter = self.runtime.python, self.interpreter
        # The ABI is named, since `packaging` would otherwise take debug and free-threading flags from this process.
        return (
            *cpython_tags(python, abis=[interpreter], platforms=self.platforms),
            *compatible_tags(python, interpreter=interpreter, platforms=self.platforms),
        )

    @cached_property
    def tag_set(self) -> frozenset[Tag]:
        return frozenset(self.tags)

    @property
    def python_full_version(self) -> Version:
        return Version(self.runtime.full_version)

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """The whole environment of PEP 508 markers, as the runtime's interpreter would report it."""
        major, minor = self.runtime.python
        return {
            "implementation_name": "cpython",
            "implementation_version": self.runtime.full_version,
            "os_name": "posix",
            "platform_machine": self.architecture.machine,
            "platform_python_implementation": "CPython",
            # Lambda's kernel is AWS's own choice and changes; on both systems it has called itself this way. The
            # form that AWS gives it (`5.10.247-277.989.amzn2.x86_64`) is no version, and markers on it are unheard of.
            "platform_release": "5.10.247",
            "platform_system": "Linux",
            "platform_version": "#1 SMP",
            "python_full_version": self.runtime.full_version,
            "python_version": f"{major}.{minor}",
            "sys_platform": "linux",
        }


def all_targets() -> tuple[Target, ...]:
    """Every target there is, the newest runtimes last."""
    return tuple(
        Target(runtime, architecture) for runtime in RUNTIMES.values() for architecture in ARCHITECTURES.values()
    )
