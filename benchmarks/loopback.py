"""A package index on the loopback interface, as the public one is: its pages, metadata, wheels, and its distance.

    hatch run python benchmarks/loopback.py pip download requests                 # the command sees only this index
    hatch run python benchmarks/loopback.py --delay 40 hatch build -t lambda      # … which answers after 40 ms
    hatch run python benchmarks/loopback.py --offline --folder recorded uv pip compile requirements.txt

It listens on a free port of 127.0.0.1 and stops with the command. What is asked for is downloaded once, from the index
of this machine (see `plain_environment`), into a folder below the user's cache, and served from there ever after; with
`--offline`, or what that index does not have, is a 404. Delete the folder to get newer pages.

Pages are those of PEP 691 with all files of a project, and compressed if wanted; both pages and files have an ETag and
a Cache-Control like the public index's; files may be asked for in part; connections stay open, any number at a time.
Unlike the public index it speaks neither TLS nor HTTP/2.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gzip
import hashlib
import json
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import platformdirs
from packaging.utils import canonicalize_name

from benchmarks.plain import configured, plain_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

JSON = "application/vnd.pypi.simple.v1+json"
FOLDER = platformdirs.user_cache_path("hatch-lambda-benchmarks")

_FRESH_PAGE = "max-age=600, public"
_FRESH_FILE = "max-age=365000000, immutable, public"
_WORTH_COMPRESSING = 200


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""


@dataclass(frozen=True)
class Response:
    """`body`: bytes, or a file to send from `start`, `length` bytes of it."""

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path = b""
    start: int = 0
    length: int = 0


class LoopbackIndex:
    """`with LoopbackIndex(folder, upstream) as index:` serves it at `index.url`, in a thread of its own.

    `folder`: what was downloaded so far. `upstream`: the index with the rest, by its simple API; None: there is no
    rest. `delay`: seconds from a request to its answer; it may be changed at any time. `fetched`: how many pages and
    files had to be downloaded.
    """

    def __init__(self, folder: Path, upstream: str | None = None, *, delay: float = 0, cert: str | None = None) -> None:
        self.folder = folder
        self.delay = delay
        self.fetched = 0
        self._upstream = upstream.rstrip("/") + "/" if upstream else None
        self._cert = cert
        self._port = 0
        self._pages: dict[str, Response] = {}
        self._sources: dict[str, tuple[str, str]] = {}
        """By path of a file here: its project, and where it comes from."""
        self._locks: dict[Path, asyncio.Lock] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/simple/"

    def __enter__(self) -> LoopbackIndex:  # noqa: PYI034 - `Self` is newer than Python 3.10
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def answer(self, request: Request) -> Response:
        """Answer a request; to be overridden by an index that has faults."""
        if request.method not in {"GET", "HEAD"}:
            return Response(HTTPStatus.METHOD_NOT_ALLOWED)
        if match := re.fullmatch(r"/simple/([^/]+)/?", request.path):
            page = await self._page(canonicalize_name(match[1]))
            return _not_modified(request, _encoded(request, page)) if page else Response(HTTPStatus.NOT_FOUND)
        file = await self._file(request.path)
        return _not_modified(request, _part(request, file)) if file else Response(HTTPStatus.NOT_FOUND)

    # Connections

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=1000))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until the client has no more."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = _parsed(await reader.readuntil(b"\r\n\r\n"))
                asked = self._loop.time()
                try:
                    response = await self.answer(request)
                except OSError as error:  # upstream's
                    response = Response(HTTPStatus.BAD_GATEWAY, body=str(error).encode())
                await asyncio.sleep(asked + self.delay - self._loop.time())
                await self._send(writer, request, response)
                if request.headers.get("connection", "").lower() == "close":
                    break
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, request: Request, response: Response) -> None:
        length = len(response.body) if isinstance(response.body, bytes) else response.length
        headers = dict(response.headers)
        if response.status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}", *map(": ".join, headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if request.method == "GET" and isinstance(response.body, bytes):
            writer.write(response.body)
        elif request.method == "GET" and isinstance(response.body, Path) and length:
            with response.body.open("rb") as file:
                await self._loop.sendfile(writer.transport, file, response.start, length)
        await writer.drain()

    # Pages

    async def _page(self, project: str) -> Response | None:
        """Return the project's page, not compressed; None if there is none."""
        if project not in self._pages:
            source = self._upstream and urljoin(self._upstream, f"{project}/")
            raw = await self._downloaded(self.folder / "simple" / f"{project}.json", source, _absolute)
            if raw is None:
                return None
            self._pages[project] = self._rewritten(project, json.loads(raw.read_bytes()))
        return self._pages[project]

    def _rewritten(self, project: str, page: dict[str, Any]) -> Response:
        """Have the page's files lie here, and have metadata, which not every mirror knows of."""
        for file in page["files"]:
            source = file["url"].partition("#")[0]
            path = f"/files{urlsplit(source).path}"
            if ".." not in path:
                self._sources[path] = (project, source)
            file["url"] = f"{self.origin}{path}"
            if path.endswith(".whl") and "core-metadata" not in file:
                self._add_metadata(file, self._local(path + ".metadata"))
        body = json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"Content-Type": JSON, "Cache-Control": _FRESH_PAGE, "Vary": "Accept, Accept-Encoding"}
        return Response(HTTPStatus.OK, {**headers, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}, body)

    def _add_metadata(self, file: dict[str, Any], metadata: Path) -> None:
        """Write of PEP 658 and 714 into a page, as the public index does.

        The hash is known of what was asked for once. The rest gets as many bytes, since a page's size has its price.
        """
        if metadata.is_file():
            known = {"sha256": hashlib.sha256(metadata.read_bytes()).hexdigest()}
            file.update({"core-metadata": known, "data-dist-info-metadata": known})
        else:
            padding = 2 * hashlib.sha256(file["filename"].encode()).hexdigest()
            file.update({"core-metadata": True, "data-dist-info-metadata": True, "_padding": padding})

    # Files

    async def _file(self, path: str) -> Path | None:
        """Return a file of a page that was asked for, or what lies here already."""
        wheel = path.removesuffix(".metadata")
        if ".." in path or not wheel.startswith("/files/"):
            return None
        project, source = self._sources.get(wheel, ("", None))
        source = source if self._upstream else None
        if wheel != path:
            return await self._metadata(wheel, project, source)
        file = await self._downloaded(self._local(path), source)
        if file and path.endswith(".whl"):
            await self._metadata(path, project, source)
        return file

    async def _metadata(self, wheel: str, project: str, source: str | None) -> Path | None:
        """Return a wheel's metadata: upstream's, or if that has none, the wheel's own."""
        path = self._local(wheel + ".metadata")
        if path.is_file():
            return path
        found = await self._downloaded(path, source and source + ".metadata")
        if not found and (file := await self._downloaded(self._local(wheel), source)):
            _write(path, await asyncio.to_thread(_own_metadata, file))
            found = path
        self._pages.pop(project, None)  # its hash is known from now on
        return found

    def _local(self, path: str) -> Path:
        return self.folder / unquote(path).lstrip("/")

    async def _downloaded(
        self, file: Path, source: str | None, edit: Callable[[bytes, str], bytes] = lambda content, _: content
    ) -> Path | None:
        """Return the file, downloaded if need be, by one of those who ask for it at once; None if there is none."""
        if not file.is_file():
            async with self._locks.setdefault(file, asyncio.Lock()):
                if source and not file.is_file():
                    content = await asyncio.to_thread(self._fetch, source)
                    if content is not None:
                        self.fetched += 1
                        _write(file, edit(content, source))
        return file if file.is_file() else None

    def _fetch(self, source: str) -> bytes | None:
        """Get what upstream has; None if it has not."""
        request = urllib.request.Request(source, headers={"Accept": f"{JSON}, */*;q=0.1"})
        context = ssl.create_default_context(cafile=self._cert)
        try:
            with urllib.request.urlopen(request, timeout=120, context=context) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                return None
            raise


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(method, urlsplit(target).path, headers)


def _absolute(page: bytes, source: str) -> bytes:
    """Make relative URLs of files absolute, so that a page means the same wherever it lies."""
    content = json.loads(page)
    for file in content["files"]:
        file["url"] = urljoin(source, file["url"])
    return json.dumps(content).encode()


@functools.lru_cache(maxsize=1000)
def _compressed(page: bytes) -> bytes:
    return gzip.compress(page, 6, mtime=0)


def _encoded(request: Request, page: Response) -> Response:
    assert isinstance(page.body, bytes)
    if "gzip" not in request.headers.get("accept-encoding", "") or len(page.body) < _WORTH_COMPRESSING:
        return page
    return Response(page.status, {**page.headers, "Content-Encoding": "gzip"}, _compressed(page.body))


def _part(request: Request, file: Path) -> Response:
    """Return the file, or the range of it that is asked for (RFC 9110, section 14)."""
    size = file.stat().st_size
    tag = f'"{hashlib.sha256(file.name.encode()).hexdigest()[:32]}"'
    headers = {"Content-Type": "application/octet-stream", "Cache-Control": _FRESH_FILE, "ETag": tag}
    headers["Accept-Ranges"] = "bytes"
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not match or not any(match.groups()) or request.headers.get("if-range", tag) != tag:
        return Response(HTTPStatus.OK, headers, file, 0, size)
    if match[1]:
        start, end = int(match[1]), min(int(match[2] or size), size - 1)
    else:
        start, end = max(size - int(match[2]), 0), size - 1
    if start > end:
        return Response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(HTTPStatus.PARTIAL_CONTENT, headers, file, start, end - start + 1)


def _not_modified(request: Request, response: Response) -> Response:
    if response.headers.get("ETag", "") not in request.headers.get("if-none-match", "").split(", "):
        return response
    kept = {name: response.headers[name] for name in ("ETag", "Cache-Control", "Vary") if name in response.headers}
    return Response(HTTPStatus.NOT_MODIFIED, kept)


def _own_metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(
            next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        )


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)


def recording(folder: Path = FOLDER, delay: float = 0) -> LoopbackIndex:
    """Return an index that downloads what it lacks from the index of this machine."""
    return LoopbackIndex(folder, configured()["index-url"], delay=delay, cert=configured().get("cert"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0, metavar="MS", help="milliseconds until a request is answered")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where downloads are kept ({FOLDER})")
    parser.add_argument("--offline", action="store_true", help="serve only what was downloaded before")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run; its exit code is returned")
    options = parser.parse_args()
    if not options.command:
        parser.error("name a command that uses the index")
    delay = options.delay / 1000
    with LoopbackIndex(options.folder, delay=delay) if options.offline else recording(options.folder, delay) as index:
        process = subprocess.run(options.command, env=plain_environment(index.url), check=False)
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
