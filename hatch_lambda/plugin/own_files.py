"""The files that the project itself brings into a zip."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.bundle.files import parents
from hatch_lambda.common import tempfiles
from hatch_lambda.config.request import LAYER_ROOT, TASK_ROOT
from hatch_lambda.plugin.own_extensions import build_for_target
from hatch_lambda.plugin.project_wheel import check_tags
from hatch_lambda.wheels.layout import Layout
from hatch_lambda.wheels.signatures import may_have_machine_code
from hatch_lambda.zip import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.bundle.bytecode import Bytecode
    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.plugin.prepared import Prepared
    from hatch_lambda.plugin.project_wheel import Built
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import Store


class Own(NamedTuple):
    """What the project brings.

    `selected`: the paths in the zip, without bytecode. `unfiltered`: before a function's patterns are applied.
    `sources`: modules that only their bytecode is packaged of.
    """

    files: tuple[BundleFile, ...] = ()
    selected: tuple[str, ...] = ()
    unfiltered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: tuple[BundleFile, ...] = ()


class OwnWheel:
    """The project's wheel, and what is found out about it once, however many zips have its files.

    `is_shared`: several zips may have some of them.
    """

    def __init__(self, built: Built, root: Path, *, is_shared: bool) -> None:
        self.path = built.path
        self.forced = built.forced
        self._sources = built.sources
        self._root = root
        self._is_shared = is_shared
        self._layouts: dict[Target, Layout] = {}
        self._compiled: dict[object, Bytecode] = {}

    @cached_property
    def may_have_machine_code(self) -> bool:
        return may_have_machine_code(self.path)

    @cached_property
    def links_out(self) -> tuple[str, ...]:
        """The links by which files that are packaged are not in the project, as `link -> where`."""
        inside, out, prefix = self._root.resolve(), dict[str, Path](), f"{self._root}{os.sep}"
        below = [each.removeprefix(prefix).replace(os.sep, "/") for each in self._sources if each.startswith(prefix)]
        for path in sorted({each for source in below for each in (source, *parents(source))}):
            link = self._root / path
            if link.is_symlink() and out.keys().isdisjoint(parents(path)):
                target = link.resolve()
                if not target.is_relative_to(inside):
                    out[path] = target
        return tuple(f"{path} -> {target}" for path, target in out.items())

    def layout(self, target: Target) -> Layout:
        if target not in self._layouts:
            self._layouts[target] = Layout(self.path, target)
        return self._layouts[target]

    def compiled(self, files: tuple[BundleFile, ...], settings: Settings, store: Store, root: str) -> Bytecode:
        """The bytecode of some of its files. Starting to compile takes longer than most modules, so it is done once."""
        from hatch_lambda.bundle.bytecode import compile_bundle

        compiler = settings.target, settings.python, root
        if compiler not in self._compiled:
            modules = self.layout(settings.target).files() if self._is_shared else files
            self._compiled[compiler] = compile_bundle(modules, (), settings, store, root=root)
        return self._compiled[compiler].of(files, settings.target.runtime)


@contextmanager
def own_wheel(
    builder: BuilderInterface[Any, Any],
    build_data: dict[str, Any],
    settings: Settings,
    store: Store,
    *,
    is_shared: bool,
) -> Iterator[OwnWheel]:
    """Build the project's wheel, which is there within the context. Raises `LambdaBuildError`."""
    tempfiles.sweep(Path(tempfile.gettempdir()), tempfiles.SCRATCH)
    with tempfile.TemporaryDirectory(prefix=tempfiles.marked(tempfiles.SCRATCH)) as scratch:
        built = build_for_target(builder, Path(scratch), build_data, settings, store)
        yield OwnWheel(built, Path(builder.root), is_shared=is_shared)


def own_files(  # noqa: PLR0913 - a build's facts
    builder: BuilderInterface[Any, Any],
    prepared: Prepared,
    wheel: OwnWheel,
    store: Store,
    elsewhere: Mapping[str, BundleFile] = MappingProxyType({}),
    *,
    quiet: bool = False,
) -> Own:
    """The files of the project's wheel, checked and, if so set, compiled. Raises `LambdaBuildError`.

    `elsewhere`: those that layers have, which are left out. `quiet`: without the warnings.
    """
    settings = prepared.settings
    warn = prepared.reporter.warn if not quiet else lambda _message: None
    layout = wheel.layout(settings.target)
    in_layers = {
        file.path
        for file in layout.files()
        if file.path in elsewhere and ".dist-info/" not in file.path
        if file.source.read() == elsewhere[file.path].source.read()
    }

    def is_left_out(path: str) -> bool:
        return path in in_layers or (path not in wheel.forced and settings.is_not_its_own(path))

    code_left_out = False  # a function may leave out all of it
    if wheel.may_have_machine_code:  # few projects do, and these imports take their time
        from hatch_lambda.plugin.native_code import check_own

        code_left_out = check_own(builder, prepared, wheel.path, store, is_left_out)
    if not code_left_out:
        check_tags(wheel.path, settings.target)
    files = layout.files(is_left_out)
    secrets.refuse_credentials_in_metadata(files)
    if all(".dist-info/" in file.path for file in files):
        warn("no files of the project itself are selected; the zip has only its metadata")
    for warning in secrets.warnings(files):
        warn(warning)
    selected = tuple(file.path for file in files)
    unfiltered = tuple(file.path for file in layout.files()) if settings.variant else selected
    warning = f"these links lead out of the project, and what they lead to is packaged: {', '.join(wheel.links_out)}"
    brought = Own(files, selected, unfiltered, (warning,) if wheel.links_out else ())
    if not settings.compile_bytecode:
        return brought
    compiled = wheel.compiled(files, settings, store, LAYER_ROOT if settings.is_layer else TASK_ROOT)
    for module in compiled.uncompiled:
        warn(f"{settings.target.runtime.name} cannot compile {module}")
    in_zip, sources, kept = compiled.added_to(files, settings)
    for line in kept if not quiet else ():
        prepared.reporter.detail(line)
    return brought._replace(files=in_zip, sources=sources)
