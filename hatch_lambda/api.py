"""The Python interface: fills a directory with a function's dependencies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda import pipeline
from hatch_lambda.common.errors import ConfigurationError, LambdaBuildError
from hatch_lambda.common.ui import UI, Reporter, SilentUI
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load

if TYPE_CHECKING:
    from collections.abc import Mapping


class PythonPipDependencyBuilder:
    """Puts the closure of a requirements file into a directory, for a Lambda runtime.

    class Printer:
        def status(self, message):
            print(message)
        def error(self, message):
            print(message, file=sys.stderr)

    PythonPipDependencyBuilder().build_dependencies(
        "build/bundle", "requirements.txt", "python3.13", ui=Printer(), config={"architecture": "arm64"}
    )
    """

    def build_dependencies(
        self,
        artifacts_dir_path: str | os.PathLike[str],
        requirements_path: str | os.PathLike[str],
        runtime: str,
        ui: UI | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        """Resolve, download, build and lay out, as the build hook does.

        `artifacts_dir_path`: the directory that becomes the bundle; its content is replaced. `requirements_path`: a
        file as pip reads it. `runtime`: `python3.13`. `config`: keys of `[tool.hatch.build.hooks.lambda]`,
        `architecture` first, except `runtime`, `requirements` and `build-directory`; its paths are relative to the
        current directory.

        Raises `LambdaBuildError` after a call of `ui.error`; the directory is then as it was.
        """
        ui = ui or SilentUI()
        try:
            artifacts, requirements = _absolute(artifacts_dir_path), _absolute(requirements_path)
            _refuse_to_clear(artifacts, requirements)
            _refuse_duplicates(config or {})
            table = {**(config or {}), "runtime": runtime, "requirements": [str(requirements)]}
            settings = load(table, Path.cwd(), environ={}, name="config")
            pipeline.run(Request(settings, artifacts, subject=requirements.name), Reporter(ui))
        except LambdaBuildError as error:
            ui.error(str(error))
            raise
        except OSError as error:
            ui.error(f"The build stopped: {error}")
            raise LambdaBuildError(f"The build stopped: {error}") from error


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links


def _refuse_duplicates(config: Mapping[str, object]) -> None:
    faults = [
        f"Field `config.{key}` is not allowed; use the argument `{argument}` instead"
        for key, argument in (
            ("runtime", "runtime"),
            ("requirements", "requirements_path"),
            ("build-directory", "artifacts_dir_path"),
        )
        if key in config
    ]
    if faults:
        raise ConfigurationError(faults)


def _refuse_to_clear(artifacts: Path, requirements: Path) -> None:
    """Protect the caller's files, as the directory is replaced as a whole. Raises `ConfigurationError`."""
    if artifacts.exists() and not artifacts.is_dir():
        raise ConfigurationError([f"{artifacts} is not a directory and would be replaced by one"])
    for precious in (requirements, Path.cwd()):
        if artifacts == precious or artifacts in precious.parents:
            raise ConfigurationError([f"The directory {artifacts} would be cleared, but it contains {precious}"])
