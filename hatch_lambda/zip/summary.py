"""What a build says of the zips that it has made: what is in them, and how far that is from Lambda's limits."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
from hatch_lambda.common.ui import GREEN, RED, YELLOW, counted, megabytes, warning_text, wrapped
from hatch_lambda.resolve.closure import Origins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.bundle.files import LeftOut
    from hatch_lambda.common.ui import Screen
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.writer import Archive

_LARGEST = 5
_LABELS = 11  # columns
_WORDS = 30  # of the sizes' lines
_MANY = 40  # cells of a bar
_FEW = 10
_COLUMNS_OF_A_PIPE = 80


class Made(NamedTuple):
    """A zip that was made.

    `distributions`: how many, the project itself aside; none where it has the project alone. `left_out`: by the name of
    the set.
    """

    archive: Archive
    files: Sequence[BundleFile]
    distributions: int | None
    origins: Origins = Origins()
    has_project: bool = True
    left_out: Mapping[str, LeftOut] = MappingProxyType({})


def lines(made: Made, screen: Screen, warnings: Iterable[str] = ()) -> list[str]:
    """All that is to be said of one zip; `warnings` are those that the build has given, to be told again."""
    return [
        wrapped(f"{made.archive.path.name}: {_contents(made)}", screen),
        *([wrapped(f"  {'wheels':<{_LABELS - 2}}{made.origins}", screen, _LABELS)] if any(made.origins) else []),
        *_size("zipped", made.archive.zipped, DIRECT_UPLOAD_LIMIT, " for a direct upload", screen),
        *_size("unzipped", made.archive.unzipped, UNZIPPED_LIMIT, ", layers included", screen),
        *_table("largest", _largest(made)),
        *_table("left out", _left_out(made.left_out)),
        *(warning_text(message, screen) for message in (*warnings, *_own_warnings(made))),
    ]


def overview(all_made: Sequence[Made], screen: Screen, *, together: bool = False) -> list[str]:
    """The zips of one build side by side. `together`: one function gets them all, as with its code and its layer."""
    rows = [
        f"{megabytes(made.archive.zipped):>9} {megabytes(made.archive.unzipped):>9} {made.archive.path.name}"
        for made in all_made
    ]
    total = sum(made.archive.unzipped for made in all_made)
    return [
        f"{counted(len(all_made), 'zip')}:",
        f"{'zipped':>20} {'unzipped':>9}",
        *(f"{'':{_LABELS}}{row}" for row in rows),
        *(_size("together", total, UNZIPPED_LIMIT, " unzipped", screen) if together else []),
    ]


def bar(share: float, cells: int, screen: Screen) -> str:
    """A share of one as a bar; what is more than nothing is seen."""
    full = min(max(round(share * cells), 1 if share > 0 else 0), cells)
    filled, empty = ("█", "░") if screen.blocks else ("#", ".")
    return screen.paint(filled * full, _colour(share)) + empty * (cells - full)


def _contents(made: Made) -> str:
    parts = ["the project"] if made.has_project else []
    if made.distributions is not None:
        parts.append(counted(made.distributions, "distribution"))
    return " and ".join(parts)


def _size(label: str, size: int, limit: int, words: str, screen: Screen) -> list[str]:
    """A size beside its limit, with a bar; where there is no room for that, the bar is below."""
    share = size / limit
    told = f"  {label:<{_LABELS - 2}}{megabytes(size):>9} {f'of {megabytes(limit)}{words}':<{_WORDS}}"
    percent = f"{_percent(share):>6}"
    columns = (screen.columns or _COLUMNS_OF_A_PIPE) - 1
    beside = columns - len(told) - len(percent) - 2
    if beside >= _FEW:
        return [f"{told}  {bar(share, min(beside, _MANY), screen)}{percent}"]
    below = max(min(columns - _LABELS - len(percent), _MANY), 1)
    return [told.rstrip(), f"{'':{_LABELS}}{bar(share, below, screen)}{percent}"]


def _largest(made: Made) -> Iterator[str]:
    sizes: Counter[str] = Counter()
    for file in made.files:
        sizes[file.owner] += file.source.size
    if len(sizes) < 2:  # noqa: PLR2004 - the only one is the largest
        return
    total = sum(sizes.values())
    largest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    for owner, size in largest[:_LARGEST]:
        yield f"{megabytes(size):>9} {_percent(size / total if total else 0):>5}  {owner}"
    if others := largest[_LARGEST:]:
        size = sum(size for _owner, size in others)
        yield f"{megabytes(size):>9} {_percent(size / total if total else 0):>5}  {counted(len(others), 'other')}"


def _left_out(sets: Mapping[str, LeftOut]) -> Iterator[str]:
    told = [(name, left) for name, left in sets.items() if left.files]
    width = max((len(f"{left.files:,}") for _name, left in told), default=0)
    for name, left in told:
        files = "file " if left.files == 1 else "files"
        yield f"{megabytes(left.size):>9} {left.files:>{width},} {files}  {name}"


def _table(label: str, rows: Iterable[str]) -> list[str]:
    return [f"  {'' if number else label:<{_LABELS - 2}}{row}" for number, row in enumerate(rows)]


def _own_warnings(made: Made) -> list[str]:
    if made.archive.zipped > DIRECT_UPLOAD_LIMIT:
        return ["it is too large for a direct upload; upload it by way of S3."]
    return []


def _percent(share: float) -> str:
    percent = round(share * 100)
    return "<1 %" if share > 0 and percent == 0 else f"{percent} %"


def _colour(share: float) -> int:
    if share < 0.75:  # noqa: PLR2004 - room for the next dependency
        return GREEN
    return YELLOW if share <= 1 else RED
