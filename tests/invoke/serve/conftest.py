from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.functions import zipped
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Serving

APP = """
import json, logging, os, sys, time

COUNT = 0
print("at init")

def handler(event, context):
    global COUNT
    COUNT += 1
    if "rawPath" in event:
        return by_http(event)
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "print" in event:
        print(event["print"])
    if "fail" in event:
        raise ValueError(event["fail"])
    if "exit" in event:
        sys.exit(event["exit"])
    if "size" in event:
        return "x" * event["size"]
    custom = context.client_context and context.client_context.custom
    return {"count": COUNT, "event": event, "arn": context.invoked_function_arn, "custom": custom, "pid": os.getpid()}

def by_http(event):
    path = event["rawPath"]
    if path == "/form":
        return json.loads(event["body"])
    if path == "/fail":
        raise ValueError("by HTTP")
    if path == "/exit":
        sys.exit(1)
    return {"statusCode": 200, "headers": {"X-Count": COUNT}, "body": json.dumps(event)}
"""


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`APP`, served from a zip by the name `orders`, twice at once."""
    folder = tmp_path_factory.mktemp("orders")
    code = zipped(folder / "orders-1.0.zip", {"app.py": APP})
    options = ("--handler", "app.handler", "--concurrency", "2", "--timeout", "20", "--no-watch")
    with serving(code, *options, directory=folder, scratch=folder) as served:
        yield served
