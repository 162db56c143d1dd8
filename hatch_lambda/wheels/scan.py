"""A wheel is looked through once: whether it is what it says, and what machine code it carries; the result is kept.

To check a wheel, all of it has to be unpacked. So what comes out is kept as well, on the store's shelf: its machine
code is read there, and bundles are made of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import mmap
import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.compatibility import machine_code_of
from hatch_lambda.wheels.layout import is_executable
from hatch_lambda.wheels.machine_code import BrokenMachineCodeError, MachineCode, read_machine_code
from hatch_lambda.wheels.members import EXECUTABLE_MODE, FILE_MODE
from hatch_lambda.wheels.signatures import MAGIC_LENGTH, begins_as_machine_code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from zipfile import ZipInfo

    from typing_extensions import Self

    from hatch_lambda.wheels.store import Store


_BUFFER = 8192  # bytes; with a size of its own, Python does not ask each file whether it is a terminal

# What a bundle has as a program whatever its mode (see `layout`). Where it is none, the shelf is not taken from.
_SCRIPT = re.compile(r"[^/]+\.data/scripts/", re.IGNORECASE)

# To be counted up whenever a wheel is checked for more, or machine code read for more.
_FORMAT = 1


def inspect(wheels: Sequence[tuple[str, Path]], store: Store) -> tuple[Scan, ...]:
    """Check wheels and scan them, each given with its `name version`; what was found before is taken from the store.

    Raises `BrokenWheelError`.
    """
    return tuple(_inspect(distribution, wheel, store) for distribution, wheel in wheels)


def inspect_in_silence(wheel: Path, store: Store) -> None:
    """Inspect a wheel for the store to know of it.

    What is wrong with it is for `inspect` to say, if it is ever asked: not all that is downloaded is used.
    """
    with contextlib.suppress(BrokenWheelError, OSError):
        _inspect("", wheel, store)


def _inspect(distribution: str, wheel: Path, store: Store) -> Scan:
    sha256 = sha256_of(wheel)
    of = f"{wheel.name} {sha256}"
    known = _from_json(store.note(sha256), of, distribution)
    if known:
        return known
    found = Scan(distribution, *_look_through(wheel, sha256, store))
    store.keep_note(sha256, _as_json(found, of))
    return found


def _look_through(wheel: Path, sha256: str, store: Store) -> tuple[tuple[MachineCode, ...], frozenset[str]]:
    """Check a wheel; gives its machine code and, where there is some, the names of all its files."""
    try:
        with store.unpacking(sha256) as folder:
            copies = _Copies(folder)
            check_wheel(wheel, copies.of)
            return copies.machine_code(wheel), frozenset(copies.names if copies.suspects else ())
    except OSError:  # there is no room for it, say
        check_wheel(wheel)
        (found,) = scan([("", wheel)])
        return found.machine_code, found.names


class _Copy:
    """One file while it is written. `on_machine_code`: called if it begins as machine code does."""

    def __init__(self, path: str, mode: int, on_machine_code: Callable[[], None]) -> None:
        self._path = path
        self._mode = mode
        self._on_machine_code = on_machine_code
        self._file = open(path, "wb", buffering=_BUFFER)  # noqa: PTH123, SIM115 - closed in the end, and thousands of them
        self._start = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        os.chmod(self._path, self._mode)  # noqa: PTH101 - whatever the umask
        if begins_as_machine_code(self._start):
            self._on_machine_code()

    def write(self, piece: bytes) -> None:
        if len(self._start) < MAGIC_LENGTH:  # pieces may be of any length, and empty
            self._start = (self._start + piece)[:MAGIC_LENGTH]
        self._file.write(piece)


class _Copies:
    """The files of a wheel, written as they are unpacked for the check."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.fspath(folder)
        self.names: list[str] = []
        self.suspects: list[str] = []
        """Those that begin as machine code does."""
        self._made = {self.folder}

    def of(self, entry: ZipInfo) -> _Copy:
        path = f"{self.folder}/{entry.filename}"
        if (parent := path.rpartition("/")[0]) not in self._made:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - thousands of them
            self._made.add(parent)
        self.names.append(entry.filename)
        executable = is_executable(entry) or _SCRIPT.match(entry.filename)
        return _Copy(path, EXECUTABLE_MODE if executable else FILE_MODE, self._suspect(entry.filename))

    def _suspect(self, name: str) -> Callable[[], None]:
        return lambda: self.suspects.append(name)

    def machine_code(self, wheel: Path) -> tuple[MachineCode, ...]:
        """What the machine code among them says of itself. Raises `BrokenWheelError`."""
        found = []
        for name in sorted(self.suspects):
            try:
                with (
                    open(f"{self.folder}/{name}", "rb") as file,  # noqa: PTH123
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
                ):
                    found.append(read_machine_code(name, cast("BinaryIO", view)))
            except BrokenMachineCodeError as error:
                raise BrokenWheelError(wheel.name, str(error)) from None
        return tuple(code for code in found if code)


def _as_json(found: Scan, of: str) -> str:
    content = {
        "format": _FORMAT,
        "of": of,
        "machine_code": [dataclasses.asdict(code) for code in found.machine_code],
        "names": sorted(found.names),
    }
    return json.dumps({**content, "digest": _digest(content)})


def _from_json(text: str | None, of: str, distribution: str) -> Scan | None:
    """A note that was kept, if it is of this very wheel and as it was written."""
    try:
        note: dict[str, Any] = json.loads(text or "")
        if note.pop("digest") != _digest(note) or (note["format"], note["of"]) != (_FORMAT, of):
            return None
        return Scan(distribution, tuple(map(_machine_code, note["machine_code"])), frozenset(note["names"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _digest(content: dict[str, Any]) -> str:
    """Against damage; who can write to the store could count it anew, so the store is its user's alone."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()


def _machine_code(facts: dict[str, Any]) -> MachineCode:
    """JSON knows no tuples."""
    return MachineCode(
        **{
            **facts,
            "needs": tuple((library, symbol) for library, symbol in facts["needs"]),
            "libraries": tuple(facts["libraries"]),
            "search_path": tuple(facts["search_path"]),
        }
    )


@dataclass(frozen=True)
class Scan:
    """What a wheel carries. It depends on nothing but the wheel."""

    distribution: str
    machine_code: tuple[MachineCode, ...]
    names: frozenset[str]
    """All its files, where there is machine code among them."""


def scan(wheels: Sequence[tuple[str, Path]]) -> tuple[Scan, ...]:
    """Read the machine code of wheels, several at a time. Raises `BrokenWheelError`."""
    # Large wheels first: they keep one thread busy while the others do the rest. zlib works without Python's lock.
    order = sorted(range(len(wheels)), key=lambda n: -wheels[n][1].stat().st_size)
    with ThreadPoolExecutor() as threads:
        scans = dict(zip(order, threads.map(lambda n: _scan(*wheels[n]), order), strict=True))
    return tuple(scans[n] for n in range(len(wheels)))


def _scan(distribution: str, wheel: Path) -> Scan:
    found = machine_code_of(wheel)
    return Scan(distribution, found, _file_names(wheel) if found else frozenset())


def _file_names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())
