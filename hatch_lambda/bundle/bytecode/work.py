"""The work: modules are compiled wheel by wheel, and what comes of a wheel's is kept in the store."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.bytecode.compiled import Bytecode, Uncompiled, begun_in, bytecode_path, folder_in
from hatch_lambda.bundle.bytecode.compilers import Answer, Compilers, Order
from hatch_lambda.common import tempfiles
from hatch_lambda.common.hashing import cores, sha256_of
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Member, Text
from hatch_lambda.wheels.store import PART

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.wheels.store import Store

# To be counted up whenever other bytes are made of the same source.
_FORMAT = 1
_LEVEL = 6


@dataclass(frozen=True)
class Work:
    """What is to be compiled, of which some may have been before."""

    store: Store
    compilers: Compilers
    root: str
    hashes: Mapping[Path, str]

    def on(self, modules: Sequence[BundleFile]) -> Bytecode:
        units = self._units(modules)
        kept = self._kept(units)
        reused = sum(len(result.files) for result in kept)
        found = {result.unit for result in kept}
        orders = [Order(module, unit) for unit in sorted(units) if unit not in found for module in units[unit]]
        with contextlib.closing(self.compilers.answers(orders, self.root)) as answers:
            for unit, of_unit in itertools.groupby(answers, key=lambda answer: answer.order.unit):
                take = self._keep if unit else self._take
                kept.append(take(unit, of_unit))
        return Bytecode(
            tuple(sorted(file for result in kept for file in result.files)),
            tuple(sorted(one for result in kept for one in result.uncompiled)),
            reused,
            self.compilers.name,
        )

    def _units(self, modules: Sequence[BundleFile]) -> dict[str, list[BundleFile]]:
        """The modules by the key under which their bytecode is kept. It has all that the bytes depend on."""
        by_wheel: dict[str, list[BundleFile]] = {}
        for module in modules:
            wheel = module.source.wheel if isinstance(module.source, Member) else None
            by_wheel.setdefault(self.hashes.get(wheel, "") if wheel else "", []).append(module)
        return {self._key(sha256, of_wheel): of_wheel for sha256, of_wheel in by_wheel.items()}

    def _key(self, sha256: str, modules: Iterable[BundleFile]) -> str:
        if not sha256:
            return ""
        paths = [(module.path, module.source.name) for module in modules if isinstance(module.source, Member)]
        return _digest([_FORMAT, sha256, *self.compilers.identity, self.root, paths])

    def _path_of(self, module: BundleFile) -> str:
        return bytecode_path(module.path, self.compilers.runtime)

    def _kept(self, units: Mapping[str, Sequence[BundleFile]]) -> list[_Result]:
        """What the store has, on all cores: hashing is the cost, and it lets other threads run."""
        there = _zips_by_key(self.store)
        candidates = [(unit, there[unit]) for unit in units if unit in there]
        with ThreadPoolExecutor(cores()) as pool:
            found = pool.map(lambda pair: self._recall(pair[0], pair[1], units[pair[0]]), candidates)
            return [result for result in found if result]

    def _recall(self, unit: str, path: Path, modules: Sequence[BundleFile]) -> _Result | None:
        try:
            is_intact = path.stem == f"{unit}-{sha256_of(path)}"
        except OSError:
            return None  # another build has dropped it
        if not is_intact:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # by which it is known to be in use
        return self._result(unit, path, modules)

    def _keep(self, unit: str, answers: Iterable[Answer]) -> _Result:
        """Pack the bytecode of a wheel; under a module's own name stands why it has none."""
        begun = begun_in(self.store.root)
        begun.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=tempfiles.marked(PART), dir=begun)
        modules = []
        try:
            with os.fdopen(descriptor, "wb") as raw, zipfile.ZipFile(raw, "w") as archive:
                for answer in answers:
                    modules.append(answer.module)
                    path = self._path_of(answer.module) if answer.compiled else answer.module.path
                    archive.writestr(zipfile.ZipInfo(path), answer.content, zipfile.ZIP_DEFLATED, _LEVEL)
            kept = folder_in(self.store) / f"{unit}-{sha256_of(Path(name))}.zip"
            kept.parent.mkdir(exist_ok=True)
            Path(name).chmod(0o644)
            Path(name).replace(kept)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return self._result(unit, kept, modules)

    def _result(self, unit: str, path: Path, modules: Sequence[BundleFile]) -> _Result:
        files, uncompiled = [], []
        with zipfile.ZipFile(path) as archive:
            for module in modules:
                name = self._path_of(module)
                if entry := archive.NameToInfo.get(name):
                    source = Member(path, name, *_figures(entry))
                    files.append(BundleFile(name, FILE_MODE, source, module.owner))
                else:
                    uncompiled.append(Uncompiled(module.path, module.owner, archive.read(module.path).decode("utf-8")))
        return _Result(unit, tuple(files), tuple(uncompiled))

    def _take(self, unit: str, answers: Iterable[Answer]) -> _Result:
        files, uncompiled = [], []
        for answer in answers:
            module, content = answer.module, answer.content
            if answer.compiled:
                files.append(BundleFile(self._path_of(module), FILE_MODE, Text(content), module.owner))
            else:
                uncompiled.append(Uncompiled(module.path, module.owner, content.decode("utf-8")))
        return _Result(unit, tuple(files), tuple(uncompiled))


class _Result(NamedTuple):
    """What came of the modules of one wheel."""

    unit: str
    files: tuple[BundleFile, ...]
    uncompiled: tuple[Uncompiled, ...]


def _figures(entry: zipfile.ZipInfo) -> tuple[int, int, int, int, int]:
    return entry.compress_type, entry.CRC, entry.compress_size, entry.file_size, entry.header_offset


def _zips_by_key(store: Store) -> dict[str, Path]:
    return {path.name.partition("-")[0]: path for path in folder_in(store).glob("*.zip")}


def _digest(facts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()
