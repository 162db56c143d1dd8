"""HTTP requests in payload format 1.0: API Gateway's REST APIs.

Shape: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from collections.abc import Mapping

    from hatch_lambda.invoke.example_events.moment import Moment


def _apigw(moment: Moment) -> Event:
    domain = f"f6g7h8i9j0.execute-api.{REGION}.amazonaws.com"
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Host": domain,
        "User-Agent": AGENT,
        "X-Amzn-Trace-Id": moment.trace,
        "X-Forwarded-For": CLIENT,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    unknown = (
        "accessKey accountId caller cognitoAuthenticationProvider cognitoAuthenticationType cognitoIdentityId "
        "cognitoIdentityPoolId principalOrgId user userArn"
    )
    return {
        "resource": "/{proxy+}",
        "path": "/orders",
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": _listed(headers),
        "queryStringParameters": {"currency": "EUR"},
        "multiValueQueryStringParameters": {"currency": ["EUR"]},
        "pathParameters": {"proxy": "orders"},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "q3x8zd",
            "resourcePath": "/{proxy+}",
            "httpMethod": "POST",
            "extendedRequestId": "UrV4hjXOFiAEJvA=",
            "requestTime": moment.of_request,
            "path": "/prod/orders",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "f6g7h8i9j0",
            "requestTimeEpoch": moment.milliseconds,
            "requestId": "c8d5a7e2-4b6f-4e19-9c3a-5f7d10b8e642",
            "identity": {**dict.fromkeys(unknown.split()), "sourceIp": CLIENT, "userAgent": AGENT},
            "domainName": domain,
            "apiId": "f6g7h8i9j0",
        },
        "body": BODY,
        "isBase64Encoded": False,
    }


def _settled_v1(event: Event, paths: frozenset[Path]) -> Event:
    event = equal(event, paths, ("httpMethod",), ("requestContext", "httpMethod"))
    event = equal(event, paths, ("resource",), ("requestContext", "resourcePath"))
    context = event["requestContext"]
    if touches(paths, "path") or touches(paths, "requestContext", "stage"):
        if not touches(paths, "requestContext", "path"):
            context = {**context, "path": f"/{context.get('stage')}{event['path']}"}
        event = {**event, "requestContext": context}
        if event["resource"] == "/{proxy+}" and not touches(paths, "pathParameters"):
            event = {**event, "pathParameters": {"proxy": event["path"].strip("/")}}
    headers: dict[str, str] = {}
    for name, value in (event.get("headers") or {}).items():  # of two that differ in case, the last
        headers[next((known for known in headers if known.lower() == name.lower()), name)] = value
    event = with_headers(event, paths, headers)
    for one, many in (("headers", "multiValueHeaders"), ("queryStringParameters", "multiValueQueryStringParameters")):
        if touches(paths, many):
            event = {**event, one: {name: values[-1] for name, values in (event[many] or {}).items() if values}}
        elif touches(paths, one) or touches(paths, "body"):
            event = {**event, many: _listed(event[one])}
    return with_body(event, paths, as_text=True)  # a REST API passes on as text what it is not told to be binary


def _listed(values: Mapping[str, str] | None) -> dict[str, list[str]] | None:
    return None if values is None else {name: [value] for name, value in values.items()}


def _texts(value: Any) -> list[str]:
    return [text(each) for each in value] if isinstance(value, list) else [text(value)]


APIGW = Source(
    "apigw",
    "API Gateway, a REST API",
    _apigw,
    lambda event: "resource" in event,
    _settled_v1,
    {
        at("headers"): text,
        at("multiValueHeaders"): _texts,
        at("queryStringParameters"): text,
        at("multiValueQueryStringParameters"): _texts,
        at("pathParameters"): text,
        at("stageVariables"): text,
        at("requestContext.authorizer"): anything,
    },
    binary=BINARY,
    shape={
        at("httpMethod"): TEXT,
        at("path"): TEXT,
        at("headers"): MAYBE_TABLE,
        at("headers.*"): TEXT,
        at("multiValueHeaders"): MAYBE_TABLE,
        at("multiValueHeaders.*"): (list,),
        at("queryStringParameters"): MAYBE_TABLE,
        at("multiValueQueryStringParameters"): MAYBE_TABLE,
        at("multiValueQueryStringParameters.*"): (list,),
        at("requestContext"): TABLE,
        at("body"): (*MAYBE_TEXT, bytes),
    },
)
