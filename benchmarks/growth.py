"""How the time for a bundle grows with its files and bytes, apart from pip and Hatch.

    hatch run python benchmarks/growth.py             # a minute or so; prints Markdown
    hatch run python benchmarks/growth.py --runs 5    # steadier figures

It makes wheels of 10 to 10,000 small files and of 1 to 200 MB, whose content deflates to about half, and measures what
a build does with them: `lay out` reads their directories; `unpack` lays out and fills the bundle directory; `unpack
again` lays out and finds it as it was; `archive` writes the zip. To each a line is fitted,
seconds = a * files + b * bytes + c; where it fits, time is linear. The bundles take turns, so that a machine whose
speed drifts is unfair to none.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import random
import shutil
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hatch_lambda.bundle.assemble import assemble
from hatch_lambda.bundle.files import union
from hatch_lambda.bundle.unpack import unpack
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.record import hash_of
from hatch_lambda.wheels.store import StoredWheel
from hatch_lambda.zip import writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Result = TypeVar("Result")

MEGABYTE = 1024 * 1024
FILES = (10, 100, 1_000, 10_000)
MEGABYTES = (1, 10, 50, 100, 200)
_SMALL = 2_000
"""Bytes of a file where the number of files is what grows; so 10,000 of them are 20 MB."""
_FEW = 200
"""Files where bytes are what grows."""
STEPS = ("lay out", "unpack", "unpack again", "archive")
_SEED = 20_200_202


@dataclass(frozen=True)
class Measure:
    """What a bundle cost. `seconds`: by step, the best of several runs."""

    files: int
    size: int
    seconds: dict[str, float]

    def or_better(self, other: Measure) -> Measure:
        return Measure(self.files, self.size, {step: min(self.seconds[step], other.seconds[step]) for step in STEPS})


@dataclass(frozen=True)
class Line:
    """Seconds of a step as a function of files and bytes."""

    per_file: float
    per_byte: float
    once: float

    def seconds(self, measure: Measure) -> float:
        return self.per_file * measure.files + self.per_byte * measure.size + self.once


def main() -> None:
    options = _options()
    shapes = [(number, number * _SMALL) for number in FILES]
    shapes += [(_FEW, number * MEGABYTE) for number in MEGABYTES if number <= options.largest]
    with tempfile.TemporaryDirectory(prefix="growth-", dir=options.folder) as folder:
        wheels = [make_wheel(Path(folder, f"{files}-{size}"), files, size) for files, size in shapes]
        measures = _measure(wheels, Path(folder, "work"), options.runs)
    print(_report(measures, options.runs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=_positive, default=3, help="runs of which the best counts (3)")
    parser.add_argument("--largest", type=_positive, default=max(MEGABYTES), help="MB of the largest bundle (200)")
    parser.add_argument("--folder", type=Path, help="where to work, if not in the system's temporary folder")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _measure(wheels: Sequence[StoredWheel], work: Path, runs: int) -> list[Measure]:
    """The best of several runs of each wheel, after one that does not count."""
    best: dict[StoredWheel, Measure] = {}
    for turn in range(runs + 1):
        for wheel in wheels:
            measure = _run(wheel, work)
            if turn:
                best[wheel] = best[wheel].or_better(measure) if wheel in best else measure
        sys.stderr.write(f"run {turn} of {runs}\n")
    return list(best.values())


def _run(wheel: StoredWheel, work: Path) -> Measure:
    """Each step once, in a new folder."""
    state = work / "state"
    state.mkdir(parents=True)
    settings = load({"runtime": "python3.13"}, work, environ={})
    laying_out, files = _timed(lambda: union([lay_out(wheel.path, settings.target)]))
    unpacking, bundle = _timed(lambda: unpack(assemble((wheel,), settings, state / "bundle"), state))
    unpacking_again, _ = _timed(lambda: unpack(assemble((wheel,), settings, state / "bundle"), state))
    archiving, made = _timed(lambda: writer.write(work / "growth.zip", bundle.files))
    shutil.rmtree(work)
    seconds = dict(zip(STEPS, (laying_out, unpacking, unpacking_again, archiving), strict=True))
    return Measure(len(files), made.unzipped, seconds)


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def make_wheel(folder: Path, files: int, size: int, name: str = "growth") -> StoredWheel:
    """A wheel of so many files of the same size; the same bytes each time, and no two files alike."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    noise = random.Random(_SEED)
    # Hexadecimal digits: 8 bits that carry 4.
    digits = (noise.randbytes(size // files // 2).hex() for _ in range(files))
    contents = {f"{name}/part_{number // 100}/file_{number}.txt": text for number, text in enumerate(digits)}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    contents[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    hashes = {each: hash_of(hashlib.sha256(text.encode()).digest()) for each, text in contents.items()}
    rows = (f"{each},{digest},{len(contents[each])}\n" for each, digest in hashes.items())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for each, text in contents.items():
            wheel.writestr(zipfile.ZipInfo(each), text, zipfile.ZIP_DEFLATED, 1)
        wheel.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    return StoredWheel(name, "1.0", path.name, sha256_of(path), path)


def fit(measures: Sequence[Measure], step: str) -> Line:
    """The least squares of what is off in proportion, so that small bundles count as much as large ones.

    No constant may be negative: of the lines that have some of the three, the best one without such is taken.
    """
    rows = [tuple(term / m.seconds[step] for term in (m.files, m.size, 1)) for m in measures]
    candidates = []
    for chosen in itertools.chain.from_iterable(itertools.combinations(range(3), number) for number in (1, 2, 3)):
        solved = _solve([[row[i] for i in chosen] for row in rows])
        if solved and min(solved) >= 0:
            constants = [dict(zip(chosen, solved, strict=True)).get(i, 0.0) for i in range(3)]
            candidates.append((sum((1 - _dot(row, constants)) ** 2 for row in rows), Line(*constants)))
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _solve(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """The least squares of rows times unknown = 1, by the normal equations; none where they are not independent."""
    size = len(rows[0])
    # Unknowns are as different as seconds per byte and per build, so all are brought to one scale first.
    scale = [math.sqrt(sum(row[i] ** 2 for row in rows)) for i in range(size)]
    scaled = [[value / unit for value, unit in zip(row, scale, strict=True)] for row in rows]
    columns = list(zip(*scaled, strict=True))
    equations = [[*(_dot(one, other) for other in columns), sum(one)] for one in columns]
    for i in range(size):
        if abs(equations[i][i]) < 1e-12:  # noqa: PLR2004 - nothing, on that scale
            return None
        for j in range(size):
            if j != i:
                factor = equations[j][i] / equations[i][i]
                equations[j] = [a - factor * b for a, b in zip(equations[j], equations[i], strict=True)]
    return [equations[i][size] / equations[i][i] / scale[i] for i in range(size)]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _report(measures: Sequence[Measure], runs: int) -> str:
    lines = {step: fit(measures, step) for step in STEPS}
    head = f"| files | MB | {' | '.join(f'{step} (ms)' for step in STEPS)} |"
    table = [head, f"|{' ---: |' * (2 + len(STEPS))}"]
    for measure in measures:
        cells = [
            f"{measure.seconds[step] * 1e3:.1f} ({_residual(line, measure, step)})" for step, line in lines.items()
        ]
        table.append(f"| {measure.files:,} | {measure.size / MEGABYTE:.2f} | {' | '.join(cells)} |")
    constants = ["| step | a: per file (µs) | b: per MB (ms) | c: once (ms) | farthest off |"]
    constants.append("| --- | ---: | ---: | ---: | ---: |")
    for step, line in lines.items():
        worst = max(measures, key=lambda m: abs(line.seconds(m) - m.seconds[step]) / m.seconds[step])
        figures = f"{line.per_file * 1e6:.1f} | {line.per_byte * MEGABYTE * 1e3:.2f} | {line.once * 1e3:.1f}"
        where = f"{worst.files:,} files of {worst.size / MEGABYTE:.2f} MB"
        constants.append(f"| {step} | {figures} | {_residual(line, worst, step)} at {where} |")
    explained = (
        f"Best of {runs} runs; in parentheses, how far off the line below it is: seconds = a * files + b * bytes + c."
    )
    return "\n".join([*table, "", explained, "", *constants])


def _residual(line: Line, measure: Measure, step: str) -> str:
    """How much longer it took than the line says, in percent of what it took."""
    return f"{(1 - line.seconds(measure) / measure.seconds[step]) * 100:+.0f} %"


if __name__ == "__main__":
    main()
