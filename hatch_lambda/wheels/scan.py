"""Check wheels and read their machine code, in one pass over their content; the results are cached in the store."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.machine_code import (
    HELD_IN_MEMORY,
    BrokenMachineCodeError,
    MachineCode,
    read_machine_code,
    scan_wheel,
)
from hatch_lambda.wheels.record import Discrepancies
from hatch_lambda.wheels.signatures import SIGNATURE_LENGTH, begins_as_machine_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hatch_lambda.wheels.store import Store

# Increase whenever checks are added, or more is read from machine code.
_FORMAT = 3


@dataclass(frozen=True)
class Scan:
    """What a wheel contains, whatever the target."""

    name: str
    version: str
    machine_code: tuple[MachineCode, ...]
    files: frozenset[str]
    """The paths of all files, if any is machine code."""
    record: Discrepancies = field(default_factory=Discrepancies)

    @property
    def distribution(self) -> str:
        """`name version`"""
        return f"{self.name} {self.version}".rstrip()


def check_and_scan(wheels: Iterable[tuple[str, str, Path]], store: Store) -> tuple[Scan, ...]:
    """Check and scan wheels, each given by its name, version and path; cached results are reused.

    Raises `BrokenWheelError`.
    """
    return tuple(_check_and_scan(name, version, wheel, store) for name, version, wheel in wheels)


def prescan(wheel: Path, store: Store) -> None:
    """Cache the scan of a wheel. Errors are left to `check_and_scan`, as not every download is used."""
    with contextlib.suppress(BrokenWheelError, OSError):
        _check_and_scan("", "", wheel, store)


def scan_unchecked(name: str, version: str, wheel: Path) -> Scan:
    """Scan a wheel that was built here. Raises `BrokenWheelError`."""
    found = scan_wheel(wheel)
    with zipfile.ZipFile(wheel) as archive:
        return Scan(name, version, found, frozenset(archive.namelist() if found else ()))


def _check_and_scan(name: str, version: str, wheel: Path, store: Store) -> Scan:
    sha256 = sha256_of(wheel)
    of = f"{wheel.name} {sha256}"
    if cached := _from_json(store.note(sha256), of):
        return Scan(name, version, *cached)
    paths: list[str] = []
    found: dict[str, MachineCode | None] = {}
    broken: dict[str, BrokenMachineCodeError] = {}

    def watch(path: str, content: Iterator[bytes]) -> Iterator[bytes]:
        paths.append(path)
        start = b""  # pieces have any length
        while len(start) < SIGNATURE_LENGTH and (piece := next(content, None)) is not None:
            start += piece
            yield piece
        if not begins_as_machine_code(start):
            yield from content
            return
        # As in `read_stream`
        with SpooledTemporaryFile(max_size=HELD_IN_MEMORY) as file:
            file.write(start)
            for piece in content:
                file.write(piece)
                yield piece
            try:
                found[path] = read_machine_code(path, cast("BinaryIO", file))
            except BrokenMachineCodeError as error:
                broken[path] = error

    record = check_wheel(wheel, watch)
    for _path, error in sorted(broken.items()):
        raise BrokenWheelError(wheel.name, str(error))
    machine_code = tuple(code for _path, code in sorted(found.items()) if code)
    scan = Scan(name, version, machine_code, frozenset(paths if found else ()), record)
    store.keep_note(sha256, _as_json(scan, of))
    return scan


def _as_json(found: Scan, of: str) -> str:
    content = {
        "format": _FORMAT,
        "of": of,
        "machine_code": [dataclasses.asdict(code) for code in found.machine_code],
        "names": sorted(found.files),
        "record": found.record,
    }
    return json.dumps({**content, "digest": _digest(content)})


def _from_json(text: str | None, of: str) -> tuple[tuple[MachineCode, ...], frozenset[str], Discrepancies] | None:
    """The fields of a scan in a note, if it is of this wheel and undamaged."""
    try:
        note: dict[str, Any] = json.loads(text or "")
        if note.pop("digest") != _digest(note) or (note["format"], note["of"]) != (_FORMAT, of):
            return None
        code = tuple(
            MachineCode(**{name: _as_tuples(value) for name, value in facts.items()}) for facts in note["machine_code"]
        )
        return code, frozenset(note["names"]), Discrepancies(*_as_tuples(note["record"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _as_tuples(value: Any) -> Any:
    """JSON has only lists."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _digest(content: dict[str, Any]) -> str:
    """Against damage only: whoever can write to the store can forge it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
