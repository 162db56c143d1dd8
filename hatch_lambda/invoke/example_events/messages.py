"""Messages: SQS and SNS.

Shapes: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from hatch_lambda.invoke.example_events.source import (
    ACCOUNT,
    MAYBE_TABLE,
    RECORDS,
    REGION,
    TABLE,
    TEXT,
    Event,
    Path,
    Source,
    at,
    decoded,
    records_of,
    text,
    touches,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_lambda.invoke.example_events.moment import Moment

_MESSAGE = '{"order": "PO-2026-117", "status": "paid"}'


def distinct(records: list[Event], *path: str) -> list[Event]:
    """The records with an identifier of their own each: one that was copied gets the next."""
    seen: set[str] = set()
    return [_with_own(record, path, seen) for record in records]


def _with_own(record: Event, path: Path, seen: set[str]) -> Event:
    key, *below = path
    if below:
        return {**record, key: _with_own(record[key], tuple(below), seen)}
    identifier = str(record.get(key))
    while identifier in seen:
        identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, identifier))
    seen.add(identifier)
    return {**record, key: identifier}


# --- SQS ---


def _sqs(moment: Moment) -> Event:
    return {
        "Records": [
            {
                "messageId": "5b1f8c0e-93d7-4a26-b8e4-7c2f60a91d35",
                "receiptHandle": "AQEBq1VnX0cGkRz8m3LwTt7yB5dJ2hSfKe9pUoI4aNxW6vQ=",
                "body": _MESSAGE,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "AWSTraceHeader": moment.trace,
                    "SentTimestamp": str(moment.milliseconds - 62),
                    "SenderId": "AROAEXAMPLEROLEID4711:orders",
                    "ApproximateFirstReceiveTimestamp": str(moment.milliseconds),
                },
                "messageAttributes": {},
                "md5OfBody": _md5(_MESSAGE.encode()),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders",
                "awsRegion": REGION,
            }
        ]
    }


def _settled_sqs(event: Event, paths: frozenset[Path]) -> Event:
    def settled(record: Event, n: str) -> Event:
        if not touches(paths, "Records", n, "md5OfBody"):
            record = {**record, "md5OfBody": _md5(record["body"].encode())}
        if not touches(paths, "Records", n, "md5OfMessageAttributes"):
            record = {key: value for key, value in record.items() if key != "md5OfMessageAttributes"}
            if attributes := record.get("messageAttributes"):
                record["md5OfMessageAttributes"] = _md5(b"".join(_encoded(attributes)))
        return record

    records = [settled(record, str(n)) for n, record in enumerate(event["Records"])]
    return {**event, "Records": distinct(records, "messageId")}


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _encoded(attributes: Mapping[str, Any]) -> Iterator[bytes]:
    """Message attributes as they are hashed.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    for name, attribute in sorted(attributes.items()):
        kind = str(attribute.get("dataType", ""))
        is_binary = kind.startswith("Binary")
        value = text(attribute.get("binaryValue" if is_binary else "stringValue") or "")
        content = decoded(value, f"messageAttributes.{name}.binaryValue") if is_binary else value.encode()
        for piece in (name.encode(), kind.encode()):
            yield len(piece).to_bytes(4, "big") + piece
        yield (b"\2" if is_binary else b"\1") + len(content).to_bytes(4, "big") + content


def _sqs_attribute(value: Any) -> Any:
    """A message attribute, of a plain value or of one that is spelled out."""
    if isinstance(value, dict):
        return {"stringListValues": [], "binaryListValues": [], "dataType": "String", **value}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    kind = "Number" if is_number else "String"
    return {"stringValue": text(value), "stringListValues": [], "binaryListValues": [], "dataType": kind}


SQS = Source(
    "sqs",
    "an SQS queue",
    _sqs,
    lambda event: records_of(event, "eventSource", "aws:sqs"),
    _settled_sqs,
    {at("Records.*.messageAttributes"): _sqs_attribute},
    optional=frozenset(
        {
            at("Records.*.attributes.DeadLetterQueueSourceArn"),
            at("Records.*.attributes.MessageDeduplicationId"),
            at("Records.*.attributes.MessageGroupId"),
            at("Records.*.attributes.SequenceNumber"),
            at("Records.*.md5OfMessageAttributes"),
        }
    ),
    shape={
        **RECORDS,
        at("Records.*.body"): TEXT,
        at("Records.*.messageAttributes"): MAYBE_TABLE,
        at("Records.*.messageAttributes.*"): TABLE,
    },
)


# --- SNS ---


def _sns(moment: Moment) -> Event:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:orders"
    subscription = f"{topic}:0d9e2f71-6c38-4b5a-a1e7-92f4c80b6d13"
    host = f"https://sns.{REGION}.amazonaws.com"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "7e4a1c92-05bd-5f83-9d6e-4218fa3b70c9",
                    "TopicArn": topic,
                    "Subject": "An order was paid",
                    "Message": _MESSAGE,
                    "Timestamp": moment.iso_milliseconds,
                    "SignatureVersion": "1",
                    "Signature": "bm90IGEgcmVhbCBzaWduYXR1cmU=",
                    "SigningCertUrl": f"{host}/SimpleNotificationService-6f0e2d4c8b1a39570c4d8e2f6a9b1c3d.pem",
                    "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription}",
                    "MessageAttributes": {},
                },
            }
        ]
    }


def _sns_attribute(value: Any) -> Any:
    if isinstance(value, dict):
        return {"Type": "String", **value}
    if isinstance(value, list):
        return {"Type": "String.Array", "Value": text(value)}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {"Type": "Number" if is_number else "String", "Value": text(value)}


SNS = Source(
    "sns",
    "an SNS topic",
    _sns,
    lambda event: records_of(event, "EventSource", "aws:sns"),
    lambda event, _paths: {**event, "Records": distinct(event["Records"], "Sns", "MessageId")},
    {at("Records.*.Sns.MessageAttributes"): _sns_attribute},
    shape={**RECORDS, at("Records.*.Sns"): TABLE},
)
