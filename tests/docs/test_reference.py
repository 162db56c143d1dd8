"""The reference pages against the code that they are made from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from hatch_lambda.cli import COMMANDS
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES, FIELDS, FUNCTION_FIELDS, LAYER_FIELDS, TARGET_FIELDS
from hatch_lambda.deploy import settings as publisher
from tests.support.pages import ROOT, section, text_of

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ROOT / "scripts" / "write_reference.py"


def test_the_pages_are_what_the_script_writes() -> None:
    """Else `hatch run reference` mends them."""
    finished = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.stderr, finished.returncode) == ("", "", 0)


def test_the_settings_are_those_of_the_code_in_its_order() -> None:
    def keys(title: str) -> list[str]:
        return re.findall(r"^\| `([\w-]+)` \|", section("reference/settings.md", title), re.MULTILINE)

    assert keys("The hook's table") == list(FIELDS)
    assert set(keys("Functions and layers")) == (FUNCTION_FIELDS.keys() | LAYER_FIELDS.keys()) - (
        FIELDS.keys() - {"layers"}
    )
    assert keys("The target's table") == list(TARGET_FIELDS)
    assert keys("The publisher's table") == list(publisher.FIELDS)


def test_the_commands_are_those_of_the_code_in_its_order() -> None:
    headings = re.findall(r"^## hatch-lambda (\S+)$", text_of("reference/commands.md"), re.MULTILINE)
    assert headings == list(COMMANDS)


def test_all_variables_are_named() -> None:
    of_processes_of_ours = {"HATCH_LAMBDA_CROSS", "HATCH_LAMBDA_CROSS_SOURCES"}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "hatch_lambda").rglob("*.py")]
    read = {name for text in texts for name in re.findall(r"\"(HATCH_LAMBDA_\w+)\"", text)} - of_processes_of_ours
    assert read >= set(ENVIRONMENT_VARIABLES.values())
    assert set(re.findall(r"HATCH_LAMBDA_\w+", text_of("reference/environment.md"))) == read


def test_a_page_that_lacks_a_place_is_an_error(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {os.fspath(SCRIPT.parent)!r})
from write_reference import filled
filled("runtimes.md", "# Runtimes")
"""
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "runtimes.md has no place for runtimes" in finished.stderr
