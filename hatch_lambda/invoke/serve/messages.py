"""HTTP requests and responses, as values."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import unquote


class Request(NamedTuple):
    """`path`, `query`: as they were sent, percent-encoded. `headers`: with names in lower case, each as often as sent.

    `source`: the address of the client. `port`: where it was sent to.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source: str
    port: int
    protocol: str = "HTTP/1.1"

    def header(self, name: str) -> str:
        """The values of a header, joined; empty if there is none."""
        return ",".join(value for each, value in self.headers if each == name)

    @property
    def host(self) -> str:
        """Without the port."""
        host = self.header("host")
        return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]

    @property
    def segments(self) -> list[str]:
        """The parts of the path, decoded."""
        return [unquote(part) for part in self.path.split("/")[1:]]


class Response(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def json_response(status: int, body: object, *headers: tuple[str, str]) -> Response:
    return Response(status, (("Content-Type", "application/json"), *headers), json.dumps(body).encode())
