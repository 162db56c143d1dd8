"""The local stand-in for a Lambda runtime: an interpreter of its version, and AWS's runtime client for it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from hatch_lambda.common.errors import LambdaBuildError, PipError
from hatch_lambda.common.interpreters import interpreter_to_build_with
from hatch_lambda.common.target import ARCHITECTURES, PYTHON_OF_MAGIC_NUMBER, RUNTIMES, Target
from hatch_lambda.resolve.pip.installed import install_once
from hatch_lambda.resolve.pip.words import error_lines
from hatch_lambda.wheels.loadable import SYSTEM_OF
from hatch_lambda.zip.reader import open_zip, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hatch_lambda.common.ui import UI
    from hatch_lambda.wheels.machine_code import MachineCode

# Older Pythons than the extra `invoke` is for have none of its versions.
_CLIENT = Requirement("awslambdaric>=2.0")

_RUNTIME_IN_NAME = re.compile(r"python3\.\d+(?!\d)")
# Names of CPython's extension modules (PEP 3149) and bytecode (PEP 3147).
_TAGGED = re.compile(r"\.cpython-3(\d+)(?:-[\w-]+\.so|(?:\.opt-\d)?\.pyc)$")
# A wheel for one version only, which one for the stable ABI is not.
_WHEEL_TAG = re.compile(r"^Tag: cp3(\d+)-cp3\1-", re.MULTILINE)

_DESCRIBE = """
import json, os, sys, sysconfig
base = getattr(sys, "_base_executable", None) or ""
print(json.dumps([
    base if os.path.isfile(base) else sys.executable,
    "python{}.{}".format(*sys.version_info),
    sys.implementation.name,
    os.uname().machine,
    sysconfig.get_config_var("SOABI") or "",
    sys.base_prefix,
]))
"""

_SHOWN_FILES = 3


class NoRuntimeError(LambdaBuildError):
    """No way to run the zip's runtime on this machine."""


@dataclass(frozen=True)
class RuntimePython:
    """An interpreter that can stand in for a runtime's.

    `path`: of the interpreter itself, not of a virtual environment. `machine`: what it gets from `uname -m`. `abi`: the
    tag of its extension modules (SOABI). `prefix`: the directory that it is installed in.
    """

    path: Path
    runtime: str
    machine: str
    abi: str
    prefix: Path

    def __str__(self) -> str:
        return self.runtime.replace("python", "Python ")


def require_linux() -> None:
    """Raise `NoRuntimeError` on any other platform. The one place that says so: all of `invoke` relies on it."""
    if sys.platform != "linux":
        raise NoRuntimeError(
            "`hatch-lambda invoke` requires Linux: Lambda's native code is Linux's, and AWS's runtime client has "
            "wheels for Linux only.\nWhat you can do: run it in a Linux container or virtual machine."
        )


def runtime_python(sources: Sequence[Path], runtime: str | None, python: Path | None) -> RuntimePython:
    """The interpreter that the user names, or one for the runtime that the sources were built for.

    Raises `NoRuntimeError`, and `ContentsError` for what is neither a zip nor a directory.
    """
    wanted = runtime or runtime_of(sources)
    if wanted and wanted not in RUNTIMES:
        raise NoRuntimeError(
            f"{sources[0].name} is for {wanted}, judging by its name or its files; hatch-lambda supports "
            f"{', '.join(RUNTIMES)}.\nWhat you can do: pass one of these by --runtime."
        )
    if python:
        found = _describe(python)
        if wanted not in {None, found.runtime}:
            raise NoRuntimeError(
                f"{python} is {found}, but {sources[0].name} is for {wanted}.\n"
                f"What you can do: pass an interpreter of that version, or --runtime {found.runtime}."
            )
        return found
    running = "python{}.{}".format(*sys.version_info)
    if not wanted and running not in RUNTIMES:
        raise NoRuntimeError(
            f"Cannot tell which runtime the zip is for, and the running interpreter ({running}) is not one of Lambda's "
            f"runtimes.\nWhat you can do: pass --runtime: {', '.join(RUNTIMES)}."
        )
    runtime = wanted or running
    interpreter = interpreter_to_build_with(None, RUNTIMES[runtime].python)
    if interpreter.python != RUNTIMES[runtime].python:
        number = runtime.removeprefix("python")
        raise NoRuntimeError(
            f"Running {runtime} requires CPython {number}, which was not found on PATH or among the interpreters of "
            f"pyenv, uv, asdf, rye and Hatch.\n"
            f"What you can do: install it (`hatch python install {number}`, `uv python install {number}`), or pass its "
            "path by --python."
        )
    return _describe(interpreter.path)


def runtime_of(sources: Iterable[Path]) -> str | None:
    """The runtime that zips or directories are for, by a name like `app-1.0-python3.13-arm64.zip` or by their files."""
    for source in sources:
        if named := _RUNTIME_IN_NAME.search(source.name):
            return named[0]
        if minors := _minor_versions(source):
            running = sys.version_info.minor
            return f"python3.{running if running in minors else max(minors)}"
    return None


def _minor_versions(source: Path) -> set[int]:
    """The Python 3 minor versions that the files of a zip or directory are built for."""
    with readable(source), contextlib.ExitStack() as stack:
        if source.is_dir():
            names = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
            read: Callable[[str], bytes] = lambda name: source.joinpath(name).read_bytes()  # noqa: E731
        else:
            archive = stack.enter_context(open_zip(source))
            names, read = archive.namelist(), archive.read
        wheels = (read(name).decode(errors="replace") for name in names if name.endswith(".dist-info/WHEEL"))
        if tagged := {int(match[1]) for name in names if (match := _TAGGED.search(name))}:
            return tagged
        alone = (name for name in names if name.endswith(".pyc") and "__pycache__/" not in name)
        magic = (int.from_bytes(read(name)[:2], "little") for name in alone)
        if version := next(filter(None, map(PYTHON_OF_MAGIC_NUMBER.get, magic)), None):
            return {int(version.partition(".")[2])}
        return {int(minor) for text in wheels for minor in _WHEEL_TAG.findall(text)}


def _describe(python: Path) -> RuntimePython:
    """Ask an interpreter what it is. Raises `NoRuntimeError`."""
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that was found or that the user names
            [python, "-I", "-c", _DESCRIBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoRuntimeError(f"Cannot use the interpreter {python}: {error}") from None
    if answer.returncode:
        raise NoRuntimeError(f"Cannot use the interpreter {python}: it exits with code {answer.returncode}.")
    path, runtime, implementation, machine, abi, prefix = json.loads(answer.stdout)
    if implementation != "cpython":
        raise NoRuntimeError(f"The interpreter {python} is {implementation}; Lambda's runtimes are CPython.")
    return RuntimePython(Path(path), runtime, machine, abi, Path(prefix))


def check_machine(machine_code: Sequence[MachineCode], source: str, python: RuntimePython) -> None:
    """Raise `NoRuntimeError` if most of the native code is for another machine than the interpreter's.

    Most, because some packages include helpers for every machine.
    """
    # Windows programs are in many a pure-Python package, for use there.
    loaded = [code for code in machine_code if code.kind == "ELF" or code.path.endswith((".so", ".dylib", ".pyd"))]
    kinds = Counter((code.kind, code.architecture) for code in loaded)
    if not kinds or kinds.most_common(1)[0][0] == ("ELF", python.machine):
        return
    kind, architecture = kinds.most_common(1)[0][0]
    system = "" if kind == "ELF" else f"{SYSTEM_OF[kind]} on "
    files = [code.path for code in loaded if (code.kind, code.architecture) == (kind, architecture)]
    lambdas_name = {known.machine: name for name, known in ARCHITECTURES.items()}
    ours = lambdas_name.get(python.machine)
    build = f"HATCH_LAMBDA_ARCHITECTURE={ours} hatch build -t lambda" if ours else "on an x86_64 or arm64 machine"
    raise NoRuntimeError(
        f"This machine is {ours or python.machine}, but {source} has native code for "
        f"{system}{lambdas_name.get(architecture, architecture)}:\n"
        + "".join(f"  {path}\n" for path in files[:_SHOWN_FILES])
        + (f"  and {len(files) - _SHOWN_FILES} more\n" if len(files) > _SHOWN_FILES else "")
        + f"What you can do: build one for this machine to try it: {build}"
    )


def client_files(python: RuntimePython, cache: Path, ui: UI) -> tuple[Path, ...]:
    """The files and directories of AWS's runtime client and its dependencies, to be linked into a directory.

    The client installed next to hatch-lambda serves an interpreter of the same ABI; for others it is downloaded once.
    Raises `PipError`.
    """
    if python.abi == sysconfig.get_config_var("SOABI") and (installed := _installed_files()):
        return installed
    directory = cache / f"{_CLIENT.name}-{python.abi}"
    if not directory.is_dir():
        ui.status(f"Downloading {_CLIENT.name}, AWS's runtime client, for {python} (cached in {directory})")
        # Those for the oldest glibc of Lambda's run everywhere.
        architectures = [each for each in ARCHITECTURES.values() if each.machine == python.machine]
        platforms = [name for each in architectures for name in Target(RUNTIMES["python3.11"], each).platforms]
        version = int(python.runtime.partition(".")[2])
        if output := install_once(str(_CLIENT), directory, (3, version), [f"--platform={name}" for name in platforms]):
            raise PipError(
                f"{_CLIENT.name}, AWS's runtime client, could not be downloaded for {python}. pip says:\n  "
                + "\n  ".join(error_lines(output))
                + f"\nWhat you can do: check that pip can reach an index, or install `hatch-lambda[invoke]` under "
                f"{python} and run it there.",
                output=output,
            )
    return tuple(directory.iterdir())


def _installed_files() -> tuple[Path, ...]:
    try:
        distributions = list(_closure(_CLIENT, set()))
    except importlib.metadata.PackageNotFoundError:
        return ()
    paths: set[Path] = set()
    for distribution in distributions:
        tops = {file.parts[0] for file in distribution.files or ()}
        paths |= {Path(str(distribution.locate_file(top))) for top in tops - {"..", "__pycache__"}}
    # Without its extension module the client is of no use.
    return tuple(sorted(paths)) if any(path.name.startswith("runtime_client.") for path in paths) else ()


def _closure(requirement: Requirement, seen: set[str]) -> Iterator[importlib.metadata.Distribution]:
    distribution = importlib.metadata.distribution(requirement.name)
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        raise importlib.metadata.PackageNotFoundError(requirement.name)
    yield distribution
    seen.add(requirement.name)
    for needed in map(Requirement, distribution.requires or ()):
        if needed.name not in seen and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            yield from _closure(needed, seen)
