"""What the user wrote, checked and frozen: the hook's table and the environment become one `Settings`."""

from __future__ import annotations

import difflib
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import NormalizedName, canonicalize_name
from pathspec import GitIgnoreSpec

from hatch_lambda.errors import ConfigurationError
from hatch_lambda.process import redact
from hatch_lambda.target import ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HOOK_TABLE = "tool.hatch.build.hooks.lambda"
TARGET_TABLE = "tool.hatch.build.targets.lambda"

ENVIRONMENT_VARIABLES = {
    "runtime": "HATCH_LAMBDA_RUNTIME",
    "architecture": "HATCH_LAMBDA_ARCHITECTURE",
    "python": "HATCH_LAMBDA_PYTHON",
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides a bundle, but for the project's own dependencies. Paths are absolute."""

    root: Path
    target: Target
    requirements: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    compatible: frozenset[NormalizedName] = frozenset()
    on_missing: str = "error"
    prefer_binary: bool = True
    python: Path | None = None
    pip_args: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    build_directory: Path = Path(".hatch/lambda")

    @property
    def target_directory(self) -> Path:
        """The folder of this target alone, below the build directory."""
        return self.build_directory / str(self.target)

    @property
    def bundle_directory(self) -> Path:
        return self.target_directory / "bundle"

    @cached_property
    def is_excluded(self) -> Callable[[str], bool]:
        """Whether a file of a dependency, by its path in the bundle, is to be left out; `.dist-info` always stays."""
        if not self.exclude:
            return lambda _path: False
        spec = GitIgnoreSpec.from_lines(self.exclude)
        return lambda path: ".dist-info/" not in path and spec.match_file(path)

    @property
    def fallback_store(self) -> Path:
        """Where wheels are kept if the user's cache folder cannot be written to."""
        return self.build_directory / "store"


@dataclass(frozen=True)
class Field:
    """A key of the hook's table: how its value is checked, and what the README's table says of it."""

    key: str
    type: str
    default: str
    check: Callable[[object, Path], Any]
    """Takes the raw value and the project's root; raises `ValueError` with what is wrong, as `must be …`."""


def load(
    table: Mapping[str, object], root: Path, *, environ: Mapping[str, str] = os.environ, name: str = HOOK_TABLE
) -> Settings:
    """Check the hook's table, with the environment's variables over it. `name`: how messages call the table.

    Raises `ConfigurationError` with every fault at once.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    given = {key: (f"Field `{name}.{key}`", value) for key, value in table.items()}
    for key, variable in ENVIRONMENT_VARIABLES.items():
        if environ.get(variable):
            given[key] = (f"Environment variable `{variable}`", environ[variable])
    for key, (label, value) in given.items():
        field = FIELDS.get(key)
        if field is None:
            faults.append(_unknown_field(name, key, FIELDS, LATER_FIELDS))
            continue
        try:
            values[key] = field.check(value, root)
        except ValueError as error:
            faults.append(f"{label} {error}")
    if "runtime" not in given:
        faults.insert(0, f"Field `{name}.runtime` is required: one of {_choices(RUNTIMES)}")
    if faults:
        raise ConfigurationError(faults)
    runtime, architecture = values.pop("runtime"), values.pop("architecture", "x86_64")
    values.setdefault("build-directory", root / Settings.build_directory)
    return Settings(
        root=root,
        target=Target(RUNTIMES[runtime], ARCHITECTURES[architecture]),
        **{key.replace("-", "_"): value for key, value in values.items()},
    )


def check_target_table(table: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse what `targets.lambda` does not know, or cannot do yet, rather than ignore it. `known`: Hatch's own keys.

    Raises `ConfigurationError`.
    """
    known = tuple(known)
    faults = [_unknown_field(TARGET_TABLE, key, known, LATER_TARGET_FIELDS) for key in table if key not in known]
    versions = table.get("versions", ["function"])
    if versions != ["function"]:
        faults.append(
            f'Field `{TARGET_TABLE}.versions` must be ["function"], the only version so far, not {versions!r}'
        )
    if faults:
        raise ConfigurationError(faults)


def missing_table_message() -> str:
    return (
        "The target `lambda` needs the build hook `lambda`, which says what the zip is for. Add to pyproject.toml:\n\n"
        f"[{HOOK_TABLE}]\n"
        'runtime = "python3.13"\n'
        'architecture = "x86_64"  # or "arm64"'
    )


def _unknown_field(table: str, key: str, known: Iterable[str], later: Iterable[str]) -> str:
    if key in later:
        return f"Field `{table}.{key}` is not supported yet"
    message = f"Unknown field `{table}.{key}`"
    nearest = difflib.get_close_matches(key.replace("_", "-"), [*known, *later], n=1)
    if nearest:
        return f"{message}; did you mean `{nearest[0]}`?"
    return f"{message}; known are {_choices(known)}"


def _choices(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _found(value: object) -> str:
    """A wrong value as its writer knows it from TOML, but for credentials in it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else redact(repr(value))


def _one_of(choices: Iterable[str]) -> Callable[[object, Path], str]:
    def check(value: object, _root: Path) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise ValueError(f"must be one of {_choices(choices)}, not {_found(value)}")

    return check


def _boolean(value: object, _root: Path) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be a boolean, not {_found(value)}")


def _strings(value: object, _root: Path) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be an array of strings, not {_found(value)}")
    for item in value:
        if not isinstance(item, str) or not item:
            raise ValueError(f"must be an array of strings, but has {_found(item)} in it")
    return tuple(value)


def _patterns(value: object, root: Path) -> tuple[str, ...]:
    patterns = _strings(value, root)
    try:
        GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ValueError(f"must be an array of gitignore patterns: {error}") from None
    return patterns


def _names(value: object, root: Path) -> frozenset[NormalizedName]:
    names = set()
    for name in _strings(value, root):
        try:
            names.add(canonicalize_name(name, validate=True))
        except ValueError:
            raise ValueError(f"must be an array of distribution names, but has {name!r} in it") from None
    return frozenset(names)


def _files(value: object, root: Path) -> tuple[Path, ...]:
    names = _strings(value, root)
    if missing := [name for name in names if not (root / name).is_file()]:
        raise ValueError(f"names {', '.join(map(_found, missing))}, and there is no such file{_places(missing, root)}")
    return tuple(root / name for name in names)


def _places(names: list[str], root: Path) -> str:
    """Where files were looked for; a URL that was taken for a path would only look odd, and may carry credentials."""
    if any("://" in name for name in names):
        return ""
    return f": {', '.join(str(root / name) for name in names)}"


def _directory(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a path, not {_found(value)}")
    directory = Path(os.path.abspath(root / value))  # noqa: PTH100 - `resolve` would follow links
    if directory == root or directory in root.parents:
        raise ValueError(f"must be a folder of its own, since it is emptied; {value!r} holds the project")
    return directory


def _interpreter(value: object, root: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of an interpreter, not {_found(value)}")
    path = root / Path(value).expanduser()
    if path.is_file():
        return path
    if Path(value).name != value:
        raise ValueError(f"names {_found(value)}, and there is no such file{_places([value], root)}")
    if on_path := shutil.which(value):
        return Path(on_path)
    raise ValueError(f"names {_found(value)}, and there is no such file in {root}, nor a program of that name on PATH")


FIELDS: dict[str, Field] = {
    field.key: field
    for field in (
        Field("runtime", "string", "required", _one_of(RUNTIMES)),
        Field("architecture", "string", "`x86_64`", _one_of(ARCHITECTURES)),
        Field("requirements", "list of files", "`[]`", _files),
        Field("constraints", "list of files", "`[]`", _files),
        Field("compatible", "list of names", "`[]`", _names),
        Field("on-missing", "string", "`error`", _one_of(("error", "warn"))),
        Field("exclude", "list of gitignore patterns", "`[]`", _patterns),
        Field("prefer-binary", "boolean", "`true`", _boolean),
        Field("python", "path", "none", _interpreter),
        Field("pip-args", "list", "`[]`", _strings),
        Field("build-directory", "path", "`.hatch/lambda`", _directory),
    )
}

LATER_FIELDS = (
    "extras",
    "dependency-groups",
    "lock-file",
    "provided",
    "prune",
    "compile-bytecode",
    "with-wheel",
    "functions",
)
LATER_TARGET_FIELDS = ("archive-name", "handler", "compression-level")
