"""Checks of settings: from the raw value of TOML or the environment to what the program works with.

Each takes the value and the project's root, and raises `ValueError` with a predicate such as `must be …`.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name
from pathspec import GitIgnoreSpec

from hatch_lambda.common.redact import redact
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.config.unpacked_sdist import missing_from_sdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# https://packaging.python.org/en/latest/specifications/pylock-toml/#file-name
_LOCK_NAME = re.compile(r"pylock\.([^.]+\.)?toml")


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def shown(value: object) -> str:
    """An invalid value as TOML writes it, credentials redacted."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else redact(repr(value))


def one_of(choices: Iterable[str]) -> Callable[[object, Path], str]:
    def check(value: object, _root: Path) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise ValueError(f"must be one of {listed(choices)}, not {shown(value)}")

    return check


def boolean(value: object, _root: Path) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be a boolean, not {shown(value)}")


def boolean_or(word: str) -> Callable[[object, Path], bool | str]:
    def check(value: object, _root: Path) -> bool | str:
        if isinstance(value, bool) or (isinstance(value, str) and value == word):
            return value
        raise ValueError(f'must be a boolean or "{word}", not {shown(value)}')

    return check


def switch(value: object, _root: Path) -> bool:
    """Of an environment variable that is set and not empty."""
    return str(value).lower() not in {"0", "false", "no"}


def strings(value: object, _root: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of strings, not {shown(value)}")
    for item in value:
        if not isinstance(item, str) or not item:
            raise ValueError(f"must be a list of strings; {shown(item)} is not one")
    return tuple(value)


def at_most(number: int) -> Callable[[object, Path], tuple[str, ...]]:
    def check(value: object, root: Path) -> tuple[str, ...]:
        named = strings(value, root)
        if len(named) > number or len(named) != len(set(named)):
            raise ValueError(
                f"must be a list of at most {number} different names (a limit of Lambda), not {shown(value)}"
            )
        return named

    return check


def patterns(value: object, root: Path) -> tuple[str, ...]:
    lines = strings(value, root)
    try:
        GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ValueError(f"must be a list of gitignore patterns: {error}") from None
    return lines


def paths(value: object, _root: Path) -> tuple[tuple[str, str], ...]:
    """A table of paths, frozen."""
    if not isinstance(value, dict):
        raise ValueError(f"must be a table of paths, not {shown(value)}")
    for source, path in value.items():
        if not source or not isinstance(path, str) or not path or "\0" in source + path:
            raise ValueError(f"must be a table of paths; {shown(source)} = {shown(path)} is not valid")
    return tuple(value.items())


def sources(value: object, root: Path) -> tuple[tuple[str, str], ...]:
    """Beginnings of paths and what replaces them; a list has those that are removed."""
    if isinstance(value, list):
        return tuple((source, "") for source in strings(value, root))
    if isinstance(value, dict) and all(isinstance(path, str) for path in value.values()):
        return tuple(value.items())
    raise ValueError(f"must be a list of strings or a table of paths, not {shown(value)}")


def names(kind: str) -> Callable[[object, Path], frozenset[NormalizedName]]:
    def check(value: object, root: Path) -> frozenset[NormalizedName]:
        normalized = set()
        for name in strings(value, root):
            try:
                normalized.add(canonicalize_name(name, validate=True))
            except ValueError:
                raise ValueError(f"must be a list of {kind} names; {name!r} is not valid") from None
        return frozenset(normalized)

    return check


def some_of(choices: Iterable[str]) -> Callable[[object, Path], frozenset[str]]:
    def check(value: object, root: Path) -> frozenset[str]:
        for item in strings(value, root):
            if item not in choices:
                raise ValueError(f"must be a list with any of {listed(choices)}; {shown(item)} is not valid")
        return frozenset(strings(value, root))

    return check


def lock_file(value: object, root: Path) -> Path:
    """The file need not exist yet. `{target}` in its name stands for runtime and architecture."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be the path of a lock file, not {shown(value)}")
    if not _LOCK_NAME.fullmatch(Path(value).name) and Path(value).name not in LOCK_TOOLS:
        raise ValueError(
            f"must be named `pylock.toml` or `pylock.NAME.toml` (PEP 751), or {listed(LOCK_TOOLS)}, not {shown(value)}"
        )
    return root / value


def whole_number(first: int, last: int) -> Callable[[object, Path], int]:
    def check(value: object, _root: Path) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and first <= value <= last:
            return value
        raise ValueError(f"must be an integer from {first} to {last}, not {shown(value)}")

    return check


def handler(value: object, _root: Path) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s.][^\s]*\.[^\s.]+", value):
        return value
    raise ValueError(f"must name a module and a function, as in `orders.app.handler`, not {shown(value)}")


_PLACEHOLDERS = ("name", "version", "variant", "runtime", "architecture")


def archive_name(value: object, _root: Path) -> str:
    if not isinstance(value, str) or not value.endswith(".zip") or not value.removesuffix(".zip").strip("."):
        raise ValueError(f"must be a file name that ends with `.zip`, not {shown(value)}")
    if unsafe := set(value) & set('/\\:*?"<>|\0\n'):
        raise ValueError(f"must be a file name without {listed(sorted(unsafe))}, not {shown(value)}")
    if unknown := set(re.findall(r"\{([^{}]*)\}", value)) - set(_PLACEHOLDERS):
        known, odd = (listed(f"{{{name}}}" for name in names) for names in (_PLACEHOLDERS, sorted(unknown)))
        raise ValueError(f"has unknown placeholders: {odd}; known placeholders: {known}")
    if re.search(r"[{}]", re.sub(r"\{[a-z]+\}", "", value)):
        raise ValueError(f"has an unmatched brace: {shown(value)}")
    return value


_MISSING = "but no such file exists"


def files(value: object, root: Path) -> tuple[Path, ...]:
    by_fault: dict[str, list[str]] = {}
    for name in strings(value, root):
        if not _is_file(root / name):
            by_fault.setdefault(_fault_of(root / name), []).append(name)
    if by_fault:
        faults = [
            f"names {', '.join(map(shown, names))}, {fault}{_places(names, root)}" for fault, names in by_fault.items()
        ]
        raise ValueError("; ".join(faults) + (missing_from_sdist(root) if _MISSING in by_fault else ""))
    return tuple(root / name for name in strings(value, root))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # too long for a file name, for example


def _fault_of(path: Path) -> str:
    """Why a path, as a clause, is not that of a file."""
    try:
        return "which is not a regular file" if path.exists() else _MISSING
    except OSError:
        return _MISSING


def _places(names: list[str], root: Path) -> str:
    """The absolute paths; not of URLs, which may have credentials."""
    if any("://" in name for name in names):
        return ""
    return f": {', '.join(str(root / name) for name in names)}"


def directory(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be a path, not {shown(value)}")
    path = Path(os.path.abspath(root / value))  # noqa: PTH100 - `resolve` would follow links
    if path == root or path in root.parents:
        raise ValueError(
            f"must be a dedicated directory (it is cleared on every build); {value!r} contains the project"
        )
    return path


def interpreter(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be the path of an interpreter, not {shown(value)}")
    path = root / Path(value).expanduser()
    if _is_file(path):
        return path
    if Path(value).name != value:
        raise ValueError(f"names {shown(value)}, {_fault_of(path)}{_places([value], root)}")
    if on_path := shutil.which(value):
        return Path(on_path)
    raise ValueError(f"names {shown(value)}, but no such file exists in {root} and no such program is on PATH")


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """For the end of a message; empty if no known key is like this one."""
    nearest = difflib.get_close_matches(key.replace("_", "-"), [*known], n=1)
    return f"; did you mean `{nearest[0]}`?" if nearest else ""


def named_tables(taken: Iterable[str]) -> Callable[[object, Path], dict[str, dict[str, object]]]:
    """Tables whose names become part of paths and command lines. `taken`: reserved names."""

    def check(value: object, _root: Path) -> dict[str, dict[str, object]]:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table of tables, not {shown(value)}")
        for name, table in value.items():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name in taken:
                raise ValueError(
                    f"has the invalid name {shown(name)}: use letters, digits, `-` and `_`, "
                    f"but none of the reserved {listed(taken)}"
                )
            if not isinstance(table, dict):
                raise ValueError(f"must be a table of tables; `{name}` is {shown(table)}")
        return value

    return check
