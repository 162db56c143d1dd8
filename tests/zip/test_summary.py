"""The summary of a build: from values to lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.bundle.files import LeftOut
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.ui import Screen
from hatch_lambda.resolve.closure import Closure, Distribution, Wheel
from hatch_lambda.resolve.origins import Origins
from hatch_lambda.wheels.compatibility import Verdict
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from hatch_lambda.zip.summary import Made, bar, lines, overview
from hatch_lambda.zip.writer import Archive

if TYPE_CHECKING:
    from collections.abc import Mapping

MB = 1024 * 1024
PIPE = Screen()


def made(
    sizes: Mapping[str, int] | None = None,
    *,
    name: str = "orders-1.0-python3.13-arm64.zip",
    zipped: int = 10 * MB,
    unzipped: int = 125_000 * 1024,
    distributions: int | None = 5,
    **facts: object,
) -> Made:
    files = tuple(
        BundleFile(f"{owner}.py", FILE_MODE, Generated(b"x" * size), owner) for owner, size in (sizes or {}).items()
    )
    return Made(Archive(Path("dist", name), zipped, unzipped), files, distributions, **facts)  # type: ignore[arg-type]


def shown(what: Made, screen: Screen = PIPE, *warnings: str) -> str:
    return "\n".join(lines(what, screen, warnings))


@pytest.mark.parametrize("above", ["", "python/"])
def test_extensions_of_other_pythons_are_counted(above: str) -> None:
    names = ("snow/it.cpython-310-x86_64-linux-gnu.so", "snow/it.cpython-313-x86_64-linux-gnu.so", "snow/it.pyd")
    files = [BundleFile(f"{above}{name}", FILE_MODE, Generated(bytes(MB)), "snow 1.0") for name in names]
    target = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])

    assert (
        "  unused      2.0 MB 2 extension modules for other Pythons or systems, which `other-pythons` in `prune` "
        "leaves out" in lines(made(target=target)._replace(files=files), PIPE)
    )


def test_sizes_are_compared_with_the_limits() -> None:
    first, zipped, unzipped = lines(made(own_files=2), PIPE)

    assert first == "orders-1.0-python3.13-arm64.zip: the project (2 files) and 5 distributions"
    assert zipped == "  zipped     10.0 MB of 50.0 MB for a direct upload  ####.................  20%"
    assert unzipped == "  unzipped  122.1 MB of 250.0 MB, layers included    ##########...........  49%"


@pytest.mark.parametrize("columns", [60, 72, 80, 120, 200])
def test_lines_are_narrower_than_the_terminal(columns: int) -> None:
    sizes = {f"distribution-{number} 1.0": number * 100 for number in range(9)}
    what = made(sizes, name="o.zip", zipped=60 * MB, origins=Origins(3, 1, 1), left_out={"tests": LeftOut(12, 9 * MB)})

    told = lines(
        what, Screen(columns, blocks=True), ["Something that takes quite a few words to say, so many of them."]
    )

    assert max(len(line) for text in told for line in text.splitlines()) < columns
    assert "█" in "".join(told)
    assert "Something" in "".join(told)


def test_on_a_narrow_terminal_a_bar_has_its_own_line() -> None:
    _first, zipped, below, *_rest = lines(made(), Screen(60))

    assert zipped == "  zipped     10.0 MB of 50.0 MB for a direct upload"
    assert below == f"{'':11}{'#' * 8}{'.' * 32}  20%"


def test_bars_are_ascii_if_the_stream_has_no_blocks() -> None:
    assert bar(0.5, 4, Screen(blocks=True)) == "██░░"
    assert bar(0.5, 4, Screen(blocks=False)) == "##.."


@pytest.mark.parametrize(
    ("share", "expected"), [(0, "...."), (0.001, "#..."), (0.99, "####"), (1, "####"), (7, "####")]
)
def test_a_bar_shows_at_least_one_cell_and_at_most_all(share: float, expected: str) -> None:
    assert bar(share, 4, PIPE) == expected


@pytest.mark.parametrize(("unzipped", "colour"), [(100 * MB, 32), (240 * MB, 33), (251 * MB, 31)])
def test_bars_are_coloured_on_terminals_only(unzipped: int, colour: int) -> None:
    what = made(unzipped=unzipped)

    assert f"\x1b[{colour}m" in lines(what, Screen(80, colours=True))[2]
    assert "\x1b" not in shown(what, Screen(80))


def test_the_five_largest_are_named_and_the_others_counted() -> None:
    sizes = {"a 1.0": 4096, "b 1.0": 2048, "c 1.0": 1024, "d 1.0": 512, "e 1.0": 256, "f 1.0": 128, "g 1.0": 8}

    told = lines(made(sizes), PIPE)[3:]

    assert told == [
        "  largest     4.0 kB  51%  a 1.0",
        "              2.0 kB  25%  b 1.0",
        "              1.0 kB  13%  c 1.0",
        "              0.5 kB   6%  d 1.0",
        "              0.2 kB   3%  e 1.0",
        "              0.1 kB   2%  2 others",
    ]


def test_equal_sizes_are_sorted_by_name() -> None:
    told = shown(made({"b 1.0": 10, "a 1.0": 10}))

    assert told.index("a 1.0") < told.index("b 1.0")


def test_empty_files() -> None:
    assert "0%  a 1.0" in shown(made({"a 1.0": 0, "b 1.0": 0}))


def test_a_single_distribution_is_not_called_the_largest() -> None:
    assert "largest" not in shown(made({"orders 1.0": 10}))


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        (Origins(3, 1, 2), "  wheels   3 downloaded, 1 built here, 2 cached"),
        (Origins(cached=5), "  wheels   5 cached"),
        (Origins(built=3, crossed=2), "  wheels   3 built here, 2 of them cross-compiled"),
        (Origins(1, 2, 3, crossed=2), "  wheels   1 downloaded, 2 cross-compiled here, 3 cached"),
    ],
)
def test_the_origins_of_the_wheels(origins: Origins, expected: str) -> None:
    assert lines(made(origins=origins), PIPE)[1] == expected


def test_origins_are_those_of_the_chosen_wheels() -> None:
    def found(name: str, *wheels: tuple[str, bool]) -> Distribution:
        return Distribution(
            name=canonicalize_name(name),
            version=Version("1.0"),
            requires=(),
            extras=frozenset(),
            requested=True,
            direct=False,
            allowed_hashes=(),
            wheels=tuple(Wheel(Path("x.whl"), origin, Verdict(fits, "")) for origin, fits in wheels),
            source=None,
        )

    closure = Closure(
        (
            found("a", ("downloaded", True)),
            found("b", ("downloaded", False), ("downloaded by stage 3", True)),
            found("c", ("downloaded", False), ("built by stage 5", True)),
            found("d", ("built by an earlier build", True)),
            found("e", ("built by stage 4", False), ("built by stage 4, cross-compiled", True)),
            found("f", ("built by an earlier build, cross-compiled", True)),
            found("missing", ("downloaded", False)),
        )
    )

    assert closure.origins == Origins(downloaded=2, built=2, cached=2, crossed=1)


def test_what_was_left_out_is_listed_by_set() -> None:
    left_out = {"tests": LeftOut(1204, 31 * MB), "headers": LeftOut(0, 0), "exclude": LeftOut(1, 9 * MB)}

    assert lines(made(left_out=left_out), PIPE)[3:] == [
        "  left out   31.0 MB 1,204 files  tests",
        "              9.0 MB     1 file   exclude",
    ]


def test_warnings_are_repeated_and_the_direct_upload_limit_is_reported() -> None:
    told = shown(made(zipped=51 * MB), PIPE, "one", "another").splitlines()

    assert told[-3:-1] == ["Warning: one", "Warning: another"]
    assert told[-1] == "Warning: The zip exceeds the 50 MB direct-upload limit; upload it through Amazon S3."
    assert "Warning" not in shown(made(zipped=50 * MB))


@pytest.mark.parametrize(
    ("own_files", "distributions", "expected"),
    [
        (2, 0, "the project (2 files) and 0 distributions"),
        (1, None, "the project (1 file)"),
        (0, 1, "the project (0 files) and 1 distribution"),
        (None, 1, "1 distribution"),
    ],
)
def test_the_first_line_lists_the_contents(own_files: int | None, distributions: int | None, expected: str) -> None:
    what = made(name="o.zip", own_files=own_files, distributions=distributions)

    assert lines(what, PIPE)[0] == f"o.zip: {expected}"


def test_several_zips_are_listed_side_by_side() -> None:
    zips = [made(name="code.zip", zipped=1 * MB, unzipped=2 * MB), made(name="layer.zip", unzipped=123 * MB)]

    assert overview(zips, PIPE, together=True) == [
        "2 zips:",
        "              zipped  unzipped",
        "              1.0 MB    2.0 MB code.zip",
        "             10.0 MB  123.0 MB layer.zip",
        "  together  125.0 MB of 250.0 MB unzipped            ##########...........  50%",
    ]
    assert "together" not in "".join(overview(zips, PIPE))


def test_a_zip_that_was_not_written_again_is_called_unchanged() -> None:
    both = [made(own_files=2, unchanged=True), made(own_files=1, name="jobs.zip")]

    assert lines(both[0], PIPE)[0].endswith(": the project (2 files) and 5 distributions, unchanged")
    assert [line.endswith("zip, unchanged") for line in overview(both, PIPE)[2:]] == [True, False]
