"""Projects that are set up already, or that hatchling cannot build as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.config.settings import HOOK_TABLE
from hatch_lambda.init.pyproject import BACKEND, REPLACEABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def refuse(root: Path, pyproject: Mapping[str, Any]) -> None:
    """Raise `LambdaBuildError` for what is set up already, or what hatchling cannot build as it is."""
    build = pyproject.get("tool", {}).get("hatch", {}).get("build", {})
    if "lambda" in build.get("hooks", {}) or "lambda" in build.get("targets", {}).get("lambda", {}).get("hooks", {}):
        raise LambdaBuildError(
            f"pyproject.toml has the table [{HOOK_TABLE}] already, so there is nothing to do.\n"
            "What you can do: change it there, and build: `hatch build -t lambda`."
        )
    if root.joinpath("hatch.toml").is_file():
        raise LambdaBuildError(
            "This project has a hatch.toml, which Hatch reads instead of [tool.hatch] in pyproject.toml.\n"
            "What you can do: add the tables to it, without `tool.hatch.` in their names, as in "
            "[build.hooks.lambda], and "
            '"hatch-lambda" to `build-system.requires` in pyproject.toml.'
        )
    poetry = pyproject.get("tool", {}).get("poetry")
    if "project" not in pyproject and not (poetry and root.joinpath("poetry.lock").is_file()):
        _refuse_metadata_elsewhere(root, has_poetry=bool(poetry))
    backend = backend_of(pyproject)
    if backend not in {None, BACKEND, *REPLACEABLE}:
        raise LambdaBuildError(
            f"This project is built by {backend}, and the target `lambda` requires hatchling as the build backend.\n"
            f"{backend} may do what hatchling does not, so it is not replaced here.\n"
            f'What you can do: set `build-backend = "{BACKEND}"` and `requires = ["hatchling", "hatch-lambda"]` in '
            "[build-system] if hatchling can build it, and run this again; or make a project next to it that "
            "requires it."
        )
    if backend != BACKEND and (dynamic := pyproject.get("project", {}).get("dynamic")):
        raise LambdaBuildError(
            f"{backend or 'The build backend'} finds out {', '.join(map(str, dynamic))} (`project.dynamic`) when "
            "it builds "
            "this project; hatchling does so by other settings.\n"
            "What you can do: write it into [project], and remove it from `dynamic`; or, for the version, see "
            "https://hatch.pypa.io/latest/version/. Then run this again."
        )
    if backend != BACKEND and pyproject.get("tool", {}).get("setuptools", {}).get("ext-modules"):
        raise LambdaBuildError(
            "setuptools compiles extension modules for this project (`tool.setuptools.ext-modules`), which "
            "hatchling does "
            "not.\nWhat you can do: keep them in a project of their own, and require it."
        )


def _refuse_metadata_elsewhere(root: Path, *, has_poetry: bool) -> None:
    if has_poetry:
        raise LambdaBuildError(
            "Only Poetry's own tables say what this project requires, and there is no poetry.lock.\n"
            "What you can do: run `poetry lock`, and this again, to package what it locks; or move the "
            "dependencies from "
            "[tool.poetry.dependencies] to [project], which Poetry 2 reads as well."
        )
    for name in ("setup.py", "setup.cfg"):
        path = root / name
        if path.is_file() and (name == "setup.py" or "[metadata]" in path.read_text("utf-8", errors="replace")):
            raise LambdaBuildError(
                f"The metadata of this project is in {name}, which hatchling does not read.\n"
                "What you can do: `hatch new --init` writes it into [project] in pyproject.toml; check that, remove "
                f"{name}, and run this again."
            )


def backend_of(pyproject: Mapping[str, Any]) -> str | None:
    table = pyproject.get("build-system")
    return None if table is None else table.get("build-backend", "setuptools.build_meta:__legacy__")


def notes_on_backend(pyproject: Mapping[str, Any]) -> Iterator[str]:
    """What changes for the project with another build backend."""
    backend = backend_of(pyproject)
    if backend not in {None, BACKEND}:
        yield (
            f"hatchling builds this project from now on, its wheel as well, in place of {backend}. What [tool.…] "
            "tables of "
            f"{backend.partition('.')[0]} say of files, scripts or data has no effect any more"
        )
    if "project" not in pyproject and "poetry" in pyproject.get("tool", {}):
        yield (
            "[project] has no dependencies: the zip gets what poetry.lock says, but a wheel would require "
            "nothing. Move "
            "them to [project] if you publish it"
        )
