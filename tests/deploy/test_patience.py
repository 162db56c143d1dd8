"""Updates that are in progress are waited for, with a bound."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.deploy import patience
from tests.deploy.conftest import shown
from tests.support.aws import Aws, Proxy, error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop

CODE = "PUT /2015-03-31/functions/orders/code"
CONFIGURATION = "GET /2015-03-31/functions/orders/configuration"
IN_PROGRESS = "The operation cannot be performed at this time. An update is in progress for resource: orders"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def ready(aws: Aws, shop: Callable[..., Shop], between: Proxy) -> Proxy:
    aws.make_function()
    shop('alias = "live"\nwait = 1').put()
    return between


def with_status(times: int, **status: str) -> Callable[[bytes], bytes]:
    """Lambda's answer with another status, so many times."""
    left = [times]

    def changed(content: bytes) -> bytes:
        if not left[0]:
            return content
        left[0] -= 1
        found: dict[str, Any] = json.loads(content)
        return json.dumps({**found, **status}).encode()

    return changed


@pytest.mark.slow
def test_the_end_of_the_update_is_waited_for_before_the_version(ready: Proxy, deploy: Deploy) -> None:
    ready.on(CODE, with_status(1, LastUpdateStatus="InProgress"))
    ready.on(CONFIGURATION, with_status(3, LastUpdateStatus="InProgress"))
    ended = deploy()
    assert shown(ended) == ["function orders: code updated, version 1, alias live created"]
    assert "Waiting for the update of orders that is in progress" in ended.stderr
    changes = [asked for asked in ready.asked if not asked.startswith("GET .*aliases")]
    last_look = max(n for n, asked in enumerate(changes) if asked == CONFIGURATION)
    assert last_look < changes.index("POST /2015-03-31/functions/orders/versions")


def test_a_function_that_is_still_created_is_waited_for(ready: Proxy, deploy: Deploy) -> None:
    ready.on(CONFIGURATION, with_status(3, State="Pending"))
    assert shown(deploy()) == ["function orders: code updated, version 1, alias live created"]


def test_a_conflict_with_another_update_is_waited_for(ready: Proxy, deploy: Deploy) -> None:
    ready.on(CODE, error("ResourceConflictException", IN_PROGRESS, 409, times=2))
    ended = deploy()
    assert shown(ended) == ["function orders: code updated, version 1, alias live created"]
    assert ended.stderr.count("Waiting for another update of orders to end") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_pattern", "rule"),
    [
        (CODE, error("ResourceConflictException", IN_PROGRESS, 409)),
        (CONFIGURATION, with_status(10_000, LastUpdateStatus="InProgress")),
        ("POST .*/versions", error("ResourceConflictException", IN_PROGRESS, 409)),
    ],
    ids=["conflict", "status", "version"],
)
def test_an_update_that_never_ends_is_given_up(
    request_pattern: str, rule: Any, ready: Proxy, aws: Aws, deploy: Deploy
) -> None:
    ready.on(request_pattern, rule)
    output = deploy(code=1).output
    assert "An update of the function orders is still in progress after 1 seconds" in output
    assert "wait longer (`tool.hatch.publish.lambda.wait`, in seconds)" in output
    with pytest.raises(aws.functions.exceptions.ResourceNotFoundException):
        aws.alias()


def test_an_update_that_fails_moves_no_alias(ready: Proxy, aws: Aws, deploy: Deploy) -> None:
    failed = {
        "LastUpdateStatus": "Failed",
        "LastUpdateStatusReason": "The KMS key is disabled",
        "LastUpdateStatusReasonCode": "DisabledKMSKey",
    }
    ready.on(CODE, with_status(1, **failed))
    output = deploy(code=1).output
    assert (
        "AWS could not complete the update of the function orders: The KMS key is disabled (DisabledKMSKey)." in output
    )
    assert "No version was published, and no alias moved." in output
    with pytest.raises(aws.functions.exceptions.ResourceNotFoundException):
        aws.alias()


@pytest.mark.slow
def test_the_same_code_is_sent_again_after_a_failed_update(ready: Proxy, deploy: Deploy) -> None:
    deploy()
    ready.on(CONFIGURATION, with_status(2, LastUpdateStatus="Failed"))
    assert shown(deploy())[0].startswith("function orders: code updated")


def test_code_that_somebody_else_has_changed_is_not_published(ready: Proxy, aws: Aws, deploy: Deploy) -> None:
    ready.on(CODE, with_status(1, CodeSha256="bm90IG91cnM="))
    output = deploy(code=1).output
    assert "The function orders has other code than orders-1.0-python3.13-x86_64.zip after the update" in output
    with pytest.raises(aws.functions.exceptions.ResourceNotFoundException):
        aws.alias()
