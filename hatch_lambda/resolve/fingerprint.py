"""What a resolution or a build depends on, as one hash: with the same hash, pip need not be started.

When in doubt, a fact is included: a miss costs a resolution, a wrong hit costs a wrong bundle.
"""

from __future__ import annotations

import configparser
import contextlib
import fnmatch
import hashlib
import json
import os
import platform
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda.common import source_trees
from hatch_lambda.common.files import local_path, read_regular
from hatch_lambda.common.source_trees import is_no_source
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config import requirements_files
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.config.pip_configuration import pip_configuration_files
from hatch_lambda.config.requirements_files import CONSTRAINT, REQUIREMENT, Unread
from hatch_lambda.resolve.cross.zig import installed_zig
from hatch_lambda.resolve.pip.variables import NOT_FOR_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.config.lock_tools import LockTool
    from hatch_lambda.config.settings import Settings

# The environment variables that can change what is resolved or built, by the reason; `*` stands for any beginning or
# end. All others (of terminals, CI jobs, sessions) differ between runs and change nothing.
_RELEVANT = {
    "pip's settings, for resolving and for installing build requirements": "PIP_*",
    "what resolves, so that `both` always compares": "HATCH_LAMBDA_RESOLVER",
    "how an index is reached": "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy",
    "compilers (make, setuptools, cc, go)": "CC CXX CPP FC F77 F90 AR AS LD NM RANLIB STRIP LDSHARED LDCXXSHARED CGO_*",
    "their flags": "*FLAGS",
    "where they find headers and libraries": "CPATH LIBRARY_PATH *_INCLUDE_PATH *_INCLUDE_DIR *_INCLUDE_DIRS "
    "*_LIBRARY_DIR *_LIBRARY_DIRS *_LIBS PKG_CONFIG*",
    "build systems": "CMAKE_* MESON* NINJA* MAKE* SKBUILD_* CARGO* RUST* PYO3_* MATURIN_* SETUPTOOLS_* DISTUTILS_* "
    "DIST_EXTRA_CONFIG CYTHON* NPY_* HATCH_BUILD_* PDM_BUILD_*",
    "the platform that a wheel is tagged for": "_PYTHON_HOST_PLATFORM MACOSX_DEPLOYMENT_TARGET",
    "optional extensions (frozenlist, yarl, aiohttp, sqlalchemy)": "*_NO_EXTENSIONS *_CEXT *_CEXTS",
}
_RELEVANT_NAME = re.compile("|".join(map(fnmatch.translate, " ".join(_RELEVANT.values()).split())))
# pip's settings for how it runs, not for what comes of it.
_NO_EFFECT = frozenset(
    {"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"}
    | {"PIP_RETRIES", "PIP_CERT", "PIP_LOG", "PIP_BUILD_TRACKER", "PIP_NO_COLOR", "PIP_NO_INPUT"}
    | {"PIP_PROGRESS_BAR", "PIP_KEYRING_PROVIDER"}
    | NOT_FOR_US
)
_NO_EFFECT_KEYS = frozenset({"cache-dir", "log", "cert", "client-cert"})
_NAMING_FILES = ("constraint", "build-constraint", "requirement")
_BUILD_CONSTRAINT = ("--build-constraint",)


def fingerprint(settings: Settings, requirements: Sequence[str], constraints: Sequence[str] = ()) -> str | None:
    """A hash in hexadecimal; None if the result depends on a file behind a URL."""
    inputs = _Inputs(settings.root)
    try:
        for path in (*settings.requirements, *settings.constraints):
            inputs.include(str(path), settings.root)
        if settings.lock_file:
            inputs.take_file(settings.lock_file)
            if tool := LOCK_TOOLS.get(settings.lock_file.name):
                for folder in (settings.lock_file.parent, settings.root):
                    inputs.take_declarations(tool, folder / tool.declares)
        for line in requirements:
            inputs.name(line.split(), settings.root)
        for names in (REQUIREMENT, CONSTRAINT, _BUILD_CONSTRAINT):
            for file in requirements_files.values_of(names, settings.pip_args):
                inputs.include(file, settings.root)
        inputs.name([part for word in settings.pip_args for part in (word, word.partition("=")[2])], settings.root)
        inputs.take_pip_settings(os.environ)
    except _RemoteFileError:
        return None
    facts = {
        "settings": settings.facts("resolution"),
        "requirements": list(requirements),
        "constraints": list(constraints),
        "files": dict(sorted(inputs.files.items())),
        "variables": {name: os.environ.get(name) for name in sorted(inputs.variables)},
        "paths": {str(path): listing(path) for path in sorted(inputs.paths)},
        "environment": relevant_environment(os.environ),
        # The interpreter itself, not the link to it that an environment has.
        "machine": [*this_machine(), os.path.realpath(sys.executable), sys.version],
        "versions": [installed_version("hatch-lambda"), installed_version("pip"), settings.cross and installed_zig()],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8")).hexdigest()


def build_facts(environment: Mapping[str, str], root: Path) -> dict[str, Any] | None:
    """What a build in an environment depends on: relevant variables, and the content of pip's constraints files.

    None if one of these files is behind a URL.
    """
    inputs = _Inputs(root)
    try:
        inputs.take_pip_settings(environment, only_constraints=True)
    except _RemoteFileError:
        return None
    # Builds get a time of ours, not the user's, which may be that of each commit.
    time = environment.get("SOURCE_DATE_EPOCH")
    return {"environment": relevant_environment(environment), "time": time, "files": dict(sorted(inputs.files.items()))}


def relevant_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that can change what is resolved or built, sorted."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if _RELEVANT_NAME.fullmatch(name) and name not in _NO_EFFECT
    }


def this_machine() -> list[str]:
    """What a build on it depends on. (`platform.platform()` would start a process.)"""
    return [sys.platform, platform.machine(), *platform.libc_ver()]


@cache
def installed_version(name: str) -> str:
    """The version of an installed distribution. (`metadata.version` would parse its whole README.)"""
    found = metadata.distribution(name)
    version = re.match(r"(?:.+\n)*?Version: (.+)\n", found.read_text("METADATA") or "")
    return version[1] if version else found.version


class _RemoteFileError(Exception):
    """A requirements or constraints file is behind a URL."""


class _Inputs:
    """All that a resolution may read on this machine: files by path with their hash, and the paths that they name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        self.paths: set[Path] = set()
        self.variables: set[str] = set()

    def include(self, name: str, folder: Path) -> None:
        """A requirements or constraints file with all that it includes."""
        for file in requirements_files.walk(name, folder):
            if isinstance(file, Unread):
                if file.reason is None:
                    raise _RemoteFileError
                self.files[file.name] = file.reason  # pip will say so
                continue
            self.files[str(file.path)] = hashlib.sha256(file.content).hexdigest()
            self.variables |= file.variables
            for line in file.lines:
                values = [word.partition("=")[2] for word in line.options]
                self.name([line.requirement, *line.requirement.split(), *line.options, *values], file.path.parent)

    def take_file(self, path: Path) -> bytes:
        content = _read(path)
        self.files[str(path)] = "missing" if content is None else hashlib.sha256(content).hexdigest()
        return content or b""

    def take_declarations(self, tool: LockTool, path: Path) -> None:
        """What a lock file's tool exports it by: of pyproject.toml, the tables that it reads."""
        content = _read(path) or b""
        with contextlib.suppress(ValueError):
            table = tomllib.loads(content.decode("utf-8"))
            own = table.pop("tool", {}).get(tool.name)
            table.pop("build-system", None)
            content = json.dumps([table, own], sort_keys=True, default=str).encode("utf-8")
        self.files[str(path)] = hashlib.sha256(content).hexdigest()

    def take_pip_settings(self, environment: Mapping[str, str], *, only_constraints: bool = False) -> None:
        """What pip's variables and configuration files say and name."""
        settings = [
            (name.removeprefix("PIP_").lower().replace("_", "-"), value)
            for name, value in relevant_environment(environment).items()
            if name.startswith("PIP_")
        ]
        for path in pip_configuration_files(environment):
            content = (_read(path) or b"") if only_constraints else self.take_file(path)
            parser = configparser.RawConfigParser(strict=False)
            try:
                parser.read_string(content.decode("utf-8", errors="surrogateescape"))
            except configparser.Error:
                continue  # pip will say so
            settings += [item for section in parser.sections() for item in parser.items(section)]
        for key, value in settings:
            if key in _NAMING_FILES:
                for file in value.split():
                    self.include(file, self.root)
            elif not only_constraints and key not in _NO_EFFECT_KEYS:
                self.name([value, *value.split()], self.root)

    def name(self, words: Iterable[str], folder: Path) -> None:
        """Words that may name a file or directory of this machine; if so, its content counts."""
        for word in words:
            bare = re.sub(r"[\[#;].*", "", word) if not word.startswith("file:") else word
            for candidate in {word, bare, *re.findall(r"file:\S+", word)} - {""}:
                path = local_path(candidate) or Path(candidate)
                for place in (folder, self.root):
                    # As pip does it: without following links.
                    found = Path(os.path.abspath(place / os.path.expanduser(path)))  # noqa: PTH100, PTH111
                    with contextlib.suppress(OSError, ValueError):  # too long for a name, or with a NUL in it
                        if found != Path(os.devnull) and found.exists():
                            self.paths.add(found)


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except OSError:
        return None


def listing(path: Path) -> list[tuple[str, str]]:
    """What is at a path: for a source tree each file's hash; for other directories and files size and time."""
    if path.is_file():
        return [("", _size_and_time(path))]
    if not path.is_dir():
        return []  # a device, for example
    if any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        return _listing_of_tree(path)
    with os.scandir(path) as entries:
        return sorted(
            (entry.name, _size_and_time(entry)) for entry in entries if not is_no_source(entry.name, at_the_top=True)
        )


def _listing_of_tree(root: Path) -> list[tuple[str, str]]:
    found = []
    for path in source_trees.entries(root):
        content = _read(path)
        executable = "x" if os.access(path, os.X_OK) else "-"
        digest = hashlib.sha256(content).hexdigest() if content is not None else os.path.realpath(path)
        found.append((str(path.relative_to(root)), f"{executable} {digest}"))
    return found


def digest_of(tree: Path) -> str:
    """A hash of a source tree."""
    return hashlib.sha256(json.dumps(_listing_of_tree(tree)).encode("utf-8")).hexdigest()


def _size_and_time(path: Path | os.DirEntry[str]) -> str:
    try:
        status = path.stat()
    except OSError:
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns}"
