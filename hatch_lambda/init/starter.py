"""A new project to start from: it builds, its function runs, and its test passes."""

from __future__ import annotations

import keyword
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import BUILT_IN_MODULES, LOADED_MODULES, RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.common.target import Target

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")

_FILES: Mapping[str, str] = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "A function on AWS Lambda"
readme = "README.md"
requires-python = ">={python}"
dependencies = []

[tool.hatch.build.hooks.lambda]
runtime = "{runtime}"
architecture = "{architecture}"

[tool.hatch.build.targets.lambda]
handler = "{package}.app.handler"

[tool.pytest.ini_options]
pythonpath = ["."]
""",
    "README.md": """\
# {name}

A function on AWS Lambda, behind a function URL or an HTTP API of API Gateway. It is packaged by
[hatch-lambda](https://pypi.org/project/hatch-lambda/).

| command | does |
|---|---|
| `hatch build -t lambda` | builds `dist/{zip}` |
| `hatch-lambda invoke dist/{zip} --handler {package}.app.handler --event event.json` | runs it here, as Lambda would |
| `hatch test` | runs the tests |

What it requires belongs into `dependencies` in `pyproject.toml`: it is packaged for Lambda, whatever machine builds.
""",
    ".gitignore": """\
/.hatch/
/.venv/
/dist/
__pycache__/
""",
    "event.json": """\
{{
  "version": "2.0",
  "routeKey": "$default",
  "rawPath": "/hello",
  "rawQueryString": "name=Ada",
  "headers": {{
    "accept": "application/json"
  }},
  "queryStringParameters": {{
    "name": "Ada"
  }},
  "requestContext": {{
    "http": {{
      "method": "GET",
      "path": "/hello",
      "protocol": "HTTP/1.1",
      "sourceIp": "203.0.113.17",
      "userAgent": "curl/8.16.0"
    }},
    "routeKey": "$default",
    "stage": "$default"
  }},
  "isBase64Encoded": false
}}
""",
    "{package}/__init__.py": "",
    "{package}/app.py": '''\
"""The function: an HTTP request in, a response out."""

import json


def handler(event, context):
    name = (event.get("queryStringParameters") or {{}}).get("name", "world")
    return {{
        "statusCode": 200,
        "headers": {{"content-type": "application/json"}},
        "body": json.dumps({{"message": f"Hello, {{name}}!"}}),
    }}
''',
    "tests/test_app.py": """\
import json
from pathlib import Path

from {package}.app import handler

EVENT = json.loads(Path(__file__).parents[1].joinpath("event.json").read_text(encoding="utf-8"))


def test_greets_whom_the_query_names():
    response = handler(EVENT, None)

    assert response["statusCode"] == 200
    assert json.loads(response["body"]) == {{"message": "Hello, Ada!"}}


def test_greets_the_world_without_a_query():
    assert "Hello, world!" in handler({{}}, None)["body"]
""",
}


def create(directory: Path, target: Target) -> list[str]:
    """Create a project in a directory that does not exist or is empty; returns the paths of its files.

    Raises `LambdaBuildError`. All files appear at once.
    """
    name = directory.resolve().name
    package = re.sub(r"[-_.]+", "_", name).lower()
    _check(name, package)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise LambdaBuildError(
            f"{directory} exists already{', and is not empty' if directory.is_dir() else ''}.\n"
            "What you can do: choose another name; or, to set up the project in it, run `hatch-lambda init` there."
        )
    values = {
        "name": name,
        "package": package,
        "runtime": target.runtime.name,
        "architecture": target.architecture.name,
        "python": "{}.{}".format(*target.runtime.python),
        "zip": f"{package}-0.1.0-{target}.zip",
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    tempfiles.sweep(directory.parent, tempfiles.PART)
    fresh = Path(tempfile.mkdtemp(prefix=tempfiles.marked(tempfiles.PART), dir=directory.parent))
    try:
        for path, content in _FILES.items():
            file = fresh / path.format(**values)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.format(**values).encode("utf-8"))
        if directory.exists():  # it is empty
            fresh.chmod(directory.stat().st_mode)
            directory.rmdir()
        else:
            fresh.chmod(0o777 & ~_umask())
        fresh.rename(directory)
    except BaseException:
        tempfiles.remove(fresh)
        raise
    return [path.format(**values) for path in _FILES]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check(name: str, package: str) -> None:
    """Raise `LambdaBuildError` for a name that a project or its package cannot have."""
    fault = ""
    if not _NAME.fullmatch(name):
        fault = "use ASCII letters, digits, `-`, `_` and `.`, with a letter or digit at both ends"
    elif not package.isidentifier() or keyword.iskeyword(package):
        fault = f"its package would be `{package}`, which Python cannot import"
    elif package in sys.stdlib_module_names:
        fault = f"its package would hide the standard library's module `{package}`"
    elif package in BUILT_IN_MODULES | LOADED_MODULES | {"tests"}:
        fault = f"its package would be `{package}`, a name that is taken on Lambda or in the project"
    if fault:
        raise LambdaBuildError(f"{name!r} cannot be the name of a project: {fault}.")


def default_runtime() -> str:
    """That of the running Python, so that the function can be invoked here; else the newest that is no preview."""
    running = RUNTIMES.get("python{}.{}".format(*sys.version_info))
    if running and running.deprecated and not running.is_deprecated:
        return running.name
    return [runtime.name for runtime in RUNTIMES.values() if runtime.deprecated][-1]
