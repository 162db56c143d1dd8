"""A project between builds whose resolution is played, and what tests of caches share."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.closure import Closure, Distribution, Wheel
from hatch_lambda.wheels.compatibility import Verdict
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pytest

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI


# Sdists are built by the running interpreter, so that no other one has to be found.
HERE = "python{}.{}".format(*sys.version_info)
ANOTHER = "python3.13" if HERE != "python3.13" else "python3.12"
REUSED = re.compile(r"^  Reusing the resolution from \d{4}-\d\d-\d\d ", re.MULTILINE)
DAY = 24 * 60 * 60


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def defaults() -> dict[str, str]:
    """Of the hook's table: sdists are built by the Python that builds in these tests."""
    python = os.environ.get("HATCH_LAMBDA_PYTHON")
    return {"runtime": "python3.13", **({"python": python} if python else {})}


def request_for(root: Path, requirements: Sequence[str], table: Mapping[str, object]) -> Request:
    """As the build hook asks: with a state folder."""
    settings = load({"runtime": "python3.13", **table}, root, environ={})
    return Request(
        settings,
        settings.bundle_directory,
        subject="orders",
        requirements=tuple(requirements),
        state=settings.target_directory,
    )


def closure_of(wheels: Iterable[Path]) -> Closure:
    """As stage 7 leaves it, of wheels from an index."""
    return Closure(tuple(sorted(map(distribution_of, wheels), key=lambda found: found.name)))


def distribution_of(wheel: Path) -> Distribution:
    name, version, *_ = parse_wheel_filename(wheel.name)
    return Distribution(
        name=name,
        version=version,
        requires=(),
        extras=frozenset(),
        requested=True,
        direct=False,
        allowed_hashes=(),
        wheels=(Wheel(wheel, "downloaded", Verdict(compatible=True, reason="fits"), wheel.as_uri()),),
        source=None,
    )


@dataclass
class Situation:
    """A project whose resolution comes to `wheels`: pip's part is played, and what counts is whether it is asked."""

    root: Path
    tmp: Path
    ui: RecordingUI
    monkeypatch: pytest.MonkeyPatch
    wheels: list[Path]
    requirements: list[str] = field(default_factory=lambda: ["foo"])
    table: dict[str, object] = field(default_factory=dict)
    resolved: int = 0

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(pipeline, "resolve", self._resolve)

    def _resolve(self, *_: object, **__: object) -> Closure:
        self.resolved += 1
        return closure_of(self.wheels)

    def build(self) -> Bundle:
        return pipeline.run(request_for(self.root, self.requirements, self.table), Reporter(self.ui))

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def setenv(self, name: str, value: str | Path) -> None:
        self.monkeypatch.setenv(name, str(value))

    @property
    def state(self) -> Path:
        return load({"runtime": "python3.13", **self.table}, self.root, environ={}).target_directory


def stored_wheels(cache: Path) -> dict[str, Path]:
    paths = [path for path in cache.rglob("*.whl") if path.is_file()]
    assert len({path.name for path in paths}) == len(paths)
    return {path.name: path for path in paths}


def replace_by_another(wheel: Path) -> None:
    other = make_wheel(wheel.parent / "other", "foo", files={"foo.py": "EVIL = True\n"})
    other.replace(wheel)
    other.parent.rmdir()


def damage(wheel: Path) -> None:
    content = bytearray(wheel.read_bytes())
    content[40] ^= 0xFF
    status = wheel.stat()
    wheel.write_bytes(content)
    os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "damaged": damage,
    "truncated": lambda wheel: wheel.write_bytes(wheel.read_bytes()[:-1]),
    "emptied": lambda wheel: wheel.write_bytes(b""),
    "replaced": replace_by_another,
    "removed": Path.unlink,
    "gone with its folder": lambda wheel: shutil.rmtree(wheel.parent),
}
