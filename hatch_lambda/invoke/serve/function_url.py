"""HTTP as a function URL has it: requests become events of payload format 2.0, and results become responses.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from hatch_lambda.invoke.runtime_api import REQUEST_LIMIT
from hatch_lambda.invoke.serve.function import Function, TooManyRequestsError
from hatch_lambda.invoke.serve.messages import Request, Response, json_response
from hatch_lambda.invoke.serve.warm_environment import Call

if TYPE_CHECKING:
    from collections.abc import Iterable

# What is not passed on as base64, by content type.
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml|[\w.+-]+\+(json|xml))")

# The server's own business.
_NOT_ITS_OWN = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "trailer", "transfer-encoding", "upgrade"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
_LOWEST_STATUS, _HIGHEST_STATUS = 100, 599


class ResponseError(ValueError):
    """What a function has returned is no response that a function URL could send."""


def respond(request: Request, function: Function) -> Response:
    """Invoke a function on an HTTP request."""
    body = json.dumps(event(request, function.name)).encode()
    if len(body) > REQUEST_LIMIT:
        return too_large()
    try:
        result, _log = function.invoke(Call(body, function.invocation.arn))
    except TooManyRequestsError:
        return json_response(
            HTTPStatus.TOO_MANY_REQUESTS,
            {
                "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
                "Type": "User",
                "message": "Rate Exceeded.",
            },
        )
    if result.error:
        return _bad_gateway()
    try:
        return response(result.payload)
    except ResponseError as error:
        function.on_log(f"hatch-lambda: 502 Bad Gateway, as the response of `{function.name}` is invalid: {error}")
        return _bad_gateway()


def too_large() -> Response:
    return json_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"message": "Request Too Long"})


def _bad_gateway() -> Response:
    return Response(HTTPStatus.BAD_GATEWAY, (("Content-Type", "application/json"),), b"Internal Server Error")


def event(request: Request, function_name: str) -> dict[str, Any]:
    """The event for a request."""
    now = time.time()
    names = dict.fromkeys(name for name, _value in request.headers if name != "cookie")
    headers = {name: request.header(name) for name in names}
    headers |= {
        "x-amzn-trace-id": f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": request.source,
        "x-forwarded-port": str(request.port),
        "x-forwarded-proto": "http",
    }
    cookies = [
        cookie.strip() for name, value in request.headers if name == "cookie" for cookie in value.split(";") if cookie
    ]
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        parameters.setdefault(name, []).append(value)
    text = _text(request.body, headers.get("content-type", ""))
    body = base64.b64encode(request.body).decode() if text is None else text
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **(
            {"queryStringParameters": {name: ",".join(values) for name, values in parameters.items()}}
            if parameters
            else {}
        ),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": function_name,
            "domainName": request.host,
            "domainPrefix": request.host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        **({"body": body} if request.body else {}),
        "isBase64Encoded": bool(request.body) and text is None,
    }


def _text(body: bytes, content_type: str) -> str | None:
    """The body as text; None for binary ones."""
    if not _TEXT.fullmatch(content_type.partition(";")[0].strip().lower()):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def response(payload: bytes) -> Response:
    """The HTTP response that a function's result stands for. Raises `ResponseError`."""
    try:
        result = json.loads(payload)
    except ValueError:
        raise ResponseError("it is not JSON") from None
    if not isinstance(result, dict) or "statusCode" not in result:
        return Response(HTTPStatus.OK, (("Content-Type", "application/json"),), payload)
    headers, cookies = result.get("headers") or {}, result.get("cookies") or []
    if not isinstance(headers, dict):
        raise ResponseError("`headers` is not an object")
    if not isinstance(cookies, list):
        raise ResponseError("`cookies` is not a list")
    sent = [*_headers(headers.items()), *_headers(("Set-Cookie", cookie) for cookie in cookies)]
    if not any(name.lower() == "content-type" for name, _value in sent):
        sent.insert(0, ("Content-Type", "application/json"))
    kept = tuple((name, value) for name, value in sent if name.lower() not in _NOT_ITS_OWN)
    return Response(_status(result["statusCode"]), kept, _body(result))


def _headers(pairs: Iterable[tuple[str, object]]) -> Iterable[tuple[str, str]]:
    for name, value in pairs:
        if not isinstance(value, str | int | float):
            raise ResponseError(f"the value of the header `{name}` is no string, number or boolean")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not _HEADER_NAME.fullmatch(name) or not text.isprintable():
            raise ResponseError(f"the header {name!r} has characters that no header may have")
        yield name, text


def _status(value: object) -> int:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        number = int(value) if str(value).isdecimal() else 0
        if _LOWEST_STATUS < number <= _HIGHEST_STATUS:
            return number
    raise ResponseError(f"`statusCode` is {value!r}, which is no HTTP status")


def _body(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise ResponseError("`body` is not a string; `json.dumps` makes one")
    if not result.get("isBase64Encoded"):
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body)
    except (ValueError, binascii.Error):
        raise ResponseError("`isBase64Encoded` is true, but `body` is not base64") from None
