"""An index on loopback with JSON pages (PEP 691) and metadata (PEP 658) that answers wrongly where a test says so."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from tests.support.simple_index import json_page, metadata_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from pathlib import Path

    from typing_extensions import Self

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Reply:
    """What would be sent; `headers` are in addition to the length."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Exchange:
    """A request that is to be answered. `number`: how many there were of this path, with this one."""

    path: str
    headers: Message
    number: int
    reply: Reply
    handler: BaseHTTPRequestHandler
    stopped: threading.Event

    def send(self, body: bytes | None = None, length: int | None = None) -> None:
        """Send what is in `reply`, or another body, stating its length or another one."""
        body = self.reply.body if body is None else body
        self.handler.send_response(self.reply.status)
        for name, value in {
            "Content-Length": str(len(body) if length is None else length),
            **self.reply.headers,
        }.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def cut(self) -> None:
        """Close the connection."""
        self.handler.close_connection = True
        self.handler.connection.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Say nothing more as long as the index is there."""
        self.stopped.wait()
        self.cut()


if TYPE_CHECKING:
    Fault = Callable[[Exchange], None]


class FaultyIndex:
    """Serves the wheels of a folder: `with FaultyIndex(folder) as index:`, then `index.url`.

    `faults`: how to answer where a path ends so. `page`: alters the pages' JSON, by name of project. `certificate`: of
    TLS, with its key.
    """

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder = folder
        self.faults: dict[str, Fault] = {}
        self.page: Callable[[str, dict[str, Any]], object] = lambda _name, page: page
        self.requests: list[tuple[str, Message]] = []
        self.connections: set[socket.socket] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._stopped = threading.Event()
        self._scheme = "https" if certificate else "http"
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/simple"

    @property
    def wheels(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def alter(self, **changes: Any) -> None:
        """Change the entries of bar's page; `...` leaves a key out."""

        def change(name: str, page: dict[str, Any]) -> None:
            for file in page["files"] if name == "bar" else ():
                file.update({key.replace("_", "-"): value for key, value in changes.items()})
                for key in [key for key, value in file.items() if value is ...]:
                    del file[key]

        self.page = change

    def reply(self, path: str) -> Reply:
        """As it should be."""
        place, _, name = path.strip("/").partition("/")
        if place == "simple" and (page := json_page(self.folder, canonicalize_name(name))):
            parsed = json.loads(page)
            for file in parsed["files"]:
                file["size"] = (self.folder / file["filename"]).stat().st_size
            altered = self.page(name, parsed)
            return Reply(json.dumps(parsed if altered is None else altered).encode(), headers={"Content-Type": JSON})
        file = self.folder / name.removesuffix(".metadata")
        if place == "files" and file.is_file():
            return Reply(metadata_of(file).encode() if name.endswith(".metadata") else file.read_bytes())
        return Reply(b"", 404)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections
            disable_nagle_algorithm = True
            wbufsize = -1  # sends head and body as one

            def setup(self) -> None:
                super().setup()
                index.connections.add(self.connection)

            def finish(self) -> None:
                try:
                    super().finish()
                finally:  # it stops where a client that has gone does not get what is left to write
                    self.rfile.close()
                    index.connections.discard(self.connection)

            def do_GET(self) -> None:
                index.requests.append((self.path, self.headers))
                index._counts[self.path] += 1
                exchange = Exchange(
                    self.path, self.headers, index._counts[self.path], index.reply(self.path), self, index._stopped
                )
                fault = next((fault for end, fault in index.faults.items() if self.path.endswith(end)), Exchange.send)
                fault(exchange)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
                """Keep the tests' output clean."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what the tests are about."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- What may go wrong ---


def status(number: int, *, times: int = 1 << 30, **headers: str) -> Fault:
    """Answer so for the first times. `headers`: with `_` for `-`."""

    def fault(exchange: Exchange) -> None:
        if exchange.number <= times:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            exchange.reply = Reply(b"busy", number, named)
        exchange.send()

    return fault


def cut_off(*, times: int = 1 << 30) -> Fault:
    """Send half of the body, and close the connection."""

    def fault(exchange: Exchange) -> None:
        body = exchange.reply.body
        if exchange.number > times:
            exchange.send()
        else:
            exchange.send(body[: len(body) // 2], len(body))
            exchange.cut()

    return fault


def hanging_up(*, times: int = 1 << 30) -> Fault:
    """Close the connection without an answer."""

    def fault(exchange: Exchange) -> None:
        if exchange.number > times:
            exchange.send()
        else:
            exchange.cut()

    return fault


def hanging(exchange: Exchange) -> None:
    exchange.hang()


def hanging_in_the_middle(exchange: Exchange) -> None:
    body = exchange.reply.body
    exchange.send(body[: len(body) // 2], len(body))
    exchange.hang()


def trickling(*, seconds: float = 0.4) -> Fault:
    """Send the body in twenty pieces or a few less, which takes at least so long."""

    def fault(exchange: Exchange) -> None:
        body = exchange.reply.body
        exchange.send(b"", len(body))
        pieces = range(0, len(body), len(body) // 20 + 1)
        for start in pieces:
            exchange.stopped.wait(seconds / len(pieces))
            exchange.handler.wfile.write(body[start : start + pieces.step])
            exchange.handler.wfile.flush()

    return fault


def body(content: bytes | Callable[[bytes], bytes], **headers: str) -> Fault:
    """Send another body. `headers`: with `_` for `-`."""

    def fault(exchange: Exchange) -> None:
        reply = exchange.reply
        reply.body = content if isinstance(content, bytes) else content(reply.body)
        reply.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        exchange.send()

    return fault


def bomb(size: int) -> Fault:
    """Send zeros, compressed."""
    return body(gzip.compress(b"\0" * size), Content_Encoding="gzip")


def redirect(to: str) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.reply = Reply(b"", 302, {"Location": to})
        exchange.send()

    return fault


# Of 127.0.0.1, signed by itself, from 2020 to 2120. Its key is no secret.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJaZ9WRDyj3RYy8+
qtYkQGIEAfsH0N+1sibLudM+2BBMrv5rVP54fglJU02Mrwn4B4hEb0w2tEYnWpxY
M24FJJ6jdDByMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAOBgNV
HQ8BAf8EBAMCAoQwHQYDVR0OBBYEFF4tjT6eeX4FsTIpK39wZKK+HngMMB8GA1Ud
IwQYMBaAFF4tjT6eeX4FsTIpK39wZKK+HngMMAoGCCqGSM49BAMCA0kAMEYCIQCE
R20Ev7n2SjWwe3pMwxGt6pNOxpTOCJvBDCeU+BqWogIhAJ/5CiRXPefTmMbqvxoH
qI+lyAirPKnRFZBghMVeXCeQ
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg21+MlXzZaWC3W2Qh
otw7GbKLyvpxpSZHFPQFyX66SXahRANCAASWmfVkQ8o90WMvPqrWJEBiBAH7B9Df
tbImy7nTPtgQTK7+a1T+eH4JSVNNjK8J+AeIRG9MNrRGJ1qcWDNuBSSe
-----END PRIVATE KEY-----
"""
