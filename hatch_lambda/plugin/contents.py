"""What the zip of a version holds, by where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.plugin.own_files import Own, own_files
from hatch_lambda.plugin.prepared import has_project
from hatch_lambda.zip import layer_files, secrets
from hatch_lambda.zip.variants import LAYER_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from hatch_lambda.plugin.common import Common
    from hatch_lambda.plugin.prepared import Prepared
    from hatch_lambda.wheels.members import BundleFile


class Contents(NamedTuple):
    """`own`, `dependencies`: by their paths on `sys.path`. `placed`: by `files`, by their paths in the layer.

    `sources`: modules of dependencies that only their bytecode is packaged of.
    """

    own: Own
    dependencies: tuple[BundleFile, ...]
    placed: tuple[BundleFile, ...]
    sources: tuple[BundleFile, ...]

    @property
    def modules(self) -> tuple[BundleFile, ...]:
        """All by their paths on `sys.path`, with those sources."""
        modules = (file for file in self.placed if file.path.startswith(LAYER_FOLDER))
        placed = (file._replace(path=file.path.removeprefix(LAYER_FOLDER)) for file in modules)
        return (*self.own.files, *self.own.sources, *self.dependencies, *self.sources, *placed)

    @property
    def everything(self) -> tuple[BundleFile, ...]:
        return (*self.own.files, *self.dependencies, *self.placed)

    @property
    def size(self) -> int:
        """In bytes, unzipped."""
        return sum(file.source.size for file in self.everything)


def contents_of(  # noqa: PLR0913 - all that it takes to build the project's wheel
    prepared: Prepared,
    common: Common,
    build_data: dict[str, Any],
    closing: ExitStack,
    owner: str,
    *,
    layers: Sequence[Contents] = (),
    quiet: bool = False,
) -> Contents:
    """`owner`: the project, by which its own files in wheels are known. `closing`: closes a wheel of this zip alone.

    `layers`: what those of a function hold. `quiet`: without the warnings. Raises `LambdaBuildError`.
    """
    # A requirements file may name the project itself (`-e .`); its own wheel is the one to take.
    dependencies, sources = (
        tuple(file for file in files if file.owner != owner)
        for files in (prepared.bundle.files, prepared.bundle.sources)
    )
    own = Own()
    if has_project(prepared.version, prepared.settings):
        wheel = common.wheel(build_data, prepared.settings, closing)
        elsewhere = {file.path: file for layer in layers for file in (*layer.own.files, *layer.own.sources)}
        own = own_files(common.builder, prepared, wheel, common.store, elsewhere, quiet=quiet)
    placed = layer_files.placed(prepared.settings)
    if placed and not quiet:
        from hatch_lambda.plugin.native_code import check_placed  # for few layers

        check_placed(prepared.settings, prepared.bundle.wheels, common.store)
        for warning in secrets.warnings(placed):
            prepared.reporter.warn(warning)
    return Contents(own, dependencies, placed, sources)
