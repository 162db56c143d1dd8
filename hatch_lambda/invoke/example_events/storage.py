"""Changes of what is stored: S3's notifications and DynamoDB's streams.

Shapes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html and
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hatch_lambda.invoke.example_events.messages import distinct
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
    records_of,
    touches,
)

if TYPE_CHECKING:
    from hatch_lambda.invoke.example_events.moment import Moment


# --- S3 ---


def _s3(moment: Moment) -> Event:
    bucket = "example-orders"
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": moment.iso_milliseconds,
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:AIDAEXAMPLEUSERID4711"},
                "requestParameters": {"sourceIPAddress": "203.0.113.17"},
                "responseElements": {
                    "x-amz-request-id": "4M8KQ2ZT7WX1C5VB",
                    "x-amz-id-2": "u3Tj8pLqXw5vRk0sYd7bNfHc2mZaG9oEiVt4nQx6KyCrW1lJPhUeSgBA0DzMfT",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "orders-uploaded",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "A3EXAMPLEOWNER1"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": "incoming/order-117.json",
                        "size": 1024,
                        "eTag": "9b2cf535f27731c974343645a3985328",
                        "sequencer": f"00{moment.milliseconds:014X}",
                    },
                },
            }
        ]
    }


def _settled_s3(event: Event, paths: frozenset[Path]) -> Event:
    def settled(record: Event, n: str) -> Event:
        bucket = record["s3"]["bucket"]
        if touches(paths, "Records", n, "s3", "bucket", "arn"):
            return record
        bucket = {**bucket, "arn": f"arn:aws:s3:::{bucket['name']}"}
        return {**record, "s3": {**record["s3"], "bucket": bucket}}

    return {**event, "Records": [settled(record, str(n)) for n, record in enumerate(event["Records"])]}


S3 = Source(
    "s3",
    "an S3 bucket",
    _s3,
    lambda event: records_of(event, "eventSource", "aws:s3"),
    _settled_s3,
    optional=frozenset({at("Records.*.s3.object.versionId"), at("Records.*.glacierEventData")}),
    shape={**RECORDS, at("Records.*.s3.bucket.name"): TEXT},
)


# --- DynamoDB ---


def _dynamodb(moment: Moment) -> Event:
    keys = {"id": {"S": "PO-2026-117"}}
    former = {**keys, "status": {"S": "open"}, "total": {"N": "92.70"}, "gift": {"BOOL": False}}
    stream = moment.at.replace(hour=0, minute=0, second=0, microsecond=0, day=1)
    return {
        "Records": [
            {
                "eventID": "e1a5c7309f2b48d6b04d7c8e5a912f63",
                "eventName": "MODIFY",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": REGION,
                "dynamodb": {
                    "ApproximateCreationDateTime": float(moment.seconds),
                    "Keys": keys,
                    "NewImage": {**former, "status": {"S": "paid"}},
                    "OldImage": former,
                    "SequenceNumber": "4421584500000000017450439091",
                    "SizeBytes": 96,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "eventSourceARN": (
                    f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders/stream/{stream:%Y-%m-%dT%H:%M:%S}.000"
                ),
            }
        ]
    }


_TYPES = {"S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"}


def typed(value: Any) -> Any:  # noqa: PLR0911 - one for each type
    """A value with DynamoDB's type; one that has it stays as it is.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": json.dumps(value)}
        case str():
            return {"S": value}
        case list():
            return {"L": [typed(each) for each in value]}
        case {**items} if len(items) == 1 and items.keys() <= _TYPES:
            return value
    return {"M": {key: typed(each) for key, each in value.items()}}


def _settled_dynamodb(event: Event, paths: frozenset[Path]) -> Event:
    def settled(record: Event, n: str) -> Event:
        change = record["dynamodb"]
        has_keys = touches(paths, "Records", n, "dynamodb", "Keys")
        image = change.get("NewImage") or change.get("OldImage") or {}
        if not has_keys:  # a key that was set in an image is one of the item
            keys = {name: image.get(name, value) for name, value in change["Keys"].items()}
            change = {**change, "Keys": keys}
        for name in ("NewImage", "OldImage"):
            if change.get(name):
                change = {**change, name: {**change[name], **change["Keys"]}}
        lacking = {"INSERT": "OldImage", "REMOVE": "NewImage"}.get(record["eventName"], "")
        if not touches(paths, "Records", n, "dynamodb", lacking):
            change = {key: value for key, value in change.items() if key != lacking}
        return {**record, "dynamodb": change}

    records = [settled(record, str(n)) for n, record in enumerate(event["Records"])]
    return {**event, "Records": distinct(records, "eventID")}


DYNAMODB = Source(
    "dynamodb",
    "a DynamoDB stream",
    _dynamodb,
    lambda event: records_of(event, "eventSource", "aws:dynamodb"),
    _settled_dynamodb,
    {at(f"Records.*.dynamodb.{name}"): typed for name in ("Keys", "NewImage", "OldImage")},
    optional=frozenset({at("Records.*.userIdentity")}),
    shape={
        **RECORDS,
        at("Records.*.eventName"): TEXT,
        at("Records.*.dynamodb.Keys"): TABLE,
        at("Records.*.dynamodb.NewImage"): MAYBE_TABLE,
        at("Records.*.dynamodb.OldImage"): MAYBE_TABLE,
    },
)
