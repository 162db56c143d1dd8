"""The ways to make a Lambda zip that `compare.py` compares, each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plain import plain_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent

PYTHON_VERSION = "3.13"
# What `uv` calls glibc 2.34, the target's.
UV_PLATFORM = "x86_64-manylinux_2_34"
PIP_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (34, 28, 27, 24, 17)] + ["manylinux2014_x86_64"]

AWS_SCRIPT = """\
import sys
from aws_lambda_builders.builder import LambdaBuilder
source, artifacts, scratch, manifest = sys.argv[1:]
LambdaBuilder(language="python", dependency_manager="pip", application_framework=None).build(
    source, artifacts, scratch, manifest, runtime="python3.13", architecture="x86_64"
)
"""


@dataclass
class Contestant:
    """A way to make the zip.

    `forget`: what it keeps beside its caches, gone before the scenes in which nothing is resolved yet. `outdated`: what
    it cannot take over from an earlier run, gone before each.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    result: str
    forget: Sequence[str]
    outdated: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)


def contestants(python: Path, folder: Path) -> list[Contestant]:
    """Return all of them; their environments are made in the folder, with that Python."""
    ours, peers = folder / "ours", folder / "peers"
    _make_environment(python, ours, [str(ROOT)])
    _make_environment(python, peers, ["uv", "aws-lambda-builders", "setuptools", "wheel"])
    return [_ours(ours), _ours_by_pip(ours), _uv(peers), _pip(peers), _aws(peers, folder)]


def _make_environment(python: Path, folder: Path, packages: Sequence[str]) -> None:
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade", "pip"]
    subprocess.run([*pip, *packages], env=plain_environment(), check=True)


PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "app"
version = "1.0"
dependencies = {dependencies}

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
"""


def _ours(environment: Path) -> Contestant:
    python = str(environment / "bin" / "python")
    return Contestant(
        "hatch-lambda",
        lambda _project: [python, "-m", "hatchling", "build", "-t", "lambda"],
        result="dist/app-1.0-python3.13-x86_64.zip",
        forget=(".hatch", "dist"),
    )


def _ours_by_pip(environment: Path) -> Contestant:
    return replace(_ours(environment), name="hatch-lambda by pip", environment={"HATCH_LAMBDA_RESOLVER": "pip"})


_PACK = "cp -r app target/ && rm -f function.zip && cd target && zip -qrX ../function.zip ."


def _shell(script: str) -> Callable[[Path], Sequence[str]]:
    return lambda _project: ["sh", "-ec", script]


def _uv(environment: Path) -> Contestant:
    install = (
        f"{environment}/bin/uv pip install --quiet --target target --python {environment}/bin/python "
        f"--python-version {PYTHON_VERSION} --python-platform {UV_PLATFORM} --only-binary :all: -r requirements.txt"
    )
    return Contestant("uv + zip", _shell(f"{install} && {_PACK}"), "function.zip", forget=("target", "function.zip"))


def _pip(environment: Path) -> Contestant:
    platforms = " ".join(f"--platform {platform}" for platform in PIP_PLATFORMS)
    install = (
        f"{environment}/bin/python -m pip install --quiet --upgrade --target target --python-version {PYTHON_VERSION} "
        f"--only-binary :all: {platforms} -r requirements.txt"
    )
    return Contestant("pip + zip", _shell(f"{install} && {_PACK}"), "function.zip", forget=("target", "function.zip"))


def _aws(environment: Path, folder: Path) -> Contestant:
    script = folder / "aws_build.py"
    script.write_text(AWS_SCRIPT, encoding="utf-8")
    build = (
        f"mkdir artifacts scratch && "
        f'{environment}/bin/python {script} "$PWD/app" "$PWD/artifacts" "$PWD/scratch" "$PWD/requirements.txt" && '
        "rm -f function.zip && cd artifacts && zip -qrX ../function.zip ."
    )
    return Contestant(
        "aws-lambda-builders + zip",
        _shell(build),
        "function.zip",
        forget=("function.zip",),
        outdated=("artifacts", "scratch"),
        environment={"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )
