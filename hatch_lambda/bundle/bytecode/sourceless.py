"""`compile-bytecode = "only"`: bytecode in the place of sources (`pkg/mod.pyc`), from where import loads it alone.

https://docs.python.org/3/library/importlib.html#importlib.machinery.SourcelessFileLoader. Sources stay where something
may read them, and where they may be data.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda.bundle.bytecode.paths import bytecode_path
from hatch_lambda.bundle.bytecode.source_readers import WHOLE, find_reader
from hatch_lambda.bundle.files import is_shared_init
from hatch_lambda.bundle.records import replace_files
from hatch_lambda.wheels.members import Member

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hatch_lambda.bundle.bytecode import Bytecode
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.wheels.members import BundleFile

_CACHED = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<module>[^/.]+)\.[^/]+\.pyc")


class Sourceless(NamedTuple):
    """`files`: sorted by path. `sources`: those that were replaced. `kept`: lines on which others stay, and why."""

    files: tuple[BundleFile, ...]
    sources: tuple[BundleFile, ...] = ()
    kept: tuple[str, ...] = ()


def without_sources(files: Sequence[BundleFile], bytecode: Bytecode, runtime: Runtime) -> Sourceless:
    """Files with their bytecode, which takes the place of the sources of all distributions that do not read any."""
    compiled, paths = {file.path: file for file in bytecode.files}, {file.path for file in files}
    by_owner: defaultdict[str, list[BundleFile]] = defaultdict(list)
    for file in files:
        if bytecode_path(file.path, runtime) in compiled and _is_module(file, paths):
            by_owner[file.owner].append(file)
    sources: list[BundleFile] = []
    kept: list[str] = []
    for owner, modules in sorted(by_owner.items()):
        if reason := WHOLE.get(canonicalize_name(owner.partition(" ")[0])):
            kept.append(f"kept sources of {owner}: {reason}")
        elif reader := bytecode.readers[owner] if owner in bytecode.readers else find_reader(modules):
            kept.append(f"kept sources of {owner}: {reader} may read sources")
        else:
            sources += [file for file in modules if not _is_shared(file)]
    changed: dict[str, BundleFile | None] = {}
    hashes: dict[str, tuple[str, int]] = {}
    for file in sources:
        cached, alone = bytecode_path(file.path, runtime), f"{file.path}c"
        changed[cached] = None
        changed[file.path] = compiled[cached]._replace(path=alone)
        if cached in bytecode.hashes:
            hashes[alone] = bytecode.hashes[cached]
    for path in paths:  # bytecode for other Pythons
        if (match := _CACHED.fullmatch(path)) and f"{match['folder']}{match['module']}.py" in changed:
            changed[path] = None
    return Sourceless(replace_files(files, changed, bytecode.files, hashes), tuple(sources), tuple(kept))


def _is_module(file: BundleFile, paths: Collection[str]) -> bool:
    """Whether a source is surely found by its name: not by its path, as plugins and migrations are, and no data.

    It lies at the root, or in a regular package, which may be in namespace packages (PEP 420).
    """
    *folders, stem = file.path.removesuffix(".py").split("/")
    are_regular = [f"{'/'.join(folders[: depth + 1])}/__init__.py" in paths for depth in range(len(folders))]
    is_data = isinstance(file.source, Member) and ".data/data/" in file.source.name
    return (
        all(map(str.isidentifier, (*folders, stem)))
        and are_regular[-1:] != [False]
        and are_regular == sorted(are_regular)
        and not is_data
    )


def _is_shared(file: BundleFile) -> bool:
    """Whether a source is an `__init__.py` that is compared with those in other directories."""
    return file.path.endswith("/__init__.py") and is_shared_init(file.source.read())
