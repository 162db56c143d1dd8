"""Each setting against every key: changing it changes the keys of the parts that it affects, and no other."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.bundle import assemble
from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.config.fields import Field, Part, fields_of, setting
from hatch_lambda.config.settings import (
    ENVIRONMENT_VARIABLES,
    FIELDS,
    FUNCTION_FIELDS,
    HOOK_TABLE,
    LAYER_FIELDS,
    TARGET_FIELDS,
    ProjectSettings,
    Settings,
    ZipSettings,
)
from hatch_lambda.config.tables import load_project
from hatch_lambda.resolve.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PARTS: tuple[Part, ...] = ("resolution", "audit", "bundle", "zip", "place")

# A value of each setting that is not its default. A new setting needs an entry here.
SAMPLES: dict[str, Any] = {
    "runtime": "python3.10",
    "architecture": "arm64",
    "extras": ["web"],
    "dependency-groups": ["web"],
    "requirements": ["other.txt"],
    "constraints": ["other.txt"],
    "lock-file": "pylock.toml",
    "provided": ["aws-sdk"],
    "compatible": ["orjson"],
    "on-missing": "warn",
    "exclude": ["*.md"],
    "prune": ["tests"],
    "compile-bytecode": True,
    "prefer-binary": False,
    "cross": False,
    "python": sys.executable,
    "pip-args": ["--pre"],
    "build-directory": "build/lambda",
    "with-wheel": True,
    "functions": {"worker": {}},
    "layers": {"common": {}},
    "handler": "orders.app.handler",
    "include": ["*.py"],
    "sources": ["src"],
    "force-include": {"data": "orders/data"},
    "project": True,
    "files": {"other.txt": "other.txt"},
    "locked": "1",
    "archive-name": "{name}.zip",
    "compression-level": 9,
    "report": True,
    "sbom": True,
    "unpacked": True,
}


def field_of(field: dataclasses.Field[Any]) -> Field:
    found: Field = field.metadata["setting"]
    return found


@pytest.fixture
def root(project_root: Path) -> Path:
    (project_root / "other.txt").touch()
    return project_root


def keys(project: ProjectSettings, version: str) -> dict[str, object]:
    """By part: the key of the code that caches it; for the zip and places, which are never cached, what they are."""
    settings, zips = project.versions[version], project.zip
    files = ["orders/app.py", "orders/app.md", "orders-1.0.dist-info/METADATA"]
    return {
        "resolution": fingerprint(settings, ["foo"]),
        "audit": settings.facts("audit"),
        "bundle": assemble.key_of((), settings, ()),
        "zip": (settings.facts("zip"), zips.facts("zip"), [settings.is_not_its_own(file) for file in files]),
        "place": (
            *(settings.bundle_directory, settings.fallback_store, settings.table),
            zips.name_of(version, project="orders", project_version="1.0", target=settings.target),
        ),
    }


def load(root: Path, table: Mapping[str, object], target: Mapping[str, object], **environ: str) -> ProjectSettings:
    return load_project(table, target, root, hatch_keys=(), environ=environ)


def changed(version: str, before: ProjectSettings, after: ProjectSettings) -> set[str]:
    former, present = keys(before, version), keys(after, version)
    return {part for part in former if former[part] != present[part]}


@pytest.mark.parametrize("key", FIELDS)
def test_a_setting_of_the_hook_affects_what_it_says(key: str, root: Path) -> None:
    function: dict[str, object] = {"functions": {"api": {}}}  # in which `exclude` holds for the project's files, too
    before = load(root, {"runtime": "python3.13", **function}, {})
    after = load(root, {"runtime": "python3.13", **function, key: SAMPLES[key]}, {})
    version = "api" if key not in {"functions", "layers"} else "function"

    assert changed(version, before, after) == FIELDS[key].affects


@pytest.mark.parametrize("key", FUNCTION_FIELDS)
def test_a_setting_of_a_function_affects_what_it_says_and_no_other_version(key: str, root: Path) -> None:
    layers: dict[str, object] = {"common": {}}
    value = [*layers] if key == "layers" else SAMPLES[key]
    before = load(root, {"runtime": "python3.13", "layers": layers, "functions": {"api": {}}}, {})
    after = load(root, {"runtime": "python3.13", "layers": layers, "functions": {"api": {key: value}}}, {})

    assert changed("api", before, after) == FUNCTION_FIELDS[key].affects
    assert changed("function", before, after) == set()


@pytest.mark.parametrize("key", LAYER_FIELDS)
def test_a_setting_of_a_layer_affects_what_it_says_and_no_other_version(key: str, root: Path) -> None:
    before = load(root, {"runtime": "python3.13", "layers": {"common": {}}}, {})
    after = load(root, {"runtime": "python3.13", "layers": {"common": {key: SAMPLES[key]}}}, {})

    assert changed("common", before, after) == LAYER_FIELDS[key].affects
    assert changed("function", before, after) == set()


@pytest.mark.parametrize("key", TARGET_FIELDS)
def test_a_setting_of_the_target_affects_what_it_says(key: str, root: Path) -> None:
    before, after = (load(root, {"runtime": "python3.13"}, target) for target in ({}, {key: SAMPLES[key]}))

    assert changed("function", before, after) == TARGET_FIELDS[key].affects


@pytest.mark.parametrize("key", ENVIRONMENT_VARIABLES)
def test_an_environment_variable_affects_what_its_setting_does(key: str, root: Path) -> None:
    table = {"runtime": "python3.13"}
    before, after = load(root, table, {}), load(root, table, {}, **{ENVIRONMENT_VARIABLES[key]: SAMPLES[key]})
    attribute = key.replace("-", "_")
    (field,) = (field_of(field) for field in dataclasses.fields(Settings) if field.name == attribute)

    assert changed("function", before, after) == field.affects
    assert getattr(before.versions["function"], attribute) != getattr(after.versions["function"], attribute)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings) if not field_of(field).type])
def test_what_users_cannot_set_affects_what_it_says(name: str, root: Path) -> None:
    samples: dict[str, Any] = {"root": root / "other", "table": "other", "variant": "other", "is_layer": True}
    settings = load(root, {"runtime": "python3.13"}, {}).versions["function"]
    other = dataclasses.replace(settings, **{name: samples[name]})

    parts = {part for part in PARTS if settings.facts(part) != other.facts(part)}

    assert changed("x", *(ProjectSettings({"x": one}, ZipSettings()) for one in (settings, other))) <= parts


def test_a_setting_without_its_effect_is_impossible() -> None:
    with pytest.raises(TypeError, match="affects"):
        setting("boolean", lambda value, _root: value, default=False)  # type: ignore[call-arg]

    @dataclasses.dataclass(frozen=True)
    class Forgetful(Settings):
        quick: bool = False

    with pytest.raises(KeyError, match="setting"):
        fields_of(Forgetful)


def test_both_tables_tell_their_faults_at_once(root: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_project({"runtime": "cobol"}, {"report": 1}, root, hatch_keys=(), environ={})

    assert [fault.partition("`")[2].partition("`")[0] for fault in raised.value.faults] == [
        "tool.hatch.build.targets.lambda.report",
        f"{HOOK_TABLE}.runtime",
    ]
