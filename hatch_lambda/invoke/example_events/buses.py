"""EventBridge: events on a bus, and schedules.

Shapes: https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html and
https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.invoke.example_events.source import ACCOUNT, REGION, TEXT, Event, Source, anything, at

if TYPE_CHECKING:
    from hatch_lambda.invoke.example_events.moment import Moment


def _event(kind: str, source: str, time: str, resources: list[str], detail: Event) -> Event:
    return {
        "version": "0",
        "id": "3d8b5a17-e264-4c09-8f7d-b61c20e9a548",
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": time,
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def _eventbridge(moment: Moment) -> Event:
    detail = {"order": "PO-2026-117", "status": "paid", "total": 92.7}
    return _event("Order Paid", "com.example.orders", moment.iso, [], detail)


def _schedule(moment: Moment) -> Event:
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly-report"
    time = f"{moment.iso[:-3]}00Z"  # rules run at the start of a minute
    return _event("Scheduled Event", "aws.events", time, [rule], {})


_SHAPE = {at("detail-type"): TEXT, at("source"): TEXT, at("account"): TEXT}

EVENTBRIDGE = Source(
    "eventbridge",
    "an EventBridge bus",
    _eventbridge,
    lambda event: event["detail-type"] != "Scheduled Event",
    maps={at("detail"): anything},
    optional=frozenset({at("replay-name")}),
    shape=_SHAPE,
)
SCHEDULE = Source(
    "schedule",
    "an EventBridge rule with a schedule",
    _schedule,
    lambda event: event["detail-type"] == "Scheduled Event",
    maps={at("detail"): anything},
    shape=_SHAPE,
)
