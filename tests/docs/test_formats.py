"""What programs rely on, against the pages: keys of JSON, the Python interface, exit codes."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

import hatch_lambda
from hatch_lambda.cli import main
from hatch_lambda.invoke import Invocation, Result
from tests.support.lambda_zips import make_shop
from tests.support.packages import make_wheel
from tests.support.pages import blocks, section, text_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PYTHON = "reference/python-api.md"


def json_of(*arguments: object) -> Any:
    ended = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def keys_of(title: str) -> set[str]:
    rows = re.findall(r"^\| (`.+?) \|", section("reference/formats.md", title), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def test_the_keys_of_inspect_are_on_the_page(tmp_path: Path) -> None:
    found = json_of("inspect", make_shop(tmp_path))

    assert keys_of("inspect") == found.keys()
    text = section("reference/formats.md", "inspect")
    for listed in ("distributions", "folders", "kinds", "machine_code", "bytecode", "runs_on"):
        keys = {key for each in found[listed] for key in each}
        assert not [key for key in keys if f"`{key}`" not in text]


def test_the_keys_of_diff_are_on_the_page(tmp_path: Path) -> None:
    old, new = make_shop(tmp_path / "old"), make_shop(tmp_path / "new")

    found = json_of("diff", old, new)

    assert keys_of("diff") == found.keys()


def test_the_example_in_python_fills_a_directory(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(index, "foo")
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("requirements.txt").write_text("foo\n", encoding="utf-8")

    exec(blocks(PYTHON, "python")[0], {})

    assert tmp_path.joinpath("build/bundle/foo.py").is_file()
    assert "python3.13 on arm64" in capsys.readouterr().out


def test_the_names_of_the_python_interface_are_those_of_the_code() -> None:
    text = text_of(PYTHON)
    assert {name for name in hatch_lambda.__all__ if f"`hatch_lambda.{name}`" in text} == {*hatch_lambda.__all__}
    for kind in (Invocation, Result):
        fields = {field.name for field in dataclasses.fields(kind)} - {"request_id", "init_retried"}
        assert not [name for name in fields if not re.search(rf"\b{name}\b", text)]
    compile(blocks(PYTHON, "python")[1], PYTHON, "exec")
