"""Builds a project for `hatch-lambda serve`, in a process of its own, as Hatch builds it.

Usage: python -m hatch_lambda.plugin.serving PROJECT ANSWER [FUNCTION ...]

Writes to the file ANSWER, as JSON, what was built for each function, and which files that depends on.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import ARCHITECTURES
from hatch_lambda.config.settings import FUNCTION, TARGET_TABLE
from hatch_lambda.config.validators import listed
from hatch_lambda.invoke.serve.built_project import BuiltFunction, BuiltProject
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.plugin.display import aborting
from hatch_lambda.plugin.selection import SERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.plugin.build import Build

_ARCHITECTURE = "HATCH_LAMBDA_ARCHITECTURE"

# Of the target's table: what is written next to a zip, for which nobody looks here.
_NOT_SERVED = ("report", "sbom", "unpacked")


def build(root: Path, names: Sequence[str]) -> BuiltProject:
    """Build the zips of functions (by default all) and of their layers."""
    builder = _builder(root)
    build = builder.current
    with aborting(builder.app):
        chosen = _chosen(build, names)
        if _build_for_this_machine(build, chosen):
            builder = _builder(root)
            build = builder.current
        settings = build.settings
        sources = sorted({str(path) for path in _sources(build, chosen)})
    versions = [*dict.fromkeys(layer for name in chosen for layer in settings[name].layers), *chosen]
    directory = settings[FUNCTION].build_directory / SERVED
    paths = dict(zip(versions, builder.build(directory=str(directory), versions=versions), strict=True))
    functions = tuple(
        BuiltFunction(
            builder.metadata.core.name if name == FUNCTION else name,
            paths[name],
            tuple(paths[layer] for layer in settings[name].layers),
            settings[name].handler or build.tables.zip.handler,
            settings[name].runtime,
            TARGET_TABLE if name == FUNCTION else settings[name].table,
        )
        for name in chosen
    )
    outputs = (str(settings[FUNCTION].build_directory), str(Path(builder.root, builder.config.directory)))
    return BuiltProject(functions, tuple(sources), outputs)


def _builder(root: Path) -> LambdaBuilder:
    builder = LambdaBuilder(str(root))
    for key in _NOT_SERVED:
        builder.target_config.pop(key, None)
    return builder


def _chosen(build: Build, names: Sequence[str]) -> list[str]:
    """Versions of the target. Raises `LambdaBuildError`."""
    known = [name for name, each in build.settings.items() if each.variant and not each.is_layer] or [FUNCTION]
    own = build.builder.metadata.core.name
    wanted = [FUNCTION if name == own and known == [FUNCTION] else name for name in names]
    if unknown := [name for name in wanted if name not in known]:
        has = own if known == [FUNCTION] else listed(known)
        raise LambdaBuildError(f"This project has no function `{unknown[0]}`; it has {has}.")
    return list(dict.fromkeys(wanted)) or known


def _build_for_this_machine(build: Build, names: Iterable[str]) -> bool:
    """Have functions built for this machine, which cannot run native code for another one. Returns if that differs."""
    here = next((name for name, known in ARCHITECTURES.items() if known.machine == platform.machine()), None)
    others = {build.settings[name].architecture for name in names} - {here}
    if not here or not others or os.environ.get(_ARCHITECTURE):
        return False
    build.reporter().line(f"Building for {here}, as this machine is, instead of {listed(sorted(others))}")
    os.environ[_ARCHITECTURE] = here
    return True


def _sources(build: Build, names: Iterable[str]) -> Iterator[Path]:
    root = Path(build.builder.root)
    yield root
    for name in names:
        for version in (name, *build.settings[name].layers):
            for path in (*_named_files(build.settings[version]), *_local_projects(build, version)):
                if not path.is_relative_to(root):
                    yield path


def _named_files(settings: Settings) -> Iterator[Path]:
    yield from (*settings.requirements, *settings.constraints)
    if settings.lock_file:
        yield settings.lock_file
    for source, _target in (*(settings.force_include or ()), *settings.files):
        yield settings.root / source


def _local_projects(build: Build, version: str) -> Iterator[Path]:
    for requirement in build.requests.of(version).requirements:
        if match := re.search(r"@ (file:\S+)", requirement):
            yield Path(url2pathname(urlsplit(match[1]).path))


if __name__ == "__main__":
    project, answer, *functions = sys.argv[1:]
    Path(answer).write_text(json.dumps(asdict(build(Path(project), functions))), encoding="utf-8")
