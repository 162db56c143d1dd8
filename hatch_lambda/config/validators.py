"""How the values of settings are checked: raw from TOML or the environment in, what the program works with out.

Each takes the value and the project's root, and raises `ValueError` with what is wrong, as in `must be …`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name
from pathspec import GitIgnoreSpec

from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# https://packaging.python.org/en/latest/specifications/pylock-toml/#file-name
_LOCK_NAME = re.compile(r"pylock\.([^.]+\.)?toml")


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def shown(value: object) -> str:
    """A wrong value as its writer knows it from TOML, but for credentials in it."""
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


def strings(value: object, _root: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be an array of strings, not {shown(value)}")
    for item in value:
        if not isinstance(item, str) or not item:
            raise ValueError(f"must be an array of strings, but has {shown(item)} in it")
    return tuple(value)


def patterns(value: object, root: Path) -> tuple[str, ...]:
    lines = strings(value, root)
    try:
        GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ValueError(f"must be an array of gitignore patterns: {error}") from None
    return lines


def names(value: object, root: Path) -> frozenset[NormalizedName]:
    normalized = set()
    for name in strings(value, root):
        try:
            normalized.add(canonicalize_name(name, validate=True))
        except ValueError:
            raise ValueError(f"must be an array of names, but has {name!r} in it, which is none") from None
    return frozenset(normalized)


def some_of(choices: Iterable[str]) -> Callable[[object, Path], frozenset[str]]:
    def check(value: object, root: Path) -> frozenset[str]:
        for item in strings(value, root):
            if item not in choices:
                raise ValueError(f"must be an array of some of {listed(choices)}, but has {shown(item)} in it")
        return frozenset(strings(value, root))

    return check


def lock_file(value: object, root: Path) -> Path:
    """The file need not be there yet; `{target}` in its name stands for runtime and architecture."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of a lock file, not {shown(value)}")
    if not _LOCK_NAME.fullmatch(Path(value).name):
        raise ValueError(f"must be named `pylock.toml` or `pylock.NAME.toml` (PEP 751), not {shown(value)}")
    return root / value


def whole_number(first: int, last: int) -> Callable[[object, Path], int]:
    def check(value: object, _root: Path) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and first <= value <= last:
            return value
        raise ValueError(f"must be a number from {first} to {last}, not {shown(value)}")

    return check


def handler(value: object, _root: Path) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s.][^\s]*\.[^\s.]+", value):
        return value
    raise ValueError(f"must be a module and a name in it, as in `orders.app.handler`, not {shown(value)}")


_PLACEHOLDERS = ("name", "version", "variant", "runtime", "architecture")


def archive_name(value: object, _root: Path) -> str:
    if not isinstance(value, str) or not value.endswith(".zip") or value == ".zip":
        raise ValueError(f"must be the name of a file that ends in `.zip`, not {shown(value)}")
    if unsafe := set(value) & set('/\\:*?"<>|\0\n'):
        raise ValueError(f"must be a plain file name, without {listed(sorted(unsafe))}, not {shown(value)}")
    if unknown := set(re.findall(r"\{([^{}]*)\}", value)) - set(_PLACEHOLDERS):
        known, odd = (listed(f"{{{name}}}" for name in names) for names in (_PLACEHOLDERS, sorted(unknown)))
        raise ValueError(f"has {odd} in it; known are {known}")
    if re.search(r"[{}]", re.sub(r"\{[a-z]+\}", "", value)):
        raise ValueError(f"has a brace without its other half in it: {shown(value)}")
    return value


def files(value: object, root: Path) -> tuple[Path, ...]:
    names = strings(value, root)
    if missing := [name for name in names if not _is_file(root / name)]:
        raise ValueError(f"names {', '.join(map(shown, missing))}, and there is no such file{_places(missing, root)}")
    return tuple(root / name for name in names)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # longer than a name can be, say


def _places(names: list[str], root: Path) -> str:
    """Where files were looked for; a URL that was taken for a path would only look odd, and may carry credentials."""
    if any("://" in name for name in names):
        return ""
    return f": {', '.join(str(root / name) for name in names)}"


def directory(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a path, not {shown(value)}")
    path = Path(os.path.abspath(root / value))  # noqa: PTH100 - `resolve` would follow links
    if path == root or path in root.parents:
        raise ValueError(f"must be a folder of its own, since it is emptied; {value!r} holds the project")
    return path


def interpreter(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of an interpreter, not {shown(value)}")
    path = root / Path(value).expanduser()
    if _is_file(path):
        return path
    if Path(value).name != value:
        raise ValueError(f"names {shown(value)}, and there is no such file{_places([value], root)}")
    if on_path := shutil.which(value):
        return Path(on_path)
    raise ValueError(f"names {shown(value)}, and there is no such file in {root}, nor a program of that name on PATH")


def named_tables(taken: Iterable[str]) -> Callable[[object, Path], dict[str, dict[str, object]]]:
    """Tables by names of which each is to be a part of a path and of a command line. `taken`: names that mean more."""

    def check(value: object, _root: Path) -> dict[str, dict[str, object]]:
        if not isinstance(value, dict):
            raise ValueError(f"must be a table of tables, not {shown(value)}")
        for name, table in value.items():
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or name in taken:
                raise ValueError(
                    f"has {shown(name)} in it, which cannot be a name here: letters, digits, `-` and `_`, "
                    f"and none of {listed(taken)}"
                )
            if not isinstance(table, dict):
                raise ValueError(f"must be a table of tables, but `{name}` is {shown(table)}")
        return value

    return check
