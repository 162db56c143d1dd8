"""What a Lambda zip, a layer's zip or an unpacked folder holds, whoever made it. Reads, never executes.

Which distribution a file belongs to says its RECORD; where that is missing or false, `top_level.txt` or the names of
folders. What is left is nobody's: as a rule the function's own code.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.inspect.contents import ownership
from hatch_lambda.wheels.check import ZIP_ERRORS
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, MachineCode, read_machine_code
from hatch_lambda.wheels.signatures import MAGIC_LENGTH, begins_as_machine_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from email.message import Message
    from typing import BinaryIO


class ContentsError(LambdaBuildError):
    """A file that is no zip, or one that neither Lambda nor anyone else could unpack."""


class Entry(NamedTuple):
    """A file in there.

    `path`: as in the zip, with forward slashes. `size`, `compressed`: in bytes, the same in a folder. `mode`: as Unix
    has it, with the kind of file; 0 where the zip was made without.
    """

    path: str
    size: int
    compressed: int
    mode: int


@dataclass(frozen=True)
class Installed:
    """A distribution that is in there. `dist_info`: its folder (or file) of metadata. `requires`: as METADATA says."""

    name: str
    version: str
    dist_info: str
    entries: tuple[Entry, ...]
    requires: tuple[str, ...]
    metadata: Message = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)

    @property
    def compressed(self) -> int:
        return sum(entry.compressed for entry in self.entries)


@dataclass(frozen=True)
class Contents:
    """What a zip or a folder holds. `kind`: `function` or `layer`. `unclaimed`: what belongs to no distribution."""

    path: Path
    kind: str
    entries: tuple[Entry, ...]
    installed: tuple[Installed, ...]
    unclaimed: tuple[Entry, ...]
    _source: _Source = field(compare=False, repr=False)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)

    @property
    def compressed(self) -> int:
        return sum(entry.compressed for entry in self.entries)

    @property
    def zipped(self) -> int | None:
        """Bytes of the file itself; none for a folder."""
        return self._source.zipped

    def has(self, path: str) -> bool:
        return path in self._paths

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(entry.path for entry in self.entries)

    def read(self, path: str) -> bytes:
        """The content of an entry. Raises `ContentsError` where it is damaged."""
        with self.open(path) as file:
            return file.read()

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """An entry to be read forward. Raises `ContentsError` where it is damaged."""
        with _telling_of(self.path), self._source.open(path) as file:
            yield file

    def checksum(self, path: str) -> int:
        """The CRC-32 of an entry; what a zip says it is, without reading the entry."""
        with _telling_of(self.path):
            return self._source.checksum(path)

    @property
    def machine_code(self) -> tuple[MachineCode, ...]:
        """Every file of machine code that can be read as such, sorted by path."""
        return self._machine_code[0]

    @property
    def broken_machine_code(self) -> tuple[BrokenMachineCodeError, ...]:
        """Files that start as machine code and cannot be read as such."""
        return self._machine_code[1]

    @cached_property
    def _machine_code(self) -> tuple[tuple[MachineCode, ...], tuple[BrokenMachineCodeError, ...]]:
        starting = [entry for entry in self.entries if self._starts_as_machine_code(entry)]
        # Large files first: they keep one thread busy while the others do the rest. zlib works without Python's lock.
        with ThreadPoolExecutor(_THREADS) as threads:
            read = threads.map(self._machine_code_of, sorted(starting, key=lambda entry: -entry.size))
            found = sorted((code for code in read if code), key=lambda code: code.path)
        return (
            tuple(code for code in found if isinstance(code, MachineCode)),
            tuple(code for code in found if isinstance(code, BrokenMachineCodeError)),
        )

    def _starts_as_machine_code(self, entry: Entry) -> bool:
        with self.open(entry.path) as file:
            return begins_as_machine_code(file.read(MAGIC_LENGTH))

    def _machine_code_of(self, entry: Entry) -> MachineCode | BrokenMachineCodeError | None:
        if entry.size > _MOST_MACHINE_CODE:
            return BrokenMachineCodeError(entry.path, "it is larger than anything that Lambda takes")
        # The loader's tables lie at both ends of a library, and a deflated stream only runs forward.
        with self.open(entry.path) as packed, SpooledTemporaryFile(_HELD_IN_MEMORY) as file:
            shutil.copyfileobj(packed, file, 1024 * 1024)
            try:
                return read_machine_code(entry.path, cast("BinaryIO", file))
            except BrokenMachineCodeError as error:
                # One that was not raised, as a traceback would keep this object, and so the zip open.
                return BrokenMachineCodeError(error.path, error.cause)

    @cached_property
    def import_roots(self) -> tuple[str, ...]:
        """The folders that Lambda has on `sys.path`, as they begin a path: `""`, or `python/` and the like."""
        if self.kind == "function":
            return ("",)
        return tuple(sorted({match[0] for entry in self.entries if (match := LAYER_ROOT.match(entry.path))}))

    def import_path(self, path: str) -> str:
        """A path as seen from the folder on `sys.path` that it lies in."""
        return LAYER_ROOT.sub("", path) if self.kind == "layer" else path

    @cached_property
    def project(self) -> Installed | None:
        """The distribution that a function's zip is made for, where it is one: that nothing else in there requires.

        None where loose modules are the function, and in a layer.
        """
        if self.kind == "layer" or any(entry.path.endswith(".py") for entry in self.unclaimed):
            return None
        required = {name for one in self.installed for name in _names_required(one)}
        tops = [one for one in self.installed if canonicalize_name(one.name) not in required]
        return tops[0] if len(tops) == 1 else None


# A zip of a layer: https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
LAYER_ROOT = re.compile(r"python/(?:lib/python3\.\d+/site-packages/)?")
_BESIDE_PYTHON = frozenset({"bin", "extensions", "java", "lib", "nodejs", "python", "ruby", "wrapper"})

# zlib lets other threads run; more of them only hold more in memory.
_THREADS = 4
# A file up to this size is held in memory, a larger one in a temporary file.
_HELD_IN_MEMORY = 64 * 1024 * 1024
_MOST_MACHINE_CODE = 4 * UNZIPPED_LIMIT
# What a container image may have, which is the most that Lambda takes in any way:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_UNPACKED = 10 * 1024**3
_MOST_METADATA = 64 * 1024 * 1024
# zlib's manual: deflate never does better than 1032:1.
_BEST_RATIO = 1032


def read(path: Path) -> Contents:
    """Look into a zip or a folder. Raises `ContentsError` for what is neither, or is damaged."""
    with _telling_of(path):
        source: _Source = _Folder(path) if path.is_dir() else _Zip(path)
        entries = source.entries
        claims = ownership.claims([entry.path for entry in entries], lambda name: _text(source, path, name))
    by_owner: dict[str | None, list[Entry]] = {claim.dist_info: [] for claim in claims.distributions}
    for entry in entries:
        by_owner.setdefault(claims.owner.get(entry.path), []).append(entry)
    installed = tuple(
        Installed(
            claim.name,
            claim.version,
            claim.dist_info,
            tuple(by_owner[claim.dist_info]),
            tuple(str(value).strip() for value in claim.metadata.get_all("Requires-Dist", ())),
            claim.metadata,
        )
        for claim in claims.distributions
    )
    return Contents(path, _kind(entries), entries, installed, tuple(by_owner.get(None, ())), source)


def _kind(entries: Iterable[Entry]) -> str:
    paths = [entry.path for entry in entries]
    tops = {path.partition("/")[0] for path in paths}
    is_layer = (
        any(path.startswith("python/") for path in paths)
        and not any(path.startswith("python/__init__.py") for path in paths)
        and tops <= _BESIDE_PYTHON
    )
    return "layer" if is_layer else "function"


def _names_required(one: Installed) -> Iterator[str]:
    for text in one.requires:
        try:
            name = canonicalize_name(Requirement(text).name)
        except InvalidRequirement:
            continue
        if name != canonicalize_name(one.name):  # `project[all]` requires its own extras
            yield name


def _text(source: _Source, path: Path, name: str) -> str:
    with source.open(name) as file:
        content = file.read(_MOST_METADATA + 1)
    if len(content) > _MOST_METADATA:
        raise ContentsError(f"{path} cannot be read: its `{name}` is too large for what it is.")
    return content.decode("utf-8", "replace")


class _Source(Protocol):
    @property
    def entries(self) -> tuple[Entry, ...]: ...

    @property
    def zipped(self) -> int | None: ...

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]: ...

    def checksum(self, path: str) -> int: ...


class _Zip:
    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ContentsError(f"{path} is neither a file nor a folder.")
        self.zipped: int | None = path.stat().st_size
        try:
            self.archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise ContentsError(_no_zip(path)) from None
        members = [member for member in self.archive.infolist() if not member.is_dir()]
        for member in members:
            if fault := _fault_of(member):
                raise ContentsError(f"{path} cannot be read: its entry `{member.filename}` {fault}.")
        if sum(member.compress_size for member in members) > self.zipped:
            raise ContentsError(f"{path} cannot be read: its entries overlap.")
        if (total := sum(member.file_size for member in members)) > _MOST_UNPACKED:
            raise ContentsError(f"{path} cannot be read: it says that it unpacks to {total:,} bytes.")
        # Of two entries of one path, unpacking leaves the last.
        self.members = {member.filename.removeprefix("./"): member for member in members}

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(path, member.file_size, member.compress_size, _mode(member))
            for path, member in sorted(self.members.items())
        )

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with self.archive.open(self.members[path]) as file:
            yield cast("BinaryIO", file)

    def checksum(self, path: str) -> int:
        return self.members[path].CRC


def _no_zip(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\3\4":
        return f"{path} is cut short: the directory at its end is missing. Make or download it again."
    return f"{path} is no zip file."


def _fault_of(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return "is encrypted, and Lambda has no password"
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return f"is compressed by method {member.compress_type}; Lambda unpacks what is deflated or stored"
    if member.file_size > (member.compress_size + 1) * _BEST_RATIO:
        return f"says that it unpacks from {member.compress_size:,} to {member.file_size:,} bytes, which nothing can"
    return None


_MADE_ON_UNIX = (3, 19)  # APPNOTE 4.4.2: Unix, and macOS


def _mode(member: zipfile.ZipInfo) -> int:
    return member.external_attr >> 16 if member.create_system in _MADE_ON_UNIX else 0


class _Folder:
    zipped: int | None = None

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(sorted(self._entries()))

    def _entries(self) -> Iterator[Entry]:
        for folder, _, names in os.walk(self.root, onerror=_raise):
            for name in names:
                path = Path(folder, name)
                # A link counts as the file that it leads to, as `zip -r` has it. Pipes and sockets are no content.
                if path.is_file():
                    status = path.stat()
                    yield Entry(path.relative_to(self.root).as_posix(), status.st_size, status.st_size, status.st_mode)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with (self.root / path).open("rb") as file:
            yield file

    def checksum(self, path: str) -> int:
        crc = 0
        with self.open(path) as file:
            while chunk := file.read(1024 * 1024):
                crc = zlib.crc32(chunk, crc)
        return crc


def _raise(error: OSError) -> None:
    # `os.walk` passes over a folder that it cannot list: whatever is in it would count as not there.
    raise error


@contextmanager
def _telling_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ContentsError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from None
    except ZIP_ERRORS as error:
        raise ContentsError(f"{path} is damaged: {error}. Make or download it again.") from None
