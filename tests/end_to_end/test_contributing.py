"""CONTRIBUTING.md and ARCHITECTURE.md against the code that they describe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hatch_lambda.common.toml import tomllib
from hatch_lambda.config import settings
from tests.config.test_settings_effects import SAMPLES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hatch_lambda"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = ("CONTRIBUTING.md", "ARCHITECTURE.md")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_module_that_a_document_names_exists(document: str) -> None:
    rooms = "|".join(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
    named = set(re.findall(rf"(?<![\w/.])(?:{rooms})/[\w/]*\w(?:\.py)?", text_of(document)))
    assert len(named) > 3, named
    missing = [
        name
        for name in named - {"tests/config", "wheels/SH/SHA256/NAME"}
        if not any((PACKAGE / candidate).exists() for candidate in (name, f"{name}.py"))
    ]
    assert not missing


def test_the_map_names_all_that_is_in_the_package() -> None:
    section = text_of("CONTRIBUTING.md").split("## Where things are")[1].split("\n## ")[0]
    first_column = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    named = {name.split("/")[0] for name in re.findall(r"`([^`]+)`", first_column)}
    entries = {path.name for path in PACKAGE.iterdir()} - {"__init__.py", "__main__.py", "__pycache__", "py.typed"}
    assert entries - named == set()


def test_the_layers_are_those_of_the_contract() -> None:
    contract = next(found for found in PYPROJECT["tool"]["importlinter"]["contracts"] if found["type"] == "layers")
    layers = [layer.replace("hatch_lambda.", "").split(" | ") for layer in contract["layers"]]
    line = next(line for line in text_of("CONTRIBUTING.md").splitlines() if line.startswith("cli > "))
    assert [part.split(", ") for part in line.split(" > ")] == [layer for layer in layers if layer != ["__main__"]]


def test_each_command_of_the_table_is_a_script() -> None:
    environments = PYPROJECT["tool"]["hatch"]["envs"]
    commands = set(re.findall(r"hatch run ([\w:]+)", text_of("CONTRIBUTING.md")))
    assert {"quick", "test", "lint:check", "lint:fix"} <= commands
    for command in commands - {"pytest"}:  # a program, not a script
        environment, _, script = command.rpartition(":")
        assert script in environments[environment or "default"]["scripts"]


def test_settings_are_where_the_checklist_says() -> None:
    assert {"runtime", "prune"} <= settings.FIELDS.keys()
    assert {"runtime", "prune"} <= SAMPLES.keys()
