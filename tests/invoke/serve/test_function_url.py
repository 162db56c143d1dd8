"""HTTP, as function URLs have it."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.invoke.serve.function_url import ResponseError, event, response
from hatch_lambda.invoke.serve.messages import Request

if TYPE_CHECKING:
    from tests.support.serving import Reply, Serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda serve` requires Linux")


def seen(reply: Reply) -> Any:
    assert reply.status == 200, reply
    return json.loads(reply.body)


def form(orders: Serving, result: object) -> Reply:
    """What a client gets if the function returns this."""
    return orders.request("POST", "/form", json.dumps(result), {"Content-Type": "application/json"})


class TestEvent:
    def test_all_of_a_request(self, orders: Serving) -> None:
        got = seen(
            orders.request(
                "PUT",
                "/a%20b/%E2%82%AC?x=1&x=2&empty=&name=a%2Bb+c",
                "{}",
                {"Content-Type": "application/json", "User-Agent": "tests", "Cookie": "a=1; b=2", "X-Own": "Own"},
            )
        )

        context = got.pop("requestContext")
        http = {"method": "PUT", "path": "/a%20b/%E2%82%AC", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        assert context.pop("http") == {**http, "userAgent": "tests"}
        assert abs(context.pop("timeEpoch") / 1000 - time.time()) < 60
        assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("time"))
        assert re.fullmatch(r"[0-9a-f-]{36}", context.pop("requestId"))
        assert context == {
            "accountId": "anonymous",
            "apiId": "orders",
            "domainName": "127.0.0.1",
            "domainPrefix": "127",
            "routeKey": "$default",
            "stage": "$default",
        }
        headers = got.pop("headers")
        assert headers.pop("x-amzn-trace-id").startswith("Root=1-")
        assert headers == {
            "accept-encoding": "identity",
            "content-length": "2",
            "content-type": "application/json",
            "host": f"127.0.0.1:{orders.port}",
            "user-agent": "tests",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": str(orders.port),
            "x-forwarded-proto": "http",
            "x-own": "Own",
        }
        assert got == {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/a%20b/%E2%82%AC",
            "rawQueryString": "x=1&x=2&empty=&name=a%2Bb+c",
            "cookies": ["a=1", "b=2"],
            "queryStringParameters": {"x": "1,2", "empty": "", "name": "a+b c"},
            "body": "{}",
            "isBase64Encoded": False,
        }

    def test_what_a_request_lacks_the_event_lacks(self, orders: Serving) -> None:
        got = seen(orders.request())

        assert got["rawQueryString"] == ""
        assert {"cookies", "queryStringParameters", "body"}.isdisjoint(got)
        assert got["isBase64Encoded"] is False

    @pytest.mark.parametrize(
        ("content_type", "body", "is_text"),
        [
            ("text/plain; charset=utf-8", "Grüße".encode(), True),
            ("application/problem+json", b"{}", True),
            ("application/octet-stream", b"abc", False),
            ("application/x-www-form-urlencoded", b"a=1", False),
            ("text/plain", b"\xff", False),
            ("image/png", b"\x89PNG\x00", False),
        ],
    )
    def test_bodies_as_text_or_base64(self, content_type: str, body: bytes, is_text: bool) -> None:  # noqa: FBT001
        request = Request("POST", "/", "", (("content-type", content_type),), body, "127.0.0.1", 9000)

        got = event(request, "orders")

        assert got["isBase64Encoded"] is not is_text
        assert (got["body"].encode() if is_text else base64.b64decode(got["body"])) == body

    def test_a_header_that_is_sent_twice_is_joined(self) -> None:
        headers = (("accept", "a"), ("accept", "b"), ("cookie", "c=1"), ("cookie", "d=2; e=3"))

        got = event(Request("GET", "/", "", headers, b"", "127.0.0.1", 9000), "orders")

        assert got["headers"]["accept"] == "a,b"
        assert got["cookies"] == ["c=1", "d=2", "e=3"]

    def test_a_body_in_chunks(self, orders: Serving) -> None:
        got = seen(orders.request("POST", "/", iter([b"one ", b"two"]), {"Content-Type": "text/plain"}, chunked=True))

        assert got["body"] == "one two"

    @pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PATCH", "PURGE"])
    def test_any_method(self, method: str, orders: Serving) -> None:
        assert seen(orders.request(method))["requestContext"]["http"]["method"] == method


class TestResponse:
    def test_all_of_it(self, orders: Serving) -> None:
        reply = form(
            orders,
            {
                "statusCode": 201,
                "headers": {"Content-Type": "text/html; charset=utf-8", "X-Number": 7, "X-Flag": True},
                "cookies": ["a=1; HttpOnly", "b=2"],
                "body": "<p>€",
            },
        )

        assert (reply.status, reply.body.decode()) == (201, "<p>€")
        assert reply.header("content-type") == "text/html; charset=utf-8"
        assert (reply.header("x-number"), reply.header("x-flag")) == ("7", "true")
        assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=1; HttpOnly", "b=2"]

    def test_a_binary_body(self, orders: Serving) -> None:
        reply = form(
            orders, {"statusCode": "200", "isBase64Encoded": True, "body": base64.b64encode(b"\0\xff").decode()}
        )

        assert (reply.status, reply.body) == (200, b"\0\xff")

    @pytest.mark.parametrize("result", ["Hello", {"message": "Hello"}, [1, 2], None, 7])
    def test_anything_else_is_sent_as_json(self, result: object, orders: Serving) -> None:
        reply = form(orders, result)

        assert (reply.status, reply.header("content-type")) == (200, "application/json")
        assert json.loads(reply.body) == result

    def test_without_a_body(self, orders: Serving) -> None:
        reply = form(orders, {"statusCode": 204})

        assert (reply.status, reply.body, reply.header("content-length")) == (204, b"", None)

    def test_the_head_alone(self, orders: Serving) -> None:
        reply = orders.request("HEAD")

        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.header("x-count") or 0) > 0
        assert int(reply.header("content-length") or 0) > 0

    @pytest.mark.parametrize("path", ["/fail", "/exit"])
    def test_an_error_of_the_function(self, path: str, orders: Serving) -> None:
        reply = orders.request(target=path)

        assert (reply.status, reply.body) == (502, b"Internal Server Error")

    def test_an_invalid_response_is_explained_in_the_log(self, orders: Serving) -> None:
        before = len(orders.lines)

        assert form(orders, {"statusCode": 200, "body": {"a": 1}}).status == 502
        orders.said("the response of `orders` is invalid: `body` is not a string; `json.dumps` makes one", since=before)

    @pytest.mark.parametrize(
        ("result", "reason"),
        [
            ({"statusCode": "ok"}, "'ok', which is no HTTP status"),
            ({"statusCode": 99}, "no HTTP status"),
            ({"statusCode": True}, "no HTTP status"),
            ({"statusCode": 200, "headers": []}, "`headers` is not an object"),
            ({"statusCode": 200, "headers": {"a": ["b"]}}, "`a` is no string"),
            ({"statusCode": 200, "headers": {"a": "b\r\nSet-Cookie: c"}}, "no header may have"),
            ({"statusCode": 200, "cookies": "a=1"}, "`cookies` is not a list"),
            ({"statusCode": 200, "body": "é", "isBase64Encoded": True}, "not base64"),
        ],
    )
    def test_what_no_response_can_be(self, result: object, reason: str) -> None:
        if result == {"statusCode": 200, "headers": []}:
            result = {"statusCode": 200, "headers": [1]}
        with pytest.raises(ResponseError, match=re.escape(reason)):
            response(json.dumps(result).encode())

    def test_a_request_that_is_too_large(self, orders: Serving) -> None:
        with_size = orders.request("POST", "/", b"x" * (6 * 1024 * 1024 + 1))

        assert with_size.status == 413
        # As base64, it is larger.
        assert orders.request("POST", "/", b"x" * (5 * 1024 * 1024)).status == 413


def test_the_url_of_a_function_by_name(orders: Serving) -> None:
    got = seen(orders.request(target="/lambda-url/orders/items/7?x=1"))

    assert (got["rawPath"], got["rawQueryString"]) == ("/items/7", "x=1")
    assert seen(orders.request(target="/lambda-url/orders"))["rawPath"] == "/"


def test_the_host_of_a_function(orders: Serving) -> None:
    got = seen(orders.request(target="/lambda-url/orders/", host=f"Orders.localhost:{orders.port}"))

    assert got["rawPath"] == "/lambda-url/orders/"
    assert (got["requestContext"]["domainName"], got["requestContext"]["domainPrefix"]) == (
        "Orders.localhost",
        "Orders",
    )


def test_the_url_of_no_function_names_those_that_there_are(orders: Serving) -> None:
    reply = orders.request(target="/lambda-url/order/")

    assert reply.status == 404
    assert reply.body.decode() == (
        f"hatch-lambda: there is no function `order`:\n  http://127.0.0.1:{orders.port}/lambda-url/orders/\n"
    )


def test_requests_are_logged(orders: Serving) -> None:
    before = len(orders.lines)

    orders.request(target="/logged?x=1")

    orders.said(r"\nGET /logged\?x=1 200 \d+ ms\n", since=before)
