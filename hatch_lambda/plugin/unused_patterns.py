"""Warnings about patterns that select nothing: a typo, or the wrong one of the two tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.constants import EXCLUDED_DIRECTORIES
from hatchling.builders.utils import normalize_relative_path, safe_walk

from hatch_lambda.common.source_trees import is_unpacked_zip
from hatch_lambda.config.patterns import unmatched
from hatch_lambda.config.settings import TARGET_TABLE, Settings
from hatch_lambda.plugin.project_wheel import ProjectWheelBuilder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.plugin.own_files import Own
    from hatch_lambda.plugin.prepared import Prepared


def warnings(builder: BuilderInterface[Any, Any], prepared: Prepared, hook: Settings, own: Own) -> Iterator[str]:
    """Of the tables that a zip was made by. `hook`: of the hook's own."""
    settings, bundle = prepared.settings, prepared.bundle
    if own.files:
        yield from _in_target_table(
            ProjectWheelBuilder.of(builder, {}), hook, [file.path for file in (*bundle.files, *bundle.sources)]
        )
    # What a function inherits is for other functions, too.
    unused = () if settings.variant and settings.exclude == hook.exclude else bundle.unused
    yield from _in_hook_table(settings, unused, own.unfiltered)


def _in_target_table(builder: ProjectWheelBuilder, hook: Settings, dependencies: Collection[str]) -> Iterator[str]:
    """Of Hatch's file selection in `targets.lambda`. `dependencies`: the paths of their files."""
    lists = {key: value for key, value in builder.overriding.items() if isinstance(value, list)}
    table = {key: [item for item in value if isinstance(item, str)] for key, value in lists.items()}
    for key in ("only-include", "packages"):
        for path in table.get(key, []):
            if not Path(builder.root, normalize_relative_path(path)).exists():
                hint = "; patterns belong in `include`" if set(path) & set("*?[") else ""
                yield f"`{path}` in `{TARGET_TABLE}.{key}` is no file or directory of the project{hint}"
    if table.get("include") and builder.config.only_include:
        yield f"`{TARGET_TABLE}.include` has no effect, as Hatch ignores it where `only-include` or `packages` is set"
    else:
        for pattern in unmatched(table.get("include", []), _project_files(hook)):
            yield f"`{pattern}` in `{TARGET_TABLE}.include` matches no file of the project"
    for pattern in unmatched(table.get("exclude", []), _project_files(hook)):
        where = f"`{pattern}` in `{TARGET_TABLE}.exclude` matches"
        if unmatched([pattern], dependencies):
            yield f"{where} no file of the project"
        else:
            yield f"{where} files of dependencies, but none of the project; it belongs in `{hook.table}.exclude`"


def _in_hook_table(settings: Settings, unused: Collection[str], own: Collection[str]) -> Iterator[str]:
    """Of the table of the hook, a function or a layer. `unused`: those of `exclude` that match no file of dependencies.

    `own`: the paths in the zip of all files of the project.
    """
    where = f"`{settings.table}.exclude`"
    if settings.variant:
        without_project = settings.is_layer and not settings.project
        selecting = {"include": settings.include, **settings.selection}
        for key in (key for key, value in selecting.items() if value and without_project):
            yield f"`{settings.table}.{key}` has no effect without `project = true`"
        for pattern in () if without_project else unmatched(settings.include, own):
            yield f"`{pattern}` in `{settings.table}.include` matches no file of the project by its path in the zip"
        for pattern in unmatched(unused, own):
            yield f"`{pattern}` in {where} matches no file of the project or its dependencies by its path in the zip"
        return
    for pattern in unused:
        if unmatched([pattern], own) and unmatched([pattern], _project_files(settings)):
            yield f"`{pattern}` in {where} matches no file of the dependencies"
        else:
            yield (
                f"`{pattern}` in {where} matches files of the project, but none of its dependencies; "
                f"it belongs in `{TARGET_TABLE}.exclude`"
            )


def _project_files(settings: Settings) -> Iterator[str]:
    """The paths of what Hatch may package, from the root, with forward slashes."""
    for folder, folders, names in safe_walk(str(settings.root)):
        if "pyvenv.cfg" in names or Path(folder) == settings.build_directory or is_unpacked_zip(Path(folder)):
            folders.clear()
            continue
        folders[:] = sorted(set(folders) - EXCLUDED_DIRECTORIES)
        yield from (os.path.relpath(os.path.join(folder, name), settings.root).replace(os.sep, "/") for name in names)  # noqa: PTH118
