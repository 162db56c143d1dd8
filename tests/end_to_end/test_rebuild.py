"""Rebuilding by Hatch: nothing is resolved twice, and nothing heavy is imported."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.packages import make_wheel
from tests.support.situation import REUSED

PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "orders"
version = "1.0"
dependencies = ["foo"]

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
"""

# What only a build that resolves has use for
DEAR = (
    *("hatch_lambda.resolve.pip.process", "hatch_lambda.resolve.pip.for_target", "hatch_lambda.resolve.download"),
    *("hatch_lambda.resolve.build", "hatch_lambda.resolve.report_unmet", "hatch_lambda.common.interpreters"),
    *("hatch_lambda.resolve.toolchains", "pip", "findpython", "elftools", "packaging.pylock", "tomli_w"),
)


class TestWholeBuilds:
    @pytest.fixture
    def project(self, project_root: Path, index: Path) -> Path:
        make_wheel(index, "foo")
        (project_root / "orders").mkdir()
        (project_root / "orders" / "__init__.py").write_text("", encoding="utf-8")
        (project_root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        return project_root

    @staticmethod
    def build(project: Path, *arguments: str, python: Path | str = sys.executable, **variables: str) -> str:
        ended = subprocess.run(
            [str(python), *arguments],
            cwd=project,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    def test_a_resolution_is_reused_until_it_is_to_be_forgotten(self, project: Path, index: Path) -> None:
        command = ("-m", "hatchling", "build", "-t", "lambda")
        first = self.build(project, *command)
        zipped = next((project / "dist").glob("*.zip")).read_bytes()
        make_wheel(index.parent / "served later", "foo", "2.0")

        second = self.build(project, *command)
        zipped_again = next((project / "dist").glob("*.zip")).read_bytes()
        (index.parent / "served later" / "foo-2.0-py3-none-any.whl").rename(index / "foo-2.0-py3-none-any.whl")
        forgotten = self.build(project, *command, "-c")

        assert [bool(REUSED.search(shown)) for shown in (first, second, forgotten)] == [False, True, False]
        assert zipped == zipped_again
        with zipfile.ZipFile(next((project / "dist").glob("*.zip"))) as zip_file:
            assert zip_file.read("foo.py") == b"VERSION = '2.0'\n"

    def test_a_reused_one_imports_nothing_that_only_resolving_needs(self, project: Path) -> None:
        command = ("-m", "hatchling", "build", "-t", "lambda")
        imported = self.imported(self.build(project, "-X", "importtime", *command))
        assert {"hatch_lambda.resolve.pip.process", "hatch_lambda.resolve.download"} <= imported

        shown = self.build(project, "-X", "importtime", *command)

        assert REUSED.search(shown)
        assert "hatch_lambda.pipeline" in self.imported(shown)
        assert [name for name in DEAR if name in self.imported(shown)] == []

    @staticmethod
    def imported(shown: str) -> set[str]:
        return {line.rpartition("|")[2].strip() for line in shown.splitlines() if line.startswith("import time:")}

    def test_another_environment_of_the_same_interpreter_reuses_it_too(self, project: Path, tmp_path: Path) -> None:
        """`python -m build` and `uv build` make one for each build."""
        shown = []
        for name in ("one", "two"):
            environment = tmp_path / name
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
            python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
            site_packages = next(environment.glob("[Ll]ib/**/site-packages"))
            places = [str(Path(entry)) for entry in sys.path if entry.endswith("site-packages")]
            lines = [f"import site; site.addsitedir({place!r})" for place in places]
            (site_packages / "shared.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
            shown.append(self.build(project, "-m", "hatchling", "build", "-t", "lambda", python=python))

        assert [bool(REUSED.search(text)) for text in shown] == [False, True]
        assert stat.S_ISREG(next((project / "dist").glob("*.zip")).stat().st_mode)
