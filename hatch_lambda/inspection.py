"""A wheel is looked through once: whether it is what it says, and what machine code it carries; the result is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hatch_lambda.audit import Scan, scan
from hatch_lambda.machine_code import MachineCode
from hatch_lambda.store import sha256_of
from hatch_lambda.wheel_check import check_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_lambda.store import Store

# To be counted up whenever a wheel is checked for more, or machine code read for more.
_FORMAT = 1


def inspect(wheels: Sequence[tuple[str, Path]], store: Store) -> tuple[Scan, ...]:
    """Check wheels and scan them, each given with its `name version`; what was found before is taken from the store.

    Raises `BrokenWheelError`.
    """
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(lambda wheel: _inspect(wheel[0], wheel[1], store), wheels))


def _inspect(distribution: str, wheel: Path, store: Store) -> Scan:
    sha256 = sha256_of(wheel)
    of = f"{wheel.name} {sha256}"
    known = _from_json(store.note(sha256), of, distribution)
    if known:
        return known
    check_wheel(wheel)
    (found,) = scan([(distribution, wheel)])
    store.keep_note(sha256, _as_json(found, of))
    return found


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
