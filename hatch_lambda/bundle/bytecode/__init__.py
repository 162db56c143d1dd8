"""`compile-bytecode`: a `.pyc` for every module, which saves compiling at a cold start.

The files are hash-based and unchecked (PEP 552): import uses them whatever the modification times of an unpacked zip.
`compile_modules` runs in an interpreter of the runtime's version, chosen by `interpreter`, in as many processes
(`compilers`) as there are cores. What comes from a wheel is cached in the store, as a zip whose entries the archive
copies.

RECORD may omit bytecode (https://packaging.python.org/specifications/recording-installed-packages): it stays unchanged,
unless bytecode takes the place of sources (`sourceless`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import zipfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.bytecode.compilers import Compilers
from hatch_lambda.bundle.bytecode.interpreter import forget, interpreter_to_compile_with, remember
from hatch_lambda.bundle.bytecode.paths import bytecode_path, is_compilable
from hatch_lambda.bundle.bytecode.source_readers import find_reader
from hatch_lambda.bundle.bytecode.sourceless import Sourceless, without_sources
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.ui import counted
from hatch_lambda.config.request import TASK_ROOT
from hatch_lambda.config.settings import COMPRESSION_LEVEL, ONLY
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated, Member
from hatch_lambda.wheels.record import hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_lambda.bundle.bytecode.compilers import Compiled
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store, StoredWheel

# Increase it when the same source is compiled to other bytes.
_FORMAT = 1
# Increase it when `source_readers` finds others.
_FORMAT_OF_READERS = 1
_FACTS = "facts.json"
"""The entry of a zip in the store with what leaving sources out needs: see `Bytecode`. No module has its name."""


class Uncompiled(NamedTuple):
    """A module that the runtime's Python cannot compile: packaged without bytecode, it fails when it is imported."""

    path: str
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Bytecode:
    """The compiled modules of a bundle. `reused`: how many of them were cached. `compiler`: `Python 3.13.0`.

    Of what is cached, `readers`: by distribution, the module that may read sources, empty if there is none; `hashes`:
    by path, as in RECORD, with the sizes. Both only if sources are to be left out.
    """

    files: tuple[BundleFile, ...]
    uncompiled: tuple[Uncompiled, ...]
    reused: int
    compiler: str
    readers: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        """For a line of progress."""
        compiled = len(self.files) - self.reused
        parts = [f"{counted(compiled, 'module')} compiled by {self.compiler}"] if compiled or not self.reused else []
        parts += [f"{self.reused} reused"] if self.reused else []
        parts += [f"{len(self.uncompiled)} cannot be compiled"] if self.uncompiled else []
        return ", ".join(parts)

    def of(self, files: Iterable[BundleFile], runtime: Runtime) -> Bytecode:
        """That of the modules among some files."""
        paths = {file.path for file in files}
        names = {bytecode_path(path, runtime) for path in paths}
        return replace(
            self,
            files=tuple(file for file in self.files if file.path in names),
            uncompiled=tuple(module for module in self.uncompiled if module.path in paths),
        )

    def added_to(self, files: Sequence[BundleFile], settings: Settings) -> Sourceless:
        """The files with their bytecode, which replaces any bytecode among them, and sources if so set."""
        if settings.compile_bytecode == ONLY:
            return without_sources(files, self, settings.target.runtime)
        by_path = {file.path: file for file in (*files, *self.files)}
        return Sourceless(tuple(by_path[path] for path in sorted(by_path)))


def compile_bundle(
    files: Iterable[BundleFile],
    wheels: Iterable[StoredWheel],
    settings: Settings,
    store: Store,
    *,
    root: str = TASK_ROOT,
) -> Bytecode:
    """Compile the modules among a bundle's files for the target's Python.

    `wheels`: those whose bytecode is cached. `root`: the runtime's directory for the files, which tracebacks show.
    Raises `LambdaBuildError` if no interpreter can compile them.
    """
    modules = sorted(file for file in files if is_compilable(file))
    hashes = {wheel.path: wheel.sha256 for wheel in wheels}
    interpreter = interpreter_to_compile_with(settings, store)
    try:
        with Compilers(interpreter, settings) as compilers:
            remember(interpreter, settings, store)
            only = settings.compile_bytecode == ONLY
            return _compile(
                _by_cache_key(modules, hashes, compilers, root, only=only), compilers, store, root, only=only
            )
    except LambdaBuildError:
        forget(settings, store)
        raise


def _by_cache_key(
    modules: Iterable[BundleFile], hashes: Mapping[Path, str], compilers: Compilers, root: str, *, only: bool
) -> dict[str, list[BundleFile]]:
    """The modules of each wheel by a hash of all that their bytecode depends on; "" for those that are not cached."""
    by_wheel: dict[str, list[BundleFile]] = {}
    for module in modules:
        sha256 = hashes.get(module.source.wheel, "") if isinstance(module.source, Member) else ""
        by_wheel.setdefault(sha256, []).append(module)
    by_key: dict[str, list[BundleFile]] = {}
    for sha256, of_wheel in by_wheel.items():
        paths = [(module.path, module.source.name) for module in of_wheel if isinstance(module.source, Member)]
        facts = [_FORMAT, sha256, *compilers.identity, root, paths, *([_FORMAT_OF_READERS] if only else [])]
        by_key[hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest() if sha256 else ""] = of_wheel
    return by_key


def _compile(
    by_key: Mapping[str, Sequence[BundleFile]], compilers: Compilers, store: Store, root: str, *, only: bool
) -> Bytecode:
    files: list[BundleFile] = []
    readers: dict[str, str] = {}
    hashes: dict[str, tuple[str, int]] = {}
    uncompiled: list[Uncompiled] = []

    def take(archive: Path, modules: Sequence[BundleFile]) -> None:
        with zipfile.ZipFile(archive) as opened:
            if only:
                facts = json.loads(opened.read(_FACTS))
                readers[modules[0].owner] = facts["reader"]
                hashes.update((path, (digest, size)) for path, (digest, size) in facts["hashes"].items())
            for module in modules:
                name = bytecode_path(module.path, compilers.runtime)
                if entry := opened.NameToInfo.get(name):
                    files.append(BundleFile(name, FILE_MODE, Member.of(archive, entry), module.owner))
                else:
                    reason = opened.read(module.path).decode("utf-8")
                    uncompiled.append(Uncompiled(module.path, module.owner, reason))

    cached = store.archives("bytecode", by_key)
    for key, archive in cached.items():
        take(archive, by_key[key])
    reused = len(files)
    orders = [(key, module) for key in sorted(by_key.keys() - cached.keys()) for module in by_key[key]]
    with contextlib.closing(compilers.compile([module for _, module in orders], root)) as results:
        for key, group in itertools.groupby(zip(orders, results, strict=True), key=lambda pair: pair[0][0]):
            of_wheel = [(module, result) for (_, module), result in group]
            if key:
                packed = _archive(of_wheel, compilers.runtime, only=only)
                take(store.keep_archive("bytecode", key, packed), by_key[key])
                continue
            for module, (ok, content) in of_wheel:
                if ok:
                    name = bytecode_path(module.path, compilers.runtime)
                    files.append(BundleFile(name, FILE_MODE, Generated(content), module.owner))
                else:
                    uncompiled.append(Uncompiled(module.path, module.owner, content.decode("utf-8")))
    return Bytecode(tuple(sorted(files)), tuple(sorted(uncompiled)), reused, compilers.name, readers, hashes)


def _archive(compiled: Sequence[tuple[BundleFile, Compiled]], runtime: Runtime, *, only: bool) -> bytes:
    """Pack the bytecode of a wheel. Why a module has none stands under the module's own name."""
    packed, hashes = io.BytesIO(), {}
    with zipfile.ZipFile(packed, "w") as archive:
        for module, (ok, content) in compiled:
            path = bytecode_path(module.path, runtime) if ok else module.path
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
            hashes[path] = hash_of(hashlib.sha256(content).digest()), len(content)
        if only:
            facts = {"reader": find_reader(module for module, _ in compiled), "hashes": hashes}
            archive.writestr(zipfile.ZipInfo(_FACTS), json.dumps(facts), zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
    return packed.getvalue()
