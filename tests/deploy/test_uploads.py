"""Zips that are too large for a request go through a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import shown
from tests.support.aws import REGION, Aws, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop


@pytest.fixture
def large(aws: Aws, shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Shop]:
    """A project whose zip is over the limit, which is lower here; there are a function and a bucket."""
    monkeypatch.setattr("hatch_lambda.deploy.uploads.DIRECT_UPLOAD_LIMIT", 100)
    aws.make_function()
    aws.client("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})

    def make(publish: str) -> Shop:
        project = shop(publish)
        project.put()
        return project

    return make


def test_it_is_put_under_its_own_hash(large: Callable[[str], Shop], aws: Aws, deploy: Deploy) -> None:
    large('bucket = "artifacts"\nprefix = "lambda/"')
    assert shown(deploy()) == ["function orders: code updated"]
    (found,) = aws.client("s3").list_objects_v2(Bucket="artifacts")["Contents"]
    prefix, digest, name = found["Key"].split("/")
    assert (prefix, len(digest), name) == ("lambda", 32, "orders-1.0-python3.13-x86_64.zip")


@pytest.mark.slow
def test_the_hash_of_the_code_is_compared_as_without_a_bucket(
    large: Callable[[str], Shop], between: Proxy, deploy: Deploy
) -> None:
    large('bucket = "artifacts"')
    deploy()
    between.asked.clear()
    assert shown(deploy()) == ["function orders: up to date"]
    assert [asked for asked in between.asked if "artifacts" in asked] == []


def test_what_is_in_the_bucket_is_not_uploaded_again(
    large: Callable[[str], Shop], aws: Aws, between: Proxy, deploy: Deploy
) -> None:
    large('bucket = "artifacts"')
    deploy()
    aws.make_function("staging")
    between.asked.clear()
    assert shown(deploy("--function", "staging")) == ["function staging: code updated"]
    assert [asked.split("/")[0] for asked in between.asked if "artifacts" in asked] == ["HEAD "]


@pytest.mark.slow
def test_without_a_bucket_nothing_is_begun(large: Callable[[str], Shop], between: Proxy, deploy: Deploy) -> None:
    large('alias = "live"')
    output = deploy(code=1).output
    assert "larger zips go through Amazon S3." in output
    assert "`tool.hatch.publish.lambda.bucket` (`--bucket`)" in output
    assert [asked for asked in between.asked if not asked.startswith("GET")] == []
