"""The benchmarks' index on loopback, over hand-made wheels: what they measure with has to be as the public index is."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.loopback import LoopbackIndex
from benchmarks.plain import configured, plain_environment
from tests.support.packages import make_wheel
from tests.support.simple_index import SimpleIndex, json_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    make_wheel(tmp_path / "upstream", "foo", requires=["bar"])
    make_wheel(tmp_path / "upstream", "foo", "2.0", tag="cp27-cp27m-win32")
    make_wheel(tmp_path / "upstream", "bar")
    return tmp_path / "upstream"


@pytest.fixture
def recorded(upstream: Path, tmp_path: Path) -> Path:
    """What is left of an index without PEP 658 after `foo` and `bar` were asked for."""
    with SimpleIndex(upstream, page=_bare_page) as origin, LoopbackIndex(tmp_path / "recorded", origin.url) as index:
        with contextlib.closing(http.client.HTTPConnection(_host(index))) as connection:
            for _ in range(2):
                for name in ("foo", "bar"):
                    _ask(connection, f"/simple/{name}/", {}, 200)
                    _ask(connection, f"/files/files/{name}-1.0-py3-none-any.whl", {}, 200)
        assert index.fetched == 6  # for each: its page, its wheel, and the wheel's metadata
    return tmp_path / "recorded"


@pytest.fixture
def index(recorded: Path) -> Iterator[LoopbackIndex]:
    with LoopbackIndex(recorded) as index:
        yield index


def _bare_page(folder: Path, name: str) -> str:
    page = json.loads(json_page(folder, name) or "{}")
    for file in page.get("files", ()):
        del file["core-metadata"]
    return json.dumps(page) if page else ""


def _host(index: LoopbackIndex) -> str:
    return index.origin.removeprefix("http://")


def _ask(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], status: int
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request("GET", path, headers=dict(headers))
    response = connection.getresponse()
    body = response.read()
    assert response.status == status
    return response, body


@pytest.mark.slow
def test_it_serves_what_was_downloaded_once(index: LoopbackIndex, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--dest", str(tmp_path / "got"), "foo"]
    subprocess.run(pip, env=plain_environment(index.url), check=True)
    assert {path.name.split("-")[0] for path in (tmp_path / "got").iterdir()} == {"foo", "bar"}


def test_its_answers_are_those_of_the_public_index(index: LoopbackIndex, upstream: Path) -> None:
    connection = http.client.HTTPConnection(_host(index))  # one for all of them
    page, body = _ask(connection, "/simple/foo/", {"Accept-Encoding": "gzip"}, 200)
    assert page.headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
    assert "max-age=600" in page.headers["Cache-Control"]
    files: dict[str, dict[str, Any]] = {file["filename"]: file for file in json.loads(gzip.decompress(body))["files"]}
    of_windows, foo = files["foo-2.0-cp27-cp27m-win32.whl"], files["foo-1.0-py3-none-any.whl"]

    path = foo["url"].removeprefix(index.origin)
    _, metadata = _ask(connection, path + ".metadata", {}, 200)
    assert foo["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    assert b"Requires-Dist: bar" in metadata
    _, body = _ask(connection, path, {}, 200)
    wheel = (upstream / "foo-1.0-py3-none-any.whl").read_bytes()
    assert body == wheel
    for asked, expected in {"0-9": wheel[:10], "-10": wheel[-10:], f"10-{len(wheel) * 2}": wheel[10:]}.items():
        _, body = _ask(connection, path, {"Range": f"bytes={asked}"}, 206)
        assert body == expected
    _ask(connection, path, {"Range": f"bytes={len(wheel)}-"}, 416)

    _, body = _ask(connection, "/simple/foo/", {"If-None-Match": page.headers["ETag"]}, 304)
    assert body == b""
    _ask(connection, "/simple/nobody/", {}, 404)
    _ask(connection, of_windows["url"].removeprefix(index.origin), {}, 404)
    _ask(connection, "/files/../simple/foo.json", {}, 404)
    connection.close()


def test_a_plain_configuration_has_only_what_it_takes_to_reach_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXTRA_INDEX_URL", "FIND_LINKS", "CONSTRAINT", "CERT", "INDEX_URL"):
        monkeypatch.setenv(f"PIP_{name}", f"machine's {name}")
    monkeypatch.setenv("PIP_TIMEOUT", "77")
    monkeypatch.setenv("UV_FIND_LINKS", "machine's too")
    configured.cache_clear()
    environment, on_loopback = plain_environment(), plain_environment("http://127.0.0.1:1/simple/")
    configured.cache_clear()
    assert {value for value in environment.values() if "machine's" in value} == {
        "machine's CERT",
        "machine's INDEX_URL",
    }
    assert environment["UV_DEFAULT_INDEX"] == environment["PIP_INDEX_URL"]
    assert not [value for value in on_loopback.values() if "machine's" in value]
    assert environment["PIP_TIMEOUT"] == on_loopback["UV_HTTP_TIMEOUT"] == "77"


def test_it_delays_each_request_and_not_one_after_the_other(index: LoopbackIndex) -> None:
    index.delay = 0.2
    connections = [http.client.HTTPConnection(_host(index)) for _ in range(20)]
    started = time.perf_counter()
    for connection in connections:
        connection.request("GET", "/simple/foo/")
    for connection in connections:
        assert connection.getresponse().status == 200
        connection.close()
    assert 0.2 <= time.perf_counter() - started < 2
