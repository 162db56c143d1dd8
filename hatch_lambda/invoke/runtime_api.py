"""Lambda's side of the Runtime API, for one runtime and the invocations that it serves one after the other.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_API = "/2018-06-01/runtime"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB each for request and response. For the
# response, Lambda's own error message has another figure.
REQUEST_LIMIT = 6 * 1024 * 1024
RESPONSE_LIMIT = REQUEST_LIMIT + 100


@dataclass(frozen=True)
class Response:
    """What the runtime has posted, and when, by `time.monotonic`. `is_last`: the runtime ends afterwards."""

    is_error: bool
    body: bytes
    at: float
    is_last: bool = False


class RuntimeApi(TCPServer):
    """Handles requests in the thread that calls `handle_request`, so that log lines and requests stay in order.

    `event`: None while there is none: a runtime that asks for one is kept `waiting`. `seconds`: the time that the
    invocation has. `invoked_at`: when, by `time.monotonic`, it began: when the runtime gets the event, unless its init
    is part of the invocation. `asked_at`: when the runtime first asked for an event, which ends its init.
    `before_event`, `before_response`: called while the runtime waits for a reply.
    """

    timeout = 0
    request_queue_size = 16

    def __init__(
        self,
        event: bytes | None,
        function_arn: str,
        seconds: float,
        *,
        request_id: str | None = None,
        invoked_at: float | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _RequestHandler)
        self.event = event
        self.function_arn = function_arn
        self.client_context = ""
        self.seconds = seconds
        self.request_id = request_id or str(uuid.uuid4())
        self.before_event: Callable[[], None] = lambda: None
        self.before_response: Callable[[], None] = lambda: None
        self.asked_at: float | None = None
        self.invoked_at = invoked_at
        self.response: Response | None = None
        self.waiting: _RequestHandler | None = None

    def begin(self, event: bytes) -> None:
        """Begin another invocation. A runtime that waits for its event gets it at once."""
        self.event, self.request_id = event, str(uuid.uuid4())
        self.invoked_at = self.response = None
        if waiting := self.waiting:
            self.waiting = None
            with contextlib.suppress(OSError):  # it has ended, which the caller finds out
                waiting.give_event()
            waiting.finish()
            self.shutdown_request(waiting.connection)

    def server_close(self) -> None:
        super().server_close()
        if self.waiting:
            self.waiting.connection.close()

    def shutdown_request(self, request: Any) -> None:
        """End a request, unless its reply comes later."""
        if not self.waiting or request is not self.waiting.connection:
            super().shutdown_request(request)

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: a runtime that is killed leaves its request unfinished."""


class _RequestHandler(BaseHTTPRequestHandler):
    timeout = 10  # in seconds, for a runtime that ends within a request

    @property
    def api(self) -> RuntimeApi:
        return cast("RuntimeApi", self.server)

    def do_GET(self) -> None:
        now = time.monotonic()
        if self.path != f"{_API}/invocation/next":
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        self.api.asked_at = self.api.asked_at or now
        if self.api.event is None:
            self.api.waiting = self
        else:
            self.give_event()

    def give_event(self) -> None:
        self.api.before_event()
        # X-Ray's, for an invocation that is not traced
        trace = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Parent={uuid.uuid4().hex[:16]};Sampled=0"
        now = time.monotonic()
        self.api.invoked_at = self.api.invoked_at or now
        left = self.api.invoked_at + self.api.seconds - now
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.api.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + left) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.api.function_arn,
            "Lambda-Runtime-Trace-Id": trace,
        }
        if self.api.client_context:
            headers["Lambda-Runtime-Client-Context"] = self.api.client_context
        self._reply(HTTPStatus.OK, self.api.event or b"", headers)

    def finish(self) -> None:
        if self.api.waiting is not self:
            super().finish()

    def do_POST(self) -> None:
        now = time.monotonic()
        invocation = f"{_API}/invocation/{self.api.request_id}"
        is_init = self.path == f"{_API}/init/error"
        is_error = is_init or self.path == f"{invocation}/error"
        if not is_error and self.path != f"{invocation}/response":
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if len(body) < size:
            return  # the runtime ended while it was posting
        self.api.before_response()
        self.api.event = None
        if self.headers.get("Lambda-Runtime-Function-Response-Mode") == "streaming":
            self._refuse(
                now,
                "Runtime.StreamingNotSupported",
                "The runtime streams its response, which hatch-lambda does not support.",
                HTTPStatus.NOT_IMPLEMENTED,
                b'{"errorType": "StreamingNotSupported"}',
            )
        elif not is_error and size > RESPONSE_LIMIT:
            self._refuse(
                now,
                "Function.ResponseSizeTooLarge",
                f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                b'{"errorType": "RequestEntityTooLarge"}',
            )
        else:
            self.api.response = Response(is_error, body, now, is_last=is_init)
            self._reply(HTTPStatus.ACCEPTED, b'{"status": "OK"}')

    def _refuse(self, at: float, kind: str, message: str, status: HTTPStatus, reply: bytes) -> None:
        """Take an error instead of the response."""
        error = json.dumps({"errorType": kind, "errorMessage": message})
        self.api.response = Response(is_error=True, body=error.encode(), at=at, is_last=True)
        self._reply(status, reply)

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: requests do not belong to the function's log."""
