"""What the user configured, checked and frozen.

Each setting is one `setting(...)`: its type, default and check, the environment variable that overrides it, and what it
affects; the docstring below is what users read of it (Markdown, with links as on `docs/reference/settings.md`). The
tables that users write, that page, and all keys and fingerprints are computed from these entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pathspec import GitIgnoreSpec

from hatch_lambda.common.limits import MOST_LAYERS
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target, target_named
from hatch_lambda.config import validators
from hatch_lambda.config.fields import ALL, Facts, Field, derived, fields_of, setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from packaging.utils import NormalizedName

HOOK_TABLE = "tool.hatch.build.hooks.lambda"
TARGET_TABLE = "tool.hatch.build.targets.lambda"

PRUNABLE = ("bytecode", "tests", "headers", "stubs", "debug", "other-pythons")
"""The values of `prune`."""

ONLY = "only"
"""The value of `compile-bytecode` that leaves the sources out."""

FUNCTION, LAYER, CODE = "function", "layer", "code"
VERSIONS = (FUNCTION, LAYER, CODE)
"""The target's versions for the hook's own table; each table under `functions` or `layers` adds one of its name."""

COMPRESSION_LEVEL = 6
"""zlib's default, by which wheels are deflated, those of Hatch, too."""


@dataclass(frozen=True)
class Settings(Facts):
    """Everything that decides a bundle except the project's own dependencies. Paths are absolute."""

    root: Path = derived(affects={"resolution", "place"})
    runtime: str = setting("string", validators.one_of(RUNTIMES), affects=ALL, variable="HATCH_LAMBDA_RUNTIME")
    """AWS's name: `python3.8` … `python3.15` ([all of them](runtimes.md))."""
    architecture: str = setting(
        "string", validators.one_of(ARCHITECTURES), default="x86_64", affects=ALL, variable="HATCH_LAMBDA_ARCHITECTURE"
    )
    """`x86_64` or `arm64`."""
    extras: frozenset[NormalizedName] = setting(
        "list", validators.names("extra"), default=frozenset(), affects={"resolution"}
    )
    """The project's own optional dependencies to package ([how](../how-to/extras-and-groups.md))."""
    dependency_groups: frozenset[NormalizedName] = setting(
        "list", validators.names("dependency group"), default=frozenset(), affects={"resolution"}
    )
    """Dependency groups (PEP 735) to package; no group is packaged by default
    ([how](../how-to/extras-and-groups.md))."""
    requirements: tuple[Path, ...] = setting("list of files", validators.files, default=(), affects={"resolution"})
    """Package these requirements files instead of `[project] dependencies`. They are read as pip reads them, with `-r`,
    `-c`, `--index-url`, `--find-links`, `--no-binary` and `--hash`."""
    constraints: tuple[Path, ...] = setting("list of files", validators.files, default=(), affects={"resolution"})
    """Constraints files."""
    lock_file: Path | None = setting("file", validators.lock_file, default=None, affects={"resolution"})
    """Package exactly what this lock file says, hashes checked: a PEP 751 file (`pylock.toml`, `pylock.NAME.toml`; with
    `{target}`, `{function}` in its name), `uv.lock`, `poetry.lock`, `pdm.lock` or `Pipfile.lock`
    ([lock files](../how-to/lock-files.md))."""
    provided: frozenset[NormalizedName] = setting(
        "list of names", validators.names("distribution"), default=frozenset(), affects={"resolution"}
    )
    """Distributions that the runtime or a layer provides: left out, with everything that only they require. `aws-sdk`
    stands for the runtime's boto3 and everything that comes with it
    ([what the runtime provides](../how-to/smaller.md#what-the-runtime-provides))."""
    compatible: frozenset[NormalizedName] = setting(
        "list of names", validators.names("distribution"), default=frozenset(), affects={"audit", "bundle"}
    )
    """Distributions that work on Lambda although their wheels' tags say otherwise
    ([stage 6](../explanation/stages.md)), that find a shared library in one of your layers, or whose `RECORD` is wrong
    ([what is checked](../explanation/checks.md))."""
    on_missing: str = setting("string", validators.one_of(("error", "warn")), default="error", affects={"resolution"})
    """`error` stops the build if a distribution has no wheel for the target; `warn` leaves it out with a warning."""
    exclude: tuple[str, ...] = setting(
        "list of gitignore patterns", validators.patterns, default=(), affects={"audit", "bundle", "zip"}
    )
    """Files of dependencies to leave out of the bundle, as in `["*.pyx", "pandas/tests/"]`; `.dist-info` always stays.
    In the table of a function or layer, it applies to the project's files, too."""
    prune: frozenset[str] = setting(
        "list", validators.some_of(PRUNABLE), default=frozenset({"bytecode"}), affects={"audit", "bundle"}
    )
    """Named sets of files that a bundle does not need: `bytecode`, `tests`, `headers`, `stubs`, `debug` (symbols in
    native code), `other-pythons` ([smaller zips](../how-to/smaller.md))."""
    compile_bytecode: bool | str = setting(
        f'boolean or `"{ONLY}"`', validators.boolean_or(ONLY), default=False, affects={"bundle", "zip"}
    )
    """Ship hash-based, unchecked `.pyc` for the runtime's Python: [faster cold starts](../how-to/faster.md). `"only"`
    [leaves the sources out](../how-to/faster.md#bytecode-without-sources)."""
    prefer_binary: bool = setting("boolean", validators.boolean, default=True, affects={"resolution"})
    """An older version that has a usable wheel beats a newer one that must be built."""
    cross: bool = setting("boolean", validators.boolean, default=True, affects={"resolution"})
    """Whether stage 4 may cross-compile where the host's compilers cannot serve the target and `hatch-lambda[cross]` is
    installed ([how](../how-to/cross-compile.md))."""
    python: Path | None = setting(
        "path", validators.interpreter, default=None, affects={"resolution"}, variable="HATCH_LAMBDA_PYTHON"
    )
    """The interpreter that builds sdists and compiles bytecode. By default, one of the runtime's version is searched
    for (on PATH, in pyenv, uv, Hatch and others), and sdists fall back to the running interpreter."""
    pip_args: tuple[str, ...] = setting("list", validators.strings, default=(), affects={"resolution"})
    """Further arguments for pip's resolution and downloads, as in `["--find-links", "wheels"]`."""
    build_directory: Path = setting(
        "path", validators.directory, default=Path(".hatch/lambda"), affects={"place"}, tables=("hook",)
    )
    """Where the bundle is laid out: `<build-directory>/<runtime>-<architecture>/bundle`. A dedicated directory: one
    with other files stops the build."""
    with_wheel: bool = setting("boolean", validators.boolean, default=False, affects=(), tables=("hook",))
    """Build the zip whenever the wheel is built, [next to it](../how-to/zips.md#the-zip-next-to-the-wheel)."""
    handler: str | None = setting("string", validators.handler, default=None, affects={"zip"}, tables=("function",))
    """`orders.app.handler`: the build stops if the zip has no such module or name
    ([the handler](../how-to/project-files.md#the-handler))."""
    layers: tuple[str, ...] = setting(
        "list of names", validators.at_most(MOST_LAYERS), default=(), affects={"zip"}, tables=("function",)
    )
    """The layers that the function uses, at most five: what they bring stays out of its zip
    ([how](../how-to/layers.md#layers-for-functions))."""
    include: tuple[str, ...] = setting(
        "list of gitignore patterns", validators.patterns, default=(), affects={"zip"}, tables=("function", "layer")
    )
    """The project's files to package; all of them if empty."""
    sources: tuple[tuple[str, str], ...] | None = setting(
        "list or table", validators.sources, default=None, affects={"zip"}, tables=("function", "layer")
    )
    """Hatch's option, which rewrites paths, over the target's for this zip."""
    force_include: tuple[tuple[str, str], ...] | None = setting(
        "table of paths", validators.paths, default=None, affects={"zip"}, tables=("function", "layer")
    )
    """Hatch's option, which adds files by their paths, over the target's for this zip. What it names is always
    packaged."""
    project: bool = setting("boolean", validators.boolean, default=False, affects={"zip"}, tables=("layer",))
    """Whether the layer has the project's packages, too, below `python/`."""
    files: tuple[tuple[str, str], ...] = setting(
        "table of paths", validators.paths, default=(), affects={"zip"}, tables=("layer",)
    )
    """Files and directories of the project, by their path in the layer, below `/opt`."""
    locked: bool = setting(
        "boolean", validators.switch, default=False, affects=(), tables=(), variable="HATCH_LAMBDA_LOCKED"
    )
    """Refuse to resolve what is not locked; `1` or `0`."""
    table: str = derived(HOOK_TABLE, affects={"place"})
    """The table's name, for messages."""
    variant: str | None = derived(None, affects={"zip", "place"})
    """The name of the function or layer that this is for; None for the hook's own table."""
    is_layer: bool = derived(default=False, affects={"zip"})
    """Whether that is a layer."""

    @cached_property
    def target(self) -> Target:
        return target_named(self.runtime, self.architecture)

    @property
    def target_directory(self) -> Path:
        """The directory of this target (and function or layer) below the build directory."""
        folder = self.build_directory / self.variant if self.variant else self.build_directory
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
        if not self.variant:
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
class ZipSettings(Facts):
    """The settings in `targets.lambda`, without Hatch's own keys."""

    archive_name: str = setting(
        "string", validators.archive_name, default="{name}-{version}-{runtime}-{architecture}.zip", affects={"place"}
    )
    """The zip's name. All versions but `function` get `{variant}-` before `{runtime}`, unless the name already has a
    `{variant}`. Two zips of one build must not share a name ([how](../how-to/zips.md#names-and-compression))."""
    handler: str | None = setting("string", validators.handler, default=None, affects={"zip"})
    """`orders.app.handler`: the build stops if the bundle has no such module or name
    ([the handler](../how-to/project-files.md#the-handler))."""
    compression_level: int = setting(
        "0 to 9", validators.whole_number(0, 9), default=COMPRESSION_LEVEL, affects={"zip"}
    )
    """For the project's files, bytecode, and whatever the wheels of dependencies have not compressed already."""
    report: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})
    """Write [an HTML report](../how-to/reports.md) next to the zip."""
    sbom: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})
    """Write an SBOM (CycloneDX 1.6 JSON) next to the zip; needs `hatch-lambda[sbom]`."""
    unpacked: bool = setting("boolean", validators.boolean, default=False, affects={"zip"})
    """Leave what the zip holds as a directory, too, under the zip's name without `.zip`
    ([for tools that take a directory](../how-to/zips.md#a-directory-instead-of-a-zip))."""

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


_FUNCTIONS = Field("functions", "table of tables", {}, validators.named_tables(VERSIONS), affects=frozenset())
"""`[tool.hatch.build.hooks.lambda.functions.NAME]`: a further deployable zip of this project, with
[keys of its own](#functions-and-layers) over what the hook's own table says
([several functions](../how-to/functions.md))."""
_LAYERS = _FUNCTIONS._replace(key="layers")
"""`[tool.hatch.build.hooks.lambda.layers.NAME]`: a layer of this project, with
[keys of its own](#functions-and-layers) over what the hook's own table says
([layers](../how-to/layers.md#layers-for-functions))."""

SETTINGS_FIELDS: Mapping[str, Field] = {field.key: field for field in fields_of(Settings).values()}
"""All keys of `Settings`."""
FIELDS: Mapping[str, Field] = {
    **{key: field for key, field in SETTINGS_FIELDS.items() if "hook" in field.tables},
    **{field.key: field for field in (_FUNCTIONS, _LAYERS)},
}
"""The keys of the hook's table. A function has its own settings and does not change those of other versions."""
FUNCTION_FIELDS: Mapping[str, Field] = {
    key: field for key, field in SETTINGS_FIELDS.items() if "function" in field.tables
}
"""The keys of a table under `functions`."""
LAYER_FIELDS: Mapping[str, Field] = {key: field for key, field in SETTINGS_FIELDS.items() if "layer" in field.tables}
"""The keys of a table under `layers`."""
TARGET_FIELDS: Mapping[str, Field] = {field.key: field for field in fields_of(ZipSettings).values()}
"""The keys of the target's table, without Hatch's own."""
ENVIRONMENT_VARIABLES: Mapping[str, str] = {
    key: field.variable for key, field in SETTINGS_FIELDS.items() if field.variable
}
"""Environment variables by the key that they override."""
