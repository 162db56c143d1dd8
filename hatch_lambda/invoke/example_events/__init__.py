"""Events as AWS's services send them to functions, to start from, and what a user sets in an event.

`assignments` reads `path=value` and puts it into an event. The other modules have the sources, each with its documented
shape and with what must agree in it: an SQS message's MD5 with its body, say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_lambda.invoke.example_events.assignments import Assignment, assigned, parsed
from hatch_lambda.invoke.example_events.buses import EVENTBRIDGE, SCHEDULE
from hatch_lambda.invoke.example_events.messages import SNS, SQS
from hatch_lambda.invoke.example_events.moment import Moment
from hatch_lambda.invoke.example_events.payload_v1 import APIGW
from hatch_lambda.invoke.example_events.payload_v2 import APIGW_V2, URL
from hatch_lambda.invoke.example_events.source import AssignmentError, Source
from hatch_lambda.invoke.example_events.storage import DYNAMODB, S3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SOURCES",
    "Assignment",
    "AssignmentError",
    "Moment",
    "Source",
    "example_event",
    "parsed",
    "with_assignments",
]

SOURCES: Mapping[str, Source] = {
    source.name: source for source in (APIGW_V2, APIGW, URL, SQS, SNS, S3, EVENTBRIDGE, DYNAMODB, SCHEDULE)
}


def example_event(name: str, at: Moment | None = None) -> dict[str, Any]:
    """An event of a source in `SOURCES`, as of a moment (by default, now)."""
    return SOURCES[name].event(at or Moment.now())


def with_assignments(event: Any, assignments: Iterable[Assignment]) -> Any:
    """An event with assignments applied in order, and what depends on them.

    Raises `AssignmentError` for a path that the event does not have, and for a value that cannot be there.
    """
    source = next((each for each in SOURCES.values() if each.is_source_of(event)), None)
    paths = []
    for each in assignments:
        event = assigned(event, each, source)
        paths.append(each.path)
    return source.settled(event, frozenset(paths)) if source and paths and source.is_source_of(event) else event
