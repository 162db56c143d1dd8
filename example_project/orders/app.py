"""The Lambda function: API Gateway's event in, API Gateway's response out (payload format 2.0)."""

import base64
import json
from importlib.metadata import version
from typing import Any, TypedDict
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from orders.models import Order

VERSION = version("orders")


class Response(TypedDict):
    statusCode: int
    headers: dict[str, str]
    body: str


def handler(event: dict[str, Any], context: object) -> Response:  # noqa: ARG001 - Lambda passes both
    if event["rawPath"] != "/orders":
        return _respond(404, {"error": "not found"})
    if event["requestContext"]["http"]["method"] != "POST":
        return _respond(405, {"error": "method not allowed"}, allow="POST")
    return _create(_body(event))


def _create(body: bytes) -> Response:
    try:
        order = Order.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            return _respond(400, {"error": "not JSON", "details": details})
        return _respond(422, {"error": "invalid order", "details": details})

    # From the content: an order that is sent twice keeps its id.
    order_id = str(uuid5(NAMESPACE_URL, order.model_dump_json()))
    created = {"id": order_id, **order.model_dump(mode="json")}
    return _respond(201, created, location=f"/orders/{order_id}")


def _body(event: dict[str, Any]) -> bytes:
    body: str = event.get("body", "")
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _respond(status: int, content: dict[str, Any], **headers: str) -> Response:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **headers},
        "body": json.dumps({**content, "version": VERSION}),
    }
