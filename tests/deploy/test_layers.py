"""A new version of a layer only for other bytes, and functions that use it get it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.deploy.conftest import shown
from tests.support.aws import ROLE, Aws, Proxy, error
from tests.support.projects import HOOK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop

LAYERED = f"""{HOOK}
[tool.hatch.build.hooks.lambda.layers.common]
[tool.hatch.build.hooks.lambda.functions.api]
layers = ["common"]
"""
CODE_AND_LAYER = f"""{HOOK}
[tool.hatch.build.targets.lambda]
versions = ["code", "layer"]
"""
RELEASE = "publish a version, move the alias live from 1"
ANOTHER = "arn:aws:lambda:eu-central-1:123456789012:layer:tracing:1"


@pytest.fixture
def layered(aws: Aws, shop: Callable[..., Shop]) -> Shop:
    """A function without layers, and zips of it and of a layer."""
    aws.make_function("orders-api")
    project = shop('alias = "live"', LAYERED)
    project.put("api")
    project.put("common", below="python/")
    return project


def layers_of(aws: Aws, function: str = "orders-api") -> list[str]:
    return [layer["Arn"].partition(":layer:")[2] for layer in aws.function(function)["Layers"]]


def test_the_layer_goes_first_and_the_function_uses_it(layered: Shop, aws: Aws, between: Proxy, deploy: Deploy) -> None:
    del layered
    assert shown(deploy()) == [
        "layer orders-common: version 1 published",
        "function orders-api: code updated, layers now orders-common:1, version 1, alias live created",
    ]
    assert layers_of(aws) == ["orders-common:1"]
    changes = [asked for asked in between.asked if not asked.startswith("GET")]
    assert changes == [
        "POST /2018-10-31/layers/orders-common/versions",
        "PUT /2015-03-31/functions/orders-api/code",
        "PUT /2015-03-31/functions/orders-api/configuration",
        "POST /2015-03-31/functions/orders-api/versions",
        "POST /2015-03-31/functions/orders-api/aliases",
    ]


def test_the_version_says_what_it_is_for(layered: Shop, aws: Aws, deploy: Deploy) -> None:
    del layered
    deploy()
    (version,) = aws.layer_versions("orders-common")
    assert version["CompatibleRuntimes"] == ["python3.13"]
    assert version["CompatibleArchitectures"] == ["x86_64"]
    assert version["Description"] == "orders 1.0"


@pytest.mark.slow
def test_only_other_bytes_make_a_version(layered: Shop, aws: Aws, deploy: Deploy) -> None:
    deploy()
    assert shown(deploy()) == [
        "layer orders-common: up to date (version 1)",
        "function orders-api: up to date, version 1, alias live is there already",
    ]
    layered.put("common", below="python/", text="changed")
    assert shown(deploy("--dry-run"))[1:] == [
        "layer orders-common: would publish a new version",
        f"function orders-api: would set the layers to orders-common:(new version), {RELEASE}",
    ]
    assert shown(deploy())[0] == "layer orders-common: version 2 published"
    assert layers_of(aws) == ["orders-common:2"]
    assert [version["Version"] for version in aws.layer_versions("orders-common")] == [2, 1]


@pytest.mark.slow
def test_other_layers_of_the_function_stay_where_they_are(layered: Shop, aws: Aws, deploy: Deploy) -> None:
    for name in ("tracing", "orders-common", "fonts"):
        aws.functions.publish_layer_version(LayerName=name, Content={"ZipFile": b"PK\5\6" + bytes(18)})
    arns = [ANOTHER.replace("tracing", name) for name in ("tracing", "orders-common", "fonts")]
    aws.functions.update_function_configuration(FunctionName="orders-api", Layers=arns)
    del layered
    deploy()
    assert layers_of(aws) == ["tracing:1", "orders-common:2", "fonts:1"]


def test_more_than_five_are_refused_before_anything_is_done(
    layered: Shop, aws: Aws, between: Proxy, deploy: Deploy
) -> None:
    del layered
    for n in range(5):
        aws.functions.publish_layer_version(LayerName=f"l{n}", Content={"ZipFile": b"PK\5\6" + bytes(18)})
    arns = [ANOTHER.replace("tracing", f"l{n}") for n in range(5)]
    aws.functions.update_function_configuration(FunctionName="orders-api", Layers=arns)
    assert "The function orders-api would have 6 layers" in deploy(code=1).output
    assert [asked for asked in between.asked if not asked.startswith("GET")] == []


def test_a_layer_of_that_name_in_another_account_stays(layered: Shop, aws: Aws, between: Proxy, deploy: Deploy) -> None:
    del layered, aws
    others = {"Arn": "arn:aws:lambda:eu-central-1:999999999999:layer:orders-common:3", "CodeSize": 1}
    between.on("GET .*/configuration", lambda content: json.dumps({**json.loads(content), "Layers": [others]}).encode())
    told = shown(deploy("--dry-run"))[2]
    assert "set the layers to orders-common:3, orders-common:(new version)" in told


@pytest.mark.slow
def test_a_function_alone_keeps_its_layers(layered: Shop, aws: Aws, deploy: Deploy) -> None:
    ended = deploy(layered.dist / "orders-1.0-api-python3.13-x86_64.zip")
    assert "was built to be used with common; deploy the zips of these, too" in ended.stderr
    assert layers_of(aws) == []


def test_code_and_layer_of_a_project_go_together(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    aws.make_function()
    project = shop(
        'layer-name = "{name}-deps"', f'{HOOK}\n[tool.hatch.build.targets.lambda]\nversions = ["code", "layer"]\n'
    )
    project.put("code")
    project.put("layer", below="python/")
    assert shown(deploy()) == [
        "layer orders-deps: version 1 published",
        "function orders: code updated, layers now orders-deps:1",
    ]


def test_a_function_is_created_with_its_layers(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    project = shop(f'role = "{ROLE}"\nhandler = "orders.app.handler"', LAYERED)
    project.put("api")
    project.put("common", below="python/")
    assert shown(deploy())[1] == "function orders-api: created"
    assert layers_of(aws) == ["orders-common:1"]


def test_a_denied_layer_leaves_everything(layered: Shop, aws: Aws, between: Proxy, deploy: Deploy) -> None:
    del layered
    before = aws.function("orders-api")
    between.on("POST /2018-10-31/.*", error("AccessDeniedException", "not authorized", 403))
    assert "AWS denies `lambda:PublishLayerVersion` on the layer orders-common" in deploy(code=1).output
    assert aws.function("orders-api") == before
