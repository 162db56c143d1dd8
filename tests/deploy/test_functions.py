"""A function and its zip have to agree, and the alias moves last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.conftest import shown
from tests.support.aws import ROLE, Aws, Proxy, error
from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.projects import HOOK
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Deploy, Shop

TWO = f"""{HOOK}
[tool.hatch.build.hooks.lambda.functions.api]
handler = "orders.api.handler"
[tool.hatch.build.hooks.lambda.functions.worker]
architecture = "arm64"
"""


def with_fields(**fields: Any) -> Callable[[bytes], bytes]:
    """An answer with other values for these."""
    return lambda content: json.dumps({**json.loads(content), **fields}).encode()


class TestTarget:
    @pytest.mark.parametrize(
        ("made", "told"),
        [
            ({"Runtime": "python3.12"}, "has python3.12 on x86_64"),
            ({"Architectures": ["arm64"]}, "has python3.13 on arm64"),
            ({"Runtime": "nodejs22.x"}, "has nodejs22.x on x86_64"),
        ],
    )
    def test_one_that_differs_is_refused(
        self, made: dict[str, Any], told: str, aws: Aws, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        aws.make_function(**made)
        before = aws.function()
        shop('alias = "live"').put()
        output = deploy(code=1).output
        assert "orders-1.0-python3.13-x86_64.zip is for python3.13 on x86_64, but the function orders " + told in output
        assert "`tool.hatch.publish.lambda.change-target = true`" in output
        assert aws.function() == before

    @pytest.mark.slow
    def test_it_is_changed_with_the_code_if_so_set(
        self, aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        aws.make_function(Runtime="python3.12", Architectures=["arm64"])
        sent: list[dict[str, Any]] = []
        shop("change-target = true").put()
        between.watch("PUT .*/code", sent)
        assert shown(deploy()) == ["function orders: code updated, architecture now x86_64, runtime now python3.13"]
        assert sent[0]["Architectures"] == ["x86_64"]
        assert aws.function()["Runtime"] == "python3.13"

    def test_a_zip_that_does_not_say_it_is_judged_by_its_files(
        self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        project = shop()
        arm: dict[str, str | bytes] = {"fast.cpython-313-aarch64-linux-gnu.so": make_elf(machine="aarch64")}
        wheel = make_wheel(project.root.parent / "wheels", "orders")
        zip_file = make_zip(project.root / "function.zip", arm, wheels=[wheel])
        aws.make_function()
        output = deploy(zip_file, "--function", "orders", code=1).output
        assert "has python3.13 on x86_64" in output
        assert "fast.cpython-313-aarch64-linux-gnu.so: needs " in output
        aws.make_function("on-arm", Architectures=["arm64"])
        assert shown(deploy(zip_file, "--function", "on-arm")) == ["function on-arm: code updated"]

    def test_a_container_image_is_refused(
        self, aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        aws.make_function()
        between.on("GET .*/configuration", with_fields(PackageType="Image"))
        shop().put()
        assert "The function orders is a container image, which a zip cannot replace." in deploy(code=1).output


class TestAlias:
    def test_it_goes_back_to_an_earlier_zip(self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function()
        project = shop('alias = "live"')
        old = project.put(version="0.9", text="old")
        project.put(text="new")
        deploy()
        assert shown(deploy(old)) == ["function orders: code updated, version 2, alias live moved from 1"]

    @pytest.mark.slow
    def test_one_that_could_not_be_moved_moves_the_next_time(
        self, aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        aws.make_function()
        project = shop('alias = "live"')
        project.put(text="first")
        deploy()
        project.put(text="second")
        between.on("PUT .*/aliases/live", error("ServiceException", "internal", 500, times=5))
        assert "AWS had an error of its own" in deploy(code=1).output
        assert aws.alias() == "1"
        assert shown(deploy()) == ["function orders: up to date, version 2, alias live moved from 1"]

    def test_a_changed_configuration_is_published_too(
        self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        aws.make_function()
        shop('alias = "live"').put()
        deploy()
        aws.functions.update_function_configuration(FunctionName="orders", Timeout=20)
        assert shown(deploy("--dry-run"))[1] == (
            "function orders: up to date; would publish a version, move the alias live from 1"
        )
        assert shown(deploy()) == ["function orders: up to date, version 2, alias live moved from 1"]
        assert aws.function(Qualifier="live")["Timeout"] == 20

    @pytest.mark.slow
    def test_weights_are_told(self, aws: Aws, between: Proxy, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function()
        project = shop('alias = "live"')
        project.put(text="first")
        deploy()
        project.put(text="second")
        weights = {"AdditionalVersionWeights": {"7": 0.1}}
        between.on("GET .*/aliases/live", with_fields(RoutingConfig=weights))
        (line,) = shown(deploy())
        assert line.endswith("alias live moved from 1 (its weights still send events to 7, too)")

    def test_versions_alone(self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function()
        shop("publish-version = true").put()
        assert shown(deploy()) == ["function orders: code updated, version 1"]
        assert shown(deploy("--no-publish-version")) == ["function orders: up to date"]


class TestSeveral:
    def test_each_goes_to_the_function_of_its_name(self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function("orders-api", Handler="orders.api.handler")
        aws.make_function("orders-worker", Architectures=["arm64"])
        project = shop("", TWO)
        project.put("api")
        project.put("worker", target="python3.13-arm64")
        assert shown(deploy()) == ["function orders-api: code updated", "function orders-worker: code updated"]

    @pytest.mark.slow
    def test_a_table_of_variants_names_them(self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function("shop-front")
        project = shop('[tool.hatch.publish.lambda.function]\napi = "shop-front"\n', TWO)
        project.put("api")
        assert shown(deploy()) == ["function shop-front: code updated"]
        aws.make_function("other")
        assert shown(deploy("--function", "api=other")) == ["function other: code updated"]

    def test_all_are_looked_at_before_one_is_changed(self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
        aws.make_function("orders-api")
        before = aws.function("orders-api")
        project = shop("", TWO)
        project.put("api")
        project.put("worker", target="python3.13-arm64")
        assert "There is no function orders-worker in eu-central-1." in deploy(code=1).output
        assert aws.function("orders-api") == before

    def test_two_zips_for_one_function_are_refused(self, shop: Callable[..., Shop], deploy: Deploy) -> None:
        project = shop('function = "orders"', TWO)
        project.put("api")
        project.put("worker", target="python3.13-arm64")
        output = deploy(code=1).output
        assert "2 zips would go to the function orders: orders-1.0-api-python3.13-x86_64.zip, orders-1.0-wo" in output
        assert "`{variant}`" in output

    @pytest.mark.slow
    def test_a_role_creates_them_with_their_own_handlers(
        self, aws: Aws, shop: Callable[..., Shop], deploy: Deploy
    ) -> None:
        project = shop(f'role = "{ROLE}"\nmemory = {{ api = 512 }}\nhandler = {{ worker = "orders.jobs.run" }}', TWO)
        project.put("api")
        project.put("worker", target="python3.13-arm64")
        told = shown(deploy("--dry-run"))
        assert told[1:] == [
            "function orders-api: would create it for python3.13 on x86_64",
            "function orders-worker: would create it for python3.13 on arm64",
        ]
        assert shown(deploy()) == ["function orders-api: created", "function orders-worker: created"]
        api, worker = aws.function("orders-api"), aws.function("orders-worker")
        assert (api["Handler"], api["MemorySize"]) == ("orders.api.handler", 512)
        assert (worker["Handler"], worker["MemorySize"], worker["Architectures"]) == ("orders.jobs.run", 128, ["arm64"])


def test_another_handler_than_the_project_s_is_a_warning(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    aws.make_function("orders-api", Handler="orders.old.handler")
    shop("", TWO).put("api")
    ended = deploy()
    assert "Warning: the handler of the function orders-api is `orders.old.handler`, and that of the " in ended.stderr


def test_an_arn_says_the_region(
    aws: Aws, shop: Callable[..., Shop], deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.make_function()
    arn = aws.function()["FunctionArn"]
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    shop(f'function = "{arn}"').put()
    assert shown(deploy()) == ["function orders: code updated"]
    output = deploy("--region", "eu-west-1", code=1).output
    assert "The region is eu-west-1, but the ARN to deploy to is in eu-central-1" in output


def test_a_function_without_handler_is_not_created(aws: Aws, shop: Callable[..., Shop], deploy: Deploy) -> None:
    del aws
    shop(f'role = "{ROLE}"').put()
    output = deploy(code=1).output
    assert "The function orders cannot be created without a handler." in output
    assert 'handler = "orders.app.handler"' in output
