"""What a build prints about its zips: what is in them, and how large they are compared with Lambda's limits."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
from hatch_lambda.common.printable import printable
from hatch_lambda.common.ui import (
    GREEN,
    RED,
    YELLOW,
    counted,
    filled_cells,
    megabytes,
    percent,
    warning_text,
    wrapped,
)
from hatch_lambda.resolve.origins import Origins
from hatch_lambda.wheels.extension_modules import is_never_imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_lambda.bundle.files import LeftOut
    from hatch_lambda.common.target import Target
    from hatch_lambda.common.ui import Screen
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.writer import Archive

_LARGEST = 5  # distributions
_LABELS, _WORDS = 11, 30  # columns: of the labels, of the words behind a size
_LONGEST_BAR, _SHORTEST_BAR = 40, 10  # cells
_COLUMNS_OF_A_PIPE = 80
_SCARCE = 0.75  # of a limit: the next dependency may exceed it


class Made(NamedTuple):
    """A zip that was written.

    `distributions`: how many, not counting the project; none if the zip contains only the project. `own_files`: how
    many the project brings, without its metadata; none if the zip contains only distributions. `placed`: how
    many `files` of a layer brings. `layers`: the unzipped bytes of those of a function, by name.
    `left_out`: by the setting or set of files that removed them. `unchanged`: an earlier build has written it.
    """

    archive: Archive
    files: Sequence[BundleFile]
    distributions: int | None
    origins: Origins = Origins()
    own_files: int | None = None
    placed: int = 0
    is_layer: bool = False
    layers: Mapping[str, int] = MappingProxyType({})
    left_out: Mapping[str, LeftOut] = MappingProxyType({})
    target: Target | None = None
    unchanged: bool = False


def lines(made: Made, screen: Screen, warnings: Iterable[str] = ()) -> list[str]:
    """The summary of one zip. `warnings`: those that the build has printed already, repeated at the end."""
    parts = [] if made.own_files is None else [f"the project ({counted(made.own_files, 'file')})"]
    if made.distributions is not None:
        parts.append(counted(made.distributions, "distribution"))
    if made.placed:
        parts.append(f"{counted(made.placed, 'file')} below /opt")
    unchanged = ", unchanged" if made.unchanged else ""
    *first, last = parts
    holds = f"{', '.join(first)} and {last}" if first else last
    told = [wrapped(f"{printable(made.archive.path.name)}: {holds}{unchanged}", screen)]
    if any(made.origins):
        told.append(wrapped(f"  {'wheels':<{_LABELS - 2}}{made.origins}", screen, _LABELS))
    counted_too = "function" if made.is_layer else "layers"
    told += _size("zipped", made.archive.zipped, DIRECT_UPLOAD_LIMIT, " for a direct upload", screen)
    told += _size("unzipped", made.archive.unzipped, UNZIPPED_LIMIT, f", {counted_too} included", screen)
    if made.layers:
        told += _table("layers", [f"{megabytes(size):>9} {name}" for name, size in made.layers.items()])
        total = made.archive.unzipped + sum(made.layers.values())
        told += _size("together", total, UNZIPPED_LIMIT, " unzipped", screen)
    told += _table("largest", _largest(made.files))
    told += _table("left out", _left_out(made.left_out))
    if idle := [file.source.size for file in made.files if made.target and is_never_imported(file.path, made.target)]:
        number = f"{counted(len(idle), 'extension module')} for other Pythons or systems"
        row = f"{megabytes(sum(idle)):>9} {number}, which `other-pythons` in `prune` leaves out"
        told.append(wrapped(f"  {'unused':<{_LABELS - 2}}{row}", screen, _LABELS))
    told += [warning_text(message, screen) for message in warnings]
    if made.archive.zipped > DIRECT_UPLOAD_LIMIT:
        limit = f"{DIRECT_UPLOAD_LIMIT // (1024 * 1024)} MB"
        message = f"The zip exceeds the {limit} direct-upload limit; upload it through Amazon S3."
        told.append(warning_text(message, screen))
    return told


def overview(all_made: Sequence[Made], screen: Screen, *, together: bool = False) -> list[str]:
    """The zips of one build side by side. `together`: one function gets them all, as code and layer."""
    told = [f"{counted(len(all_made), 'zip')}:", f"{'zipped':>20} {'unzipped':>9}"]
    told += [
        f"{'':{_LABELS}}{megabytes(archive.zipped):>9} {megabytes(archive.unzipped):>9} {printable(archive.path.name)}"
        f"{', unchanged' if made.unchanged else ''}"
        for made in all_made
        for archive in [made.archive]
    ]
    total = sum(made.archive.unzipped for made in all_made)
    return [*told, *(_size("together", total, UNZIPPED_LIMIT, " unzipped", screen) if together else [])]


def bar(share: float, cells: int, screen: Screen) -> str:
    """A share of a limit as a bar, in the colour of a traffic light."""
    full = filled_cells(share, cells)
    filled, empty = ("█", "░") if screen.blocks else ("#", ".")
    colour = GREEN if share < _SCARCE else YELLOW if share <= 1 else RED
    return screen.paint(filled * full, colour) + empty * (cells - full)


def _size(label: str, size: int, limit: int, words: str, screen: Screen) -> list[str]:
    """A size, its limit and a bar; on a narrow terminal the bar has its own line."""
    share = size / limit
    told = f"  {label:<{_LABELS - 2}}{megabytes(size):>9} {f'of {megabytes(limit)}{words}':<{_WORDS}}"
    used = f"{percent(share):>5}"
    columns = (screen.columns or _COLUMNS_OF_A_PIPE) - 1
    beside = columns - len(told) - len(used) - 2
    if beside >= _SHORTEST_BAR:
        return [f"{told}  {bar(share, min(beside, _LONGEST_BAR), screen)}{used}"]
    below = max(min(columns - _LABELS - len(used), _LONGEST_BAR), 1)
    return [told.rstrip(), f"{'':{_LABELS}}{bar(share, below, screen)}{used}"]


def _largest(files: Iterable[BundleFile]) -> list[str]:
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.owner] += file.source.size
    if len(sizes) == 1:  # it is the largest by itself
        return []
    rows = sorted(((size, owner) for owner, size in sizes.items()), key=lambda row: (-row[0], row[1]))
    others = rows[_LARGEST:]
    rows = rows[:_LARGEST]
    if others:
        rows.append((sum(size for size, _owner in others), counted(len(others), "other")))
    total = max(sum(sizes.values()), 1)
    return [f"{megabytes(size):>9} {percent(size / total):>4}  {owner}" for size, owner in rows]


def _left_out(sets: Mapping[str, LeftOut]) -> list[str]:
    told = {name: left for name, left in sets.items() if left.files}
    width = max((len(f"{left.files:,}") for left in told.values()), default=0)
    return [
        f"{megabytes(left.size):>9} {left.files:>{width},} {'file ' if left.files == 1 else 'files'}  {name}"
        for name, left in told.items()
    ]


def _table(label: str, rows: Sequence[str]) -> list[str]:
    return [f"  {'' if number else label:<{_LABELS - 2}}{printable(row)}" for number, row in enumerate(rows)]
