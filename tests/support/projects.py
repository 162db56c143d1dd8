"""Whole projects on disk, and what their users do with them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zipfile import ZipFile

if TYPE_CHECKING:
    from collections.abc import Mapping

HOOK = """\
[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
"""

PACKAGE = {
    "orders/__init__.py": "",
    "orders/app.py": "def handler(event, context):\n    return event\n\n\ndef main():\n    print('ordered')\n",
}

ZIP = "orders-1.0-python3.13-x86_64.zip"
WHEEL = "orders-1.0-py2.py3-none-any.whl"
SDIST = "orders-1.0.tar.gz"
BUNDLE = ".hatch/lambda/python3.13-x86_64/bundle"

DIST_INFO = {f"orders-1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")}
FOO = {"foo.py", *(f"foo-1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL"))}


@dataclass(frozen=True)
class Project:
    """A project on disk, and what its user can do with it."""

    root: Path
    umask: int = -1
    """Of the shell that builds it; by default that of these tests."""

    @property
    def dist(self) -> Path:
        return self.root / "dist"

    @property
    def zip(self) -> Path:
        return self.dist / ZIP

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "hatchling", "build", *arguments, **variables)

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, **variables},
            umask=self.umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def build(self, *arguments: str, **variables: str) -> str:
        """Build (by default for Lambda), make sure that it worked, and give back what was shown."""
        ended = self.run(*(arguments or ("-t", "lambda")), **variables)
        assert ended.returncode == 0, ended.stderr
        assert not ended.stdout
        return ended.stderr

    def fail(self, *arguments: str, **variables: str) -> str:
        """Build, make sure that it fails as a build has to fail, and give back what was shown."""
        before = self.put_former_zip()
        ended = self.run(*(arguments or ("-t", "lambda")), **variables)
        assert ended.returncode == 1, ended.stderr
        assert not ended.stdout
        self.assert_clean_failure(ended.stderr, before)
        return ended.stderr

    def put_former_zip(self) -> dict[str, bytes]:
        self.dist.mkdir(exist_ok=True)
        self.zip.write_bytes(b"of a former build")
        return self.in_dist()

    def assert_clean_failure(self, shown: str, dist_before: Mapping[str, bytes]) -> None:
        assert "Traceback" not in shown
        assert self.in_dist() == dist_before
        assert [path.name for path in Path(os.environ["TMPDIR"]).iterdir()] == [], "scratch files are left"

    def in_dist(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.dist.iterdir()}

    def zipped(self) -> set[str]:
        with ZipFile(self.zip) as archive:
            names = archive.namelist()
        assert len(names) == len(set(names))
        return set(names)

    def read(self, name: str) -> bytes:
        with ZipFile(self.zip) as archive:
            return archive.read(name)

    def add_to_pyproject(self, text: str) -> None:
        with self.root.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
            pyproject.write(f"\n{text}\n")


class NewProject(Protocol):
    def __call__(
        self, tool: str = HOOK, *, project: str = "", files: Mapping[str, str | bytes] = PACKAGE
    ) -> Project: ...


def write_project(root: Path, tool: str, project: str, files: Mapping[str, str | bytes]) -> Project:
    pyproject = (
        '[build-system]\nrequires = ["hatchling", "hatch-lambda"]\nbuild-backend = "hatchling.build"\n\n'
        f'[project]\nname = "orders"\nversion = "1.0"\n{project}\n\n{tool}'
    )
    for name, content in {**files, "pyproject.toml": pyproject}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Project(root)
