"""`hatch-lambda deploy` of one function, from the first update to "up to date"."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import shown
from tests.support.aws import ROLE, Aws, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop


def test_the_code_is_updated_once(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    aws.make_function()
    zip_file = shop().put(text="first")
    assert shown(deploy()) == ["function orders: code updated"]
    code = base64.b64encode(hashlib.sha256(zip_file.read_bytes()).digest()).decode()
    assert aws.function()["CodeSha256"] == code
    assert shown(deploy()) == ["function orders: up to date"]


@pytest.mark.slow
def test_nothing_is_sent_if_it_is_up_to_date(
    aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy
) -> None:
    aws.make_function()
    shop('alias = "live"').put()
    deploy()
    between.asked.clear()
    assert shown(deploy()) == ["function orders: up to date, version 1, alias live is there already"]
    assert [asked for asked in between.asked if asked.startswith("PUT")] == []


def test_version_and_alias_follow_the_code(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    aws.make_function()
    project = shop('alias = "live"')
    project.put(text="first")
    assert shown(deploy()) == ["function orders: code updated, version 1, alias live created"]
    project.put(text="second")
    assert shown(deploy()) == ["function orders: code updated, version 2, alias live moved from 1"]
    assert aws.alias() == "2"


@pytest.mark.slow
def test_a_dry_run_says_what_would_be_done_and_as_whom(
    aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy
) -> None:
    aws.make_function()
    before = aws.function()
    shop('alias = "live"').put()
    first, second = shown(deploy("--dry-run"))
    assert first == "Would deploy orders 1.0 to eu-central-1 as arn:aws:sts::123456789012:user/moto:"
    assert second == "function orders: would update the code, publish a version, create the alias live"
    assert aws.function() == before
    assert {asked.partition(" ")[0] for asked in between.asked if asked != "POST /"} == {"GET"}


def test_a_missing_function_is_created_only_with_a_role(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    project = shop('handler = "orders.app.handler"\nmemory = 512\ntimeout = 9')
    project.put(target="python3.12-arm64")
    zip_file = project.dist / "orders-1.0-python3.12-arm64.zip"
    refused = deploy(zip_file, code=1).output
    assert "There is no function orders in eu-central-1." in refused
    assert "`tool.hatch.publish.lambda.role`" in refused
    assert shown(deploy(zip_file, "--role", ROLE)) == ["function orders: created"]
    made = aws.function()
    assert (made["Runtime"], made["Architectures"], made["Handler"]) == (
        "python3.12",
        ["arm64"],
        "orders.app.handler",
    )
    assert (made["MemorySize"], made["Timeout"], made["Role"]) == (512, 9, ROLE)
