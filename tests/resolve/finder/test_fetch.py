"""What is kept of index pages and metadata, and where metadata comes from."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve.finder import LeftToPip, fetch
from hatch_lambda.wheels.store import Store
from tests.support import faulty_index as faults
from tests.support.faulty_index import FaultyIndex
from tests.support.packages import make_wheel, metadata
from tests.support.situation import raising

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.resolve.finder.conftest import Find
    from tests.support.faulty_index import Exchange, Fault

pytestmark = pytest.mark.usefixtures("silent")

PAGE, METADATA, WHEEL = "/simple/bar/", "bar-1.0-py3-none-any.whl.metadata", "bar-1.0-py3-none-any.whl"


def sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def tagged(exchange: Exchange) -> None:
    """An answer with an ETag, or none to who has it already."""
    tag = exchange.reply.headers["ETag"] = f'"{sha256(exchange.reply.body)}"'
    if exchange.headers["If-None-Match"] == tag:
        exchange.reply.body, exchange.reply.status = b"", 304
    exchange.send()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "tampered with": lambda path: path.write_bytes(path.read_bytes().replace(b"bar", b"baz")),
    "not text": lambda path: path.write_bytes(b"\xff\xfe"),
    "a directory": replace_by_directory,
}
DAMAGED = pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))


class TestPages:
    """They are kept with their ETag, and asked for again each time."""

    @pytest.fixture(autouse=True)
    def _tagged(self, faulty: FaultyIndex) -> None:
        faulty.faults[PAGE] = tagged

    def asked_with(self, faulty: FaultyIndex) -> list[str | None]:
        return [headers["If-None-Match"] for path, headers in faulty.requests if path == PAGE]

    def test_one_that_has_not_changed_is_not_sent_again(self, faulty: FaultyIndex, find_foo: Find, cache: Path) -> None:
        assert find_foo() == find_foo() == faulty.wheels
        first, second = self.asked_with(faulty)
        assert first is None
        assert second
        assert len(list((cache / "pages").iterdir())) == 1  # of `foo` the index says no ETag

    def test_one_that_has_changed_is_seen(self, faulty: FaultyIndex, folder: Path, find_foo: Find) -> None:
        find_foo()
        newer = make_wheel(folder, "bar", "2.0")
        assert find_foo().keys() == {newer.name, "foo-1.0-py3-none-any.whl"}
        newer.unlink()
        assert find_foo() == faulty.wheels

    def test_each_target_has_its_own(self, faulty: FaultyIndex, folder: Path, find_foo: Find) -> None:
        find_foo()
        make_wheel(folder, "bar", "1.1", tag="cp312-cp312-manylinux2014_x86_64")
        assert "bar-1.0-py3-none-any.whl" in find_foo(runtime="python3.13")
        assert "bar-1.1-cp312-cp312-manylinux2014_x86_64.whl" in find_foo(runtime="python3.12")
        assert len(self.asked_with(faulty)) == 3

    @pytest.mark.parametrize("control", ["no-store", "No-Store, max-age=0"])
    def test_one_that_is_not_to_be_kept(self, faulty: FaultyIndex, find_foo: Find, cache: Path, control: str) -> None:
        faulty.faults[PAGE] = faults.body(lambda page: page, ETag='"1"', Cache_Control=control)
        assert find_foo() == find_foo() == faulty.wheels
        assert self.asked_with(faulty) == [None, None]
        assert not (cache / "pages").exists()

    @DAMAGED
    def test_one_that_was_damaged_in_the_cache_is_sent_again(
        self, faulty: FaultyIndex, find_foo: Find, cache: Path, damage: Callable[[Path], object]
    ) -> None:
        find_foo()
        (kept,) = (cache / "pages").iterdir()
        damage(kept)
        assert find_foo() == faulty.wheels
        assert self.asked_with(faulty) == [None, None]
        assert find_foo() == faulty.wheels
        assert self.asked_with(faulty)[2]

    @pytest.mark.parametrize("content", [[], 7, ["1"], ["1", "u", 7], ["1", "u", [[]]]])
    def test_so_is_one_that_is_of_another_shape(
        self, faulty: FaultyIndex, find_foo: Find, cache: Path, content: object
    ) -> None:
        find_foo()
        (kept,) = (cache / "pages").iterdir()
        text = json.dumps(content)
        kept.write_text(f"{sha256(text)}\n{text}", encoding="utf-8")
        assert find_foo() == faulty.wheels
        assert self.asked_with(faulty) == [None, None]

    def test_not_modified_is_no_answer_to_who_has_none(self, faulty: FaultyIndex, find_foo: Find) -> None:
        faulty.faults[PAGE] = faults.status(304)
        with pytest.raises(LeftToPip, match="answers 304"):
            find_foo()

    def test_a_cache_that_cannot_be_written_is_done_without(
        self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Store, "write", raising(OSError(28, "No space left on device")))
        faulty.alter(core_metadata={"sha256": sha256(metadata("bar", "1.0"))})
        assert find_foo() == faulty.wheels


class TestMetadataBesideTheWheel:
    @pytest.fixture(autouse=True)
    def _with_its_hash(self, faulty: FaultyIndex) -> None:
        faulty.alter(core_metadata={"sha256": sha256(metadata("bar", "1.0"))})

    def kept(self, cache: Path) -> list[Path]:
        return [path for path in cache.glob("metadata/*") if b"Name: bar" in path.read_bytes()]

    def test_it_is_kept(self, faulty: FaultyIndex, find_foo: Find) -> None:
        assert find_foo() == find_foo() == faulty.wheels
        assert sum(path.endswith(METADATA) for path in faulty.paths()) == 1

    @pytest.mark.parametrize("stated", [True, {}, {"md5": "x"}])
    def test_it_is_not_kept_if_no_hash_holds_it(self, faulty: FaultyIndex, find_foo: Find, stated: object) -> None:
        faulty.alter(core_metadata=stated)
        assert find_foo() == find_foo() == faulty.wheels
        assert sum(path.endswith(METADATA) for path in faulty.paths()) == 2

    def test_the_index_may_correct_it(self, faulty: FaultyIndex, folder: Path, find_foo: Find) -> None:
        make_wheel(folder, "baz")
        wrong = metadata("bar", "1.0", ["baz"])
        faulty.alter(core_metadata={"sha256": sha256(wrong)})
        faulty.faults[METADATA] = faults.body(wrong.encode())
        assert len(find_foo()) == 3
        faulty.faults.clear()
        faulty.alter(core_metadata={"sha256": sha256(metadata("bar", "1.0"))})
        assert len(find_foo()) == 2

    @DAMAGED
    def test_it_is_fetched_again_if_it_was_damaged_in_the_cache(
        self, faulty: FaultyIndex, find_foo: Find, cache: Path, damage: Callable[[Path], object]
    ) -> None:
        find_foo()
        (kept,) = self.kept(cache)
        damage(kept)
        assert find_foo() == faulty.wheels
        assert sum(path.endswith(METADATA) for path in faulty.paths()) == 2

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "are those of another distribution|are not valid"),
            (metadata("baz", "1.0"), "are those of another distribution"),
            (metadata("bar", "1.1"), "are those of another distribution"),
            (metadata("bar", "one"), "are not valid"),
            (metadata("bar", "1.0", ["not a requirement"]), "are not valid"),
            (metadata("bar", "1.0", ["baz @ https://127.0.0.1/baz-1.0-py3-none-any.whl"]), "is a direct reference"),
            (metadata("bar", "1.0", ["baz ; no_such_marker == '1'"]), "are not valid"),
            ("\0\0\0", "are those of another distribution|are not valid"),
            ("<html>", "are those of another distribution|are not valid"),
        ],
    )
    def test_what_it_must_not_say(self, faulty: FaultyIndex, find_foo: Find, text: str, reason: str) -> None:
        faulty.alter(core_metadata={"sha256": sha256(text)})
        faulty.faults[METADATA] = faults.body(text.encode())
        with pytest.raises(LeftToPip, match=reason):
            find_foo()

    def test_another_content_than_the_index_says(self, faulty: FaultyIndex, find_foo: Find, cache: Path) -> None:
        faulty.faults[METADATA] = faults.body(metadata("bar", "1.0", ["foo"]).encode())
        with pytest.raises(LeftToPip, match="has another content than the index says"):
            find_foo()
        assert not self.kept(cache)

    def test_where_the_index_has_it_not_after_all(self, faulty: FaultyIndex, find_foo: Find) -> None:
        faulty.faults[METADATA] = faults.status(404)
        with pytest.raises(LeftToPip, match="answers 404"):
            find_foo()


def _range(change: Callable[[bytes, int], bytes] = lambda content, size: content[-size:], status: int = 206) -> Fault:
    """Answer a request for the last bytes of a wheel; `change` gives the body for its content and their number."""

    def fault(exchange: Exchange) -> None:
        if asked := exchange.headers["Range"]:
            size = int(asked.removeprefix("bytes=-"))
            exchange.reply.body, exchange.reply.status = change(exchange.reply.body, size), status
        else:
            time.sleep(0.1)  # its end is here first
        exchange.send()

    return fault


class TestMetadataAtTheEndOfTheWheel:
    """Where it is not beside it, and the wheel is large."""

    @pytest.fixture(autouse=True)
    def _large(self, faulty: FaultyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        faulty.alter(core_metadata=...)
        monkeypatch.setattr(fetch, "SMALL", 10)
        faulty.faults[WHEEL] = _range()

    def ranges(self, faulty: FaultyIndex) -> list[bool]:
        return [headers["Range"] is not None for path, headers in faulty.requests if path.endswith(WHEEL)]

    def test_only_that_is_fetched_for_it(self, faulty: FaultyIndex, find_foo: Find) -> None:
        assert find_foo() == faulty.wheels
        assert sorted(self.ranges(faulty)) == [False, True]

    def test_a_small_wheel_is_fetched_at_once(
        self, faulty: FaultyIndex, find_foo: Find, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetch, "SMALL", 100_000)
        assert find_foo() == faulty.wheels
        assert self.ranges(faulty) == [False]

    @pytest.mark.parametrize(
        "fault",
        [
            _range(lambda content, _: content, 200),  # ranges are not supported
            _range(lambda *_: b"", 416),
            _range(lambda *_: b"", 404),
            _range(lambda *_: b"", 204),
            _range(lambda *_: b""),
            _range(lambda content, _: content[: len(content) // 2]),
            _range(lambda content, _: content[-30:]),
            _range(lambda content, _: content[-300:-100]),
            _range(lambda *_: b"PK\5\6" + b"\xff" * 18),
            _range(lambda *_: b"\0" * 1000),
        ],
    )
    def test_without_it_the_whole_wheel_is_fetched(self, faulty: FaultyIndex, find_foo: Find, fault: Fault) -> None:
        faulty.faults[WHEEL] = fault
        assert find_foo() == faulty.wheels

    @pytest.mark.parametrize("change", [lambda content, _: content * 100, lambda *_: b"\0" * 70_000])
    def test_more_than_was_asked_for(
        self, faulty: FaultyIndex, find_foo: Find, change: Callable[[bytes, int], bytes]
    ) -> None:
        faulty.faults[WHEEL] = _range(change)
        with pytest.raises(LeftToPip, match="has more than 64000 bytes"):
            find_foo()

    def test_that_of_another_distribution(self, faulty: FaultyIndex, find_foo: Find, tmp_path: Path) -> None:
        other = make_wheel(tmp_path, "bar", "2.0").read_bytes()
        faulty.faults[WHEEL] = _range(lambda *_: other)
        with pytest.raises(LeftToPip, match="are those of another distribution"):
            find_foo()

    def test_that_of_another_wheel_is_seen_when_the_wheel_is_here(
        self, faulty: FaultyIndex, folder: Path, find_foo: Find, tmp_path: Path
    ) -> None:
        make_wheel(folder, "baz")
        other = make_wheel(tmp_path, "bar", requires=["baz"]).read_bytes()
        faulty.faults[WHEEL] = _range(lambda *_: other)
        with pytest.raises(LeftToPip, match=r"the end of bar-1.0-py3-none-any.whl is not that of the wheel"):
            find_foo()
        assert find_foo().keys() == {"foo-1.0-py3-none-any.whl", "bar-1.0-py3-none-any.whl"}

    def test_a_wheel_without_metadata(self, faulty: FaultyIndex, find_foo: Find) -> None:
        empty = b"PK\5\6" + b"\0" * 18
        faulty.alter(core_metadata=..., hashes={"sha256": sha256(empty)}, size=len(empty))
        faulty.faults[WHEEL] = faults.body(empty)
        with pytest.raises(LeftToPip, match=f"the metadata of {WHEEL} cannot be read"):
            find_foo()

    def test_a_wheel_that_is_in_the_cache(self, faulty: FaultyIndex, folder: Path, find_foo: Find, cache: Path) -> None:
        kept = Store(cache).keep(folder / WHEEL, "bar", "1.0")
        assert find_foo() == faulty.wheels
        assert self.ranges(faulty) == []
        shutil.rmtree(cache / "metadata")
        kept.path.write_bytes(b"damaged")
        assert find_foo() == faulty.wheels
        assert sorted(self.ranges(faulty)) == [False, True]


class TestWheels:
    @pytest.mark.slow
    @pytest.mark.parametrize("is_same", [True, False], ids=["the same", "another"])
    @pytest.mark.parametrize("beside", [True, False], ids=["with metadata", "without"])
    def test_two_indexes_may_have_a_wheel_of_the_same_name(  # noqa: PLR0917
        self,
        faulty: FaultyIndex,
        find_foo: Find,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        is_same: bool,  # noqa: FBT001
        beside: bool,  # noqa: FBT001
    ) -> None:
        other = make_wheel(tmp_path / "other", "bar", files=None if is_same else {"bar.py": "OTHER = True\n"})
        with FaultyIndex(tmp_path / "other") as second:
            for each in (faulty, second):
                each.alter(core_metadata=beside)
                each.faults[WHEEL] = faults.trickling()
            monkeypatch.setenv("PIP_EXTRA_INDEX_URL", second.url)
            found = find_foo()[WHEEL]
            asked = [*faulty.paths(), *second.paths()]
        assert found in {faulty.wheels[WHEEL], other.read_bytes()}
        if is_same:
            assert sum(path.endswith(WHEEL) for path in asked) == 1

    def test_what_was_downloaded_before_it_is_left_to_pip_is_kept_for_pip(
        self, faulty: FaultyIndex, folder: Path, find_foo: Find, cache: Path
    ) -> None:
        def later(exchange: Exchange) -> None:
            exchange.stopped.wait(0.3)
            exchange.send()

        make_wheel(folder, "foo", requires=["bar", "baz"])
        faulty.faults["/simple/baz/"] = later  # which is not there
        with pytest.raises(LeftToPip, match="in conflict"):
            find_foo()
        assert {path.name for path in cache.rglob("*.whl")} == {"foo-1.0-py3-none-any.whl", WHEEL}
