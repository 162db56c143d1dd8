"""AWS on 127.0.0.1: moto's server, and a proxy before it that answers as AWS where moto does not imitate it."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REGION = "eu-central-1"
ACCOUNT = "123456789012"
SECRET = "wJalrXUtnFEMIsecret"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/orders"


def arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


@dataclass
class Answer:
    """What the proxy answers instead of moto, so many times."""

    status: int
    body: Mapping[str, Any] | str
    kind: str = ""
    times: int = 10_000

    def content(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def error(kind: str, message: str, status: int = 400, *, times: int = 10_000) -> Answer:
    """As Lambda's API has errors."""
    return Answer(status, {"Type": "User", "Message": message, "message": message}, kind, times)


def s3_error(code: str, message: str, status: int = 403) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")


@dataclass
class Proxy:
    """`url`: where it is. `asked`: method and path of each request. Rules are looked through in order."""

    url: str
    behind: str
    asked: list[str] = field(default_factory=list)
    rules: list[tuple[str, Answer | Callable[[bytes], bytes]]] = field(default_factory=list)
    watched: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)

    def on(self, request: str, answer: Answer | Callable[[bytes], bytes]) -> None:
        """`request`: a pattern of method and path. `answer`: or what to make of moto's."""
        self.rules.append((request, answer))

    def watch(self, request: str, sent: list[dict[str, Any]]) -> None:
        """Collect what requests send, as JSON."""
        self.watched.append((request, sent))

    def rule(self, asked: str) -> Answer | Callable[[bytes], bytes] | None:
        for pattern, answer in self.rules:
            if re.fullmatch(pattern, asked):
                if isinstance(answer, Answer):
                    if not answer.times:
                        continue
                    answer.times -= 1
                return answer
        return None


@contextmanager
def proxy(behind: str) -> Iterator[Proxy]:
    host = urlsplit(behind).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            asked = f"{self.command} {urlsplit(self.path).path}"
            known.asked.append(asked)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            for pattern, seen in known.watched:
                if re.fullmatch(pattern, asked):
                    seen.append(json.loads(sent))
            rule = known.rule(asked)
            if isinstance(rule, Answer):
                headers = {"x-amzn-ErrorType": rule.kind} if rule.kind else {}
                self._send(rule.status, headers, rule.content())
                return
            connection = HTTPConnection(host, timeout=20)
            passed = {key: value for key, value in self.headers.items() if key.lower() not in {"expect", "connection"}}
            connection.request(self.command, self.path, sent, {**passed, "Connection": "close"})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if rule:
                content = rule(content)
            hop_by_hop = {"content-length", "connection", "transfer-encoding", "server", "date"}
            headers = {key: value for key, value in answer.getheaders() if key.lower() not in hop_by_hop}
            self._send(answer.status, headers, content, length=answer.getheader("Content-Length"))

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815 - names of `http.server`

        def _send(self, status: int, headers: Mapping[str, str], content: bytes, *, length: str | None = None) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", (length or "0") if is_head else str(len(content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known = Proxy(f"http://127.0.0.1:{server.server_port}", behind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@cache
def _client(url: str, service: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


@dataclass(frozen=True)
class Aws:
    """What stands in AWS, asked past the program."""

    url: str

    def client(self, service: str) -> Any:
        return _client(self.url, service)

    @property
    def functions(self) -> Any:
        return self.client("lambda")

    def make_role(self) -> str:
        role: str = self.client("iam").create_role(RoleName="orders", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        return role

    def make_function(self, name: str = "orders", **settings: Any) -> None:
        """A function with other code than any of these tests', for python3.13 on x86_64 unless told."""
        self.functions.create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.13",
                "Role": ROLE,
                "Handler": "orders.app.handler",
                "Code": {"ZipFile": b"PK\5\6" + bytes(18)},
                "Architectures": ["x86_64"],
                **settings,
            }
        )

    def function(self, name: str = "orders", **qualifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.functions.get_function_configuration(FunctionName=name, **qualifier)
        return {key: value for key, value in found.items() if key != "ResponseMetadata"}

    def alias(self, name: str = "live", function: str = "orders") -> str:
        return str(self.functions.get_alias(FunctionName=function, Name=name)["FunctionVersion"])

    def layer_versions(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.functions.list_layer_versions(LayerName=name)["LayerVersions"]
        return found
