"""What stands in for a Lambda runtime here: an interpreter of its version, and AWS's runtime client for it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from hatch_lambda.common import process, tempfiles
from hatch_lambda.common.errors import LambdaBuildError, PipError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.common.ui import UI
    from hatch_lambda.wheels.machine_code import MachineCode

# As the extra `invoke` has it.
_CLIENT = Requirement("awslambdaric>=3.0")

_RUNTIME_IN_NAME = re.compile(r"python3\.\d+(?!\d)")
# What CPython puts into the names of extension modules and of bytecode (PEP 3149, PEP 3147).
_TAGGED = re.compile(r"\.cpython-3(\d+)(?:-[\w-]+\.so|(?:\.opt-\d)?\.pyc)$")
# A wheel for one version alone: not one for that version's stable ABI.
_WHEEL_TAG = re.compile(r"^Tag: cp3(\d+)-cp3\1-", re.MULTILINE)


class NoRuntimeError(LambdaBuildError):
    """What a zip is for cannot be run on this machine."""


@dataclass(frozen=True)
class RuntimePython:
    """An interpreter that can stand in for a runtime's.

    `path`: itself, and no virtual environment of it. `machine`: as `uname -m` says to it. `abi`: what its extension
    modules are tagged with. `prefix`: the folder that it is installed in.
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
    """The interpreter that the user names, or one of the version of the runtime that the sources are for.

    Raises `NoRuntimeError`.
    """
    wanted = runtime or runtime_of(sources)
    if wanted and wanted not in RUNTIMES:
        raise NoRuntimeError(
            f"{sources[0].name} is for {wanted}, by its name or its files, and hatch-lambda knows "
            f"{', '.join(RUNTIMES)}.\nWhat you can do: say which of these it shall run on, by --runtime."
        )
    if python:
        found = _asked(python)
        if wanted not in {None, found.runtime}:
            raise NoRuntimeError(
                f"{python} is {found}, and {sources[0].name} is for {wanted}.\n"
                f"What you can do: name an interpreter of that version, or say --runtime {found.runtime}."
            )
        return found
    return _found(wanted or "python{}.{}".format(*sys.version_info))


def runtime_of(sources: Iterable[Path]) -> str | None:
    """For which runtime zips and folders are, by a name like `orders-1.0-python3.13-arm64.zip` or by their files."""
    for source in sources:
        if named := _RUNTIME_IN_NAME.search(source.name):
            return named[0]
        if minors := _tagged_minors(source):
            running = sys.version_info.minor
            return f"python3.{running if running in minors else max(minors)}"
    return None


def _tagged_minors(source: Path) -> set[int]:
    names = _names(source)
    tagged = {int(match[1]) for name in names if (match := _TAGGED.search(name))}
    return tagged or {int(minor) for text in _wheel_files(source, names) for minor in _WHEEL_TAG.findall(text)}


def _names(source: Path) -> list[str]:
    if source.is_dir():
        return [path.relative_to(source).as_posix() for path in source.rglob("*")]
    try:
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except zipfile.BadZipFile:
        return []  # unpacking it will say so


def _wheel_files(source: Path, names: Iterable[str]) -> Iterator[str]:
    wanted = [name for name in names if name.endswith(".dist-info/WHEEL")]
    if source.is_dir():
        yield from (source.joinpath(name).read_text(encoding="utf-8", errors="replace") for name in wanted)
    elif wanted:
        with zipfile.ZipFile(source) as archive:
            yield from (archive.read(name).decode(errors="replace") for name in wanted)


def _found(runtime: str) -> RuntimePython:
    from hatch_lambda.common.interpreters import interpreter_to_build_with

    if runtime not in RUNTIMES:
        raise NoRuntimeError(
            f"The running interpreter is of {runtime}, which is no runtime of Lambda's, and nothing says which one the "
            f"zip is for.\nWhat you can do: say it by --runtime: {', '.join(RUNTIMES)}."
        )
    target = Target(RUNTIMES[runtime], ARCHITECTURES["x86_64"])
    interpreter = interpreter_to_build_with(None, target.runtime.python)
    if interpreter.python != target.runtime.python:
        number = runtime.removeprefix("python")
        raise NoRuntimeError(
            f"It takes CPython {number} to run {runtime}, and there is none here: neither on PATH nor among the "
            f"interpreters of pyenv, uv, asdf, rye and Hatch.\n"
            f"What you can do: install one (`hatch python install {number}`, `uv python install {number}`), or "
            "name one by --python."
        )
    return _asked(interpreter.path)


_QUESTION = """
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


def _asked(python: Path) -> RuntimePython:
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that was found or that the user names
            [python, "-I", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoRuntimeError(f"The interpreter {python} cannot be used: {error}") from None
    if answer.returncode:
        raise NoRuntimeError(
            f"The interpreter {python} cannot be used: asked what it is, it ends with exit code {answer.returncode}."
        )
    path, runtime, implementation, machine, abi, prefix = json.loads(answer.stdout)
    if implementation != "cpython":
        raise NoRuntimeError(f"The interpreter {python} is {implementation}, and Lambda's are CPython.")
    return RuntimePython(Path(path), runtime, machine, abi, Path(prefix))


def make_sure_that_it_loads(machine_code: Sequence[MachineCode], source: str, python: RuntimePython) -> None:
    """Raise `NoRuntimeError` where machine code is for another machine than the interpreter is for.

    What most of it is for counts, since some packages carry helpers for every machine.
    """
    # Windows' programs lie in many a pure package, for use there.
    loaded = [code for code in machine_code if code.kind == "ELF" or code.path.endswith((".so", ".dylib", ".pyd"))]
    kinds = Counter((code.kind, code.architecture) for code in loaded)
    if not kinds or kinds.most_common(1)[0][0] == ("ELF", python.machine):
        return
    kind, architecture = kinds.most_common(1)[0][0]
    system = {"ELF": "", "Mach-O": "macOS on ", "PE": "Windows on "}[kind]
    files = [code.path for code in loaded if (code.kind, code.architecture) == (kind, architecture)]
    ours = next((name for name, known in ARCHITECTURES.items() if known.machine == python.machine), None)
    build = f"HATCH_LAMBDA_ARCHITECTURE={ours} hatch build -t lambda" if ours else "on a machine that Lambda has"
    raise NoRuntimeError(
        f"This machine is {_as_lambda_has_it(python.machine)}, and {source} has machine code for "
        f"{system}{_as_lambda_has_it(architecture)}:\n"
        + "".join(f"  {path}\n" for path in files[:_SHOWN_FILES])
        + (f"  and {len(files) - _SHOWN_FILES} more\n" if len(files) > _SHOWN_FILES else "")
        + f"What you can do: build one for this machine to try it: {build}"
    )


_SHOWN_FILES = 3


def _as_lambda_has_it(machine: str) -> str:
    return next((name for name, known in ARCHITECTURES.items() if known.machine == machine), machine)


def client_files(python: RuntimePython, kept_in: Path, ui: UI) -> tuple[Path, ...]:
    """AWS's runtime client and all that it needs, to be linked into a folder of the interpreter's path.

    What is installed beside hatch-lambda serves an interpreter of the same kind; for another one it is fetched once.
    Raises `PipError`.
    """
    if python.abi == sysconfig.get_config_var("SOABI") and (installed := _installed_files()):
        return installed
    folder = kept_in / f"{_CLIENT.name}-{python.abi}"
    if not folder.is_dir():
        ui.status(f"Fetching {_CLIENT.name}, AWS's runtime client, for {python}; it is kept in {folder}")
        _fetch(python, folder)
    return tuple(folder.iterdir())


def _installed_files() -> tuple[Path, ...]:
    try:
        distributions = list(_closure(_CLIENT, set()))
    except importlib.metadata.PackageNotFoundError:
        return ()
    paths: set[Path] = set()
    for distribution in distributions:
        tops = {file.parts[0] for file in distribution.files or ()}
        paths |= {Path(str(distribution.locate_file(top))) for top in tops - {"..", "__pycache__"}}
    # Without its extension module it is there and does nothing.
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


def _fetch(python: RuntimePython, folder: Path) -> None:
    from hatch_lambda.resolve.pip.variables import NOT_FOR_US

    folder.parent.mkdir(parents=True, exist_ok=True)
    tempfiles.sweep(folder.parent, _PART)
    with tempfile.TemporaryDirectory(prefix=tempfiles.marked(_PART), dir=folder.parent) as scratch:
        target = Path(scratch, "installed")
        completed = process.run(
            [
                *(sys.executable, "-m", "pip", "--python", str(python.path)),
                *("install", "--disable-pip-version-check", "--no-input", "--no-color", "--progress-bar=off"),
                *("--only-binary=:all:", "--target", str(target), str(_CLIENT)),
            ],
            directory=Path(scratch),
            environment={name: value for name, value in os.environ.items() if name not in NOT_FOR_US},
            on_line=lambda _line: None,
        )
        if completed.exit_code:
            raise PipError(
                f"{_CLIENT.name}, AWS's runtime client, cannot be fetched for {python}. pip says:\n  "
                + "\n  ".join(process.telling_lines(completed.output))
                + f"\nWhat you can do: see that pip reaches an index, or install `hatch-lambda[invoke]` under {python} "
                "and run it there.",
                output=completed.output,
            )
        try:
            target.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was as quick, and what it has fetched is as good
                raise


_PART = ".part-"
