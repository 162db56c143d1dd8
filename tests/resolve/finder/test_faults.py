"""An index that fails: the finder tries again, does without, or leaves it to pip; it takes no wrong file, and ends."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.resolve.finder import LeftToPip, client, fetch
from tests.support import faulty_index as faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.resolve.finder.conftest import Find
    from tests.support.faulty_index import Exchange, Fault, FaultyIndex

pytestmark = pytest.mark.usefixtures("silent")

# What the finder asks for, by the ends of the URLs. The page is asked for first, then both others at once.
PAGE, METADATA, WHEEL = "/simple/bar/", "bar-1.0-py3-none-any.whl.metadata", "bar-1.0-py3-none-any.whl"
EACH = pytest.mark.parametrize("where", [PAGE, METADATA, WHEEL], ids=["page", "metadata", "wheel"])


def _each(key: str, *values: object) -> list[tuple[str, object]]:
    return [(key, value) for value in values]


class TestWhatPasses:
    """What is retried, or waited for."""

    @pytest.mark.slow
    @EACH
    @pytest.mark.parametrize(
        "fault",
        [
            faults.status(500, times=2),
            faults.status(503, times=1, Retry_After="0"),
            faults.status(429, times=1, Retry_After="1"),
            faults.cut_off(times=2),
            faults.hanging_up(times=2),
        ],
        ids=["500", "503", "429", "cut off", "hung up"],
    )
    def test_it_comes_to_the_same(self, faulty: FaultyIndex, find_foo: Find, where: str, fault: Fault) -> None:
        faulty.faults[where] = fault
        assert find_foo() == faulty.wheels

    @pytest.mark.slow
    @EACH
    def test_the_time_out_is_that_of_each_piece(
        self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        monkeypatch.setenv("PIP_TIMEOUT", "1")
        faulty.faults[where] = faults.trickling(seconds=1.5)
        begun = time.monotonic()
        assert find_foo() == faulty.wheels
        assert time.monotonic() - begun > 1.5

    @pytest.mark.slow
    def test_a_date_to_retry_after_is_waited_for(self, faulty: FaultyIndex, find_foo: Find) -> None:
        moment = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=2), usegmt=True)
        faulty.faults[PAGE] = faults.status(503, times=1, Retry_After=moment)
        begun = time.monotonic()
        assert find_foo() == faulty.wheels
        assert 0.5 < time.monotonic() - begun < 5

    def test_a_redirect_is_followed_and_urls_are_relative_to_where_it_leads(
        self, faulty: FaultyIndex, find_foo: Find
    ) -> None:
        faulty.faults[PAGE] = faults.redirect("/simple/mirror/of/bar/")
        faulty.faults["/simple/mirror/of/bar/"] = moved = _Moved(faulty)
        faulty.page = lambda name, page: moved.page(page) if name == "bar" else page
        assert find_foo() == faulty.wheels
        assert any(path.startswith("/simple/mirror/of/files/") for path in faulty.paths())
        # So it is if the page comes out of the store.
        faulty.requests.clear()
        assert find_foo() == faulty.wheels

    def test_many_files_are_judged_in_little_time(self, faulty: FaultyIndex, find_foo: Find) -> None:
        def many(_name: str, page: dict[str, Any]) -> None:
            file = page["files"][0]
            stem = file["filename"].partition("-")[0]
            names = [f"{stem}-0.{number}-py3-none-any.whl" for number in range(10_000)]
            page["files"] += [{**file, "filename": name, "url": f"../../files/{name}"} for name in names]

        faulty.page = many
        begun = time.process_time()
        assert find_foo() == faulty.wheels
        assert time.process_time() - begun < 10


class _Moved:
    """A page elsewhere, whose files are beside it."""

    def __init__(self, faulty: FaultyIndex) -> None:
        self._index = faulty

    def page(self, page: dict[str, Any]) -> dict[str, Any]:
        for file in page["files"]:
            self._index.faults[f"/simple/mirror/of/files/{file['filename']}.metadata"] = self._file
            self._index.faults[f"/simple/mirror/of/files/{file['filename']}"] = self._file
            file["url"] = f"../files/{file['filename']}"
        return page

    def _file(self, exchange: Exchange) -> None:
        exchange.reply = self._index.reply("/files/" + exchange.path.rpartition("/")[2])
        exchange.send()

    def __call__(self, exchange: Exchange) -> None:
        exchange.reply = self._index.reply("/simple/bar/")
        exchange.send()


class TestWhatIsLeftToPip:
    @pytest.mark.slow
    @EACH
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (faults.status(500), "answers 500"),
            (faults.status(503), "answers 503"),
            (faults.status(403), "answers 403"),
            (faults.status(429, Retry_After="3600"), "asks to wait for 3600 seconds"),
            (faults.status(503, Retry_After="never"), "answers 503"),
            (faults.cut_off(), "cannot be fetched: .*IncompleteRead"),
            (faults.hanging_up(), "cannot be fetched: .*without response"),
            (faults.redirect("?again"), "redirects without end"),
            (faults.redirect("http://192.0.2.1/simple/bar/"), "leads to a URL without TLS"),
            (faults.redirect("ftp://127.0.0.1/bar"), "leads to a URL that is no plain one"),
            (faults.redirect("file:///etc/passwd"), "leads to a URL that is no plain one"),
            (faults.redirect("http://me:s3cret@127.0.0.1/bar"), "leads to a URL that is no plain one"),
            (faults.redirect("http://[::1/bar"), "cannot be fetched: "),
            (faults.redirect("http://127.0.0.1:99999/"), "cannot be fetched: "),
        ],
    )
    def test_a_server_that_does_not_answer(
        self, faulty: FaultyIndex, find_foo: Find, where: str, fault: Fault, reason: str
    ) -> None:
        faulty.faults[where] = faulty.faults["?again"] = fault
        begun = time.monotonic()
        with pytest.raises(LeftToPip, match=reason) as caught:
            find_foo()
        assert time.monotonic() - begun < 3
        assert "s3cret" not in str(caught.value)

    @pytest.mark.slow
    @pytest.mark.usefixtures("impatient")
    @EACH
    @pytest.mark.parametrize("fault", [faults.hanging, faults.hanging_in_the_middle])
    def test_a_server_that_stops_speaking(self, faulty: FaultyIndex, find_foo: Find, where: str, fault: Fault) -> None:
        faulty.faults[where] = fault
        begun = time.monotonic()
        with pytest.raises(LeftToPip, match=r"cannot be fetched: .*timed out"):
            find_foo()
        assert time.monotonic() - begun < 3

    @pytest.mark.usefixtures("impatient")
    def test_what_times_out_is_waited_for_once(self, faulty: FaultyIndex, find_foo: Find) -> None:
        faulty.faults[PAGE] = faults.hanging
        with pytest.raises(LeftToPip):
            find_foo()
        assert faulty.paths().count(PAGE) == 1

    def test_a_server_that_is_not_there(
        self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        with pytest.raises(LeftToPip, match=r"cannot be fetched: .*Connection refused"):
            find_foo()
        assert not faulty.requests

    @pytest.mark.parametrize(("retries", "requests"), [("0", 1), ("1", 2), ("7", 3)])
    def test_it_asks_at_most_three_times(
        self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch, retries: str, requests: int
    ) -> None:
        monkeypatch.setenv("PIP_RETRIES", retries)
        faulty.faults[PAGE] = faults.status(500)
        with pytest.raises(LeftToPip):
            find_foo()
        assert faulty.paths().count(PAGE) == requests

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"7",
            b'{"name": "bar"}',
            b'{"files": null}',
            b'{"files": 7}',
            b'{"files": {"a": 1}}',
            b'{"files": [null]}',
            b'{"files": ["bar"]}',
            b'{"files": [[]]}',
            b"[" * 100_000,
            b'{"files": ' + b"[" * 100_000,
            b"\xff\xfe",
            b"<!DOCTYPE html>",
            b'{"files": [{"filename": "bar-1.0-py3-none-any.whl"}]}',
        ],
        ids=lambda content: repr(content[:30]),
    )
    def test_a_page_that_is_none(self, faulty: FaultyIndex, find_foo: Find, content: bytes) -> None:
        faulty.faults[PAGE] = faults.body(content)
        with pytest.raises(LeftToPip, match="is no valid page"):
            find_foo()

    @pytest.mark.parametrize("kind", ["text/html", "application/json", "application/vnd.pypi.simple.v1+html", ""])
    def test_a_page_of_another_type(self, faulty: FaultyIndex, find_foo: Find, kind: str) -> None:
        faulty.faults[PAGE] = faults.body(lambda page: page, Content_Type=kind)
        with pytest.raises(LeftToPip, match="has no JSON page"):
            find_foo()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            *_each("filename", ..., None, 7, []),
            *_each("url", ..., None, 7, "", [], {}),
            *_each("hashes", ..., None, 7, "x", [], {}, {"md5": "x"}, {"sha256": 7}, {"sha256": ""}, {"sha256": None}),
            *_each("hashes", {"sha256": "0" * 63}, {"sha256": "z" * 64}, {"sha256": "0" * 64}),
            *_each("requires_python", 7, ["x"], {"a": 1}),
            *_each("core_metadata", {"sha256": "0" * 64}, {"sha256": "x"}, {"sha256": 7}),
            *_each("size", 0, 1, -1, 10**9),
            # What a page may lead to
            *(("url", f"{url}/bar-1.0-py3-none-any.whl") for url in ("http://192.0.2.1", "ftp://127.0.0.1", "file://")),
            ("url", "http://me:s3cret@127.0.0.1/bar-1.0-py3-none-any.whl"),
            ("url", "http://[::1/bar-1.0-py3-none-any.whl"),
            ("url", "javascript:bar-1.0-py3-none-any.whl"),
            ("url", "../../files/foo-1.0-py3-none-any.whl"),  # which has another name
        ],
    )  # fmt: skip
    def test_an_entry_that_is_not_as_it_should_be(
        self, faulty: FaultyIndex, find_foo: Find, key: str, value: object
    ) -> None:
        faulty.alter(**{key: value})
        with pytest.raises(LeftToPip) as caught:
            find_foo()
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("key", ["requires_python", "core_metadata", "yanked", "size", "upload_time"])
    @pytest.mark.parametrize("value", [..., None])
    def test_an_entry_may_lack_what_is_not_needed(
        self, faulty: FaultyIndex, find_foo: Find, key: str, value: object
    ) -> None:
        faulty.alter(**{key: value})
        assert find_foo() == faulty.wheels

    @pytest.mark.parametrize(
        "name", ["bar-1.0-1/../../../evil-py3-none-any.whl", "bar-1.0-1\\..\\evil-py3-none-any.whl"]
    )
    def test_a_name_that_is_a_path(self, faulty: FaultyIndex, find_foo: Find, tmp_path: Path, name: str) -> None:
        faulty.alter(filename=name)
        with pytest.raises(LeftToPip):
            find_foo()
        assert not list(tmp_path.rglob("*evil*"))

    def test_a_hash_that_is_a_path(self, faulty: FaultyIndex, find_foo: Find, tmp_path: Path) -> None:
        faulty.alter(hashes={"sha256": "../../evil"})
        with pytest.raises(LeftToPip, match="states no SHA-256"):
            find_foo()
        assert not list(tmp_path.rglob("*evil*"))

    @EACH
    def test_too_much(self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
        monkeypatch.setattr(fetch, "_LONGEST_PAGE", 100_000)
        monkeypatch.setattr(fetch, "_LONGEST_METADATA", 100_000)
        monkeypatch.setattr(client, "_LONGEST_WHEEL", 100_000)
        faulty.alter(size=...)
        faulty.faults[where] = _endless
        with pytest.raises(LeftToPip, match=r"has (more than 100000 bytes|another content)"):
            find_foo()

    @pytest.mark.parametrize("where", [PAGE, METADATA])
    def test_what_unpacks_to_too_much(self, faulty: FaultyIndex, find_foo: Find, where: str) -> None:
        faulty.faults[where] = faults.bomb(101_000_000)
        with pytest.raises(LeftToPip, match=r"has more than [12]0+ bytes"):
            find_foo()

    @pytest.mark.parametrize("where", [PAGE, METADATA])
    def test_what_does_not_unpack(self, faulty: FaultyIndex, find_foo: Find, where: str) -> None:
        faulty.faults[where] = faults.body(b"not compressed", Content_Encoding="gzip")
        with pytest.raises(LeftToPip, match="cannot be fetched"):
            find_foo()

    @pytest.mark.parametrize(
        "change", [lambda wheel: wheel[:-1], lambda wheel: wheel + b"!", lambda wheel: b"!" + wheel[1:]]
    )
    @pytest.mark.parametrize("with_size", [True, False])
    def test_a_wheel_with_another_content(
        self,
        faulty: FaultyIndex,
        find_foo: Find,
        change: Callable[[bytes], bytes],
        with_size: bool,  # noqa: FBT001
    ) -> None:
        if not with_size:
            faulty.alter(size=...)
        faulty.faults[WHEEL] = faults.body(change)
        arrived: list[Path] = []
        with pytest.raises(LeftToPip, match="has another content than the index says"):
            find_foo(arrived=arrived.append)
        assert "bar" not in str(arrived)

    def test_headers_that_are_none(self, faulty: FaultyIndex, find_foo: Find) -> None:
        def fault(exchange: Exchange) -> None:
            exchange.handler.wfile.write(
                b"HTTP/1.1 200 OK\r\n\0\xff: \x01\r\n no: header\r\nContent-Length: x\r\n\r\n{}"
            )
            exchange.cut()

        faulty.faults[PAGE] = fault
        with pytest.raises(LeftToPip):
            find_foo()


def _endless(exchange: Exchange) -> None:
    """Send zeros as long as somebody reads them."""
    exchange.reply.headers["Transfer-Encoding"] = "chunked"
    exchange.handler.send_response(200)
    exchange.handler.send_header("Transfer-Encoding", "chunked")
    exchange.handler.send_header("Content-Type", faults.JSON)
    exchange.handler.end_headers()
    while not exchange.stopped.is_set():
        exchange.handler.wfile.write(b"1000\r\n" + b"\0" * 0x1000 + b"\r\n")
