"""What a resolution depends on, as one hash: same hash, same result, so pip need not even be started.

Rather too much goes in than too little: a miss costs a resolution, a wrong hit costs a wrong bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from hatch_lambda.resolve.pip.variables import NOT_FOR_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.config.settings import Settings


class _Names(NamedTuple):
    """Names of variables. (One large pattern of all takes longer to compile than most builds take to use it.)"""

    exact: frozenset[str] = frozenset()
    beginning: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()
    having: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        return (
            name in self.exact
            or name.startswith(self.beginning)
            or name.endswith(self.ending)
            or any(part in name for part in self.having)
        )


# Of the environment: pip's own settings, and what compilers and build backends listen to.
_TELLING = _Names(
    frozenset(
        {"CC", "CXX", "CPP", "FC", "F77", "AR", "LD", "LDSHARED", "CPATH", "LIBRARY_PATH", "_PYTHON_HOST_PLATFORM"}
    ),
    beginning=("PIP_", "PKG_CONFIG", "CMAKE_", "SKBUILD_", "CARGO_", "RUST", "PYO3_", "MATURIN_", "SETUPTOOLS_"),
    ending=("FLAGS", "_INCLUDE_PATH"),
)
_OF_NO_EFFECT = _Names(
    frozenset(
        {"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"}
        | {"PIP_RETRIES", "PIP_CERT", "PIP_LOG", "PIP_BUILD_TRACKER", "PIP_NO_COLOR", "PIP_NO_INPUT"}
        | {"PIP_PROGRESS_BAR", "PIP_KEYRING_PROVIDER"}
    )
)
# What differs from one terminal or CI job to the next, and what is secret.
_NOISE = _Names(
    frozenset(
        {
            "_",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "COLORTERM",
            "COLUMNS",
            "LINES",
            "LS_COLORS",
            "TMPDIR",
            "TEMP",
            "TMP",
            "WINDOWID",
        }
        | {
            "STY",
            "DISPLAY",
            "PS1",
            "PIP_BUILD_TRACKER",
            "PIP_CACHE_DIR",
            "PYTHONHASHSEED",
            "USER",
            "LOGNAME",
            "HOSTNAME",
        }
        | {"PATH"}
    ),
    beginning=(
        *("TERM", "TMUX", "SSH_", "XDG_", "VSCODE_", "GIT_", "CI_", "GITHUB_", "RUNNER_", "BUILD_", "JENKINS_"),
        *("BUILDKITE", "CIRCLE_", "TRAVIS_", "HATCH_", "PYTEST_", "COVERAGE_", "COV_", "VIRTUAL_ENV", "AWS_"),
    ),
    having=("TOKEN", "SECRET", "PASSWORD"),
)

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # as pip expands them in requirements files
_INCLUDING = frozenset({"-r", "--requirement", "-c", "--constraint"})
_URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)

# What is in a project's folder and is no source: what builds and tools leave there.
_NOT_SOURCES_ANYWHERE = frozenset({"__pycache__", ".git", ".hg"})
_NOT_SOURCES_AT_THE_TOP = frozenset(
    {"build", "dist", ".hatch", ".venv", "venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    | {"node_modules"}
)


def fingerprint(settings: Settings, requirements: Sequence[str]) -> str | None:
    """A hash in hexadecimal; none where the result depends on something that only asking can tell."""
    try:
        inputs = _Inputs.of(settings, requirements)
    except _OnlyTheNetworkKnowsError:
        return None
    facts = {
        "settings": settings.facts("resolution"),
        "requirements": list(requirements),
        "files": {str(path): text for path, text in sorted(inputs.texts.items())},
        "variables": {name: os.environ.get(name) for name in sorted(inputs.variables)},
        "paths": {str(path): listing(path) for path in sorted(inputs.paths)},
        "environment": telling_environment(os.environ),
        # The interpreter itself, not the link to it that an environment has.
        "machine": [*this_machine(), os.path.realpath(sys.executable), sys.version],
        "versions": [installed_version("hatch-lambda"), installed_version("pip")],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8")).hexdigest()


def telling_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that may change what is resolved or built, sorted."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if _TELLING.match(name) and not _OF_NO_EFFECT.match(name) and name not in NOT_FOR_US
    }


def build_environment_facts(environment: Mapping[str, str]) -> dict[str, str]:
    """What a build may listen to: the whole environment, less what differs from one terminal or CI job to the next."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if not _NOISE.match(name) and not _OF_NO_EFFECT.match(name)
    }


def this_machine() -> list[str]:
    """What a build on it depends on. (`platform.platform()` would start a process.)"""
    return [sys.platform, platform.machine(), *platform.libc_ver()]


def installed_version(name: str) -> str:
    """The version of a distribution beside this one. (`metadata.version` would parse its whole README for that.)"""
    found = metadata.distribution(name)
    version = re.match(r"(?:.+\n)*?Version: (.+)\n", found.read_text("METADATA") or "")
    return version[1] if version else found.version


class _OnlyTheNetworkKnowsError(Exception):
    """A requirements or constraints file lies behind a URL."""


class _Inputs:
    """Everything on this machine that a resolution may read: texts with all that they include, and what those name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.texts: dict[Path, str] = {}
        self.paths: set[Path] = set()
        self.variables: set[str] = set()

    @classmethod
    def of(cls, settings: Settings, requirements: Sequence[str]) -> _Inputs:
        inputs = cls(settings.root)
        for path in (*settings.requirements, *settings.constraints):
            inputs.include(str(path), settings.root)
        if settings.lock_file:
            inputs.texts[settings.lock_file] = _read(settings.lock_file)
        for line in requirements:
            inputs.name(line.split(), settings.root)
        inputs.take(settings.pip_args, settings.root)
        for variable, value in telling_environment(os.environ).items():
            if variable == "PIP_CONSTRAINT":
                for file in value.split():
                    inputs.include(file, settings.root)
            elif variable.startswith("PIP_"):
                inputs.name([value, *value.split()], settings.root)
        for configuration in _pip_configuration_files():
            inputs.take_configuration(configuration)
        return inputs

    def include(self, name: str, folder: Path) -> None:
        """A requirements or constraints file; what it includes is relative to its own folder."""
        if _URL.match(name):
            raise _OnlyTheNetworkKnowsError
        path = _as_path(name, folder)
        if path in self.texts:
            return
        self.texts[path] = text = _read(path)
        self.variables.update(_VARIABLE.findall(text))
        text = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), text)
        for line in re.sub(r"\\\r?\n", " ", text).splitlines():
            self.take(_words(line), path.parent)

    def take(self, arguments: Sequence[str], folder: Path) -> None:
        """Arguments of pip's, on a command line or in a line of a file."""
        waiting = list(arguments)
        while waiting:
            word = waiting.pop(0)
            option, equals, value = word.partition("=")
            if option in _INCLUDING and (equals or waiting):
                self.include(value if equals else waiting.pop(0), folder)
            elif word[:2] in {"-r", "-c"} and len(word) > 2:  # noqa: PLR2004 - `-rfile`
                self.include(word[2:].lstrip("= "), folder)
            else:
                self.name([word, value], folder)

    def take_configuration(self, path: Path) -> None:
        import configparser

        self.texts[path] = text = _read(path)
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            return  # pip will say so
        for section in parser.sections():
            for key, value in parser.items(section):
                if key in {"constraint", "requirement"}:
                    for file in value.split():
                        self.include(file, self.root)
                elif key not in {"cache-dir", "log", "cert", "client-cert"}:
                    self.name([value, *value.split()], self.root)

    def name(self, words: Iterable[str], folder: Path) -> None:
        """Words that may name a file or folder of this machine: where there is one, what is in it counts."""
        for word in words:
            bare = re.sub(r"[\[#;].*", "", word) if not word.startswith("file:") else word
            for candidate in {word, bare, *re.findall(r"file:\S+", word)} - {""}:
                self.paths.update(
                    path
                    for path in (_as_path(candidate, folder), _as_path(candidate, self.root))
                    if _exists(path) and path != Path(os.devnull)
                )


def _as_path(name: str, folder: Path) -> Path:
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
        if os.name == "nt":
            from urllib.request import url2pathname  # and with it everything that HTTP takes

            name = url2pathname(name)
    return Path(os.path.abspath(folder / os.path.expanduser(name)))  # noqa: PTH100, PTH111 - pip does it this way


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # too long for a name, or with a NUL in it


def _words(line: str) -> list[str]:
    import shlex

    line = re.sub(r"(^|\s+)#.*$", "", line)
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _pip_configuration_files() -> Iterator[Path]:
    """Wherever pip may look for its configuration (https://pip.pypa.io/en/stable/topics/configuration/)."""
    from platformdirs import site_config_path, user_config_path

    named = os.environ.get("PIP_CONFIG_FILE")
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    home = Path.home()
    candidates = [
        *([Path(named)] if named else []),
        *(Path("/etc", name), Path(sys.prefix, name), home / ".pip" / name, home / "pip" / name),
        *(Path(folder, "pip", name) for folder in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)),
        user_config_path("pip", appauthor=False, roaming=True) / name,
        site_config_path("pip", appauthor=False) / name,
    ]
    return (path for path in dict.fromkeys(candidates) if path.is_file())


def is_no_source(name: str, *, at_the_top: bool) -> bool:
    """Whether a folder of a source tree is no part of the sources: below the top, `build` may well be a package."""
    if name in _NOT_SOURCES_ANYWHERE or name.endswith(".egg-info"):
        return True
    return at_the_top and name in _NOT_SOURCES_AT_THE_TOP


def listing(path: Path) -> list[tuple[str, str]]:
    """What is at a path: of a source tree the content, of other folders and files name, size and time."""
    if path.is_file():
        return [("", _size_and_time(path))]
    if not path.is_dir():
        return []  # a device, say
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        with os.scandir(path) as entries:
            return sorted(
                (entry.name, _size_and_time(entry))
                for entry in entries
                if not is_no_source(entry.name, at_the_top=True)
            )
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not is_no_source(name, at_the_top=Path(folder) == path))
        for name in sorted(names):
            file = Path(folder, name)
            digest = hashlib.sha256(_read(file).encode("utf-8", "surrogateescape")).hexdigest()
            executable = "x" if os.access(file, os.X_OK) else "-"
            found.append((str(file.relative_to(path)), f"{executable} {digest}"))
    return found


def digest_of(path: Path) -> str:
    return hashlib.sha256(json.dumps(listing(path)).encode("utf-8")).hexdigest()


def _size_and_time(path: Path | os.DirEntry[str]) -> str:
    try:
        status = path.stat()
    except OSError:
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns}"
