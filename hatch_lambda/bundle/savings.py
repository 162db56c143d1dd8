"""How much smaller other settings would make a bundle: computed, for the error about Lambda's limit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.bundle.assemble import own_sources
from hatch_lambda.bundle.bytecode import compile_bundle
from hatch_lambda.bundle.prune import decide
from hatch_lambda.bundle.strip import stripped_files
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.config.settings import ONLY, PRUNABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import Store, StoredWheel


def by_prune(
    files: Sequence[BundleFile], wheels: Sequence[StoredWheel], settings: Settings, store: Store
) -> Mapping[str, int]:
    """Bytes that each set would leave out that `prune` does not name."""
    sets = {*PRUNABLE} - settings.prune - ({"bytecode"} if settings.compile_bytecode else set())
    pruned = decide([files], frozenset(sets), settings.target, own_sources(settings))
    saved = {name: left.size for name, left in pruned.left_out.items()}
    if "debug" in sets:
        left = [file for file in files if file.path not in pruned.paths]
        saved["debug"] = stripped_files(left, wheels, store).left_out.size
    return {name: saved[name] for name in PRUNABLE if saved.get(name)}


def by_leaving_out_sources(
    files: Sequence[BundleFile], wheels: Sequence[StoredWheel], settings: Settings, store: Store
) -> int:
    """Bytes that `compile-bytecode = "only"` would save; 0 if there is no interpreter to compile with."""
    settings = dataclasses.replace(settings, compile_bytecode=ONLY)
    try:
        done = compile_bundle(files, wheels, settings, store).added_to(files, settings)
    except LambdaBuildError:
        return 0
    return sum(file.source.size for file in files) - sum(file.source.size for file in done.files)
