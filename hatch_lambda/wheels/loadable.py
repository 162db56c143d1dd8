"""Whether the runtime can load the machine code of a bundle: every file of it, at any path and under any name.

Two steps, since the first is the dear one and is kept with a wheel: `scan` reads wheels, `judge` knows the target.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.common import system_libraries
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.wheels.compatibility import ABI_SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.machine_code import MachineCode
    from hatch_lambda.wheels.scan import Scan


@dataclass(frozen=True)
class Fault:
    """A file that the runtime cannot load, or that it would load wrongly."""

    distribution: str
    """`name version`"""
    path: str
    """In the wheel."""
    needs: str
    """`glibc 2.38`, `libpq.so.5`: after the words "it needs"."""
    runtime_has: str
    """`the runtime has glibc 2.34`: a sentence of its own."""
    advice: str
    """In the imperative."""

    def __str__(self) -> str:
        return f"{self.distribution}: {self.path} needs {self.needs}; {self.runtime_has}. To do: {self.advice}."


class UnfitMachineCodeError(LambdaBuildError):
    """Something in the bundle could not be loaded on the target. `faults`: file by file."""

    def __init__(self, message: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(message)


def check_loadable(scans: Iterable[Scan], target: Target, *, trusted: frozenset[str]) -> None:
    """Raise `UnfitMachineCodeError` for what `find_faults` finds."""
    if faults := find_faults(scans, target, trusted=trusted):
        raise UnfitMachineCodeError(fault_report(faults, target), faults)


def find_faults(scans: Iterable[Scan], target: Target, *, trusted: frozenset[str] = frozenset()) -> tuple[Fault, ...]:
    """What the target cannot load of a bundle, given the scans of all its wheels.

    `trusted`: names of distributions that may lack a shared library, since the user says where it comes from.
    """
    loader = _Loader(tuple(scans), target, trusted)
    return tuple(fault for scan in loader.scans for fault in loader.faults_of(scan))


def fault_report(faults: Sequence[Fault], target: Target) -> str:
    """Faults for people: what one distribution lacks for one reason is told together."""
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

# What a distribution does without: files, by path, and libraries that it tries to load a part of itself with.
# debugpy carries helpers for attaching to a process, for several systems, and speed-ups for one Windows; the one that
# fits is taken where there is one (add_code_to_python_process.py and pydevd_cython_wrapper.py in its pydevd).
# numba tries its threading layers in turn: https://numba.readthedocs.io/en/stable/user/threading-layer.html
# selenium starts the program of its own system and machine (webdriver/common/selenium_manager.py).
_DOES_WITHOUT = {
    "debugpy": re.compile(r".*/pydevd_attach_to_process/|.*-win_amd64\.pyd$"),
    "numba": re.compile(r"lib(?:tbb|gomp)\.so"),
    "selenium": re.compile(r".*/selenium-manager$"),
}

# elf.h: EM_CUDA, EM_AMDGPU, EM_BPF: code for a graphics card or a kernel, which no loader of a system takes for its own
_DEVICE_CODE = frozenset({"machine 0xbe", "machine 0xe0", "machine 0xf7"})

_SUFFIXES_ELSEWHERE = re.compile(r"\.(?:exe|dll|pyd|dylib|sys|ocx|winmd)$", re.IGNORECASE)
_SYSTEMS_ELSEWHERE = re.compile(
    r"(?:^|[^a-z])(?:win(?:dows|32|64|_?amd64|_?arm64)?|darwin|mac_?os|osx)(?:[^a-z]|$)", re.IGNORECASE
)
_SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$")

# `module.tag.so`, by the tags that CPython (PEP 3149), PyPy and Windows put between a module's name and the end.
_TAGGED_EXTENSION = re.compile(r"(?P<module>[^./]+)\.(?:(?:cpython|pypy|graalpy|cp|pp)-?\d[\w-]*|abi3t?)\.(?:so|pyd)$")
_PLAIN_EXTENSION = re.compile(r"(?P<module>[^./]+)\.(?:so|pyd)$")
_SCHEME = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
_SCRIPTS = re.compile(r"^[^/]+\.data/scripts/")

_SYMBOL_VERSION = re.compile(r"(?P<kind>GLIBC|GLIBCXX|CXXABI|GCC|ZLIB)_(?P<version>\d+(?:\.\d+)*)")


def _name(scan: Scan) -> str:
    return canonicalize_name(scan.name)


@dataclass(frozen=True)
class _Loader:
    """The target's loader, given everything in a bundle."""

    scans: tuple[Scan, ...]
    target: Target
    trusted: frozenset[str]

    @cached_property
    def brought(self) -> frozenset[str]:
        """Names under which a library may be asked for and is found, since the bundle has it.

        A file's place is not held against it: where no search path leads to it, a package that links with another's
        library has that loaded first (torch and its nvidia wheels, pyarrow), and the loader goes by soname then.
        """
        return frozenset(name for scan in self.scans for name in _names_of_libraries(scan, self.target))

    @cached_property
    def provided(self) -> frozenset[str]:
        return system_libraries.libraries(self.target)

    def faults_of(self, scan: Scan) -> Iterator[Fault]:
        own = frozenset(_names_of_libraries(scan, self.target))
        for code in scan.machine_code:
            if _does_without(code.path, scan):
                continue
            if self.is_foreign(code):
                if fault := self.foreign_fault(code, scan):
                    yield fault
                continue
            if fault := self._extension_fault(code, scan) or self._libc_fault(code, scan):
                yield fault
                continue
            yield from self._version_faults(code, scan, own)
            if _name(scan) not in self.trusted:
                yield from self._library_faults(code, scan)

    def is_foreign(self, code: MachineCode) -> bool:
        return code.kind != "ELF" or code.architecture != self.target.architecture.machine

    def foreign_fault(self, code: MachineCode, scan: Scan) -> Fault | None:
        """ELF of another machine is a fault wherever it lies: it is what a Linux would load.

        What says by its name that it is for another system is not, unless it is all there is of a module.
        """
        if code.architecture in _DEVICE_CODE or _does_without(code.path, scan):
            return None
        if code.kind != "ELF":
            # Names that Linux never looks for; those that it does look for, by what it would find in their place.
            module = _importable_module(code.path)
            harmless = self._imported_instead(code, scan) if module else _names_another_system(code.path)
            if harmless:
                return None
        return Fault(
            scan.distribution,
            code.path,
            needs=f"{_SYSTEM_OF[code.kind]} on {code.architecture}",
            runtime_has=f"the runtime is Linux on {self.target.architecture.machine}",
            advice=f"take a wheel for {self.target}, or leave the file out if nothing needs it: "
            f'`exclude = ["{path_in_bundle(code.path)}"]`',
        )

    def _extension_fault(self, code: MachineCode, scan: Scan) -> Fault | None:
        """An extension module for another Python is never looked for; that matters where nothing else is found."""
        match = _TAGGED_EXTENSION.search(code.path)
        if not match or not _importable_module(code.path) or self._suffix(code.path) or self._imported(code.path, scan):
            return None
        tag = code.path.removeprefix(code.path[: match.end("module")])
        return Fault(
            scan.distribution,
            code.path,
            needs=f"a Python that imports `*{tag}`",
            runtime_has=f"the runtime imports {', '.join(f'`*{suffix}`' for suffix in self.target.extension_suffixes)}",
            advice=f"take or build a wheel for {self.target.runtime.name}, or leave the file out if nothing needs it: "
            f'`exclude = ["{path_in_bundle(code.path)}"]`',
        )

    def _suffix(self, path: str) -> str | None:
        """The suffix by which the runtime would import a file."""
        module, name = _importable_module(path), path.rpartition("/")[2]
        return next((suffix for suffix in self.target.extension_suffixes if name == f"{module}{suffix}"), None)

    def _imported(self, path: str, scan: Scan) -> str | None:
        """The file that the runtime imports where a module of the name of `path` is asked for."""
        folder, slash, _ = path.rpartition("/")
        stem = f"{folder}{slash}{_importable_module(path)}"
        endings = (*self.target.extension_suffixes, ".py", ".pyc")
        candidates = (*(f"{stem}/__init__{ending}" for ending in endings), *(f"{stem}{ending}" for ending in endings))
        return next((name for name in candidates if name in scan.files), None)

    def _imported_instead(self, code: MachineCode, scan: Scan) -> bool:
        return self._imported(code.path, scan) not in {None, code.path}

    def _libc_fault(self, code: MachineCode, scan: Scan) -> Fault | None:
        if code.musl:
            needs = "musl (its tag would be musllinux)"
        elif (
            code.interpreter
            and not _SHARED_OBJECT.search(code.path)  # what is loaded as a library needs no loader named in it
            and code.interpreter not in system_libraries.loaders(self.target)
        ):
            needs = f"the loader {code.interpreter}"
        else:
            return None
        return Fault(
            scan.distribution,
            code.path,
            needs=needs,
            runtime_has=f"the runtime has glibc {self.target.glibc} and its loader",
            advice=f"take a manylinux wheel for {self.target}, or build one on a system with glibc",
        )

    def _version_faults(self, code: MachineCode, scan: Scan, own: frozenset[str]) -> Iterator[Fault]:
        has = {"GLIBC": self.target.glibc, **system_libraries.newest_versions(self.target)}
        for kind, (version, symbol, library) in sorted(_newest_needed(code, own).items()):
            if version <= Version(has[kind]):
                continue
            needs = f"{symbol} of {library}" if kind != "GLIBC" else f"glibc {version} ({symbol} of {library})"
            yield Fault(
                scan.distribution,
                code.path,
                needs=needs,
                runtime_has=f"the runtime has {'glibc ' if kind == 'GLIBC' else kind + '_'}{has[kind]} "
                f"({self.target.runtime.system})",
                advice=f"take a wheel tagged manylinux_{self.target.glibc.replace('.', '_')} or lower, or build on a "
                f"system as old as {self.target.runtime.system}",
            )

    def _library_faults(self, code: MachineCode, scan: Scan) -> Iterator[Fault]:
        for library in code.libraries:
            if self._finds(library) or _does_without(library, scan):
                continue
            remedy = _REMEDIES.get(_name(scan)) or _REMEDIES.get(library)
            yield Fault(
                scan.distribution,
                code.path,
                needs=f"the library {library}",
                runtime_has=f"neither the bundle nor the runtime ({self.target.runtime.system}) has it",
                advice=remedy
                or f'take a wheel that brings it; if a layer of yours has it, say so: `compatible = ["{_name(scan)}"]`',
            )

    def _finds(self, library: str) -> bool:
        folder, _, name = library.rpartition("/")
        if folder.startswith("/"):
            return name in self.provided and folder in {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
        return name in self.brought or (not folder and name in self.provided)


# By what lacks a library, or by the library.
_REMEDIES = {
    "opencv-contrib-python": "depend on `opencv-contrib-python-headless` instead: it does without a display",
    "opencv-python": "depend on `opencv-python-headless` instead: it does without a display",
    "libmariadb.so.3": "depend on `pymysql`, which needs no library",
    "libmysqlclient.so.21": "depend on `pymysql`, which needs no library",
    "libpq.so.5": "depend on `psycopg2-binary` or `psycopg[binary]`, which bring it",
}
_SYSTEM_OF = {"ELF": "Linux", "Mach-O": "macOS", "PE": "Windows"}


def _names_of_libraries(scan: Scan, target: Target) -> Iterator[str]:
    for code in scan.machine_code:
        if code.kind == "ELF" and code.architecture == target.architecture.machine:
            yield code.path.rpartition("/")[2]
            if code.soname:
                yield code.soname


def _newest_needed(code: MachineCode, own: frozenset[str]) -> dict[str, tuple[Version, str, str]]:
    """Of each kind of symbol the newest version needed, as it stands in the file, and the library that it is of.

    A library that the wheel itself brings has the versions that it was linked with. But no wheel brings its glibc.
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


def _does_without(path_or_library: str, scan: Scan) -> bool:
    pattern = _DOES_WITHOUT.get(_name(scan))
    return bool(pattern and pattern.match(path_or_library))


def path_in_bundle(path: str) -> str:
    """Where a bundle has what a wheel has at `path`."""
    return _SCRIPTS.sub("bin/", _SCHEME.sub("", path))


def _importable_module(path: str) -> str | None:
    """The name of the extension module that a file is, on any system; none where it could not be imported."""
    folder, _, name = path_in_bundle(path).rpartition("/")
    match = _TAGGED_EXTENSION.match(name) or _PLAIN_EXTENSION.match(name)
    if match and match["module"].isidentifier() and all(part.isidentifier() for part in folder.split("/") if folder):
        return match["module"]
    return None


def _names_another_system(path: str) -> bool:
    if _SHARED_OBJECT.search(path):
        return False
    return bool(_SUFFIXES_ELSEWHERE.search(path) or _SYSTEMS_ELSEWHERE.search(path))
