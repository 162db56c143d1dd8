"""What users see where the finder gives up: pip does it, or says why not, and nobody waits twice."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.ui import Reporter
from hatch_lambda.resolve.finder import IndexFault, LeftToPip
from hatch_lambda.resolve.finder.client import Client
from hatch_lambda.resolve.finder.indexes import Indexes
from tests.support import faulty_index as faults
from tests.support.busy_builds import start_build
from tests.support.faulty_index import CERTIFICATE, FaultyIndex
from tests.support.packages import make_wheel, metadata
from tests.support.situation import request_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.resolve.finder.conftest import Find
    from tests.support.faulty_index import Exchange, Fault
    from tests.support.projects import NewProject
    from tests.support.recording_ui import RecordingUI

pytestmark = pytest.mark.slow

PAGE, METADATA, WHEEL = "/simple/bar/", "bar-1.0-py3-none-any.whl.metadata", "bar-1.0-py3-none-any.whl"


@pytest.fixture
def build(
    faulty: FaultyIndex, project_root: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Bundle]:
    """The nine stages for `foo`."""
    del faulty
    monkeypatch.setenv("PIP_RETRIES", "0")

    def run(**table: object) -> Bundle:
        return pipeline.run(request_for(project_root, ["foo"], table), Reporter(ui, verbose=True))

    return run


@pytest.mark.parametrize("where", [PAGE, WHEEL])
def test_pip_does_what_the_finder_has_given_up(
    faulty: FaultyIndex, build: Callable[..., Bundle], ui: RecordingUI, where: str
) -> None:
    def late(exchange: Exchange) -> None:
        if exchange.number == 1:
            exchange.stopped.wait(0.3)
            exchange.reply.status = 500
        exchange.send()

    faulty.faults[where] = late
    bundle = build()
    assert {wheel.name for wheel in bundle.wheels} == {"foo", "bar"}
    assert "Resolving with pip: " in ui.text
    assert "answers 500" in ui.text
    # What was there by then is not downloaded again.
    assert sum(path.endswith("/foo-1.0-py3-none-any.whl") for path in faulty.paths()) == 1


@pytest.mark.parametrize(
    ("where", "fault", "words"),
    [
        (PAGE, faults.status(500), ["Could not fetch {url}/bar/: ", "500", "try again later"]),
        (PAGE, faults.status(503, Retry_After="3600"), ["Could not fetch {url}/bar/: ", "503", "try again later"]),
        (PAGE, faults.status(403), ["Could not fetch {url}/bar/: 403", "your credentials for it"]),
        (PAGE, faults.hanging_up(), ["Could not fetch {url}/bar/: ", "try again later"]),
        (PAGE, faults.redirect("?again"), ["Could not fetch {url}/bar/: ", "redirects", "check the index's URL"]),
        (PAGE, faults.body(b"{", Content_Type=faults.JSON), ["bar", "{url}"]),
        (METADATA, faults.status(500), ["bar-1.0-py3-none-any.whl", "500"]),
        (WHEEL, faults.status(500), ["bar-1.0-py3-none-any.whl", "500"]),
        (WHEEL, faults.cut_off(), ["bar-1.0-py3-none-any.whl"]),
        (
            WHEEL,
            faults.body(lambda wheel: wheel[:-1] + b"!"),
            ["DO NOT MATCH", "another content than the index says", "try again later"],
        ),
    ],
)
def test_what_pip_cannot_do_either_is_said_with_the_index_the_project_and_a_remedy(
    faulty: FaultyIndex, build: Callable[..., Bundle], where: str, fault: Fault, words: list[str]
) -> None:
    faulty.faults[where] = faulty.faults["?again"] = fault
    if where == METADATA:
        faulty.faults[WHEEL] = fault  # with the wheel, pip can do without
    with pytest.raises(LambdaBuildError) as caught:
        build()
    for word in words:
        assert word.format(url=faulty.url) in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("where", "fault", "words"),
    [
        (PAGE, faults.hanging, ["Could not fetch {url}/bar/: ", "within 0.6 seconds", "try again later"]),
        (WHEEL, faults.hanging_in_the_middle, ["bar-1.0-py3-none-any.whl"]),
    ],
)
def test_who_pip_waits_for_in_vain_is_named(
    faulty: FaultyIndex, build: Callable[..., Bundle], where: str, fault: Fault, words: list[str]
) -> None:
    faulty.faults[where] = fault
    with pytest.raises(LambdaBuildError) as caught:
        build()
    for word in words:
        assert word.format(url=faulty.url) in str(caught.value)


@pytest.mark.parametrize("stated", [True, False])
def test_metadata_that_is_not_that_of_the_wheel_stops_the_build(
    faulty: FaultyIndex,
    folder: Path,
    build: Callable[..., Bundle],
    ui: RecordingUI,
    stated: bool,  # noqa: FBT001
) -> None:
    make_wheel(folder, "bar", requires=["baz>=1"])
    lie = metadata("bar", "1.0").encode()
    faulty.faults[METADATA] = faults.body(lie)
    faulty.alter(core_metadata={"sha256": faults.sha256(lie)} if stated else True)
    for _ in range(2):  # the second one has it in the cache
        with pytest.raises(
            LambdaBuildError, match=r"`baz>=1` was not resolved; required by: orders -> foo 1.0 -> bar"
        ) as caught:
            build()
        assert "the index has other metadata of bar 1.0 than the wheel" in str(caught.value)
    assert "Resolved without pip" in ui.text
    # A corrected index is believed.
    faulty.faults.clear()
    faulty.alter(core_metadata=True)
    make_wheel(folder, "baz")
    assert {wheel.name for wheel in build().wheels} == {"foo", "bar", "baz"}


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_twice_for_a_server_that_hangs(
    faulty: FaultyIndex, build: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "2")
    faulty.faults[PAGE] = faults.hanging
    with pytest.raises(LambdaBuildError, match="Could not fetch"):
        build()
    assert faulty.paths().count(PAGE) == 1 + 3


def test_a_certificate_of_ones_own(
    folder: Path, tmp_path: Path, find_foo: Find, plainly_configured: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del plainly_configured
    certificate = _saved(tmp_path)
    with FaultyIndex(folder, certificate) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        with pytest.raises(IndexFault, match="certificate verify failed"):
            find_foo()
        for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            with monkeypatch.context() as configured:
                configured.setenv(variable, str(certificate))
                assert find_foo() == index.wheels
        # Nothing leads out of TLS again, not even to this machine.
        monkeypatch.setenv("PIP_CERT", str(certificate))
        index.faults[PAGE] = faults.redirect("http://127.0.0.1/simple/bar/")
        with pytest.raises(LeftToPip, match="leads to a URL without TLS"):
            find_foo()
        index.faults.clear()
        index.alter(url="http://127.0.0.1/files/bar-1.0-py3-none-any.whl")
        with pytest.raises(LeftToPip, match="leads to a URL without TLS"):
            find_foo()
        for wrong, reason in ((tmp_path / "missing.pem", "cannot be read"), (folder, "certificate verify failed")):
            monkeypatch.setenv("PIP_CERT", str(wrong))
            with pytest.raises(LeftToPip, match=reason):
                find_foo()


@pytest.mark.parametrize("in_the_directory", [True, False])
def test_certificates_of_the_system_in_a_directory(  # noqa: PLR0917
    folder: Path,
    tmp_path: Path,
    find_foo: Find,
    plainly_configured: None,
    monkeypatch: pytest.MonkeyPatch,
    in_the_directory: bool,  # noqa: FBT001
) -> None:
    del plainly_configured
    directory = tmp_path / "certificates"
    directory.mkdir()
    if in_the_directory:  # as `openssl rehash` names it
        directory.joinpath("88d0bdcb.0").write_text(CERTIFICATE, encoding="utf-8")
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with FaultyIndex(folder, _saved(tmp_path)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        if in_the_directory:
            assert find_foo() == index.wheels
            read = Client(Indexes((index.url,), None, 5, 0), "test")._ssl_context()
            assert not read.cert_store_stats()["x509_ca"]  # those that pip has would take 16 ms
        else:
            with pytest.raises(IndexFault, match="certificate verify failed"):
                find_foo()


def _saved(folder: Path) -> Path:
    path = folder / "certificate.pem"
    path.write_text(CERTIFICATE, encoding="utf-8")
    return path


@pytest.mark.real_processes
@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
@pytest.mark.parametrize("fault", [faults.hanging, faults.hanging_in_the_middle, faults.status(503, Retry_After="30")])
@pytest.mark.parametrize("where", [PAGE, WHEEL])
def test_a_build_that_is_interrupted_ends_at_once_and_leaves_nothing(
    faulty: FaultyIndex, new_project: NewProject, tmp_path: Path, where: str, fault: Fault
) -> None:
    faulty.faults[where] = fault
    project = new_project(project='dependencies = ["foo"]')
    before = project.put_former_zip()
    shown = tmp_path / "shown"
    process = start_build(project, shown, lambda _pid: any(path.endswith(where) for path in faulty.paths()))
    time.sleep(0.2)
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    took = time.monotonic() - interrupted
    text = shown.read_text(encoding="utf-8")
    assert text.splitlines()[-1].startswith("Interrupted")
    project.assert_clean_failure(text, before)
    assert took < 2
