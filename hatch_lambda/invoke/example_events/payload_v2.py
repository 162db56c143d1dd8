"""HTTP requests in payload format 2.0: API Gateway's HTTP APIs, and function URLs.

Shapes: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from hatch_lambda.invoke.example_events.http import AGENT, BINARY, BODY, CLIENT, equal, with_body, with_headers
from hatch_lambda.invoke.example_events.source import (
    ACCOUNT,
    MAYBE_TABLE,
    MAYBE_TEXT,
    REGION,
    TABLE,
    TEXT,
    Event,
    Path,
    Source,
    anything,
    at,
    text,
    touches,
)

if TYPE_CHECKING:
    from hatch_lambda.invoke.example_events.moment import Moment

# What HTTP APIs and function URLs pass on as it is; everything else, also without a type, becomes base64.
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})


def is_text(content_type: str) -> bool:
    """Whether HTTP APIs and function URLs (payload format 2.0) pass a body of this type on as text."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES


def _request_v2(moment: Moment, domain: str) -> Event:
    identifier = domain.partition(".")[0]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/orders",
        "rawQueryString": "currency=EUR",
        "cookies": ["session=6f1d2c84"],
        "headers": {
            "accept": "application/json",
            "content-length": str(len(BODY)),
            "content-type": "application/json",
            "host": domain,
            "user-agent": AGENT,
            "x-amzn-trace-id": moment.trace,
            "x-forwarded-for": CLIENT,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "queryStringParameters": {"currency": "EUR"},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": identifier,
            "domainName": domain,
            "domainPrefix": identifier,
            "http": {
                "method": "POST",
                "path": "/orders",
                "protocol": "HTTP/1.1",
                "sourceIp": CLIENT,
                "userAgent": AGENT,
            },
            "requestId": "UrV4hjXOFiAEJvA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": moment.of_request,
            "timeEpoch": moment.milliseconds,
        },
        "body": BODY,
        "isBase64Encoded": False,
    }


def _apigw_v2(moment: Moment) -> Event:
    return _request_v2(moment, f"a1b2c3d4e5.execute-api.{REGION}.amazonaws.com")


def _url(moment: Moment) -> Event:
    event = _request_v2(moment, f"k7wq2mzt5xv4nb3jd6rhpl8cye0sguaf.lambda-url.{REGION}.on.aws")
    # A URL without IAM has no account to tell of.
    context = {**event["requestContext"], "accountId": "anonymous", "requestId": "c8d5a7e2-4b6f-4e19-9c3a-5f7d10b8e642"}
    return {**event, "requestContext": context}


def _is_url(event: Event) -> bool:
    return event["version"] == "2.0" and ".lambda-url." in str(event["requestContext"].get("domainName"))


def _settled_v2(event: Event, paths: frozenset[Path]) -> Event:
    event = with_headers(event, paths, {name.lower(): value for name, value in (event.get("headers") or {}).items()})
    event = equal(event, paths, ("rawPath",), ("requestContext", "http", "path"))
    event = equal(event, paths, ("routeKey",), ("requestContext", "routeKey"))
    if touches(paths, "rawQueryString"):
        values: dict[str, str] = {}
        for name, value in parse_qsl(event["rawQueryString"] or "", keep_blank_values=True):
            values[name] = f"{values[name]},{value}" if name in values else value
        event = {**event, "queryStringParameters": values}
    elif touches(paths, "queryStringParameters"):
        event = {**event, "rawQueryString": urlencode(event["queryStringParameters"] or {})}
    return with_body(event, paths, as_text=is_text((event.get("headers") or {}).get("content-type", "")))


_SHAPE_V2 = {
    at("version"): TEXT,
    at("rawPath"): TEXT,
    at("rawQueryString"): MAYBE_TEXT,
    at("headers"): MAYBE_TABLE,
    at("headers.*"): TEXT,
    at("queryStringParameters"): MAYBE_TABLE,
    at("requestContext.http"): TABLE,
    at("body"): (*MAYBE_TEXT, bytes),
}
_OPTIONAL_V2 = frozenset({at("cookies"), at("rawQueryString"), at("requestContext.authentication"), at("body")})
_MAPS_V2 = {
    at("headers"): text,
    at("queryStringParameters"): text,
    at("pathParameters"): text,
    at("stageVariables"): text,
    at("requestContext.authorizer"): anything,
}

APIGW_V2 = Source(
    "apigw-v2",
    "API Gateway, an HTTP API (payload format 2.0)",
    _apigw_v2,
    lambda event: event["version"] == "2.0" and not _is_url(event),
    _settled_v2,
    _MAPS_V2,
    _OPTIONAL_V2,
    BINARY,
    _SHAPE_V2,
)
URL = Source(
    "url",
    "a function URL",
    _url,
    _is_url,
    _settled_v2,
    _MAPS_V2,
    _OPTIONAL_V2,
    BINARY,
    _SHAPE_V2,
)
