"""The contents of a Lambda zip, a layer or an unpacked directory, whatever tool made it. Reads, never executes.

RECORD says which distribution a file belongs to; where it is missing or wrong, `top_level.txt` or the names of
directories do. The rest belongs to no distribution: usually the function's own code.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.inspect.ownership import assign
from hatch_lambda.inspect.sources import source_of
from hatch_lambda.resolve import graph
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, MachineCode, read_stream
from hatch_lambda.wheels.signatures import SIGNATURE_LENGTH, begins_as_machine_code
from hatch_lambda.zip.reader import ContentsError, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from packaging.utils import NormalizedName

    from hatch_lambda.inspect.ownership import Installed
    from hatch_lambda.inspect.sources import Entry, Source

OWN = "own code"
"""Stands for a distribution where there is none; names of distributions have no spaces."""

# https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
LAYER_ROOT = re.compile(r"python/(?:lib/(?P<runtime>python3\.\d+)/site-packages/)?")
_TOP_OF_LAYERS = frozenset({"bin", "extensions", "java", "lib", "nodejs", "python", "ruby", "wrapper"})

# zlib releases the GIL; more threads would only need more memory.
_THREADS = 4
_MAX_MACHINE_CODE = 4 * UNZIPPED_LIMIT
_MAX_METADATA = 64 * 1024 * 1024


@dataclass(frozen=True)
class Contents:
    """What a zip or a directory contains.

    `kind`: `function` or `layer`. `unclaimed`: files of no distribution.
    """

    path: Path
    kind: str
    entries: tuple[Entry, ...]
    installed: tuple[Installed, ...]
    unclaimed: tuple[Entry, ...]
    _source: Source = field(compare=False, repr=False)

    @cached_property
    def name(self) -> str:
        return self.path.name or str(self.path)

    @cached_property
    def size(self) -> int:
        """Bytes unzipped."""
        return sum(entry.size for entry in self.entries)

    @property
    def zipped(self) -> int | None:
        """Size of the zip file in bytes; None for a directory."""
        return self._source.zipped

    def as_json(self) -> dict[str, str | int | None]:
        return {
            "path": str(self.path),
            "kind": self.kind,
            "files": len(self.entries),
            "unzipped": self.size,
            "zipped": self.zipped,
        }

    @cached_property
    def by_path(self) -> Mapping[str, Entry]:
        return {entry.path: entry for entry in self.entries}

    @cached_property
    def owners(self) -> Mapping[str, Installed]:
        """The distribution of each file, by path, for files that have one."""
        return {entry.path: installed for installed in self.installed for entry in installed.entries}

    @cached_property
    def parts(self) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
        """Each distribution (`name version`) with its files, and `OWN` with the rest if there is any."""
        return (
            *((str(installed), installed.entries) for installed in self.installed),
            *([(OWN, self.unclaimed)] if self.unclaimed else []),
        )

    def is_sourceless(self, path: str) -> bool:
        """Whether a file is bytecode that import loads on its own, as there is no source next to it (PEP 3147)."""
        return path.endswith(".pyc") and "__pycache__/" not in path and path[:-1] not in self.by_path

    def read(self, path: str) -> bytes:
        """The content of a file. Raises `ContentsError` if it is corrupt."""
        with self.open(path) as file:
            return file.read()

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file to read sequentially. Raises `ContentsError` if it is corrupt."""
        with readable(self.path), self._source.open(path) as file:
            yield file

    def checksum(self, path: str) -> int:
        """The CRC-32 of a file; in a zip, as recorded, without reading the file."""
        with readable(self.path):
            return self._source.checksum(path)

    @property
    def machine_code(self) -> tuple[MachineCode, ...]:
        """Every valid file of machine code, sorted by path."""
        return self._machine_code[0]

    @property
    def broken_machine_code(self) -> tuple[BrokenMachineCodeError, ...]:
        """Files that have the signature of machine code but are invalid, sorted by path."""
        return self._machine_code[1]

    @cached_property
    def _machine_code(self) -> tuple[tuple[MachineCode, ...], tuple[BrokenMachineCodeError, ...]]:
        candidates = []
        for entry in self.entries:
            with self.open(entry.path) as file:
                if begins_as_machine_code(file.read(SIGNATURE_LENGTH)):
                    candidates.append(entry)
        # Large files first: one thread works on them while the others do the rest.
        with ThreadPoolExecutor(_THREADS) as threads:
            read = threads.map(self._read_machine_code, sorted(candidates, key=lambda entry: -entry.size))
            found = sorted((code for code in read if code), key=lambda code: code.path)
        return (
            tuple(code for code in found if isinstance(code, MachineCode)),
            tuple(code for code in found if isinstance(code, BrokenMachineCodeError)),
        )

    def _read_machine_code(self, entry: Entry) -> MachineCode | BrokenMachineCodeError | None:
        if entry.size > _MAX_MACHINE_CODE:
            return BrokenMachineCodeError(entry.path, "it exceeds every size limit of Lambda")
        with self.open(entry.path) as file:
            try:
                return read_stream(entry.path, iter(partial(file.read, 1024 * 1024), b""))
            except BrokenMachineCodeError as error:
                # A new one, since the traceback would keep this object, and so the zip, open.
                return BrokenMachineCodeError(error.path, error.cause)

    @cached_property
    def import_roots(self) -> tuple[str, ...]:
        """The directories that Lambda puts on `sys.path`, as path prefixes: `""`, or `python/` and the like."""
        if self.kind == "function":
            return ("",)
        return tuple(sorted({match[0] for entry in self.entries if (match := LAYER_ROOT.match(entry.path))}))

    def import_path(self, path: str) -> str:
        """A path relative to the directory on `sys.path` that it is in."""
        return LAYER_ROOT.sub("", path) if self.kind == "layer" else path

    @cached_property
    def project(self) -> Installed | None:
        """The one distribution of a function that no other in the zip requires.

        None if there are loose modules (they are the function), and in a layer.
        """
        if self.kind == "layer" or any(e.path.endswith(".py") or self.is_sourceless(e.path) for e in self.unclaimed):
            return None
        required: set[NormalizedName] = set()
        for one in self.installed:
            names = {canonicalize_name(requirement.name) for requirement in graph.parsed(one.metadata.requires)}
            required |= names - {one.normalized_name}  # `project[all]` requires its own extras
        tops = [one for one in self.installed if one.normalized_name not in required]
        return tops[0] if len(tops) == 1 else None


def read(path: Path) -> Contents:
    """Read the directory of a zip, or list a directory. Raises `ContentsError` if it is neither, or is corrupt."""
    with readable(path):
        source = source_of(path)

        def text_of(name: str) -> str:
            with source.open(name) as file:
                content = file.read(_MAX_METADATA + 1)
            if len(content) > _MAX_METADATA:
                raise ContentsError(f"{path} cannot be read: its `{name}` is too large for a metadata file.")
            return content.decode("utf-8", "replace")

        installed, unclaimed = assign(source.entries, text_of)
    paths = [entry.path for entry in source.entries]
    is_layer = (
        any(path.startswith("python/") for path in paths)
        and not any(path.startswith("python/__init__.py") for path in paths)
        and {path.partition("/")[0] for path in paths} <= _TOP_OF_LAYERS
    )
    return Contents(path, "layer" if is_layer else "function", source.entries, installed, unclaimed, source)
