"""Locked wheels by plain URLs, downloaded into the store on many connections. Everything else is left to pip."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from hatch_lambda.common.ui import counted
from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.finder.client import Client
from hatch_lambda.resolve.finder.indexes import servers
from hatch_lambda.resolve.finder.workers import Workers
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.resolve.lock.select import filename
from hatch_lambda.wheels.store import WantedWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hatch_lambda.resolve.job import Job
    from hatch_lambda.resolve.lock.select import Locked
    from hatch_lambda.wheels.store import Store


def fetch_wheels(wanted: Iterable[Locked], job: Job, store: Store, arrived: Callable[[Path], object]) -> None:
    """Download what can be. Trouble of any kind is left to pip, which words it. `arrived`: called for each wheel."""
    plain = [wheel for locked in wanted if (wheel := _plain_wheel(locked))]
    if not plain:
        return

    def fetch(wheel: PlainWheel) -> None:
        path = job.scratch / "locked" / wheel.sha256 / wheel.filename
        client.download(wheel.url, path, wheel.sha256, wheel.size, lambda: True)
        store.keep(path, wheel.name, wheel.version, scratch=job.scratch)
        arrived(path)

    try:
        urls = [wheel.url for wheel in plain]
        client = Client(servers(urls, job), f"hatch-lambda/{installed_version('hatch-lambda')}")
        with Workers(client) as workers:
            begun = [workers.submit((0, -(wheel.size or 0)), partial(fetch, wheel)) for wheel in plain]
            for number, (wheel, future) in enumerate(zip(plain, begun, strict=True), 1):
                if not future.done():
                    job.reporter.now(f"downloading {wheel.name} ({number} of {len(plain)})")
                future.result()
    except LeftToPip as reason:
        job.reporter.detail(f"Downloading with pip: {reason}")
    else:
        job.reporter.detail(f"Downloaded {counted(len(plain), 'wheel')} without pip")


class PlainWheel(NamedTuple):
    """A locked wheel that needs nothing of pip. `size`: in bytes."""

    name: str
    version: str
    filename: str
    url: str
    sha256: str
    size: int | None


def _plain_wheel(locked: Locked) -> PlainWheel | None:
    """None if it is none: without a SHA-256, or not at a plain URL."""
    file = locked.file
    if file is None or not file.url or urlsplit(file.url).scheme not in {"http", "https"}:
        return None
    sha256, version = file.hashes.get("sha256", "").lower(), str(locked.package.version or "")
    wheel = PlainWheel(locked.name, version, filename(file), file.url.partition("#")[0], sha256, file.size)
    return wheel if WantedWheel(locked.name, version, wheel.filename, sha256).is_plain else None
