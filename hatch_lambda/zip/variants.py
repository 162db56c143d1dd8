"""The files of each version's zip: the project, its dependencies or both, with their paths in Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import folders_of, is_shared_init, union
from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.config.settings import CODE, LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
        return in_layer(dependencies)
    if version == CODE:
        _check_code_and_layer((*own, *own_sources), (*dependencies, *sources))
        return union([own])
    if own_sources or sources:
        union([(*own, *own_sources), (*dependencies, *sources)])
    return union([own, dependencies])


def in_layer(files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
    """Files at their paths in a layer."""
    return tuple(file._replace(path=LAYER_FOLDER + file.path) for file in files)


def _check_code_and_layer(own: Sequence[BundleFile], dependencies: Sequence[BundleFile]) -> None:
    """Check that Python sees all of the version `code` and its layer. Raises `ConflictingFilesError`."""
    for package, _one, other, hidden in _split_packages(own, dependencies):
        found_in, hidden_in = ("the project", "layer") if hidden is other else ("the layer", "code")
        raise ConflictingFilesError(
            f"Both the project and {other.owner} have modules in the package `{package}`. Python would import only "
            f"{found_in}'s, which has the `__init__.py`, and none of the {hidden_in}'s.\n"
            "In one directory they work together: build the version `function` instead of `code` and `layer`."
        )


def check_with_layers(modules: Sequence[BundleFile], layers: Mapping[str, Sequence[BundleFile]], table: str) -> None:
    """Check that Python and Lambda see all of a function and its layers, by name. `modules`: the function's.

    All by their paths on `sys.path`. `table`: of the function. Raises `ConflictingFilesError`.
    """
    # Lambda unpacks the layers one over the other; metadata are equal but for what settings leave out.
    together = union(tuple(file for file in files if ".dist-info/" not in file.path) for files in layers.values())
    for package, one, other, hidden in _split_packages(modules, together):
        found = one if hidden is other else other
        (layer, *_) = [name for name, files in layers.items() if other in files]
        raise ConflictingFilesError(
            f"Both {one.owner} in the function and {other.owner} in the layer `{layer}` have modules in the package "
            f"`{package}`. Python would import only those of {found.owner}, where the `__init__.py` is, and none of "
            f"{hidden.owner}.\n"
            "In one directory they work together.\n"
            "What you can do: put both into the layer, or neither; leave out what nobody needs with `exclude`; or take "
            f"the layer out of `{table}.layers`."
        )


def _split_packages(
    code: Iterable[BundleFile], layer: Iterable[BundleFile]
) -> Iterator[tuple[str, BundleFile, BundleFile, BundleFile]]:
    """The packages that Python would find only one half of, with a file of each half, and the one that is hidden.

    A package with an `__init__.py` is imported from one directory only, so code and layer cannot share it.
    """
    halves = [{file.path: file for file in files} for files in (code, layer)]
    for directory in sorted(_package_directories(halves[0]) & _package_directories(halves[1])):
        one, other = (
            min((file for path, file in half.items() if path.startswith(f"{directory}/")), key=lambda file: file.owner)
            for half in halves
        )
        for half, hidden in ((halves[0], other), (halves[1], one)):
            init = half.get(f"{directory}/__init__.py")
            if init and not is_shared_init(init.source.read()):
                yield directory.replace("/", "."), one, other, hidden


def _package_directories(paths: Iterable[str]) -> set[str]:
    """The directories that Python may import as packages."""
    modules = (path for path in paths if ".dist-info/" not in path and path.endswith((".py", ".so")))
    return folders_of(modules)
