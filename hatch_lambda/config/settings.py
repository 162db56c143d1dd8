"""What the user wrote, checked and frozen: the hook's table and the environment become one `Settings` a zip."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pathspec import GitIgnoreSpec

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.config import validators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from packaging.utils import NormalizedName

HOOK_TABLE = "tool.hatch.build.hooks.lambda"
TARGET_TABLE = "tool.hatch.build.targets.lambda"

ENVIRONMENT_VARIABLES = {
    "runtime": "HATCH_LAMBDA_RUNTIME",
    "architecture": "HATCH_LAMBDA_ARCHITECTURE",
    "python": "HATCH_LAMBDA_PYTHON",
}
LOCKED_VARIABLE = "HATCH_LAMBDA_LOCKED"

PRUNABLE = ("bytecode", "tests", "headers", "stubs")
"""The named sets of what a bundle does not need."""

FUNCTION, LAYER, CODE = "function", "layer", "code"
VERSIONS = (FUNCTION, LAYER, CODE)
"""What the target makes of the hook's own table; each table under `functions` adds one of its name."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides a bundle, but for the project's own dependencies. Paths are absolute."""

    root: Path
    target: Target
    extras: frozenset[NormalizedName] = frozenset()
    dependency_groups: frozenset[NormalizedName] = frozenset()
    requirements: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    lock_file: Path | None = None
    provided: frozenset[NormalizedName] = frozenset()
    compatible: frozenset[NormalizedName] = frozenset()
    on_missing: str = "error"
    prefer_binary: bool = True
    python: Path | None = None
    pip_args: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    prune: frozenset[str] = frozenset({"bytecode"})
    compile_bytecode: bool = False
    build_directory: Path = Path(".hatch/lambda")
    with_wheel: bool = False
    locked: bool = False
    """Nothing may be resolved that is not locked."""
    table: str = HOOK_TABLE
    """Where all this was written, for messages."""
    function: str | None = None
    """The name of the function that they are for; none for the hook's own table."""
    handler: str | None = None
    """Of a function; that of the others stands in the target's table."""
    include: tuple[str, ...] = ()
    """Of a function: the project's own files that it takes; all, where there is no pattern."""

    @property
    def target_directory(self) -> Path:
        """The folder of this target alone, below the build directory."""
        folder = self.build_directory / self.function if self.function else self.build_directory
        return folder / str(self.target)

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

    @cached_property
    def is_not_its_own(self) -> Callable[[str], bool]:
        """Whether a file of the project, by its path in the zip, is none of this function's."""
        if not self.function:
            return lambda _path: False
        included = GitIgnoreSpec.from_lines(self.include or ["*"])
        return lambda path: ".dist-info/" not in path and (self.is_excluded(path) or not included.match_file(path))

    @property
    def fallback_store(self) -> Path:
        """Where wheels are kept if the user's cache folder cannot be written to."""
        return self.build_directory / "store"


class ZipSettings(NamedTuple):
    """What `targets.lambda` says of the zips, beside Hatch's own keys."""

    archive_name: str = "{name}-{version}-{runtime}-{architecture}.zip"
    handler: str | None = None
    compression_level: int = 6
    report: bool = False
    sbom: bool = False

    def name_of(self, version: str, *, project: str, project_version: str, target: Target) -> str:
        """What the zip of a version of the target is called."""
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


class Field(NamedTuple):
    """A key of a table: how its value is checked, and what the README's table says of it."""

    key: str
    type: str
    default: str
    check: Callable[[object, Path], Any]
    """Takes the raw value and the project's root; raises `ValueError` with what is wrong, as `must be …`."""


def load(
    table: Mapping[str, object], root: Path, *, environ: Mapping[str, str] = os.environ, name: str = HOOK_TABLE
) -> Settings:
    """Check the hook's own table, with the environment's variables over it. `name`: how messages call the table.

    Raises `ConfigurationError` with every fault at once, those of its functions too.
    """
    return load_all(table, root, environ=environ, name=name)[FUNCTION]


def load_all(
    table: Mapping[str, object], root: Path, *, environ: Mapping[str, str] = os.environ, name: str = HOOK_TABLE
) -> dict[str, Settings]:
    """Check the hook's table with all its functions: settings by version of the target.

    What a function does not say, the hook's own table says for it. Raises `ConfigurationError` with all faults.
    """
    reader = _Reader(root, environ)
    values = reader.values(table, FIELDS, name)
    functions = {
        function: {**values, **reader.values(own_table, FUNCTION_FIELDS, f"{name}.functions.{function}")}
        for function, own_table in values.pop("functions", {}).items()
    }
    if "runtime" not in table and not environ.get(ENVIRONMENT_VARIABLES["runtime"]):
        reader.faults.insert(0, f"Field `{name}.runtime` is required: one of {validators.listed(RUNTIMES)}")
    reader.raise_faults()
    common = {"root": root, "locked": environ.get(LOCKED_VARIABLE, "").lower() not in {"", "0", "false", "no"}}
    return {
        **{version: _settings(values, table=name, **common) for version in VERSIONS},
        **{
            function: _settings(its_own, table=f"{name}.functions.{function}", function=function, **common)
            for function, its_own in functions.items()
        },
    }


def load_zip_settings(table: Mapping[str, object], root: Path, *, hatch_keys: Iterable[str]) -> ZipSettings:
    """Check what `targets.lambda` says beside Hatch's own keys; what nobody knows is refused rather than ignored.

    Raises `ConfigurationError`.
    """
    known = frozenset(hatch_keys)
    reader = _Reader(root, {})
    own = {key: value for key, value in table.items() if key not in known}
    values = reader.values(own, TARGET_FIELDS, TARGET_TABLE, also_known=known)
    reader.raise_faults()
    return ZipSettings(**{key.replace("-", "_"): value for key, value in values.items()})


def missing_table_message() -> str:
    return (
        "The target `lambda` needs the build hook `lambda`, which says what the zip is for. Add to pyproject.toml:\n\n"
        f"[{HOOK_TABLE}]\n"
        'runtime = "python3.13"\n'
        'architecture = "x86_64"  # or "arm64"'
    )


def _settings(values: Mapping[str, Any], **more: Any) -> Settings:
    fields = {key.replace("-", "_"): value for key, value in values.items() if key not in {"runtime", "architecture"}}
    target = Target(RUNTIMES[values["runtime"]], ARCHITECTURES[values.get("architecture", "x86_64")])
    fields.setdefault("build_directory", more["root"] / Settings.build_directory)
    if lock_file := fields.get("lock_file"):
        # A dot in it would make it another kind of file (PEP 751).
        name = lock_file.name.replace("{target}", str(target).replace(".", ""))
        fields["lock_file"] = lock_file.with_name(name.replace("{function}", more.get("function") or FUNCTION))
    return Settings(target=target, **fields, **more)


class _Reader:
    """Checks tables and gathers what is wrong with them, to be told at once."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = environ
        self.faults: list[str] = []

    def values(
        self, table: Mapping[str, object], fields: Mapping[str, Field], name: str, *, also_known: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of a table that are as they must be, with the environment's over them."""
        given = {key: (f"Field `{name}.{key}`", value) for key, value in table.items()}
        for key, variable in ENVIRONMENT_VARIABLES.items():
            if self.environ.get(variable):
                given[key] = (f"Environment variable `{variable}`", self.environ[variable])
        values = {}
        for key, (label, value) in given.items():
            if key not in fields:
                self._add(_unknown_field(name, key, (*fields, *sorted(also_known))))
                continue
            try:
                values[key] = fields[key].check(value, self.root)
            except ValueError as error:
                self._add(f"{label} {error}")
        return values

    def raise_faults(self) -> None:
        if self.faults:
            raise ConfigurationError(self.faults)

    def _add(self, fault: str) -> None:
        if fault not in self.faults:  # that of a variable is one, however many tables it goes over
            self.faults.append(fault)


def _unknown_field(table: str, key: str, known: Iterable[str]) -> str:
    import difflib

    known = tuple(known)
    message = f"Unknown field `{table}.{key}`"
    if nearest := difflib.get_close_matches(key.replace("_", "-"), known, n=1):
        return f"{message}; did you mean `{nearest[0]}`?"
    return f"{message}; known are {validators.listed(known)}"


FIELDS: dict[str, Field] = {
    field.key: field
    for field in (
        Field("runtime", "string", "required", validators.one_of(RUNTIMES)),
        Field("architecture", "string", "`x86_64`", validators.one_of(ARCHITECTURES)),
        Field("extras", "list", "`[]`", validators.names),
        Field("dependency-groups", "list", "`[]`", validators.names),
        Field("requirements", "list of files", "`[]`", validators.files),
        Field("constraints", "list of files", "`[]`", validators.files),
        Field("lock-file", "file", "none", validators.lock_file),
        Field("provided", "list of names", "`[]`", validators.names),
        Field("compatible", "list of names", "`[]`", validators.names),
        Field("on-missing", "string", "`error`", validators.one_of(("error", "warn"))),
        Field("exclude", "list of gitignore patterns", "`[]`", validators.patterns),
        Field("prune", "list", '`["bytecode"]`', validators.some_of(PRUNABLE)),
        Field("compile-bytecode", "boolean", "`false`", validators.boolean),
        Field("prefer-binary", "boolean", "`true`", validators.boolean),
        Field("python", "path", "none", validators.interpreter),
        Field("pip-args", "list", "`[]`", validators.strings),
        Field("build-directory", "path", "`.hatch/lambda`", validators.directory),
        Field("with-wheel", "boolean", "`false`", validators.boolean),
        Field("functions", "table of tables", "`{}`", validators.named_tables(VERSIONS)),
    )
}

FUNCTION_FIELDS: dict[str, Field] = {
    **{key: field for key, field in FIELDS.items() if key not in {"build-directory", "with-wheel", "functions"}},
    "handler": Field("handler", "string", "the target's", validators.handler),
    "include": Field("include", "list of gitignore patterns", "all", validators.patterns),
}
"""What a table under `functions` takes."""

TARGET_FIELDS: dict[str, Field] = {
    field.key: field
    for field in (
        Field("archive-name", "string", f"`{ZipSettings().archive_name}`", validators.archive_name),
        Field("handler", "string", "none", validators.handler),
        Field("compression-level", "0 to 9", "6", validators.whole_number(0, 9)),
        Field("report", "boolean", "`false`", validators.boolean),
        Field("sbom", "boolean", "`false`", validators.boolean),
    )
}
"""What `targets.lambda` takes beside Hatch's own keys."""
