"""Reading wheels with few system calls, and inflating their entries."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.wheels.members import DEFLATED, PIECE, STORED, Member, Reader, inflate


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading") / "file"
    path.write_bytes(random.Random(1).randbytes(1_000_000))
    return path


class TestReading:
    @given(
        places=st.lists(st.tuples(st.integers(0, 1_100_000), st.integers(0, 300_000)), max_size=30),
        behind_each_other=st.booleans(),
    )
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_in_any_order(
        self,
        places: list[tuple[int, int]],
        behind_each_other: bool,  # noqa: FBT001 - hypothesis gives it
        large_file: Path,
    ) -> None:
        content = large_file.read_bytes()
        with large_file.open("rb", buffering=0) as file:
            reader, end = Reader(file), 0
            for place, size in places:
                start = end if behind_each_other else place
                assert reader.at(start, size) == content[start : start + size]
                end = start + size

    def test_what_lies_one_behind_the_other_takes_few_calls(
        self, large_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[int] = []
        read = Reader._read

        def read_and_count(self: Reader, offset: int, size: int) -> bytes:
            calls.append(size)
            return read(self, offset, size)

        monkeypatch.setattr(Reader, "_read", read_and_count)
        with large_file.open("rb", buffering=0) as file:
            reader = Reader(file)
            for place in range(0, 1_000_000, 1000):
                reader.at(place, 1000)

        assert len(calls) <= 6

    def test_without_pread(self, large_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_lambda.wheels.members.sys", SimpleNamespace(platform="win32"))
        with large_file.open("rb", buffering=0) as file:
            assert Reader(file).at(999_990, 100) == large_file.read_bytes()[-10:]


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def member(method: int, size: int, crc: int) -> Member:
    return Member(Path("foo-1.0-py3-none-any.whl"), "foo.py", method, crc, 0, size, 0)


class TestInflate:
    """An entry's content is what its headers say, or refused."""

    CONTENT = bytes(range(256)) * 4000

    @pytest.mark.parametrize("method", [STORED, DEFLATED])
    @pytest.mark.parametrize("cut", [1, 7, 1000])
    @pytest.mark.parametrize("content", [b"", b"a", CONTENT], ids=len)
    def test_pieces(self, method: int, cut: int, content: bytes) -> None:
        """However the data comes, pieces are no larger than promised."""
        data = content if method == STORED else deflated(content)
        raw = [
            data[start : start + max(len(data) // cut, 1)] for start in range(0, len(data), max(len(data) // cut, 1))
        ]
        pieces = list(inflate(raw, member(method, len(content), zlib.crc32(content))))
        assert b"".join(pieces) == content
        assert method == STORED or all(len(piece) <= PIECE for piece in pieces)

    @pytest.mark.parametrize("method", [STORED, DEFLATED])
    @pytest.mark.parametrize(
        ("size", "crc", "reason"),
        [
            (-1, 0, "unpacks to more than the 9 bytes it says"),
            (1, 0, "unpacks to 10 bytes, not the 11 it says"),
            (0, 1, "is damaged: its CRC is not the one it says"),
        ],
    )
    def test_other_headers(self, method: int, size: int, crc: int, reason: str) -> None:
        """A size or CRC that differs is refused."""
        content = b"0123456789"
        data = content if method == STORED else deflated(content)
        with pytest.raises(BrokenWheelError) as raised:
            list(inflate([data], member(method, len(content) + size, zlib.crc32(content) + crc)))
        assert raised.value.reason == f"its entry `foo.py` {reason}"

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (deflated(b"0123456789")[:-3], "ends elsewhere"),
            (deflated(b"0123456789") + b"more", "ends elsewhere"),
            (b"\xff" * 20, "is damaged: Error"),
        ],
        ids=["cut short", "with more", "not deflated"],
    )
    def test_broken_data(self, data: bytes, reason: str) -> None:
        """Data that is not exactly one deflated stream is refused."""
        with pytest.raises(BrokenWheelError, match=reason):
            list(inflate([data], member(DEFLATED, 10, zlib.crc32(b"0123456789"))))
