"""Web frameworks that people run on Lambda answer over HTTP."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.projects import write_project
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.serving import Reply, Serving

pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda serve` requires Linux"),
]

RUNNING = "python{}.{}".format(*sys.version_info)

HOOK = f"""\
[project.optional-dependencies]
fastapi = ["fastapi", "mangum"]
flask = ["flask", "apig-wsgi"]
powertools = ["aws-lambda-powertools"]

[tool.hatch.build.hooks.lambda]
runtime = "{RUNNING}"

[tool.hatch.build.hooks.lambda.functions.fastapi]
handler = "orders.by_fastapi.handler"
extras = ["fastapi"]

[tool.hatch.build.hooks.lambda.functions.flask]
handler = "orders.by_flask.handler"
extras = ["flask"]

[tool.hatch.build.hooks.lambda.functions.url]
handler = "orders.by_powertools.by_url"
extras = ["powertools"]

[tool.hatch.build.hooks.lambda.functions.http-api]
handler = "orders.by_powertools.by_http_api"
extras = ["powertools"]
"""

FILES = {
    "orders/__init__.py": "",
    "orders/by_fastapi.py": """
from fastapi import FastAPI, Request, Response
from mangum import Mangum

app = FastAPI()

@app.get("/items/{name}")
def item(name: str, response: Response, size: int = 0):
    response.set_cookie("seen", name)
    response.set_cookie("size", str(size))
    return {"name": name, "size": size}

@app.post("/upper")
async def upper(request: Request):
    return Response(await request.body() + b"\\xff", media_type="image/png")

handler = Mangum(app, lifespan="off")
""",
    "orders/by_flask.py": """
from apig_wsgi import make_lambda_handler
from flask import Flask, Response, jsonify, request

app = Flask(__name__)

@app.get("/items/<name>")
def item(name):
    response = jsonify(name=name, size=request.args.get("size", 0, int))
    response.set_cookie("seen", name)
    response.set_cookie("size", request.args.get("size", "0"))
    return response

@app.post("/upper")
def upper():
    return Response(request.get_data() + b"\\xff", mimetype="image/png")

handler = make_lambda_handler(app)
""",
    "orders/by_powertools.py": """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.shared.cookies import Cookie

def routes(app):
    @app.get("/items/<name>")
    def item(name):
        size = int(app.current_event.query_string_parameters.get("size", 0))
        cookies = [Cookie(name="seen", value=name), Cookie(name="size", value=str(size))]
        body = __import__("json").dumps({"name": name, "size": size})
        return Response(200, "application/json", body, cookies=cookies)

    @app.post("/upper")
    def upper():
        return Response(200, "image/png", __import__("base64").b64decode(app.current_event.body) + b"\\xff")

    return app.resolve

def by_url(event, context):
    return routes(LambdaFunctionUrlResolver())(event, context)

def by_http_api(event, context):
    return routes(APIGatewayHttpResolver())(event, context)
""",
}


@pytest.fixture(scope="module")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("frameworks")
    project = write_project(folder / "project", HOOK, "", FILES)
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    with serving("--no-watch", "--timeout", "60", directory=project.root, scratch=folder, variables=pip) as served:
        yield served


def cookies(reply: Reply) -> list[str]:
    return [value.partition(";")[0] for name, value in reply.headers if name == "set-cookie"]


@pytest.mark.parametrize("name", ["fastapi", "flask", "url", "http-api"])
def test_a_framework_answers(name: str, frameworks: Serving) -> None:
    host = f"{name}.localhost"

    item = frameworks.request(target="/items/pen?size=7", host=host)
    upper = frameworks.request("POST", "/upper", b"\x00abc", {"Content-Type": "image/png"}, host=host)

    assert (item.status, json.loads(item.body)) == (200, {"name": "pen", "size": 7}), frameworks.log
    assert [cookie.partition("=")[0] for cookie in cookies(item)] == ["seen", "size"]
    assert (upper.status, upper.header("content-type"), upper.body) == (200, "image/png", b"\x00abc\xff")
    assert frameworks.request(target="/nowhere", host=host).status == 404
