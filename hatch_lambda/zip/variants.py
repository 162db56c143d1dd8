"""The files of each version's zip: the project, its dependencies or both, with their paths in Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import folders_of, is_shared_init, union
from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.config.settings import CODE, LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.wheels.members import BundleFile

LAYER_FOLDER = "python/"
"""On `sys.path` in Lambda (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html)."""


def compose(
    version: str,
    own: tuple[BundleFile, ...],
    dependencies: tuple[BundleFile, ...],
    *,
    own_sources: tuple[BundleFile, ...] = (),
    sources: tuple[BundleFile, ...] = (),
) -> tuple[BundleFile, ...]:
    """The files of a zip. `own`: those of the project, none for a layer.

    `own_sources`, `sources`: modules of the project and its dependencies of which only the bytecode is among the files;
    they must not conflict, either. Raises `ConflictingFilesError`.
    """
    if version == LAYER:
        return tuple(file._replace(path=LAYER_FOLDER + file.path) for file in dependencies)
    if version == CODE:
        _check_split_packages((*own, *own_sources), (*dependencies, *sources))
        return union([own])
    if own_sources or sources:
        union([(*own, *own_sources), (*dependencies, *sources)])
    return union([own, dependencies])


def _check_split_packages(own: tuple[BundleFile, ...], dependencies: tuple[BundleFile, ...]) -> None:
    """A package with an `__init__.py` is imported from one directory only, so code and layer cannot share it."""
    code, layer = ({file.path: file for file in files} for files in (own, dependencies))
    for directory in sorted(_package_directories(code) & _package_directories(layer)):
        for files, found_in, hidden_in in ((code, "the project", "layer"), (layer, "the layer", "code")):
            init = files.get(f"{directory}/__init__.py")
            if init and not is_shared_init(init.source.read()):
                owner = min(file.owner for path, file in layer.items() if path.startswith(f"{directory}/"))
                raise ConflictingFilesError(
                    f"Both the project and {owner} have modules in the package `{directory.replace('/', '.')}`. Python "
                    f"would import only {found_in}'s, which has the `__init__.py`, and none of the {hidden_in}'s.\n"
                    "In one directory they work together: build the version `function` instead of `code` and `layer`."
                )


def _package_directories(paths: Iterable[str]) -> set[str]:
    """The directories that Python may import as packages."""
    modules = (path for path in paths if ".dist-info/" not in path and path.endswith((".py", ".so")))
    return folders_of(modules)
