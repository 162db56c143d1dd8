"""Lambda's limit on the unzipped size."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import TooLargeError
from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.common.ui import megabytes
from hatch_lambda.config.settings import CODE, LAYER, ONLY, PRUNABLE, TARGET_TABLE
from hatch_lambda.resolve.curated import AWS_SDK, AWS_SDK_DEPENDENCIES, AWS_SDK_PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import Store, StoredWheel

_SHOWN, _SHOWN_FILES = 10, 3


def check_size(  # noqa: PLR0913, PLR0917 - the zip's files, and what could make them smaller
    version: str,
    own: Sequence[BundleFile],
    dependencies: Sequence[BundleFile],
    settings: Settings,
    wheels: Sequence[StoredWheel],
    store: Store,
    layers: Mapping[str, Sequence[BundleFile]] = MappingProxyType({}),
) -> None:
    """Refuse what Lambda would refuse after the upload, code and layers together. Raises `TooLargeError`.

    `wheels`: those of the dependencies. `layers`: what those of a function hold, by name.
    """
    code, rest = (sum(file.source.size for file in files) for files in (own, dependencies))
    parts = {"code": code, "layer": rest} if version == CODE else {"function": code + rest}
    parts |= {f"layer {name}": sum(file.source.size for file in files) for name, files in layers.items()}
    total = sum(parts.values())
    if total <= UNZIPPED_LIMIT:
        return
    sizes: Counter[str] = Counter()
    for file in (*own, *dependencies, *chain.from_iterable(layers.values())):
        sizes[file.owner] += file.source.size
    what = "The layer" if version == LAYER or settings.is_layer else "The zip"
    if len(parts) > 1:
        what = (
            "The function's code and its layer together" if version == CODE else "The function and its layers together"
        )
    listed = ", ".join(f"{name} {megabytes(size)}" for name, size in parts.items())
    told = f"{total:,} bytes" + (f": {listed}" if len(parts) > 1 else "")
    has, limit = megabytes(total), megabytes(UNZIPPED_LIMIT)
    lines = [
        f"{what} would have {has} unzipped ({told}); Lambda's limit is {limit}, layers included.",
        "The largest distributions:",
        *(f"  {megabytes(size):>9}  {owner}" for owner, size in sizes.most_common(_SHOWN)),
        "What you can do:",
        *(f"- {remedy}" for remedy in _remedies(sizes, own, dependencies, settings, wheels, store)),
    ]
    raise TooLargeError("\n".join(lines), sizes.most_common())


def _remedies(  # noqa: PLR0913, PLR0917 - as above
    sizes: Mapping[str, int],
    own: Sequence[BundleFile],
    dependencies: Sequence[BundleFile],
    settings: Settings,
    wheels: Sequence[StoredWheel],
    store: Store,
) -> Iterator[str]:
    """What can be left out, and how much that would save."""
    from hatch_lambda.bundle import savings

    if own and own[0].owner == max(sizes, key=sizes.__getitem__):  # the project is the largest
        largest = sorted(own, key=lambda file: file.source.size, reverse=True)[:_SHOWN_FILES]
        files = ", ".join(f"{file.path} ({megabytes(file.source.size)})" for file in largest)
        yield f"leave out files of the project with `{TARGET_TABLE}.exclude`; the largest in the zip: {files}"
    useless = []
    if saved := savings.by_prune(dependencies, wheels, settings, store):
        sets = json.dumps([name for name in PRUNABLE if name in saved or name in settings.prune])
        parts = ", ".join(f"{name} {megabytes(size)}" for name, size in saved.items())
        yield f"set `prune = {sets}`, which leaves out {megabytes(sum(saved.values()))}: {parts}"
    else:
        useless.append("`prune`")
    by_name = {owner.partition(" ")[0]: size for owner, size in sizes.items()}
    sdk = sorted(by_name.keys() & (AWS_SDK_PACKAGES | AWS_SDK_DEPENDENCIES))
    if AWS_SDK_PACKAGES & by_name.keys():
        size = megabytes(sum(by_name[name] for name in sdk))
        yield f"add `{AWS_SDK}` to `provided`, which leaves out what the runtime has, up to {size}: {', '.join(sdk)}"
    else:
        useless.append("`provided`")
    if settings.compile_bytecode != ONLY:
        saved_sources = savings.by_leaving_out_sources([*own, *dependencies], wheels, settings, store)
        if saved_sources > 0:
            yield f'set `compile-bytecode = "{ONLY}"`, which saves {megabytes(saved_sources)}: bytecode without sources'
    if settings.compile_bytecode is True:
        bytecode = sum(file.source.size for file in dependencies if "__pycache__/" in file.path)
        yield f"set `compile-bytecode = false`, which leaves out {megabytes(bytecode)}"
    if dependencies:
        yield "leave out what the function does not need, with `exclude` or fewer dependencies; their sizes are above"
    if not settings.variant:
        yield "split the project into `functions`, each with its own dependencies and files"
    if useless:
        yield f"{' and '.join(useless)} would leave out nothing more"
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    yield "a layer does not help, as it counts, too; a function that is a container image may have 10 GB"
