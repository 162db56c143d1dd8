"""What `hatch-lambda serve` serves: a project, built whenever it changes, or a zip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from hatch_lambda.cli.function_options import invocation_of
from hatch_lambda.common import process, tempfiles
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.invoke.serve.built_project import BuiltProject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.invoke import Invocation


_PATIENCE = 5
"""Seconds that a build has to clean up when it is interrupted."""


class BuildFailedError(LambdaBuildError):
    """The message is what the build has printed, if that was not shown."""


class Served(Protocol):
    """`sources`: what to watch. `outputs`: what not to watch in them."""

    @property
    def sources(self) -> Sequence[Path]: ...

    @property
    def outputs(self) -> Sequence[Path]: ...

    def invocations(self, *, quiet: bool) -> list[Invocation]:
        """Invocations of each function, with its code as it is now. `quiet`: shows a build only if it fails."""
        ...


def served(path: Path, names: tuple[str, ...], handler: str | None, options: dict[str, Any]) -> Served:
    """A project if there is a pyproject.toml, else a zip or directory. Raises `click.UsageError`."""
    if path.is_dir() and path.joinpath("pyproject.toml").exists():
        return ServedProject(path.resolve(), names, handler, options)
    if path.is_dir() and path.resolve() == Path.cwd():
        raise click.UsageError("There is no pyproject.toml here. Pass a project's directory, or a zip.")
    if not handler:
        raise click.UsageError(f"Which function of {path.name}? Pass --handler MODULE.NAME.")
    return ServedZip(path.absolute(), names, handler, options)


@dataclass
class ServedZip:
    """A zip or an unzipped directory, which may be replaced."""

    path: Path
    names: tuple[str, ...]
    handler: str
    options: dict[str, Any]
    outputs: Sequence[Path] = ()

    @property
    def sources(self) -> Sequence[Path]:
        # Of a zip the directory: it is replaced by another file of its name.
        return [path if path.is_dir() else path.parent for path in (self.path, *self.options["layers"])]

    def invocations(self, *, quiet: bool) -> list[Invocation]:
        del quiet
        if not self.path.exists():
            raise LambdaBuildError(f"{self.path} is gone.")
        name = self.names[0] if self.names else _name_of(self.path)
        return [invocation_of(self.path, self.handler, name=name, **self.options)]


def _name_of(path: Path) -> str:
    """`orders` of `orders-1.0-python3.13-arm64.zip`."""
    stem = path.name.removesuffix(".zip")
    name = re.match(r"(.+?)-\d", stem)
    return re.sub(r"[^A-Za-z0-9_-]", "-", name[1] if name else stem)[:64]


@dataclass
class ServedProject:
    """A project, built as `hatch build -t lambda` builds it, into a directory of its own."""

    root: Path
    names: tuple[str, ...]
    handler: str | None
    options: dict[str, Any]
    sources: Sequence[Path] = ()
    outputs: Sequence[Path] = ()

    def __post_init__(self) -> None:
        self.sources = [self.root]

    def invocations(self, *, quiet: bool) -> list[Invocation]:
        built = self._build(quiet=quiet)
        self.sources = [*map(Path, built.sources)]
        self.outputs = [*map(Path, built.outputs)]
        if self.handler and len(built.functions) > 1:
            raise click.UsageError("--handler is for one function; choose it by --function.")
        invocations = []
        for each in built.functions:
            handler = self.handler or each.handler
            if not handler:
                raise LambdaBuildError(
                    f"The function `{each.name}` has no handler. Pass --handler, or add to pyproject.toml:\n\n"
                    f'[{each.table}]\nhandler = "package.module.function"'
                )
            layers = (*map(Path, each.layers), *self.options["layers"])
            options = {**self.options, "layers": layers, "runtime": each.runtime}
            invocations.append(invocation_of(Path(each.zip), handler, name=each.name, **options))
        return invocations

    def _build(self, *, quiet: bool) -> BuiltProject:
        environment = {**os.environ}
        if runtime := self.options["runtime"]:
            environment["HATCH_LAMBDA_RUNTIME"] = runtime
        tempfiles.sweep(Path(tempfile.gettempdir()), tempfiles.SCRATCH)
        with tempfile.TemporaryDirectory(prefix=tempfiles.marked(tempfiles.SCRATCH)) as scratch:
            answer = Path(scratch, "answer.json")
            command = [sys.executable, "-m", "hatch_lambda.plugin.serving", str(self.root), str(answer), *self.names]
            if quiet:
                ended = process.run(command, directory=self.root, environment=environment, on_line=lambda _line: None)
                if ended.exit_code:
                    raise BuildFailedError(ended.output)
            elif _exit_code(command, self.root, environment):
                raise BuildFailedError("The project cannot be built, so it is not served.")
            return BuiltProject.read(answer)


def _exit_code(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
    """Run a program that shows what it does. Ctrl-C reaches only this one, which ends it."""
    with subprocess.Popen(command, cwd=directory, env=environment, start_new_session=True) as build:  # noqa: S603 - ours
        try:
            return build.wait()
        except BaseException:
            build.terminate()
            with suppress(subprocess.TimeoutExpired):
                build.wait(_PATIENCE)
            process.kill_session(build)
            raise
