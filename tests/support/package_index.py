"""An index on loopback with JSON pages (PEP 691), kept in memory: hundreds of tiny projects are made in no time."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from tests.support.packages import metadata, record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

JSON_PAGE = "application/vnd.pypi.simple.v1+json"


class Offer(NamedTuple):
    """A file as an index offers it.

    `tag`: None for an sdist. `on_page`: its `Requires-Python`, if not the one in METADATA. `beside`: what the page says
    about its METADATA (PEP 658): the hash, `True`, or nothing. `entry`: what else the page says, or says otherwise;
    None leaves a key out. `text`: its METADATA, if it is not as it should be. `place`: on which of several indexes.
    """

    name: str
    version: str = "1.0"
    tag: str | None = "py3-none-any"
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    extras: tuple[str, ...] = ()
    build: str = ""
    on_page: str | None = None
    beside: str | bool | None = "hash"
    entry: tuple[tuple[str, Any], ...] = ()
    text: str | None = None
    filename: str = ""
    place: int = 0

    @property
    def file(self) -> str:
        if self.filename:
            return self.filename
        parts = [self.name.replace("-", "_"), self.version, self.build, self.tag or ""]
        return "-".join(filter(None, parts)) + (".whl" if self.tag else ".tar.gz")

    @property
    def metadata(self) -> str:
        return self.text or metadata(self.name, self.version, self.requires, self.requires_python, self.extras)

    def content(self) -> bytes:
        """Of a wheel with one module; of an sdist, nothing that could be built."""
        if self.tag is None:
            return b"an sdist"
        name, version = self.file.split("-")[:2]
        dist_info = f"{name}-{version}.dist-info"
        contents: dict[str, str | bytes] = {
            f"{name}.py": f"VERSION = {version!r}\n",
            f"{dist_info}/METADATA": self.metadata,
            f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: {self.place}\n"
            f"Root-Is-Purelib: true\nTag: {self.tag}\n",
        }
        contents[f"{dist_info}/RECORD"] = record(contents, f"{dist_info}/RECORD")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path, text in contents.items():
                archive.writestr(zipfile.ZipInfo(path), text)
        return content.getvalue()


class PackageIndex:
    """`with PackageIndex(offers) as index:` serves them at `index.urls`, an index each."""

    def __init__(self, offers: Iterable[Offer], indexes: int = 1) -> None:
        self._pages: list[dict[str, list[dict[str, Any]]]] = [{} for _ in range(indexes)]
        self._files: dict[str, bytes] = {}
        self.extra_pages: dict[str, tuple[str, bytes]] = {}
        """Type and content of other pages, by path."""
        for offer in offers:
            self._add(offer)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def _add(self, offer: Offer) -> None:
        content, path = offer.content(), f"/files/{offer.place}/{offer.file}"
        self._files[path] = content
        entry: dict[str, Any] = {
            "filename": offer.file,
            "url": f"../../..{quote(path)}",
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "size": len(content),
            "requires-python": offer.requires_python if offer.on_page is None else offer.on_page or None,
        }
        if offer.tag:
            beside = offer.metadata.encode()
            self._files[f"{path}.metadata"] = beside
            entry["core-metadata"] = (
                {"sha256": hashlib.sha256(beside).hexdigest()} if offer.beside == "hash" else offer.beside
            )
        entry.update(offer.entry)
        entry["url"] = entry["url"].replace("{}", quote(offer.file))
        page = self._pages[offer.place].setdefault(canonicalize_name(offer.name), [])
        page.append({key: value for key, value in entry.items() if value is not None})

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self._server.server_port}/{number}/simple" for number in range(len(self._pages))]

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """The type and content of a path; None if there is nothing."""
        if path in self.extra_pages:
            return self.extra_pages[path]
        if path in self._files:
            return "application/octet-stream", self._files[path]
        number, _, name = path.strip("/").replace("/simple/", "/").partition("/")
        if number.isdecimal() and name in self._pages[int(number)]:
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": self._pages[int(number)][name]}
            return JSON_PAGE, json.dumps(page).encode()
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        find = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections
            wbufsize = -1  # sends head and body as one
            disable_nagle_algorithm = True

            def finish(self) -> None:
                try:
                    super().finish()
                finally:  # it stops where a client that has gone does not get what is left to write
                    self.rfile.close()

            def do_GET(self) -> None:
                answer = find(unquote(self.path))
                kind, content = answer or ("text/plain", b"")
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
                """Keep the tests' output clean."""

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
