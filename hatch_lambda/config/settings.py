"""What the user configured, checked and frozen.

Each setting is one `setting(...)`: its type, default and check, the environment variable that overrides it, and what it
affects. The tables that users write, the README's, and all keys and fingerprints are computed from these entries.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pathspec import GitIgnoreSpec

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target, target_named
from hatch_lambda.config import validators
from hatch_lambda.config.patterns import faults_of_excluded_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from packaging.utils import NormalizedName

HOOK_TABLE = "tool.hatch.build.hooks.lambda"
TARGET_TABLE = "tool.hatch.build.targets.lambda"

PRUNABLE = ("bytecode", "tests", "headers", "stubs", "debug", "other-pythons")
"""The values of `prune`."""

ONLY = "only"
"""The value of `compile-bytecode` that leaves the sources out."""

FUNCTION, LAYER, CODE = "function", "layer", "code"
VERSIONS = (FUNCTION, LAYER, CODE)
"""The target's versions for the hook's own table; each table under `functions` adds one of its name."""

COMPRESSION_LEVEL = 6
"""zlib's default, by which wheels are deflated, those of Hatch, too."""

Part = Literal["resolution", "audit", "bundle", "zip", "place"]
"""What a setting can affect: which distributions are chosen and built, whether they pass the audit, which of their
files are packaged, what else the zip holds, or where files lie and what messages call them."""

_ALL: frozenset[Part] = frozenset({"resolution", "audit", "bundle", "zip", "place"})


class Field(NamedTuple):
    """A setting: a key of a table, an environment variable, or both. `type` is for the README."""

    key: str
    type: str
    default: Any
    check: Callable[[object, Path], Any]
    """Takes the raw value and the project's root; raises `ValueError` with a predicate such as `must be …`."""
    affects: frozenset[Part]
    """Empty for what decides whether or when something is built, but not what."""
    tables: Collection[str] = ("hook", "function")
    """Which tables may have it."""
    variable: str | None = None
    """The environment variable that overrides it."""


def setting(  # noqa: PLR0913 - the columns of the table
    type_: str,
    check: Callable[[object, Path], Any],
    *,
    default: Any = dataclasses.MISSING,
    affects: Iterable[Part],
    tables: Collection[str] = ("hook", "function"),
    variable: str | None = None,
) -> Any:
    """A dataclass field that users set by the key of its name, with `-` for `_`; required if it has no default."""
    field = Field("", type_, default, check, frozenset(affects), tables, variable)
    return dataclasses.field(default=default, metadata={"setting": field})


def _derived(default: Any = dataclasses.MISSING, *, affects: Iterable[Part]) -> Any:
    """A dataclass field that users cannot set."""
    return setting("", validators.strings, default=default, affects=affects, tables=())


class _Facts:
    """What settings of either kind have in common."""

    def facts(self, part: Part) -> dict[str, str]:
        """The values that affect a part, by name, for a key: equal in each process if they are equal."""
        return {
            name: str(sorted(value) if isinstance(value, frozenset) else value)
            for name, field in _fields(type(self)).items()
            if part in field.affects
            for value in [getattr(self, name)]
        }


@dataclass(frozen=True)
class Settings(_Facts):
    """Everything that decides a bundle except the project's own dependencies. Paths are absolute."""

    root: Path = _derived(affects={"resolution", "place"})
    runtime: str = setting("string", validators.one_of(RUNTIMES), affects=_ALL, variable="HATCH_LAMBDA_RUNTIME")
    architecture: str = setting(
        "string", validators.one_of(ARCHITECTURES), default="x86_64", affects=_ALL, variable="HATCH_LAMBDA_ARCHITECTURE"
    )
    extras: frozenset[NormalizedName] = setting(
        "list", validators.names("extra"), default=frozenset(), affects={"resolution"}
    )
    dependency_groups: frozenset[NormalizedName] = setting(
        "list", validators.names("dependency group"), default=frozenset(), affects={"resolution"}
    )
    requirements: tuple[Path, ...] = setting("list of files", validators.files, default=(), affects={"resolution"})
    constraints: tuple[Path, ...] = setting("list of files", validators.files, default=(), affects={"resolution"})
    lock_file: Path | None = setting("file", validators.lock_file, default=None, affects={"resolution"})
    provided: frozenset[NormalizedName] = setting(
        "list of names", validators.names("distribution"), default=frozenset(), affects={"resolution"}
    )
    compatible: frozenset[NormalizedName] = setting(
        "list of names", validators.names("distribution"), default=frozenset(), affects={"audit", "bundle"}
    )
    """What it affects of the resolution, the saved resolution says."""
    on_missing: str = setting("string", validators.one_of(("error", "warn")), default="error", affects={"resolution"})
    exclude: tuple[str, ...] = setting(
        "list of gitignore patterns", validators.patterns, default=(), affects={"audit", "bundle", "zip"}
    )
    prune: frozenset[str] = setting(
        "list", validators.some_of(PRUNABLE), default=frozenset({"bytecode"}), affects={"bundle"}
    )
    compile_bytecode: bool | str = setting(
        f'boolean or `"{ONLY}"`', validators.boolean_or(ONLY), default=False, affects={"bundle", "zip"}
    )
    prefer_binary: bool = setting("boolean", validators.boolean, default=True, affects={"resolution"})
    python: Path | None = setting(
        "path", validators.interpreter, default=None, affects={"resolution"}, variable="HATCH_LAMBDA_PYTHON"
    )
    pip_args: tuple[str, ...] = setting("list", validators.strings, default=(), affects={"resolution"})
    build_directory: Path = setting(
        "path", validators.directory, default=Path(".hatch/lambda"), affects={"place"}, tables=("hook",)
    )
    with_wheel: bool = setting("boolean", validators.boolean, default=False, affects=(), tables=("hook",))
    handler: str | None = setting("string", validators.handler, default=None, affects={"zip"}, tables=("function",))
    """Of a function; for the other versions, the target's table has it."""
    include: tuple[str, ...] = setting(
        "list of gitignore patterns", validators.patterns, default=(), affects={"zip"}, tables=("function",)
    )
    """The project's files that a function packages; all if empty."""
    sources: tuple[tuple[str, str], ...] | None = setting(
        "list or table", validators.sources, default=None, affects={"zip"}, tables=("function",)
    )
    force_include: tuple[tuple[str, str], ...] | None = setting(
        "table of paths", validators.paths, default=None, affects={"zip"}, tables=("function",)
    )
    locked: bool = setting(
        "boolean", validators.switch, default=False, affects=(), tables=(), variable="HATCH_LAMBDA_LOCKED"
    )
    """Refuse to resolve what is not locked."""
    table: str = _derived(HOOK_TABLE, affects={"place"})
    """The table's name, for messages."""
    function: str | None = _derived(None, affects={"zip", "place"})
    """The name of the function that this is for; None for the hook's own table."""

    @cached_property
    def target(self) -> Target:
        return target_named(self.runtime, self.architecture)

    @property
    def target_directory(self) -> Path:
        """The directory of this target (and function) below the build directory."""
        folder = self.build_directory / self.function if self.function else self.build_directory
        return folder / str(self.target)

    @property
    def bundle_directory(self) -> Path:
        return self.target_directory / "bundle"

    @cached_property
    def is_excluded(self) -> Callable[[str], bool]:
        """Whether to leave out a dependency's file, by its path in the bundle; `.dist-info` always stays."""
        if not self.exclude:
            return lambda _path: False
        spec = GitIgnoreSpec.from_lines(self.exclude)
        return lambda path: ".dist-info/" not in path and spec.match_file(path)

    @cached_property
    def is_not_its_own(self) -> Callable[[str], bool]:
        """Whether to leave out a file of the project, by its path in the zip, from this function's zip."""
        if not self.function:
            return lambda _path: False
        included = GitIgnoreSpec.from_lines(self.include or ["*"])
        return lambda path: ".dist-info/" not in path and (self.is_excluded(path) or not included.match_file(path))

    @cached_property
    def selection(self) -> Mapping[str, Mapping[str, str]]:
        """Hatch's options for this function's files, over those of the target."""
        options = {"sources": self.sources, "force-include": self.force_include}
        return {key: dict(value) for key, value in options.items() if value is not None}

    @property
    def fallback_store(self) -> Path:
        """The wheel cache if the user's cache directory is not writable."""
        return self.build_directory / "store"


@dataclass(frozen=True)
class ZipSettings(_Facts):
    """The settings in `targets.lambda`, without Hatch's own keys."""

    archive_name: str = setting(
        "string", validators.archive_name, default="{name}-{version}-{runtime}-{architecture}.zip", affects={"place"}
    )
    handler: str | None = setting("string", validators.handler, default=None, affects={"zip"})
    compression_level: int = setting(
        "0 to 9", validators.whole_number(0, 9), default=COMPRESSION_LEVEL, affects={"zip"}
    )
    report: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})
    sbom: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})
    unpacked: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})

    def name_of(self, version: str, *, project: str, project_version: str, target: Target) -> str:
        """The file name of the zip for a version of the target."""
        template = self.archive_name
        if "{variant}" not in template and version != FUNCTION:
            template = template.replace("{runtime}", "{variant}-{runtime}", 1)
        return template.format(
            name=project,
            version=project_version,
            variant=version,
            runtime=target.runtime.name,
            architecture=target.architecture.name,
        )


class ProjectSettings(NamedTuple):
    """All that a project's two tables say. `versions`: settings by version of the target."""

    versions: Mapping[str, Settings]
    zip: ZipSettings


def _fields(owner: type[_Facts]) -> Mapping[str, Field]:
    """The settings by attribute. Raises `KeyError` for a field that does not say what it affects."""
    return {
        field.name: field.metadata["setting"]._replace(key=field.name.replace("_", "-"))
        for field in dataclasses.fields(owner)  # type: ignore[arg-type]  # both of its kinds are dataclasses
    }


_OWN = {field.key: field for field in _fields(Settings).values()}
FIELDS: Mapping[str, Field] = {
    **{key: field for key, field in _OWN.items() if "hook" in field.tables},
    "functions": Field("functions", "table of tables", {}, validators.named_tables(VERSIONS), affects=frozenset()),
}
"""The keys of the hook's table. A function has its own settings and does not change those of other versions."""
FUNCTION_FIELDS: Mapping[str, Field] = {key: field for key, field in _OWN.items() if "function" in field.tables}
"""The keys of a table under `functions`."""
TARGET_FIELDS: Mapping[str, Field] = {field.key: field for field in _fields(ZipSettings).values()}
"""The keys of the target's table, without Hatch's own."""
ENVIRONMENT_VARIABLES: Mapping[str, str] = {key: field.variable for key, field in _OWN.items() if field.variable}
"""Environment variables by the key that they override."""


def load(
    table: Mapping[str, object], root: Path, *, environ: Mapping[str, str] = os.environ, name: str = HOOK_TABLE
) -> Settings:
    """Check the hook's own table. `name`: what messages call it. Raises `ConfigurationError` with all faults."""
    return load_project(table, {}, root, environ=environ, name=name).versions[FUNCTION]


def load_project(  # noqa: PLR0913 - both tables, and their context
    table: Mapping[str, object],
    target_table: Mapping[str, object],
    root: Path,
    *,
    hatch_keys: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    name: str = HOOK_TABLE,
) -> ProjectSettings:
    """Check both tables, once a build. `hatch_keys`: those that Hatch reads in the target's table.

    Functions inherit from the hook's own settings. Raises `ConfigurationError` with the faults of both.
    """
    reader = _Reader(root)
    zips = reader.zip_settings(target_table, hatch_keys)
    versions = reader.versions(table, environ, name)
    excludes = {each.exclude: each.table for each in reversed(versions.values()) if each.compile_bytecode}
    if excludes and isinstance(own := target_table.get("exclude"), list):
        excludes[tuple(pattern for pattern in own if isinstance(pattern, str) and pattern)] = TARGET_TABLE
    reader.faults += faults_of_excluded_sources(excludes)
    if reader.faults:
        raise ConfigurationError(reader.faults)
    return ProjectSettings(MappingProxyType(versions), zips)


def missing_table_message() -> str:
    return (
        "The target `lambda` requires the build hook `lambda`, which has its settings. Add to pyproject.toml:\n\n"
        f"[{HOOK_TABLE}]\n"
        'runtime = "python3.13"\n'
        'architecture = "x86_64"  # or "arm64"'
    )


class _Reader:
    """Checks tables and collects their faults."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []

    def versions(self, table: Mapping[str, object], environ: Mapping[str, str], name: str) -> dict[str, Settings]:
        """Settings by version; empty if there are faults."""
        overrides: dict[str, Any] = {}
        overridden = {key: variable for key, variable in ENVIRONMENT_VARIABLES.items() if environ.get(variable)}
        for key, variable in overridden.items():
            self._take(overrides, _OWN[key], environ[variable], f"Environment variable `{variable}`")
        values = self.values({key: table[key] for key in table if key not in overridden}, FIELDS, name)
        if not {"runtime"} & (table.keys() | overridden):
            self.faults.insert(0, f"Field `{name}.runtime` is required: one of {validators.listed(RUNTIMES)}")
        versions: dict[str, tuple[str, str | None, dict[str, Any]]] = dict.fromkeys(VERSIONS, (name, None, {}))
        for function, own in values.pop("functions", {}).items():
            its_name = f"{name}.functions.{function}"
            own_values = self.values({key: own[key] for key in own if key not in overridden}, FUNCTION_FIELDS, its_name)
            versions[function] = (its_name, function, own_values)
        if self.faults:
            return {}
        return {
            version: self._settings({**values, **own_values, **overrides}, its_name, function)
            for version, (its_name, function, own_values) in versions.items()
        }

    def zip_settings(self, table: Mapping[str, object], hatch_keys: Iterable[str]) -> ZipSettings:
        known = frozenset(hatch_keys)
        own = {key: value for key, value in table.items() if key not in known}
        values = self.values(own, TARGET_FIELDS, TARGET_TABLE, also_known=known)
        return ZipSettings(**{key.replace("-", "_"): value for key, value in values.items()})

    def values(
        self, table: Mapping[str, object], fields: Mapping[str, Field], name: str, *, also_known: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The valid values of a table."""
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key in fields:
                self._take(values, fields[key], value, f"Field `{name}.{key}`")
                continue
            known = (*fields, *sorted(also_known))
            nearest = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
            hint = f"; did you mean `{nearest[0]}`?" if nearest else f"; known fields: {validators.listed(known)}"
            self.faults.append(f"Unknown field `{name}.{key}`{hint}")
        return values

    def _take(self, values: dict[str, Any], field: Field, value: object, label: str) -> None:
        try:
            values[field.key] = field.check(value, self.root)
        except ValueError as error:
            self.faults.append(f"{label} {error}")

    def _settings(self, values: Mapping[str, Any], name: str, function: str | None) -> Settings:
        settings = Settings(
            self.root, table=name, function=function, **{key.replace("-", "_"): values[key] for key in values}
        )
        lock_file = settings.lock_file
        if lock_file:
            # A dot in the middle of the name would make it another kind of file (PEP 751).
            file_name = lock_file.name.replace("{target}", str(settings.target).replace(".", ""))
            lock_file = lock_file.with_name(file_name.replace("{function}", function or FUNCTION))
        return dataclasses.replace(settings, lock_file=lock_file, build_directory=self.root / settings.build_directory)
