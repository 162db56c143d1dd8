"""The part of Lambda's API that invokes functions, for SDKs and the AWS CLI.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from hatch_lambda.invoke.runtime_api import REQUEST_LIMIT
from hatch_lambda.invoke.serve.function import Function, TooManyRequestsError
from hatch_lambda.invoke.serve.messages import Request, Response, json_response
from hatch_lambda.invoke.serve.warm_environment import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "/2015-03-31/functions/"
STREAMING_PREFIX = "/2021-11-15/functions/"

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: for events that are queued
_EVENT_LIMIT = 1024 * 1024
_CLIENT_CONTEXT_LIMIT = 3583

# Of the API's model. The ARN may be partial, and a qualifier may follow: a version or an alias.
_NAME = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d:)?(\d{12}:)?(function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(:(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_QUALIFIER = re.compile(r"\$LATEST|[a-zA-Z0-9-_]+")
_TYPES = ("Event", "RequestResponse", "DryRun")


class ApiError(Exception):
    """An error as the API returns it. `code`: the name of the SDKs' exception."""

    def __init__(self, status: HTTPStatus, code: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more = more


def respond(request: Request, functions: Mapping[str, Function]) -> Response:
    """Respond to a request whose path begins with one of the prefixes."""
    request_id = str(uuid.uuid4())
    try:
        return _respond(request, functions, request_id)
    except ApiError as error:
        return json_response(
            error.status,
            {"Type": "User", "Message": str(error), **error.more},
            ("x-amzn-RequestId", request_id),
            ("x-amzn-ErrorType", error.code),
        )


def too_large() -> Response:
    """The response to a request whose body was not read."""
    message = f"Request must be smaller than {REQUEST_LIMIT} bytes for the InvokeFunction operation"
    return json_response(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        {"Type": "User", "Message": message},
        ("x-amzn-ErrorType", "RequestTooLargeException"),
    )


def _respond(request: Request, functions: Mapping[str, Function], request_id: str) -> Response:
    _version, _functions, given, *action = request.segments
    if request.path.startswith(STREAMING_PREFIX):
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "InvalidParameterValueException",
            "Response streaming is not supported: Lambda's Python runtimes have none. Use Invoke instead.",
        )
    if request.method != "POST" or action != ["invocations"]:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "UnknownOperationException",
            f"hatch-lambda serves Invoke alone (POST {PREFIX}NAME/invocations), not {request.method} {request.path}",
        )
    function, arn = _named(given, request, functions)
    kind = request.header("x-amz-invocation-type") or "RequestResponse"
    if kind not in _TYPES:
        raise _invalid("invocationType", kind, f"Member must satisfy enum value set: [{', '.join(_TYPES)}]")
    call = Call(_event(request.body, kind), arn, _client_context(request.header("x-amz-client-context")))
    about: tuple[tuple[str, str], ...] = (("x-amzn-RequestId", request_id),)
    if kind == "DryRun":
        return Response(HTTPStatus.NO_CONTENT, about)
    if kind == "Event":
        function.accept(call)
        return Response(HTTPStatus.ACCEPTED, about)
    try:
        result, log = function.invoke(call)
    except TooManyRequestsError:
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.",
            Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
        ) from None
    about = (("x-amzn-RequestId", result.request_id), ("X-Amz-Executed-Version", "$LATEST"))
    if result.error:
        about = (*about, ("X-Amz-Function-Error", "Unhandled"))
    if request.header("x-amz-log-type") == "Tail":
        about = (*about, ("X-Amz-Log-Result", base64.b64encode(log).decode()))
    return Response(HTTPStatus.OK, (("Content-Type", "application/json"), *about), result.payload)


def _named(given: str, request: Request, functions: Mapping[str, Function]) -> tuple[Function, str]:
    """The function and its ARN, with the qualifier: there is one version of each, which any qualifier stands for."""
    match = _NAME.fullmatch(given)
    if not match:
        raise _invalid(
            "functionName", given, f"Member must satisfy regular expression pattern: {_NAME.pattern}".replace("?P", "?")
        )
    qualifier = parse_qs(request.query).get("Qualifier", [""])[0]
    if qualifier and not _QUALIFIER.fullmatch(qualifier):
        raise _invalid("qualifier", qualifier, f"Member must satisfy regular expression pattern: {_QUALIFIER.pattern}")
    if qualifier and match["qualifier"] not in {None, qualifier}:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        )
    suffix = f":{qualifier or match['qualifier']}" if qualifier or match["qualifier"] else ""
    if function := functions.get(match["name"]):
        return function, function.invocation.arn + suffix
    some = next(iter(functions.values())).invocation
    raise ApiError(
        HTTPStatus.NOT_FOUND,
        "ResourceNotFoundException",
        f"Function not found: {some.arn.rpartition(':')[0]}:{match['name']}{suffix} (hatch-lambda serves "
        f"{', '.join(functions)})",
    )


def _event(body: bytes, kind: str) -> bytes:
    """The event, which is an empty object where there is none."""
    limit = _EVENT_LIMIT if kind == "Event" else REQUEST_LIMIT
    if len(body) > limit:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestTooLargeException",
            f"{len(body)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
        )
    try:
        json.loads(body.decode() or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
        ) from None
    return body or b"{}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def _client_context(encoded: str) -> str:
    if not encoded:
        return ""
    try:
        text = base64.b64decode(encoded[: _CLIENT_CONTEXT_LIMIT + 1], validate=True).decode()
        return json.dumps(json.loads(text))  # on one line, as it goes into a header
    except (ValueError, binascii.Error) as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "InvalidRequestContentException",
            f"Client context must be a valid Base64-encoded JSON object: {error}",
        ) from None


def _invalid(field: str, value: str, constraint: str) -> ApiError:
    return ApiError(
        HTTPStatus.BAD_REQUEST,
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}",
    )
