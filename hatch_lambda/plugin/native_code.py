"""Whether Lambda can load the native code of the project, and of the files of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.audit import scans_of, without
from hatch_lambda.wheels.loadable import check_loadable
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, read_machine_code
from hatch_lambda.wheels.scan import Scan, scan_unchecked
from hatch_lambda.zip.layer_files import libraries, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.plugin.prepared import Prepared
    from hatch_lambda.wheels.store import Store, StoredWheel


def check_own(
    builder: BuilderInterface[Any, Any],
    prepared: Prepared,
    wheel: Path,
    store: Store,
    is_left_out: Callable[[str], bool],
) -> bool:
    """Check the project's wheel; return whether all of its native code is left out. Raises `LambdaBuildError`."""
    settings = prepared.settings
    # The project's libraries may depend on those of its dependencies, and the other way round.
    scan = scan_unchecked(builder.metadata.core.name, builder.metadata.version, wheel)
    own = without(scan, is_left_out)
    others = scans_of(prepared.bundle.wheels, settings, store)
    with_files = [each.settings for each in (prepared, *prepared.layers)]
    beside = [_scan_of(libraries(each), each) for each in with_files]
    beside += [scan for each in prepared.layers for scan in scans_of(each.bundle.wheels, each.settings, store)]
    check_loadable([own, *others], settings.target, trusted=settings.compatible, project=own, layers=beside)
    return bool(scan.machine_code and not own.machine_code)


def check_placed(settings: Settings, wheels: Sequence[StoredWheel], store: Store) -> None:
    """Check what the setting `files` of a layer names. `wheels`: the layer's. Raises `LambdaBuildError`."""
    scan = _scan_of(sources(settings), settings)
    if scan.machine_code:
        others = scans_of(wheels, settings, store)
        check_loadable([scan], settings.target, trusted=settings.compatible, layers=others)


def _scan_of(files: Mapping[str, Path], settings: Settings) -> Scan:
    """The native code of files, by their paths in the layer. Raises `LambdaBuildError` for what cannot be read."""
    found = []
    for place, path in files.items():
        with path.open("rb") as file:
            try:
                found.append(read_machine_code(place, file))
            except BrokenMachineCodeError as error:
                raise LambdaBuildError(f"In `{settings.table}.files`, {error}") from None
    codes = tuple(code for code in found if code)
    return Scan(f"files-of-{settings.variant}", "", codes, frozenset(files))
