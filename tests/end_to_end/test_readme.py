"""The README against the code: what it promises is what there is."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.settings import ENVIRONMENT_VARIABLES, FIELDS, PRUNABLE, TARGET_FIELDS
from hatch_lambda.config.validators import shown
from hatch_lambda.resolve.curated import COMPATIBLE
from hatch_lambda.resolve.download import BOTH, FINDER, VARIABLE
from hatch_lambda.resolve.finder.indexes import OLDEST_PIP

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return re.split(r"^## ", README.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def shown_default(default: object) -> str:
    if default is dataclasses.MISSING:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, (frozenset, tuple)):
        return "`[{}]`".format(", ".join(f'"{item}"' for item in sorted(default)))
    if isinstance(default, bool):
        return f"`{shown(default)}`"
    return str(default) if isinstance(default, int) else f"`{default}`"


def test_the_settings_table_has_every_key_with_its_type_and_default_in_the_order_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?), (.+?) \|", _section("Settings"), flags=re.MULTILINE)
    fields = [*FIELDS.values(), *TARGET_FIELDS.values()]
    assert rows == [(field.key, field.type, shown_default(field.default)) for field in fields]


def test_the_environment_variables_are_named() -> None:
    named = set(re.findall(r"HATCH_LAMBDA_\w+", _section("Settings")))
    assert named == set(ENVIRONMENT_VARIABLES.values())


def test_the_ways_to_resolve_are_named() -> None:
    text = _section("The nine stages")
    assert f"`{VARIABLE}=pip`" in text
    assert all(f"`{way}`" in text for way in (FINDER, BOTH))
    assert str(OLDEST_PIP) in text


def test_the_named_sets_are_those_of_the_code() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `prune` |"))
    assert all(f"`{name}`" in row for name in PRUNABLE)


def test_the_runtimes_and_the_curated_distributions_are_those_of_the_code() -> None:
    assert f"`{next(iter(RUNTIMES))}` … `{list(RUNTIMES)[-1]}`" in README
    stage_6 = next(line for line in README.splitlines() if line.startswith("| 6 allow"))
    assert {name for name in COMPATIBLE if f"`{name}`" in stage_6} == COMPATIBLE


def test_the_oldest_pip_is_the_one_that_pyproject_allows() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'"pip>=([\d.]+)"', pyproject)
    assert oldest
    assert f"pip {oldest[1]} and newer" in README


def test_ci_runs_the_test_command_measured() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["envs"]["default"]
    set_up = next(line for line in README.splitlines() if line.endswith("hatch run test")).rpartition(" && ")[0]
    assert set_up in ci
    assert ".venv/bin/hatch run cov\n" in ci
    assert f"coverage run -m {scripts['scripts']['test']}" in scripts["scripts"]["cov"]


def _texts() -> set[str]:
    """The strings in the package's code, without docstrings; those of f-strings are cut at their values."""
    found = set()
    for path in (ROOT / "hatch_lambda").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Expr):
                constants = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.Constant)]
                found |= {constant.value for constant in constants if isinstance(constant.value, str)}
    return found


def test_the_messages_in_troubleshooting_are_those_of_the_code() -> None:
    texts = _texts()

    def is_known(words: list[str]) -> bool:
        """Whether the code has them together, or in parts of two words and more."""
        return any(" ".join(words) in text for text in texts) or any(
            is_known(words[:cut]) and is_known(words[cut:]) for cut in range(2, len(words) - 1)
        )

    cells = re.findall(r"^\| (`.*?) \|", _section("Troubleshooting"), flags=re.MULTILINE)
    messages = [message for cell in cells for message in re.findall("`(.+?)`", cell)]
    parts = [part for message in messages for part in re.split("…|python3.13 on arm64", message)]
    assert len(messages) > 10
    assert not [part for part in parts if not is_known(part.split())]
