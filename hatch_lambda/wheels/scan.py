"""Check a wheel and read its machine code in one pass over its content; the result is cached as a note in the store."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import zipfile
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.compatibility import machine_code_of
from hatch_lambda.wheels.machine_code import HELD_IN_MEMORY, BrokenMachineCodeError, MachineCode, read_machine_code
from hatch_lambda.wheels.signatures import SIGNATURE_LENGTH, begins_as_machine_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hatch_lambda.wheels.store import Store

# Increase whenever a wheel is checked for more, or more is read from machine code.
_FORMAT = 1


@dataclass(frozen=True)
class Scan:
    """What a wheel carries. It depends on the wheel alone."""

    distribution: str
    machine_code: tuple[MachineCode, ...]
    names: frozenset[str]
    """All its files, if any is machine code."""


def check_and_scan(wheels: Iterable[tuple[str, Path]], store: Store) -> tuple[Scan, ...]:
    """Check wheels, each given with its `name version`, and scan them; cached results are reused.

    Raises `BrokenWheelError`.
    """
    return tuple(_check_and_scan(distribution, wheel, store) for distribution, wheel in wheels)


def prescan(wheel: Path, store: Store) -> None:
    """Cache a wheel's scan. Faults are reported by `check_and_scan`: not all that is downloaded is used."""
    with contextlib.suppress(BrokenWheelError, OSError):
        _check_and_scan("", wheel, store)


def scan_unchecked(distribution: str, wheel: Path) -> Scan:
    """Scan a wheel that was built here. Raises `BrokenWheelError`."""
    found = machine_code_of(wheel)
    if not found:
        return Scan(distribution, (), frozenset())
    with zipfile.ZipFile(wheel) as archive:
        return Scan(distribution, found, frozenset(archive.namelist()))


def _check_and_scan(distribution: str, wheel: Path, store: Store) -> Scan:
    sha256 = sha256_of(wheel)
    of = f"{wheel.name} {sha256}"
    if cached := _from_json(store.note(sha256), of, distribution):
        return cached
    names: list[str] = []
    found: dict[str, MachineCode | None] = {}
    broken: dict[str, BrokenMachineCodeError] = {}

    def watch(name: str, content: Iterator[bytes]) -> Iterator[bytes]:
        names.append(name)
        start = b""  # pieces may be of any length
        while len(start) < SIGNATURE_LENGTH and (piece := next(content, None)) is not None:
            start += piece
            yield piece
        if not begins_as_machine_code(start):
            yield from content
            return
        # The loader's tables lie at both ends of a library, and a deflated stream only runs forward.
        with SpooledTemporaryFile(max_size=HELD_IN_MEMORY) as file:
            file.write(start)
            for piece in content:
                file.write(piece)
                yield piece
            try:
                found[name] = read_machine_code(name, cast("BinaryIO", file))
            except BrokenMachineCodeError as error:
                broken[name] = error

    check_wheel(wheel, watch)
    for _name, error in sorted(broken.items()):
        raise BrokenWheelError(wheel.name, str(error))
    machine_code = tuple(code for _name, code in sorted(found.items()) if code)
    scan = Scan(distribution, machine_code, frozenset(names if found else ()))
    store.keep_note(sha256, _as_json(scan, of))
    return scan


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
