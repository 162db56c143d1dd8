"""Projects that the real tools lock: forks, extras, groups, a repository and a path, over an index of our own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.locks import commit
from tests.support.package_index import Offer, PackageIndex
from tests.support.packages import make_source_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERS, MACHINES = range(310, 316), ("x86_64", "aarch64")
PLATFORMS = [f"cp{number}-cp{number}-manylinux_2_17_{machine}" for number in NUMBERS for machine in MACHINES]
OFFERS = [
    Offer("plain", requires=("leaf>=1",)),
    *(Offer("fork", version) for version in ("1.0", "2.0")),
    *(Offer("native", tag=tag) for tag in PLATFORMS),
    *map(Offer, ("leaf", "armed", "winged", "apilib", "joblib", "devtool")),
]
FORK = """"fork==1.0; python_version < '3.12'", "fork==2.0; python_version >= '3.12'\""""

_PROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "orders"
version = "1.0"
requires-python = ">=3.10,<4"
dependencies = [{dependencies}]
{extras}
[dependency-groups]
worker = [{worker}]
dev = ["devtool"]

[tool.hatch.metadata]
allow-direct-references = true

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
lock-file = "{lock}"

{tool}
"""
_NAMED = "'plain>=1', 'native', \"armed; platform_machine == 'aarch64'\", \"winged; sys_platform == 'win32'\", {}"
_DIRECTORIES = ("WORKON_HOME", "PIPENV_CACHE_DIR", "POETRY_CACHE_DIR", "PDM_CACHE_DIR", "PDM_LOG_DIR")
_OF_TOOL = {
    "uv": """\
[tool.uv.sources]
pathlib1 = {{ path = "libs/pathlib1" }}
gitlib = {{ git = "{git}" }}
[[tool.uv.index]]
url = "{index}"
default = true
""",
    "poetry": """\
[tool.poetry.dependencies]
pathlib1 = {{ path = "libs/pathlib1" }}
gitlib = {{ git = "{git}" }}
[[tool.poetry.source]]
name = "ours"
url = "{index}"
priority = "primary"
""",
    "pdm": """\
[[tool.pdm.source]]
name = "pypi"
url = "{index}"
verify_ssl = false
""",
    "pipenv": "",
}
_PIPFILE = """\
[[source]]
name = "pypi"
url = "{index}"
verify_ssl = false

[packages]
plain = ">=1"
native = "*"
fork = "==2.0"
winged = {{ version = "*", markers = "sys_platform == 'win32'" }}
pathlib1 = {{ path = "./libs/pathlib1" }}
gitlib = {{ git = "{git}", ref = "trunk" }}

[worker]
joblib = "*"

[dev-packages]
devtool = "*"
"""


@dataclass(frozen=True)
class LockedProject:
    """A project in a folder, for one of the tools."""

    root: Path
    tool: str
    program: str
    """The path of the tool."""
    index: PackageIndex
    targets: bool = False
    """Of PDM: with a fork, which it can only lock for two targets, of each of which it exports another repository."""

    @property
    def lock_file(self) -> str:
        return "Pipfile.lock" if self.tool == "pipenv" else f"{self.tool}.lock"

    def write(self) -> None:
        make_source_tree(self.root / "libs/pathlib1", "pathlib1")
        places = {"index": self.index.urls[0], "git": self.index.urls[0].replace("/0/simple", "/git/gitlib")}
        others = f"{FORK}, 'pathlib1', 'gitlib'"
        if self.tool == "pdm":
            other = FORK if self.targets else f"'gitlib @ git+{places['git']}'"
            others = f"{other}, 'pathlib1 @ {{root:uri}}/libs/pathlib1'"
        has_pipfile = self.tool == "pipenv"
        files = {
            "orders/__init__.py": "",
            "pyproject.toml": _PROJECT.format(
                dependencies="" if has_pipfile else _NAMED.format(others),
                extras="" if has_pipfile else '[project.optional-dependencies]\napi = ["apilib"]\n',
                worker="" if has_pipfile else '"joblib"',
                lock=self.lock_file,
                tool=_OF_TOOL[self.tool].format(**places),
            ),
            **({"Pipfile": _PIPFILE.format(**places)} if has_pipfile else {}),
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> str:
        settings = {"POETRY_VIRTUALENVS_CREATE": "false", "PIPENV_IGNORE_VIRTUALENVS": "1"}
        ended = subprocess.run(
            [self.program, *arguments],
            cwd=self.root,
            env={**os.environ, **settings, **dict.fromkeys(_DIRECTORIES, str(self.root.parent / "of-tools"))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


def serve_repository(index: PackageIndex, folder: Path) -> None:
    """One of `gitlib`, by git's dumb protocol, which needs files only."""
    repository = make_source_tree(folder / "gitlib", "gitlib")
    commit(repository)
    subprocess.run(["git", "update-server-info"], cwd=repository, check=True)
    for path in _files(repository / ".git"):
        content = ("application/octet-stream", path.read_bytes())
        index.extra_pages[f"/git/gitlib/{path.relative_to(repository / '.git').as_posix()}"] = content
    refs = index.extra_pages["/git/gitlib/info/refs"]
    index.extra_pages["/git/gitlib/info/refs?service=git-upload-pack"] = refs


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
