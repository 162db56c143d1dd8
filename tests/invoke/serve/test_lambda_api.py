"""Lambda's API, asked by boto3."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.support.serving import Serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda serve` requires Linux")

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders"


def answer(orders: Serving, event: object = None, **more: Any) -> Any:
    payload = json.dumps(event or {}).encode()
    reply = orders.client().invoke(**{"FunctionName": "orders", "Payload": payload, **more})
    assert "FunctionError" not in reply, reply["Payload"].read()
    return json.loads(reply["Payload"].read())


def error(orders: Serving, **call: Any) -> ClientError:
    with pytest.raises(ClientError) as raised:
        orders.client().invoke(**{"FunctionName": "orders", **call})
    return raised.value


def test_the_response_and_what_comes_with_it(orders: Serving) -> None:
    reply = orders.client().invoke(FunctionName="orders", Payload=b'{"id": "\\u20ac"}')

    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "$LATEST")
    assert reply["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"
    assert json.loads(reply["Payload"].read())["event"] == {"id": "€"}


def test_an_environment_stays_for_the_next_invocation(orders: Serving) -> None:
    first, second = answer(orders), answer(orders)

    assert second["count"] > 1
    assert first["pid"] == second["pid"]


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("orders", ARN),
        ("orders:$LATEST", f"{ARN}:$LATEST"),
        (f"{ARN}:live", f"{ARN}:live"),
        ("123456789012:function:orders", ARN),
        ("function:orders:7", f"{ARN}:7"),
    ],
)
def test_names_and_arns_with_any_qualifier(name: str, arn: str, orders: Serving) -> None:
    assert answer(orders, FunctionName=name)["arn"] == arn


def test_a_qualifier_of_its_own(orders: Serving) -> None:
    assert answer(orders, Qualifier="live")["arn"] == f"{ARN}:live"
    assert error(orders, FunctionName="orders:live", Qualifier="test").response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "The derived qualifier from the function name does not match the specified qualifier.",
    }


def test_the_client_context(orders: Serving) -> None:
    context = base64.b64encode(json.dumps({"custom": {"from": "Grüße"}}).encode()).decode()

    assert answer(orders, ClientContext=context)["custom"] == {"from": "Grüße"}
    assert "valid Base64" in str(error(orders, ClientContext="no base64"))


def test_an_error_of_the_function(orders: Serving) -> None:
    reply = orders.client().invoke(FunctionName="orders", Payload=b'{"fail": "no stock"}')

    assert (reply["StatusCode"], reply["FunctionError"]) == (200, "Unhandled")
    told = json.loads(reply["Payload"].read())
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "no stock")


def test_a_process_that_ends_is_replaced(orders: Serving) -> None:
    before = answer(orders)["pid"]
    reply = orders.client().invoke(FunctionName="orders", Payload=b'{"exit": 3}')

    assert json.loads(reply["Payload"].read())["errorType"] == "Runtime.ExitError"
    after = answer(orders)
    assert after["pid"] != before
    assert after["count"] == 1


def test_a_response_that_is_too_large_replaces_the_process(orders: Serving) -> None:
    reply = orders.client().invoke(FunctionName="orders", Payload=b'{"size": 7000000}')

    assert json.loads(reply["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
    assert answer(orders)["count"] == 1


def test_the_end_of_the_log(orders: Serving) -> None:
    reply = orders.client().invoke(
        FunctionName="orders", Payload=json.dumps({"print": "x" * 5000 + "\nthe end"}), LogType="Tail"
    )

    log = base64.b64decode(reply["LogResult"])
    assert len(log) == 4096
    *_, told, end, report = log.decode().splitlines()
    assert (told, end.split(":")[0]) == ("the end", "END RequestId")
    request = reply["ResponseMetadata"]["RequestId"]
    assert report.startswith(f"REPORT RequestId: {request}\tDuration: ")
    assert "Init Duration" not in report
    assert "LogResult" not in orders.client().invoke(FunctionName="orders")


def test_an_event_is_accepted_and_run_later(orders: Serving) -> None:
    before = len(orders.lines)
    reply = orders.client().invoke(
        FunctionName="orders", InvocationType="Event", Payload=b'{"sleep": 0.3, "print": "late"}'
    )

    assert (reply["StatusCode"], reply["Payload"].read()) == (202, b"")
    assert "late" not in "".join(orders.lines[before:])
    orders.said("late\n", since=before)


def test_a_dry_run_runs_nothing(orders: Serving) -> None:
    before = answer(orders)["count"]

    assert orders.client().invoke(FunctionName="orders", InvocationType="DryRun")["StatusCode"] == 204
    assert answer(orders)["count"] == before + 1


def test_no_such_function(orders: Serving) -> None:
    raised = error(orders, FunctionName="order")

    assert type(raised).__name__ == "ResourceNotFoundException"
    assert raised.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert raised.response["Error"]["Message"] == (
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:order (hatch-lambda serves orders)"
    )


@pytest.mark.parametrize("payload", [b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_an_event_that_is_not_json(payload: bytes, orders: Serving) -> None:
    raised = error(orders, Payload=payload)

    assert type(raised).__name__ == "InvalidRequestContentException"
    assert "Could not parse request body into json: " in str(raised)


@pytest.mark.parametrize(("kind", "size"), [("RequestResponse", 6 * 1024 * 1024 + 1), ("Event", 1024 * 1024 + 1)])
def test_an_event_that_is_too_large(kind: str, size: int, orders: Serving) -> None:
    raised = error(orders, InvocationType=kind, Payload=b'"' + b"x" * (size - 2) + b'"')

    assert type(raised).__name__ == "RequestTooLargeException"


def test_the_largest_event(orders: Serving) -> None:
    event = b'{"size": 1, "pad": ""}'
    pad = b"x" * (6 * 1024 * 1024 - len(event))

    reply = orders.client().invoke(FunctionName="orders", Payload=event.replace(b'""', b'"%s"' % pad))

    assert reply["Payload"].read() == b'"x"'


@pytest.mark.slow
def test_more_at_once_than_allowed(orders: Serving) -> None:
    began, pids = time.monotonic(), set()

    def sleep() -> None:
        pids.add(answer(orders, {"sleep": 2})["pid"])

    threads = [threading.Thread(target=sleep) for _ in range(2)]
    before = len(orders.lines)
    for thread in threads:
        thread.start()
    orders.said(r"START [^^]*START ", since=before)
    raised = error(orders)
    for thread in threads:
        thread.join()

    assert type(raised).__name__ == "TooManyRequestsException"
    assert raised.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert len(pids) == 2
    assert time.monotonic() - began < 20


def test_streaming_is_refused_with_a_word(orders: Serving) -> None:
    with pytest.raises(ClientError, match="Response streaming is not supported: Lambda's Python runtimes have none"):
        orders.client().invoke_with_response_stream(FunctionName="orders")


def test_the_rest_of_the_api_is_not_served(orders: Serving) -> None:
    with pytest.raises(ClientError, match="hatch-lambda serves Invoke alone"):
        orders.client().get_function(FunctionName="orders")


def test_an_unknown_invocation_type(orders: Serving) -> None:
    reply = orders.request(
        "POST", "/2015-03-31/functions/orders/invocations", headers={"X-Amz-Invocation-Type": "Sometimes"}
    )

    assert (reply.status, reply.header("x-amzn-errortype")) == (400, "ValidationException")
    assert b"[Event, RequestResponse, DryRun]" in reply.body
