"""Every way in which AWS, or the way to it, refuses: a message with what to do, exit code 1, nothing half done."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import shown
from tests.support.aws import REGION, Answer, Aws, Proxy, arn, error, s3_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.deploy.conftest import Deploy, Shop

CODE = "PUT /2015-03-31/functions/orders/code"
CONFIGURATION = "GET /2015-03-31/functions/orders/configuration"
HERE = {"LocationConstraint": REGION}
DENIED = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: {} on resource: {}"


@pytest.fixture
def at_version_1(aws: Aws, shop: Callable[..., Shop], between: Proxy) -> Proxy:
    """The alias `live` is at version 1, and there is new code to deploy."""
    aws.make_function()
    aws.functions.publish_version(FunctionName="orders")
    aws.functions.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
    shop('alias = "live"\nwait = 1').put()
    return between


@pytest.mark.parametrize(
    ("action", "request_pattern"),
    [
        ("lambda:GetFunctionConfiguration", CONFIGURATION),
        ("lambda:UpdateFunctionCode", CODE),
        ("lambda:PublishVersion", "POST .*/orders/versions"),
        ("lambda:GetAlias", "GET .*/aliases/live"),
        ("lambda:UpdateAlias", "PUT .*/aliases/live"),
    ],
)
def test_a_denied_action_is_named_with_its_resource(
    action: str, request_pattern: str, aws: Aws, at_version_1: Proxy, deploy: Deploy
) -> None:
    words = DENIED.format(action, arn("orders"))
    at_version_1.on(request_pattern, error("AccessDeniedException", words, 403))
    output = deploy(code=1).output
    assert f"AWS denies `{action}` on the " in output
    assert words in output
    assert f"What you can do: allow `{action}` on it in an IAM policy of this identity" in output
    assert "Traceback" not in output
    assert aws.alias() == "1"


@pytest.mark.parametrize(
    ("answer", "told", "advice"),
    [
        (error("ExpiredTokenException", "The security token included in the request is expired", 403),
         "The AWS credentials have expired", "sign in again"),
        (error("UnrecognizedClientException", "The security token included in the request is invalid.", 403),
         "AWS does not accept the credentials", "check AWS_ACCESS_KEY_ID"),
        (error("InvalidSignatureException", "It does not match.\n\nThe Canonical String was\ntoken:FwoGZXIv", 403),
         "AWS does not accept the credentials", "check AWS_ACCESS_KEY_ID"),
        (error("CodeStorageExceededException", "Code storage limit exceeded."),
         "The account's storage for code is full", "delete versions of functions and layers that nothing uses"),
        (error("RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes", 413),
         "too large for a direct upload", "set `bucket`"),
        (error("InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"),
         "Unzipped size must be smaller", "make the zip smaller"),
        (error("InvalidParameterValueException", "The runtime parameter of python3.8 is no longer supported"),
         "no longer supported", "build for a newer runtime"),
        (error("CodeVerificationFailedException", "The code signature failed"),
         "accepts only signed code", "AWS Signer"),
        (error("PreconditionFailedException", "The Revision Id provided does not match", 412),
         "changed by somebody else", "only one deployment"),
        (error("SomethingNewException", "It is new."),
         "AWS refuses lambda:UpdateFunctionCode on the function orders: It is new. (SomethingNewException)", ""),
    ],
    ids=lambda value: value.kind if isinstance(value, Answer) else "",
)  # fmt: skip
def test_what_aws_answers_is_told_with_what_to_do(  # noqa: PLR0917 - columns, and fixtures
    answer: Answer, told: str, advice: str, aws: Aws, at_version_1: Proxy, deploy: Deploy
) -> None:
    at_version_1.on(CODE, answer)
    output = deploy(code=1).output
    assert told in output
    assert advice in output
    assert "FwoGZXIv" not in output
    assert aws.alias() == "1"


@pytest.mark.slow
def test_throttling_is_retried(at_version_1: Proxy, deploy: Deploy) -> None:
    at_version_1.on(CODE, error("TooManyRequestsException", "Rate exceeded", 429, times=1))
    assert shown(deploy()) == ["function orders: code updated, version 2, alias live moved from 1"]


def test_throttling_without_end_is_told(at_version_1: Proxy, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    at_version_1.on(CODE, error("TooManyRequestsException", "Rate exceeded", 429))
    output = deploy(code=1).output
    assert "AWS throttles the requests of this account" in output
    assert "AWS_MAX_ATTEMPTS" in output
    assert len([asked for asked in at_version_1.asked if asked == CODE]) == 1


class TestBuckets:
    @pytest.fixture
    def large(self, aws: Aws, shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> Shop:
        monkeypatch.setattr("hatch_lambda.deploy.uploads.DIRECT_UPLOAD_LIMIT", 100)
        aws.make_function()
        project = shop('bucket = "artifacts"')
        project.put()
        return project

    @pytest.mark.slow
    def test_one_that_is_missing(self, large: Shop, deploy: Deploy) -> None:
        del large
        output = deploy(code=1).output
        assert "There is no such bucket (s3:PutObject on s3://artifacts/" in output
        assert "What you can do: create it, or set `bucket`" in output

    def test_one_that_is_denied(self, large: Shop, between: Proxy, deploy: Deploy) -> None:
        del large
        between.on("PUT /artifacts/.*", s3_error("AccessDenied", "Access Denied"))
        output = deploy(code=1).output
        assert "AWS denies `s3:PutObject` on s3://artifacts/" in output

    @pytest.mark.slow
    def test_one_in_another_region(self, large: Shop, aws: Aws, between: Proxy, deploy: Deploy) -> None:
        del large
        aws.client("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration=HERE)
        words = "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: eu-west-1."
        between.on(CODE, error("InvalidParameterValueException", words))
        output = deploy(code=1).output
        assert words in output
        assert "What you can do: set `bucket` to one in the region of the function." in output


class TestCredentials:
    @pytest.fixture(autouse=True)
    def _project(self, shop: Callable[..., Shop]) -> None:
        shop().put()

    def test_none(self, deploy: Deploy) -> None:
        output = deploy("--region", "eu-central-1", code=1).output
        assert "No AWS credentials were found" in output
        assert "aws sso login" in output

    def test_half_of_them(self, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        assert "The AWS credentials are incomplete" in deploy("--region", "eu-central-1", code=1).output

    def test_no_region(self, deploy: Deploy) -> None:
        output = deploy(code=1).output
        assert "No AWS region is set." in output
        assert "AWS_DEFAULT_REGION" in output

    def test_the_region_of_the_aws_cli_does(self, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        assert "Deploying orders 1.0 to eu-west-1" in deploy(code=1).output

    def test_no_such_profile(self, deploy: Deploy) -> None:
        output = deploy("--profile", "prod", code=1).output
        assert "The AWS configuration has no such profile" in output
        assert "`aws configure list-profiles`" in output

    def test_a_sign_in_that_has_expired(self, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = tmp_path / "config"
        config.write_text(
            "[profile prod]\nsso_start_url = https://example.invalid/start\nsso_region = eu-central-1\n"
            "sso_account_id = 123456789012\nsso_role_name = ci\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("HOME", str(tmp_path))
        output = deploy("--profile", "prod", "--region", "eu-central-1", code=1).output
        assert "The sign-in to AWS is missing or has expired" in output
        assert "`aws sso login`" in output

    def test_nobody_answers(self, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        output = deploy("--region", "eu-central-1", code=1).output
        assert "AWS could not be reached" in output
        assert "HTTPS_PROXY" in output

    def test_no_boto3(self, deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_lambda.deploy.extra.find_spec", lambda _name: None)
        output = deploy(code=1).output
        assert "pip install 'hatch-lambda[aws]'" in output
        assert "pipx inject hatch 'hatch-lambda[aws]'" in output


def test_a_dry_run_needs_to_know_who_it_is(shop: Callable[..., Shop], deploy: Deploy) -> None:
    shop().put()
    assert os.environ["AWS_ENDPOINT_URL"].endswith(":9")
    assert "No AWS credentials were found" in deploy("--region", "eu-central-1", "--dry-run", code=1).output
