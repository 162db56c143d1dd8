"""Hatch plugin: `hatch build -t lambda` makes a zip that runs on AWS Lambda.

A build passes through `plugin`, `config`, `resolve`, `wheels`, `bundle` and `zip`; `pipeline` is the table of contents.
Imports only point down; the layers are in pyproject.toml.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_lambda.api import PythonPipDependencyBuilder
    from hatch_lambda.common.errors import LambdaBuildError
    from hatch_lambda.common.ui import UI
    from hatch_lambda.resolve.closure import MissingDependencyError

__all__ = ["UI", "LambdaBuildError", "MissingDependencyError", "PythonPipDependencyBuilder"]

_HOMES = {
    "LambdaBuildError": "common.errors",
    "MissingDependencyError": "resolve.closure",
    "PythonPipDependencyBuilder": "api",
    "UI": "common.ui",
}


def __getattr__(name: str) -> object:
    """Import public names on first use: Hatch imports this package for every target of a project."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
