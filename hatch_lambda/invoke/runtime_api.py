"""Lambda's side of the Runtime API, for one invocation.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_API = "/2018-06-01/runtime"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB each for request and response. Of the
# response, Lambda's own message has another figure.
REQUEST_LIMIT = 6 * 1024 * 1024
RESPONSE_LIMIT = REQUEST_LIMIT + 100


@dataclass(frozen=True)
class Request:
    """An event as it is handed to the runtime."""

    event: bytes
    function_arn: str
    timeout: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def trace_id(self) -> str:
        """Of X-Ray, for an invocation that is not traced."""
        root, parent = uuid.uuid4().hex, uuid.uuid4().hex
        return f"Root=1-{int(time.time()):08x}-{root[:24]};Parent={parent[:16]};Sampled=0"


@dataclass(frozen=True)
class Answer:
    """What the runtime has posted in the end; `at`: when, by `time.monotonic`."""

    kind: Literal["response", "error", "init error"]
    body: bytes
    at: float


class RuntimeApi(TCPServer):
    """Serves whoever calls `handle_request`, so there is no thread whose answers could come out of order.

    `asked_at`, `given_at`: when, by `time.monotonic`, the runtime asked for the event first, which ends its init, and
    when it got it. `before_event`, `before_answer`: are called while the runtime waits for a reply.
    """

    timeout = 0
    request_queue_size = 16

    def __init__(self, request: Request) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.request = request
        self.before_event: Callable[[], None] = _nothing
        self.before_answer: Callable[[], None] = _nothing
        self.asked_at: float | None = None
        self.given_at: float | None = None
        self.answer: Answer | None = None

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a runtime that is killed leaves its call unfinished."""


class _Call(BaseHTTPRequestHandler):
    """One call of the runtime."""

    timeout = 10  # a runtime that ends amid a call must not hold us up

    @property
    def api(self) -> RuntimeApi:
        return cast("RuntimeApi", self.server)

    def do_GET(self) -> None:
        now = time.monotonic()
        if self.path != f"{_API}/invocation/next":
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        if self.api.asked_at is None:
            self.api.asked_at = now
            self.api.before_event()
        request = self.api.request
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request.id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + request.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": request.function_arn,
            "Lambda-Runtime-Trace-Id": request.trace_id,
        }
        self.api.given_at = time.monotonic()
        self._reply(HTTPStatus.OK, request.event, headers)

    def do_POST(self) -> None:
        now = time.monotonic()
        kinds: dict[str, Literal["response", "error", "init error"]] = {
            f"{_API}/invocation/{self.api.request.id}/response": "response",
            f"{_API}/invocation/{self.api.request.id}/error": "error",
            f"{_API}/init/error": "init error",
        }
        if self.path not in kinds:
            self._reply(HTTPStatus.NOT_FOUND, b"{}")
            return
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if len(body) < size:
            return  # it ended while it was posting
        self.api.before_answer()
        if self.path.endswith("/response") and len(body) > RESPONSE_LIMIT:
            self.api.answer = Answer("error", _too_large(len(body)), now)
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b'{"errorType": "RequestEntityTooLarge"}')
            return
        self.api.answer = Answer(kinds[self.path], body, now)
        self._reply(HTTPStatus.ACCEPTED, b'{"status": "OK"}')

    def _reply(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: what the two say to each other is not the function's log."""


def _nothing() -> None: ...


def _too_large(size: int) -> bytes:
    message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
    return json.dumps({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}).encode()
