"""A project with zips, and AWS on this machine."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Protocol
from urllib.request import Request, urlopen

import botocore.loaders
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from hatch_lambda.cli import main
from tests.support.aws import REGION, SECRET, Aws, Proxy, proxy
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, Project, write_project
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.support.packages import Content


class Deploy(Protocol):
    def __call__(self, *arguments: object, code: int = 0) -> Result: ...


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The URL of moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> Iterator[None]:
    """Each boto3 session reads the models of AWS's services anew, which takes most of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.loaders.create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(autouse=True)
def _no_ambient_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody is there


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch, _no_ambient_aws: None) -> Aws:
    """An empty account, and the environment to deploy to it."""
    urlopen(Request(f"{moto}/moto-api/reset", method="POST")).close()
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    found = Aws(moto)
    found.make_role()
    return found


@pytest.fixture
def between(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that the program talks to instead."""
    with proxy(aws.url) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


class Shop(Project):
    """The project `orders`, whose zips are written here instead of built."""

    def put(
        self,
        variant: str = "",
        *,
        version: str = "1.0",
        target: str = "python3.13-x86_64",
        text: str = "",
        below: str = "",
    ) -> Path:
        """Its zip as a build would leave it; with other bytes for another text. `below`: of a layer."""
        name = "-".join(filter(None, ("orders", version, variant, target)))
        files: dict[str, Content] = {"orders/app.py": f"def handler(event, context): ...\n# {text}\n"}
        wheels = self.root.parent / "wheels"
        wheel = (
            make_wheel(wheels, "orders", version, files=files)
            if not below
            else make_wheel(wheels, "common", files={"common.py": f"# {text}\n"})
        )
        return make_zip(self.dist / f"{name}.zip", wheels=[wheel], root=below)


@pytest.fixture
def shop(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shop]:
    """`shop(tool, publish)`: a project with these tables, which is the current directory."""

    def make(publish: str = "", tool: str = HOOK) -> Shop:
        tables = f"{tool}\n[tool.hatch.publish.lambda]\n{publish}\n"
        write_project(project_root, tables, "", PACKAGE)
        monkeypatch.chdir(project_root)
        return Shop(project_root)

    return make


@pytest.fixture
def deploy() -> Deploy:
    """`hatch-lambda deploy …`, which has to end with this code; no secret in anything that it shows."""

    def run(*arguments: object, code: int = 0) -> Result:
        ended = CliRunner().invoke(main, ["deploy", *map(str, arguments)])
        assert ended.exit_code == code, ended.output + str(ended.exception)
        assert SECRET not in ended.output
        return ended

    return run


def shown(ended: Result) -> list[str]:
    """The results, on stdout, without the sizes of zips."""
    return [re.sub(r" \([0-9.]+ [kM]B\)", "", line) for line in ended.stdout.splitlines()]
