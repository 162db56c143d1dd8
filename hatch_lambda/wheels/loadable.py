"""Whether the target can load the native code of a bundle: every file, at any path and under any name.

`scan` reads wheels, which is slow and therefore cached; this module compares the results with the target.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.common import system_libraries
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.wheels.compatibility import ABI_SYMBOLS
from hatch_lambda.wheels.extension_modules import importable_module, is_never_imported, path_in_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.machine_code import MachineCode
    from hatch_lambda.wheels.scan import Scan


@dataclass(frozen=True)
class Fault:
    """A file that the runtime cannot load."""

    distribution: str
    """`name version`"""
    path: str
    """In the wheel."""
    needs: str
    """As in `glibc 2.38` or `libpq.so.5`."""
    runtime_has: str
    """A clause, as in `the runtime has glibc 2.34`."""
    advice: str
    """In the imperative."""

    def __str__(self) -> str:
        return f"{self.distribution}: {self.path} needs {self.needs}; {self.runtime_has}. To do: {self.advice}."


class UnfitMachineCodeError(LambdaBuildError):
    """The target cannot load something in the bundle. `faults`: file by file."""

    def __init__(self, message: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(message)


def check_loadable(
    scans: Iterable[Scan],
    target: Target,
    *,
    trusted: frozenset[str],
    project: Scan | None = None,
    layers: Iterable[Scan] = (),
) -> None:
    """Raise `UnfitMachineCodeError` for what `find_faults` finds."""
    if faults := find_faults(scans, target, trusted=trusted, project=project, layers=layers):
        raise UnfitMachineCodeError(fault_report(faults, target), faults)


def find_faults(
    scans: Iterable[Scan],
    target: Target,
    *,
    trusted: frozenset[str] = frozenset(),
    project: Scan | None = None,
    layers: Iterable[Scan] = (),
) -> tuple[Fault, ...]:
    """What the target cannot load of a bundle, given the scans of all its wheels.

    `trusted`: names of distributions that may lack a shared library, since the user says where it comes from.
    `project`: the one whose extensions the user compiles: to run their sources instead is a fault.
    `layers`: what else has libraries for them, and is checked elsewhere.
    """
    loader = _Loader(tuple(scans), target, trusted, project, tuple(layers))
    return tuple(fault for scan in loader.scans for fault in loader.faults_of(scan))


def without_idle_extensions(scan: Scan, target: Target) -> Scan:
    """A scan without the extension modules that the runtime never imports, as it imports other files for them."""
    loader = _Loader((scan,), target, frozenset())
    idle = {
        code.path
        for code in scan.machine_code
        if is_never_imported(code.path, target) and loader.replacement(code.path, scan)
    }
    return replace(scan, machine_code=tuple(code for code in scan.machine_code if code.path not in idle))


def fault_report(faults: Sequence[Fault], target: Target) -> str:
    """The faults as text, those of one distribution with the same reason together."""
    alike: defaultdict[tuple[str, str, str], defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for fault in faults:
        alike[fault.distribution, fault.runtime_has, fault.advice][fault.needs].append(fault.path)
    lines = [f"Not everything in the bundle can be loaded by {target.description}."]
    for (distribution, runtime_has, advice), paths_by_need in alike.items():
        lines += ["", distribution]
        for needs, paths in paths_by_need.items():
            more = len(paths) - _SHOWN_FILES
            lines += [f"  {path}" for path in paths[:_SHOWN_FILES]]
            lines += [f"  and {more} more"] if more > 0 else []
            lines += [f"    needs {needs}"]
        lines += [f"  but {runtime_has}", f"  what you can do: {advice}"]
    return "\n".join(lines)


_SHOWN_FILES = 3

# Files and libraries that a distribution uses only where they work.
# debugpy has helpers for attaching to a process on several systems, and speedups for Windows
# (add_code_to_python_process.py and pydevd_cython_wrapper.py in its pydevd).
# numba tries its threading layers in turn: https://numba.readthedocs.io/en/stable/user/threading-layer.html
# selenium runs the program for its system and machine (webdriver/common/selenium_manager.py).
_OPTIONAL = {
    "debugpy": re.compile(r".*/pydevd_attach_to_process/|.*-win_amd64\.pyd$"),
    "numba": re.compile(r"lib(?:tbb|gomp)\.so"),
    "selenium": re.compile(r".*/selenium-manager$"),
}

# elf.h: EM_CUDA, EM_AMDGPU, EM_BPF: code for a GPU or a kernel, which no system loads as a library
_DEVICE_CODE = frozenset({"machine 0xbe", "machine 0xe0", "machine 0xf7"})

_SUFFIXES_ELSEWHERE = re.compile(r"\.(?:exe|dll|pyd|dylib|sys|ocx|winmd)$", re.IGNORECASE)
_SYSTEMS_ELSEWHERE = re.compile(
    r"(?:^|[^a-z])(?:win(?:dows|32|64|_?amd64|_?arm64)?|darwin|mac_?os|osx)(?:[^a-z]|$)", re.IGNORECASE
)
_SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$")

_SYMBOL_VERSION = re.compile(r"(?P<kind>GLIBC|GLIBCXX|CXXABI|GCC|ZLIB)_(?P<version>\d+(?:\.\d+)*)")


_Reason = tuple[str, str, str]
"""What a fault `needs`, what the `runtime_has`, and the `advice`."""


@dataclass(frozen=True)
class _Loader:
    """The target's loader, given everything in a bundle."""

    scans: tuple[Scan, ...]
    target: Target
    trusted: frozenset[str]
    project: Scan | None = None
    layers: tuple[Scan, ...] = ()

    @cached_property
    def brought(self) -> frozenset[str]:
        """The names of the bundle's libraries.

        Their directories do not matter: where no search path leads to a library, the package that needs it loads it
        first (torch and its nvidia wheels, pyarrow), and the loader finds it by its soname.
        """
        everything = (*self.scans, *self.layers)
        return frozenset(name for scan in everything for name in _names_of_libraries(scan, self.target))

    @cached_property
    def provided(self) -> frozenset[str]:
        return system_libraries.libraries(self.target)

    def faults_of(self, scan: Scan) -> Iterator[Fault]:
        own = frozenset(_names_of_libraries(scan, self.target))
        for code in scan.machine_code:
            if not _is_optional(code.path, scan):
                for reason in self._reasons(code, scan, own):
                    yield Fault(scan.distribution, code.path, *reason)

    def _reasons(self, code: MachineCode, scan: Scan, own: frozenset[str]) -> Iterator[_Reason]:
        if code.kind != "ELF" or code.architecture != self.target.architecture.machine:
            yield from filter(None, [self._foreign(code, scan)])
        elif reason := self._other_python(code, scan) or self._other_libc(code):
            yield reason
        else:
            yield from self._missing_versions(code, own)
            if canonicalize_name(scan.name) not in self.trusted:
                yield from self._missing_libraries(code, scan)

    def _foreign(self, code: MachineCode, scan: Scan) -> _Reason | None:
        """ELF for another machine is always a fault, as Linux would try to load it.

        Files whose names say that they are for another system are none, unless a module has no other file.
        """
        if code.architecture in _DEVICE_CODE:
            return None
        if code.kind != "ELF":
            if not importable_module(code.path):
                is_harmless = not _SHARED_OBJECT.search(code.path) and bool(
                    _SUFFIXES_ELSEWHERE.search(code.path) or _SYSTEMS_ELSEWHERE.search(code.path)
                )
            else:
                is_harmless = self.replacement(code.path, scan) not in {None, code.path}
            if is_harmless:
                return None
        needs = f"{SYSTEM_OF[code.kind]} on {code.architecture}"
        advice = f"use a wheel for {self.target}, or {_excluding(code.path)}"
        return needs, f"the runtime is Linux on {self.target.architecture.machine}", advice

    def _other_python(self, code: MachineCode, scan: Scan) -> _Reason | None:
        """Extension modules for another Python are ignored, which is a fault if the module has no other file."""
        if not is_never_imported(code.path, self.target) or self.replacement(code.path, scan):
            return None
        tag = posixpath.basename(code.path).removeprefix(f"{importable_module(code.path)}")
        suffixes = ", ".join(f"`*{suffix}`" for suffix in self.target.extension_suffixes)
        runtime = self.target.runtime.name
        advice = f"use or build a wheel for {runtime}"
        if scan is self.project:
            advice = f"build with the runtime's Python (`{runtime} -m hatchling build -t lambda`)"
        advice = f"{advice}, or {_excluding(code.path)}"
        return f"a Python that imports `*{tag}`", f"the runtime imports {suffixes}", advice

    def replacement(self, path: str, scan: Scan) -> str | None:
        """The file that the runtime imports for the module that `path` is; the project's sources do not count."""
        folder, slash, _ = path.rpartition("/")
        stem = f"{folder}{slash}{importable_module(path)}"
        endings = (*self.target.extension_suffixes, ".py", ".pyc")
        candidates = (*(f"{stem}/__init__{ending}" for ending in endings), *(f"{stem}{ending}" for ending in endings))
        found = next((name for name in candidates if name in scan.files), None)
        return None if scan is self.project and found in {f"{stem}.py", f"{stem}.pyc"} else found

    def _other_libc(self, code: MachineCode) -> _Reason | None:
        if code.musl:
            needs = "musl (its tag would be musllinux)"
        elif (
            code.interpreter
            and not _SHARED_OBJECT.search(code.path)  # libraries need no loader of their own
            and code.interpreter not in system_libraries.loaders(self.target)
        ):
            needs = f"the loader {code.interpreter}"
        else:
            return None
        advice = f"use a manylinux wheel for {self.target}, or build one on a system with glibc"
        return needs, f"the runtime has glibc {self.target.glibc} and its loader", advice

    def _missing_versions(self, code: MachineCode, own: frozenset[str]) -> Iterator[_Reason]:
        system = self.target.runtime.system
        has = {"GLIBC": self.target.glibc, **system_libraries.newest_versions(self.target)}
        for kind, (version, symbol, library) in sorted(_newest_needed(code, own).items()):
            if version <= Version(has[kind]):
                continue
            needs = f"{symbol} of {library}" if kind != "GLIBC" else f"glibc {version} ({symbol} of {library})"
            runtime_has = f"the runtime has {'glibc ' if kind == 'GLIBC' else kind + '_'}{has[kind]} ({system})"
            tag = f"manylinux_{self.target.glibc.replace('.', '_')}"
            yield needs, runtime_has, f"use a wheel tagged {tag} or lower, or build on a system as old as {system}"

    def _missing_libraries(self, code: MachineCode, scan: Scan) -> Iterator[_Reason]:
        for library in code.libraries:
            if self._finds(library) or _is_optional(library, scan):
                continue
            name = canonicalize_name(scan.name)
            remedy = _REMEDIES.get(name) or _REMEDIES.get(library) or "use a wheel that includes it"
            advice = (
                f"{remedy}; or ship it under this name in `lib/` of the zip (`force-include` "
                f'in `tool.hatch.build.targets.lambda`); if one of your layers has it, set `compatible = ["{name}"]`'
            )
            runtime_has = f"neither the bundle nor the runtime ({self.target.runtime.system}) has it"
            yield f"the library {library}", runtime_has, advice

    def _finds(self, library: str) -> bool:
        folder, _, name = library.rpartition("/")
        if folder.startswith("/"):
            return name in self.provided and folder in {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
        return name in self.brought or (not folder and name in self.provided)


def _excluding(path: str) -> str:
    return f'exclude the file if nothing needs it: `exclude = ["{path_in_bundle(path)}"]`'


# By the distribution that lacks a library, or by the library.
_REMEDIES = {
    "opencv-contrib-python": "use `opencv-contrib-python-headless` instead: it needs no display",
    "opencv-python": "use `opencv-python-headless` instead: it needs no display",
    "libmariadb.so.3": "use `pymysql`, which needs no library",
    "libmysqlclient.so.21": "use `pymysql`, which needs no library",
    "libpq.so.5": "use `psycopg2-binary` or `psycopg[binary]`, which include it",
}
SYSTEM_OF = {"ELF": "Linux", "Mach-O": "macOS", "PE": "Windows"}


def _names_of_libraries(scan: Scan, target: Target) -> Iterator[str]:
    for code in scan.machine_code:
        if code.kind == "ELF" and code.architecture == target.architecture.machine:
            yield code.path.rpartition("/")[2]
            if code.soname:
                yield code.soname


def _newest_needed(code: MachineCode, own: frozenset[str]) -> dict[str, tuple[Version, str, str]]:
    """By kind of symbol, the newest version that is needed, the symbol, and its library.

    `own`: libraries of the same wheel, which have the versions that it was linked with; glibc is never among them.
    """
    newest: dict[str, tuple[Version, str, str]] = {}
    for library, symbol in code.needs:
        match = _SYMBOL_VERSION.fullmatch(symbol)
        if symbol in ABI_SYMBOLS:
            kind, version = "GLIBC", ABI_SYMBOLS[symbol]
        elif match:
            kind, version = match["kind"], Version(match["version"])
        else:
            continue
        if kind != "GLIBC" and library in own:
            continue
        newest[kind] = max(newest.get(kind, (version, symbol, library)), (version, symbol, library))
    return newest


def _is_optional(path_or_library: str, scan: Scan) -> bool:
    pattern = _OPTIONAL.get(canonicalize_name(scan.name))
    return bool(pattern and pattern.match(path_or_library))
