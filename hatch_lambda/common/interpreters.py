"""Finding an interpreter to build with."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from findpython import PythonVersion

_ASK_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Interpreter:
    path: Path
    python: tuple[int, int]

    def __str__(self) -> str:
        return "Python {}.{}".format(*self.python)


def interpreter_to_build_with(named: Path | None, wanted: tuple[int, int]) -> Interpreter:
    """The one that the settings name; else the first of the wanted version; else the running one.

    Raises `ConfigurationError` if the named one does not start.
    """
    if named:
        return Interpreter(named, _version_of(named))
    running = Interpreter(Path(sys.executable), sys.version_info[:2])
    if running.python == wanted and platform.python_implementation() == "CPython":
        return running
    found = next(_installed(wanted), None)
    return Interpreter(found, wanted) if found else running


def _version_of(path: Path) -> tuple[int, int]:
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that the user's own settings name
            [path, "-I", "-c", _ASK_VERSION], capture_output=True, check=False, text=True, timeout=60
        )
        major, minor = answer.stdout.split(".")
        return int(major), int(minor)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error.strerror if isinstance(error, OSError) else "it does not answer")
    except ValueError:
        said = answer.stderr.strip().splitlines()[-1:] or [f"it exits with {answer.returncode} and prints no version"]
        reason = redact(said[0])
    raise ConfigurationError([f"The interpreter {path} does not start: {reason}"])


def _installed(wanted: tuple[int, int]) -> Iterator[Path]:
    """CPythons of a version, those named after it first: asking each for its version takes its start-up time."""
    candidates = list(_candidates())
    exact = f"python{wanted[0]}.{wanted[1]}"
    candidates.sort(key=lambda candidate: exact not in (candidate.executable.stem, candidate.executable.name))
    for candidate in candidates:
        name = candidate.executable.name.lower().removesuffix(".exe")
        if name in {exact, "python3", "python"} and _is(candidate, wanted):
            yield candidate.executable


def _candidates() -> Iterator[PythonVersion]:
    """Executables that look like Python: on PATH, from pyenv, uv, asdf, rye and the like, and from Hatch."""
    from findpython.providers import ALL_PROVIDERS, base
    from platformdirs import user_data_path

    for provider_class in ALL_PROVIDERS.values():
        if provider := provider_class.create():
            yield from provider.find_pythons()
    # Where `hatch python install` puts them: https://hatch.pypa.io/latest/cli/reference/#hatch-python
    data = Path(os.environ.get("HATCH_DATA_DIR") or user_data_path("hatch", appauthor=False))
    for root in (data / "pythons", data / "env" / "virtual" / ".pythons"):
        for folder in (*sorted(root.glob("*/python/bin")), *sorted(root.glob("*/python"))):
            yield from base.BaseProvider.find_pythons_from_path(folder, as_interpreter=True)


def _is(candidate: PythonVersion, wanted: tuple[int, int]) -> bool:
    """Whether it starts (a pyenv shim may not) and is a CPython of that version with the usual ABI."""
    try:
        return (
            candidate.is_valid()
            and (candidate.major, candidate.minor) == wanted
            and candidate.implementation.lower() == "cpython"
            and not candidate.freethreaded
        )
    except (OSError, subprocess.SubprocessError):
        return False
