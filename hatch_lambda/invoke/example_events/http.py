"""What HTTP requests have in common, whichever service turns them into events."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from hatch_lambda.invoke.example_events.source import Event, Path, at, decoded, touches

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY = '{"sku": "TEA-EARLGREY-250", "quantity": 2}'
CLIENT, AGENT = "203.0.113.17", "curl/8.16.0"
BINARY = frozenset({at("body")})


def equal(event: Event, paths: frozenset[Path], one: Path, other: Path) -> Event:
    """An event in which the second path has what the first was given, or the other way around."""
    if (one in paths) == (other in paths):
        return event
    source, destination = (one, other) if one in paths else (other, one)
    value: Any = event
    for key in source:
        value = value[key]
    return put(event, destination, value)


def put(event: Event, path: Path, value: Any) -> Event:
    key, *rest = path
    return {**event, key: put(event.get(key) or {}, tuple(rest), value) if rest else value}


def with_headers(event: Event, paths: frozenset[Path], headers: Mapping[str, Any]) -> Event:
    return {**event, "headers": headers} if touches(paths, "headers") and event.get("headers") else event


def with_body(event: Event, paths: frozenset[Path], *, as_text: bool) -> Event:
    """An event with the body as the service would pass it on, unless the user says how it is encoded."""
    body = event.get("body")
    is_told = ("isBase64Encoded",) in paths
    if isinstance(body, bytes):
        event = {**event, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    elif ("body",) in paths and not is_told:
        is_binary = not as_text and body is not None
        content = base64.b64encode(body.encode()).decode() if is_binary and body is not None else body
        event = {**event, "body": content, "isBase64Encoded": is_binary}
    length = next((name for name in event.get("headers") or {} if name.lower() == "content-length"), None)
    if ("body",) in paths and length and not touches(paths, "headers", length):
        raw = body if isinstance(body, bytes) else (body or "").encode()
        size = len(decoded(body, "body") if is_told and event["isBase64Encoded"] and isinstance(body, str) else raw)
        event = put(event, ("headers", length), str(size))
    return event
