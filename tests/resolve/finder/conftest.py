"""The finder alone, on an index that fails where a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.finder import client
from hatch_lambda.resolve.finder.find import find
from hatch_lambda.resolve.job import Job
from hatch_lambda.wheels.store import user_store
from tests.support.faulty_index import FaultyIndex
from tests.support.packages import make_wheel
from tests.support.recording_ui import RecordingUI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_lambda.resolve.closure import Closure

Find: TypeAlias = "Callable[..., dict[str, bytes]]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the index has: `foo`, which requires `bar`."""
    make_wheel(tmp_path / "served", "foo", requires=["bar"])
    make_wheel(tmp_path / "served", "bar")
    return tmp_path / "served"


@pytest.fixture
def plainly_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nothing is left to pip for pip's configuration."""
    monkeypatch.delenv("PIP_NO_INDEX")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle", "netrc"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def faulty(folder: Path, plainly_configured: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyIndex]:
    """The only index that is configured. It is waited for longer than a busy machine needs; see `impatient`."""
    del plainly_configured
    monkeypatch.setenv("PIP_TIMEOUT", "20")
    monkeypatch.setattr(client, "_PAUSES", (0.01, 0.01))
    with FaultyIndex(folder) as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url)
        yield served


@pytest.fixture
def impatient(faulty: FaultyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """For an index that says nothing: whoever asks it does not wait long."""
    del faulty
    monkeypatch.setenv("PIP_TIMEOUT", "0.6")


@pytest.fixture
def silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No thread shows a traceback."""
    yield
    assert not capfd.readouterr().err
    assert not [record for record in caplog.records if record.name.startswith("concurrent")]


@pytest.fixture
def find_foo(project_root: Path, tmp_path: Path) -> Find:
    """Run the finder for `foo`; gives the wheels by name. Raises `LeftToPip`."""

    def run(
        *requirements: str, arrived: Callable[[Path], object] = lambda _: None, runtime: str = "python3.13"
    ) -> dict[str, bytes]:
        settings = load({"runtime": runtime}, project_root, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements or ("foo",))
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        job = Job(request, scratch, Reporter(RecordingUI()))
        return files_of(find(job, user_store(settings.fallback_store), arrived))

    return run


def files_of(closure: Closure) -> dict[str, bytes]:
    return {wheel.path.name: wheel.path.read_bytes() for each in closure.distributions for wheel in each.wheels}
