"""The files that the project itself brings into a zip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.bundle.files import parents
from hatch_lambda.plugin.project_wheel import build_wheel, check_tags
from hatch_lambda.wheels import layout
from hatch_lambda.wheels.signatures import may_have_machine_code
from hatch_lambda.wheels.store import user_store
from hatch_lambda.zip import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.plugin.prepared import Prepared
    from hatch_lambda.wheels.members import BundleFile


class Own(NamedTuple):
    """What the project brings.

    `selected`: the paths in the zip, without bytecode. `unfiltered`: before a function's patterns are applied.
    """

    files: tuple[BundleFile, ...] = ()
    selected: tuple[str, ...] = ()
    unfiltered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def own_files(
    builder: BuilderInterface[Any, Any], prepared: Prepared, scratch: Path, build_data: dict[str, Any]
) -> Own:
    """The files of the project's wheel, checked and, if so set, compiled. Raises `LambdaBuildError`."""
    settings, reporter = prepared.settings, prepared.reporter
    store = user_store(settings.fallback_store)
    wheel, sources = build_wheel(builder, scratch, build_data)
    code_left_out = False  # a function may leave out all of it
    if may_have_machine_code(wheel):  # few projects do, and these imports take their time
        from hatch_lambda.resolve.audit import scans_of, without
        from hatch_lambda.wheels.loadable import check_loadable
        from hatch_lambda.wheels.scan import scan_unchecked

        # The project's libraries may depend on those of its dependencies, and the other way round.
        scan = scan_unchecked(builder.metadata.core.name, builder.metadata.version, wheel)
        own = without(scan, settings.is_not_its_own)
        others = scans_of(prepared.bundle.wheels, settings, store)
        check_loadable([own, *others], settings.target, trusted=settings.compatible, project=own)
        code_left_out = bool(scan.machine_code and not own.machine_code)
    if not code_left_out:
        check_tags(wheel, settings.target)
    files = layout.lay_out(wheel, settings.target, settings.is_not_its_own)
    secrets.refuse_credentials_in_metadata(files)
    if all(".dist-info/" in file.path for file in files):
        reporter.warn("no files of the project itself are selected; the zip has only its metadata")
    if likely := secrets.likely_secrets(files):
        reporter.warn(f"these files often hold secrets, and anyone with the zip can read them: {', '.join(likely)}")
    selected = tuple(file.path for file in files)
    everything = layout.lay_out(wheel, settings.target) if settings.function else files
    unfiltered = tuple(file.path for file in everything)
    links = _links_out(sources, settings.root)
    warning = f"these links lead out of the project, and what they lead to is packaged: {', '.join(links)}"
    brought = Own(files, selected, unfiltered, (warning,) if links else ())
    if not settings.compile_bytecode:
        return brought
    from hatch_lambda.bundle.bytecode import compile_bundle

    compiled = compile_bundle(files, (), settings, store)
    for module in compiled.uncompiled:
        reporter.warn(f"{settings.target.runtime.name} cannot compile {module}")
    return brought._replace(files=compiled.added_to(files))


def _links_out(sources: Iterable[str], root: Path) -> list[str]:
    """The links by which files that are packaged are not in the project, as `link -> where`."""
    inside, out, prefix = root.resolve(), dict[str, Path](), f"{root}{os.sep}"
    below = [source.removeprefix(prefix).replace(os.sep, "/") for source in sources if source.startswith(prefix)]
    for path in sorted({each for source in below for each in (source, *parents(source))}):
        link = root / path
        if link.is_symlink() and out.keys().isdisjoint(parents(path)):
            target = link.resolve()
            if not target.is_relative_to(inside):
                out[path] = target
    return [f"{path} -> {target}" for path, target in out.items()]
