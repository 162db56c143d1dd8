"""From the tables of pyproject.toml to the settings of each zip, with all faults at once."""

from __future__ import annotations

import dataclasses
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config import validators
from hatch_lambda.config.patterns import faults_of_excluded_sources
from hatch_lambda.config.settings import (
    ENVIRONMENT_VARIABLES,
    FIELDS,
    FUNCTION,
    FUNCTION_FIELDS,
    HOOK_TABLE,
    LAYER_FIELDS,
    SETTINGS_FIELDS,
    TARGET_FIELDS,
    TARGET_TABLE,
    VERSIONS,
    ProjectSettings,
    Settings,
    ZipSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_lambda.config.fields import Field


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
            self._take(overrides, SETTINGS_FIELDS[key], environ[variable], f"Environment variable `{variable}`")
        values = self.values({key: table[key] for key in table if key not in overridden}, FIELDS, name)
        if not {"runtime"} & (table.keys() | overridden):
            self.faults.insert(0, f"Field `{name}.runtime` is required: one of {validators.listed(RUNTIMES)}")
        own: dict[str, dict[str, Any]] = {}
        names = dict.fromkeys(VERSIONS, name)
        tables = {"layers": values.pop("layers", {}), "functions": values.pop("functions", {})}
        for kind, fields in (("layers", LAYER_FIELDS), ("functions", FUNCTION_FIELDS)):
            for variant, its_own in tables[kind].items():
                names[variant] = f"{name}.{kind}.{variant}"
                raw = {key: its_own[key] for key in its_own if key not in overridden}
                own[variant] = {**self.values(raw, fields, names[variant]), "is-layer": kind == "layers"}
        self.faults += _layer_faults(name, tables, own)
        if self.faults:
            return {}
        found = {
            version: self._settings(
                {**values, **own.get(version, {}), **overrides}, its_name, version if version in own else None
            )
            for version, its_name in names.items()
        }
        for each in found.values():
            self.faults += [
                f"Field `{each.table}.layers` names `{layer}`, which is for {found[layer].target}; the function is for "
                f"{each.target}"
                for layer in each.layers
                if found[layer].target != each.target
            ]
        return found

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
            hint = validators.did_you_mean(key, known) or f"; known fields: {validators.listed(known)}"
            self.faults.append(f"Unknown field `{name}.{key}`{hint}")
        return values

    def _take(self, values: dict[str, Any], field: Field, value: object, label: str) -> None:
        try:
            values[field.key] = field.check(value, self.root)
        except ValueError as error:
            self.faults.append(f"{label} {error}")

    def _settings(self, values: Mapping[str, Any], name: str, variant: str | None) -> Settings:
        settings = Settings(
            self.root, table=name, variant=variant, **{key.replace("-", "_"): values[key] for key in values}
        )
        lock_file = settings.lock_file
        if lock_file:
            # A dot in the middle of the name would make it another kind of file (PEP 751).
            file_name = lock_file.name.replace("{target}", str(settings.target).replace(".", ""))
            lock_file = lock_file.with_name(file_name.replace("{function}", variant or FUNCTION))
        return dataclasses.replace(settings, lock_file=lock_file, build_directory=self.root / settings.build_directory)


def _layer_faults(
    name: str, tables: Mapping[str, Mapping[str, object]], own: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Of layers and functions together. `tables`: by kind; `own`: their valid values. `name`: of the hook's table."""
    for both in sorted(tables["layers"].keys() & tables["functions"].keys()):
        yield f"Field `{name}.layers` has the invalid name {both!r}: a function has it; each zip has its own name"
    known = validators.listed(tables["layers"])
    for function in tables["functions"]:
        for layer in own[function].get("layers", ()):
            if layer not in tables["layers"]:
                has = f"it has {known}" if known else f"add a table `[{name}.layers.{layer}]`"
                field = f"{name}.functions.{function}.layers"
                yield f"Field `{field}` names `{layer}`, and the project has no such layer; {has}"
