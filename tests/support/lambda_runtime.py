"""The Pythons of Lambda's versions on this machine, and zips run under them by `hatch_lambda.invoke`."""

from __future__ import annotations

import functools
import json
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from findpython.providers import ALL_PROVIDERS

from hatch_lambda import invoke as product
from tests.support import debian_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from findpython import PythonVersion

RUNTIMES = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")

EVERY_RUNTIME = [
    pytest.param(version, marks=pytest.mark.index) if debian_python.SUITES.get(version) == "sid" else version
    for version in RUNTIMES
]
"""For `parametrize` and `python_of`: some may have to be fetched."""


@dataclass(frozen=True)
class Invocation:
    """The outcome of an invocation: what the function returned, or an error as Lambda responds with it."""

    response: object | None = None
    error: object | None = None
    logs: str = ""


@functools.cache
def pythons_at_hand() -> dict[str, Path]:
    """The interpreters of Lambda's versions that start on this machine, by version: `{"3.13": Path(...)}`."""
    found: dict[str, Path] = {}
    running = "{}.{}".format(*sys.version_info)
    if running in RUNTIMES and sys.implementation.name == "cpython":
        found[running] = Path(sys.executable)
    for version, candidate in _candidates():
        if version not in found and _starts_as(version, candidate):
            found[version] = candidate.executable
    return {version: found[version] for version in RUNTIMES if version in found}


def python_of(version: str, architecture: str = "") -> Path:
    """An interpreter of a version: one at hand, else Debian's; for an architecture that is named always Debian's.

    Skips the test if there is none.
    """
    if not architecture and (found := pythons_at_hand().get(version)):
        return found
    try:
        here = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return debian_python.interpreter(version, architecture or here)
    except debian_python.UnavailableError as error:
        pytest.skip(f"no CPython {version} {f'for {architecture}' if architecture else 'at hand'}: {error}")


def _candidates() -> Iterator[tuple[str, PythonVersion]]:
    # Names cost nothing, starting an interpreter does. PATH goes last because a version manager puts scripts there
    # that bear the name of an interpreter and start none.
    for name in sorted(ALL_PROVIDERS, key="path".__eq__):
        provider = ALL_PROVIDERS[name].create()
        for candidate in provider.find_pythons() if provider else ():
            named = re.fullmatch(r"python(3\.\d+)(\.exe)?", candidate.real_path.name)
            if named and named[1] in RUNTIMES:
                yield named[1], candidate


def _starts_as(version: str, candidate: PythonVersion) -> bool:
    minor = int(version.partition(".")[2])
    return candidate.is_valid() and candidate.matches(3, minor, pre=False, implementation="cpython")


def invoke(
    zip_path: Path,
    handler: str,
    *,
    version: str,
    event: object,
    clients: Path,
    layers: Sequence[Path] = (),
    timeout: float = 60,
    architecture: str = "",
) -> Invocation:
    """Run a zip as `hatch-lambda invoke` does, under `python_of` that version and architecture.

    `clients`: where AWS's runtime clients are cached that had to be downloaded.
    """
    logs: list[str] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(clients))
        result = product.invoke(
            product.Invocation(
                zip_path,
                handler,
                json.dumps(event).encode(),
                layers=tuple(layers),
                runtime=f"python{version}",
                python=python_of(version, architecture),
                timeout=timeout,
                init_timeout=timeout,
                memory=512,
            ),
            on_log=logs.append,
        )
    payload = json.loads(result.payload)
    log = "\n".join(logs)
    return Invocation(error=payload, logs=log) if result.error else Invocation(response=payload, logs=log)
