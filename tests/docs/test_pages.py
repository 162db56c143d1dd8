"""The pages and the README against the code: what they promise is what there is."""

from __future__ import annotations

import ast
import re

from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.common.toml import tomllib
from hatch_lambda.config.settings import PRUNABLE
from hatch_lambda.resolve.curated import COMPATIBLE
from hatch_lambda.resolve.download import BOTH, FINDER, VARIABLE
from hatch_lambda.resolve.finder.indexes import OLDEST_PIP
from tests.support.pages import ROOT, section, text_of

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ways_to_resolve_are_named() -> None:
    text = section("explanation/stages.md", "With or without pip")
    assert f"`{VARIABLE}=pip`" in text
    assert all(f"`{way}`" in text for way in (FINDER, BOTH))
    assert str(OLDEST_PIP) in text


def test_the_named_sets_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ", text_of("how-to/smaller.md"), flags=re.MULTILINE)
    assert rows == list(PRUNABLE)


def test_the_stages_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d) ([\w ]+?) \| ", text_of("explanation/stages.md"), flags=re.MULTILINE)
    code = (ROOT / "hatch_lambda" / "pipeline.py").read_text(encoding="utf-8")
    assert rows == re.findall(r"\(\*?\(?\s*(\d), \"([a-z ]+)\"", code)


def test_the_runtimes_and_the_curated_distributions_are_those_of_the_code() -> None:
    span = f"`{next(iter(RUNTIMES))}` … `{list(RUNTIMES)[-1]}`"
    assert span in text_of("reference/settings.md")
    stage_6 = next(line for line in text_of("explanation/stages.md").splitlines() if line.startswith("| 6 allow"))
    assert {name for name in COMPATIBLE if f"`{name}`" in stage_6} == COMPATIBLE


def test_the_readme_is_short() -> None:
    """It says what this is and where to read on; all else has a page."""
    assert len(README.splitlines()) < 150


def test_the_readme_links_all_that_one_looks_for() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)", README))
    assert {f"docs/{page}" for page in ("index.md", "tutorial.md", "reference/settings.md", "limitations.md")} <= linked
    assert all((ROOT / page).is_file() for page in linked)


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
    command, _, arguments = scripts["scripts"]["test"].partition(" {args}")
    measured = f'coverage run -m {command} -m "not index" {{args}}{arguments}'
    assert [line for line in scripts["scripts"]["cov"] if "pytest" in line] == [
        measured,
        f"{command} -m index {{args}}",
    ]


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

    cells = re.findall(r"^\| (`.*?) \|", text_of("troubleshooting.md"), flags=re.MULTILINE)
    messages = [message for cell in cells for message in re.findall("`(.+?)`", cell)]
    parts = [part for message in messages for part in re.split("…|python3.13 on arm64", message)]
    assert len(messages) > 10
    assert not [part for part in parts if not is_known(part.split())]
