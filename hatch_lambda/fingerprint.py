"""What a resolution depends on, as one hash: same hash, same result, so pip need not even be started.

Rather too much goes in than too little: a miss costs a resolution, a wrong hit costs a wrong bundle.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.settings import Settings

# Of the environment: pip's own settings, and what compilers and build backends listen to.
_TELLING_VARIABLES = re.compile(
    r"PIP_.*|CC|CXX|CPP|FC|F77|AR|LD|LDSHARED|.*FLAGS|CMAKE_.*|SKBUILD_.*|CARGO_.*|RUST.*|SETUPTOOLS_.*|SOURCE_DATE_EPOCH"
)
_OF_NO_EFFECT = re.compile(
    r"PIP_(?:CACHE_DIR|NO_CACHE_DIR|DISABLE_PIP_VERSION_CHECK|TIMEOUT|DEFAULT_TIMEOUT|RETRIES|CERT)"
)

_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(?P<file>\S+)", re.MULTILINE)
_NOT_SOURCES = frozenset(
    {"__pycache__", "build", "dist", ".git", ".hg", ".hatch", ".venv", "venv", ".tox", ".nox", "node_modules"}
)


def fingerprint(settings: Settings, requirements: Sequence[str]) -> str | None:
    """A hash in hexadecimal; none where the result depends on something that only asking can tell."""
    files = [*settings.requirements, *settings.constraints]
    texts = dict(_with_includes(files))
    if any(_INCLUDE_BY_URL.search(text) for text in texts.values()):
        return None
    configuration = {str(path): _read(path) for path in _pip_configuration_files()}
    environment = telling_environment(os.environ)
    words = [*requirements, *settings.pip_args, *environment.values(), *texts.values(), *configuration.values()]
    facts = {
        "settings": {
            field.name: str(sorted(value) if isinstance(value, frozenset) else value)
            for field in dataclasses.fields(settings)
            for value in [getattr(settings, field.name)]
        },
        "requirements": list(requirements),
        "files": {str(path): text for path, text in texts.items()},
        "environment": environment,
        "configuration": configuration,
        "folders": {str(path): _listing(path) for path in _local_paths(words, settings.root)},
        "machine": [*this_machine(), sys.executable, sys.version],
        "versions": [metadata.version("hatch-lambda"), metadata.version("pip")],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("utf-8")).hexdigest()


def telling_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that may change what is resolved or built, sorted."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if _TELLING_VARIABLES.fullmatch(name) and not _OF_NO_EFFECT.fullmatch(name)
    }


def this_machine() -> list[str]:
    """What a build on it depends on. (`platform.platform()` would start a process.)"""
    return [sys.platform, platform.machine(), *platform.libc_ver()]


_INCLUDE_BY_URL = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]*\w+://", re.MULTILINE)


def _with_includes(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Requirements files with all that they include; an included path is relative to the including file."""
    waiting, seen = list(files), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = _read(path)
        yield path, text
        waiting += [path.parent / match["file"] for match in _INCLUDE.finditer(text)]


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


def _local_paths(texts: Iterable[str], root: Path) -> list[Path]:
    """Every file and folder of this machine that the texts name: `--find-links` folders, source trees, archives."""
    found = set()
    for text in texts:
        for word in re.split(r"[\s,=\"']+|@ ", text):
            candidate = unquote(urlsplit(word).path) if word.startswith("file:") else re.sub(r"[\[#;].*", "", word)
            looks_like_path = candidate and (os.sep in candidate or "/" in candidate or candidate.startswith("."))
            if looks_like_path and (path := root / candidate).exists() and path != root:
                found.add(path)
    return sorted(found)


def _listing(path: Path) -> list[tuple[str, str]]:
    """What is at a path: of a source tree the content, of other folders and files name, size and time."""
    if path.is_file():
        return [("", _size_and_time(path))]
    if not path.is_dir():
        return []  # the null device, say
    if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        return sorted((entry.name, _size_and_time(entry)) for entry in path.iterdir())
    listing = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCES and not name.endswith(".egg-info"))
        for name in sorted(names):
            file = Path(folder, name)
            listing.append(
                (
                    str(file.relative_to(path)),
                    hashlib.sha256(_read(file).encode("utf-8", "surrogateescape")).hexdigest(),
                )
            )
    return listing


def _size_and_time(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
