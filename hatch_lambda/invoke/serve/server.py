"""The HTTP server, and which function a request is for.

It is the standard library's: it is not for the internet, most of its work is waiting for functions, and each request
may as well have a thread.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, cast

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.printable import printable
from hatch_lambda.invoke.runtime_api import REQUEST_LIMIT
from hatch_lambda.invoke.serve import function_url, lambda_api
from hatch_lambda.invoke.serve.messages import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.invoke.serve.function import Function
    from hatch_lambda.invoke.serve.functions import Functions

URL_PREFIX = "/lambda-url/"
"""Below it each function has its URL, as `cargo lambda watch` has it."""
LOCAL_DOMAIN = ".localhost"
"""Names below it are this machine's (RFC 6761, 6.3): `orders.localhost` is a function's own host."""

_IDLE_SECONDS = 75
_LONGEST_LINE = 64 * 1024
_MOST_DISCARDED = 64 * 1024 * 1024


class _TooLargeError(Exception):
    pass


class Server(ThreadingHTTPServer):
    """Serves functions. `on_log` gets a line for each request.

    It accepts connections from the start, and answers them as soon as it is to `serve_forever`.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, functions: Functions, on_log: Callable[[str], None]) -> None:
        """Raise `LambdaBuildError` if this is no address to listen at."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._functions = functions
        self.on_log = on_log
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise LambdaBuildError(_why_not(host, port, error)) from None

    def server_bind(self) -> None:
        """Without the look-up of the host's name that `HTTPServer` does, which may take seconds."""
        TCPServer.server_bind(self)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    @property
    def functions(self) -> Mapping[str, Function]:
        return self._functions.by_name

    def respond(self, request: Request) -> Response:
        if (name := self._own_host(request)) is not None:
            return self._by_url(name, request)
        if request.path.startswith((lambda_api.PREFIX, lambda_api.STREAMING_PREFIX)):
            return lambda_api.respond(request, self.functions)
        if request.path.startswith(URL_PREFIX):
            name, slash, rest = request.path.removeprefix(URL_PREFIX).partition("/")
            return self._by_url(name, request._replace(path=f"/{rest}" if slash else "/"))
        if len(self.functions) == 1:
            return self._by_url(next(iter(self.functions)), request)
        return self._no_function("there are several functions, each with a URL of its own")

    def _own_host(self, request: Request) -> str | None:
        """The name of the function whose host this is."""
        name = request.host.lower().removesuffix(LOCAL_DOMAIN)
        return name if request.host.lower() == f"{name}{LOCAL_DOMAIN}" else None

    def _by_url(self, name: str, request: Request) -> Response:
        for known, function in self.functions.items():
            if name in {known, known.lower()}:
                return function_url.respond(request, function)
        return self._no_function(f"there is no function `{name}`")

    def _no_function(self, reason: str) -> Response:
        urls = "".join(f"  {self.url}{URL_PREFIX}{name}/\n" for name in self.functions)
        text = f"hatch-lambda: {printable(reason)}:\n{urls}"
        return Response(HTTPStatus.NOT_FOUND, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away; show what is our fault."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _why_not(host: str, port: int, error: OSError | OverflowError) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"Cannot listen on {host} port {port}: another program does.\n"
            "What you can do: end that one, or pass another port by --port (0 for any that is free)."
        )
    advice = {
        errno.EACCES: "pass a port of 1024 or above by --port.",
        errno.EADDRNOTAVAIL: "pass an address of this machine by --host; 0.0.0.0 stands for all of them.",
    }.get(code or 0, "pass an address of this machine by --host.")
    reason = getattr(error, "strerror", None) or error
    return f"Cannot listen on {host} port {port}: {reason}.\nWhat you can do: {advice}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hatch-lambda"
    sys_version = ""
    timeout = _IDLE_SECONDS
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        started = time.perf_counter()
        server = cast("Server", self.server)
        path, _, query = self.path.partition("?")
        try:
            body = self._body()
        except _TooLargeError:
            self.close_connection = True
            is_api = path.startswith(lambda_api.PREFIX)
            response = lambda_api.too_large() if is_api else function_url.too_large()
        except ValueError:
            self.close_connection = True
            response = Response(HTTPStatus.BAD_REQUEST)
        else:
            headers = tuple((name.lower(), value.strip()) for name, value in self.headers.items())
            source, port = self.client_address[0], server.server_address[1]
            request = Request(self.command, path, query, headers, body, source, int(port), self.request_version)
            response = server.respond(request)
        self._send(response)
        milliseconds = (time.perf_counter() - started) * 1000
        server.on_log(f"{self.command} {printable(self.path)} {int(response.status)} {milliseconds:.0f} ms")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any method: some are refused by the function, if at all
            return self._handle
        raise AttributeError(name)

    def _send(self, response: Response) -> None:
        has_no_body = response.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
        self.send_response(int(response.status))
        for name, value in response.headers:
            self.send_header(name, value.encode().decode("latin-1"))
        if not has_no_body:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not has_no_body:
            self.wfile.write(response.body)

    def _body(self) -> bytes:
        """Raises `_TooLargeError`, and `ValueError` for a malformed one."""
        if self.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
            return b"".join(self._chunks())
        size = int(self.headers.get("Content-Length") or 0)
        if size < 0:
            raise ValueError(size)
        if size > REQUEST_LIMIT:
            left = min(size, _MOST_DISCARDED)  # many clients read no response while they send
            while left > 0 and (data := self.rfile.read(min(left, _LONGEST_LINE))):
                left -= len(data)
            raise _TooLargeError
        return self._read(size)

    def _chunks(self) -> Any:
        """RFC 9112, 7.1."""
        total = 0
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            total += size
            if size < 0 or total > REQUEST_LIMIT:
                raise _TooLargeError
            yield self._read(size)
            self.rfile.readline(_LONGEST_LINE)
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass  # trailers

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionResetError("the client has ended within its request")
        return data

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: requests are logged when they are answered."""
