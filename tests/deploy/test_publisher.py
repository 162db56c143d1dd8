"""`hatch publish -p lambda`, by Hatch itself."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.aws import SECRET, Aws

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Shop

pytestmark = pytest.mark.slow  # Hatch itself starts


@pytest.fixture
def publish(aws: Aws, project_root: object) -> Callable[..., subprocess.CompletedProcess[str]]:
    del aws

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "hatch", "publish", "-p", "lambda", *arguments],
            cwd=str(project_root),
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert SECRET not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return run


def test_it_deploys_what_the_table_says(
    aws: Aws, shop: Callable[..., Shop], publish: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    aws.make_function("shop")
    project = shop('function = "shop"\nalias = "live"')
    project.put()
    told = publish("-o", "dry-run")
    assert "function shop: would update the code" in told.stderr + told.stdout
    ended = publish()
    assert ended.returncode == 0, ended.stderr
    assert "function shop: code updated" in ended.stderr + ended.stdout
    assert aws.alias(function="shop") == "1"
    project.put(text="edited")
    again = publish("dist/orders-1.0-python3.13-x86_64.zip", HATCH_PUBLISHER_OPTIONS="alias=beta")
    assert "version 2, alias beta created" in again.stderr + again.stdout


def test_faults_are_told_without_traceback(
    shop: Callable[..., Shop], publish: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shop().put()
    ended = publish("-o", "aliass=live")
    assert ended.returncode == 1
    assert "Unknown option `aliass`; did you mean `alias`?" in ended.stderr
    missing = publish("-n")
    assert missing.returncode == 1
    assert "There is no function orders in eu-central-1." in missing.stderr


def test_a_disabled_publisher_asks(
    shop: Callable[..., Shop], publish: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shop("disable = true").put()
    refused = publish("-n")
    assert refused.returncode == 1
    assert "Publisher is disabled: lambda" in refused.stderr
    assert "There is no function orders" in publish("-n", "-y").stderr


def test_a_build_imports_none_of_it() -> None:
    code = (
        "import sys; import hatch_lambda.hooks, hatch_lambda.plugin.build_hook, hatch_lambda.plugin.builder, "
        "hatch_lambda.plugin.build; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "hatch_lambda.plugin.build" in loaded
    assert {"boto3", "botocore", "hatch", "hatch_lambda.deploy", "hatch_lambda.plugin.publisher"}.isdisjoint(loaded)
