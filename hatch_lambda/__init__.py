"""Hatch plugin: `hatch build -t lambda` makes a zip that runs on AWS Lambda.

The way of the data, by file:

- `hooks` registers the two plugins; `build_hook` and `builder` translate between Hatch and what is below, which knows
  nothing of Hatch; `project` has Hatch make the project's own wheel; `dependency_builder` serves Python callers;
- `settings` is what the user wrote, `target` where the zip will run, `job` both together;
- `pipeline` is the program: nine stages (`stages`), each taking and returning the values of `distributions`;
  `fingerprint`, `resolution` and `store` let a build reuse what an earlier one found;
- the stages stand on `pip_process` (which starts pip, for the target by way of `pip_for_target`), `toolchains` and
  `interpreters` for builds, `verdicts`, `wheel_check`, `machine_code` and `audit` (by way of `inspection`) for trust;
- `layout` says where the files of a wheel belong, `bundle` unites them, `archive` writes the zip; `limits` and
  `sensitive_files` look at what is in it;
- `process` starts programs, `litter` tidies up, `ui` and `errors` are what users and callers get to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_lambda.dependency_builder import PythonPipDependencyBuilder
    from hatch_lambda.errors import LambdaBuildError, MissingDependencyError
    from hatch_lambda.ui import UI

__all__ = ["UI", "LambdaBuildError", "MissingDependencyError", "PythonPipDependencyBuilder"]

_HOMES = {
    "LambdaBuildError": "errors",
    "MissingDependencyError": "errors",
    "PythonPipDependencyBuilder": "dependency_builder",
    "UI": "ui",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are asked for: Hatch imports this package for every target of a project."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
