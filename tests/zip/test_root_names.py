"""Warnings about names at the root of a zip that are Python's, or Lambda's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from hatch_lambda.zip.root_names import warnings
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import NewProject

HIDES = (
    "these have names of modules of Python's standard library or Lambda's runtime, and one hides the other: {}".format
)
EARLY = "these can run code before the function's module is imported: {}".format


def told(*paths: str, runtime: str = "python3.13", owner: str = "foo 1.0") -> list[str]:
    target = Target(RUNTIMES[runtime], ARCHITECTURES["x86_64"])
    return [*warnings([BundleFile(path, FILE_MODE, Generated(b""), owner) for path in paths], target, own="orders 1.0")]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("json.py", "json.py"),
        ("queue.pyc", "queue.pyc"),
        ("queue.abi3.so", "queue.abi3.so"),
        ("queue.cpython-313-x86_64-linux-gnu.so", "queue.cpython-313-x86_64-linux-gnu.so"),
        ("dataclasses/__init__.py", "dataclasses/"),
        ("time.py", "time.py"),
        ("bootstrap.py", "bootstrap.py"),
        ("awslambdaric/__init__.py", "awslambdaric/"),
    ],
)
def test_modules_that_hide_others(path: str, shown: str) -> None:
    assert told(path) == [HIDES(f"{shown} (foo 1.0)")]
    assert told(path, owner="orders 1.0") == [HIDES(f"{shown} (the project)")]


@pytest.mark.parametrize("path", ["sitecustomize.py", "usercustomize.py", "hook.pth", "sitecustomize/__init__.py"])
def test_what_runs_early(path: str) -> None:
    assert told(path) == [EARLY(f"{path.removesuffix('__init__.py')} (foo 1.0)")]


@pytest.mark.parametrize(
    "path",
    [
        "foo/json.py",
        "json/data.txt",  # without `__init__.py`, the standard library's is imported
        "json/decoder.py",
        "json.txt",
        "queue.cpython-310-x86_64-linux-gnu.so",  # of another Python
        "foo/hook.pth",
        "json-1.0.dist-info/METADATA",
        "bin/json.py",
        "simplejson.py",
        "bootstrap",  # what custom runtimes run
        "imghdr/__init__.py",  # standard-imghdr, for the Pythons that have it no longer
    ],
)
def test_what_is_harmless(path: str) -> None:
    assert told(path) == []


def test_the_standard_library_is_that_of_the_runtime() -> None:
    assert told("imghdr/__init__.py", runtime="python3.12") == [HIDES("imghdr/ (foo 1.0)")]
    assert told("tomllib.py", runtime="python3.10") == []


def test_a_build_names_them(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo", files={"json.py": "", "foo.pth": "", "sitecustomize.py": ""})
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build("-t", "lambda:code,layer")

    assert shown.count(HIDES("json.py (foo 1.0)")) == 1
    assert shown.count(EARLY("foo.pth (foo 1.0), sitecustomize.py (foo 1.0)")) == 1
