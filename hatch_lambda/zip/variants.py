"""What goes into the zip of each version: the project, its dependencies or both, at the place where Lambda has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import is_shared_init, parents, union
from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.config.settings import CODE, LAYER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.wheels.members import BundleFile

LAYER_FOLDER = "python/"
"""Of a layer, this is on `sys.path` (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html)."""


def compose(version: str, own: tuple[BundleFile, ...], dependencies: tuple[BundleFile, ...]) -> tuple[BundleFile, ...]:
    """The files of a zip. `own`: those of the project, which a layer has none of.

    Raises `ConflictingFilesError`.
    """
    if version == LAYER:
        return tuple(file._replace(path=LAYER_FOLDER + file.path) for file in dependencies)
    if version == CODE:
        _make_sure_that_no_package_hides_another(own, dependencies)
        return union([own])
    return union([own, dependencies])


def _make_sure_that_no_package_hides_another(own: tuple[BundleFile, ...], dependencies: tuple[BundleFile, ...]) -> None:
    """Of a package with an `__init__.py` Python takes the first folder that it finds, and no module of the others."""
    code, layer = ({file.path: file for file in files} for files in (own, dependencies))
    both = _folders(code) & _folders(layer)
    for folder in sorted(both):
        for files, found_in, hidden_in in ((code, "the project", "layer"), (layer, "the layer", "code")):
            init = files.get(f"{folder}/__init__.py")
            if init and not is_shared_init(init.source.read()):
                raise ConflictingFilesError(
                    f"Both the project and {min(_owners(layer, folder))} have modules in the package "
                    f"`{folder.replace('/', '.')}`. Of these, only {found_in}'s would be found, which has its "
                    f"`__init__.py`, and none of the {hidden_in}'s.\n"
                    "In one folder they go together: build the version `function` instead of `code` and `layer`."
                )


def _folders(files: Mapping[str, BundleFile]) -> set[str]:
    """The folders that Python may take for packages."""
    return {
        parent
        for path in files
        if ".dist-info/" not in path and path.endswith((".py", ".so"))
        for parent in parents(path)
    }


def _owners(files: Mapping[str, BundleFile], folder: str) -> set[str]:
    return {file.owner for path, file in files.items() if path.startswith(f"{folder}/")}
