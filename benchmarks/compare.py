"""How long a Lambda zip takes: hatch-lambda beside what people use instead, in one run.

    hatch run bench                  # all workloads and scenes; an hour
    hatch run bench --write          # … and put the tables into the page on speed
    hatch run bench --workload web --scene edit --runs 9
    hatch run bench --delay 0        # all scenes with an index on this machine, see `loopback.py`

It needs the package index, `zip` and a Python 3.13; it makes environments of its own below a temporary folder. The
contestants take turns, so that a machine whose speed drifts is unfair to none; medians are compared, as ratios.

All contestants get a plain configuration: the index that pip uses on this machine (a mirror's URL, certificates, proxy
and timeouts, by `pip config list`), and nothing else of pip's and uv's configuration files and variables.

Nobody pays for somebody else. Between runs nothing is deleted, only moved aside, since ext4 is slow to make files for
some minutes after it has lost as many (it passes over the inodes of late); and a run begins when the disk has all of
the one before. A run of `big` leaves more than a gigabyte; where room gets short, all that was moved aside is deleted
before the next scene, and five minutes pass. In memory (`--folder /dev/shm`) it is deleted at once: memory that was
never used before costs a virtual machine a fault on its host for each page, and so would be slower with each run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import PYPROJECT, ROOT, Contestant, contestants
from benchmarks.loopback import recording
from benchmarks.plain import plain_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.loopback import LoopbackIndex

WORKLOADS = {
    "requests": ["requests"],
    "web": ["fastapi", "pydantic", "mangum", "httpx", "cryptography"],
    "data": ["pandas", "scipy"],
    # 90 distributions, all of them wheels
    "big": [
        *("langchain", "langchain-openai", "langchain-aws", "boto3", "sqlalchemy", "aws-lambda-powertools[all]"),
        *("fastapi", "mangum", "alembic", "aiohttp", "redis", "jinja2", "structlog", "sentry-sdk", "rich"),
        "python-multipart",
    ],
}
SCENES = {
    "edit": "everything warm, one source line changed",
    "resolve": "caches warm, nothing resolved",
    "cold": "no caches at all",
    "far": "no caches at all, and an index on this machine that answers each request after 40 ms",
}
_FAR = 40
"""Milliseconds."""
_ROOM = 15_000_000_000
"""Bytes that a scene may take."""


@dataclass(frozen=True)
class Measure:
    """One run of one contestant.

    `processor`: seconds of CPU of all its processes. `memory`: of the largest one, in bytes. `size`: of the zip.
    """

    seconds: float
    processor: float
    memory: int
    size: int


def main() -> None:
    options = _options()
    load = os.getloadavg()[0]
    with prepared(options) as bench:
        rows = [
            row
            for workload in options.workload or WORKLOADS
            for scene in options.scene or SCENES
            for row in bench.run(workload, WORKLOADS[workload], scene, _FAR if scene == "far" else options.delay)
        ]
    tables = "\n\n".join([_explanation(options, load), _times(rows), _memory(rows)])
    print(f"{tables}\n\nSeconds of CPU:\n\n{_times(rows, lambda measure: measure.processor)}")
    if options.write:
        _write_into_page(tables)


def _explanation(options: argparse.Namespace, load: float) -> str:
    lines = [
        f"Median seconds of {options.runs} runs, in turn; in parentheses, how many times hatch-lambda's.",
        f"The machine's load was {load:.1f} before, and {os.getloadavg()[0]:.1f} at the end.",
    ]
    if options.delay is not None:
        lines.append(
            f"The index was on this machine and answered after {options.delay} ms, in the scene `far` after {_FAR}."
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="only this one; may be repeated")
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this one; may be repeated")
    add_common_options(parser)
    parser.add_argument("--delay", type=int, metavar="MS", help="an index on this machine, which answers after so long")
    parser.add_argument("--write", action="store_true", help="put the tables into the page on speed")
    return parser.parse_args()


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add what `prepared` takes."""
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each contestant (5)")
    parser.add_argument("--python", type=Path, default=_python(), help="a Python 3.13 for all contestants")
    parser.add_argument("--without", action="append", default=[], help="leave a contestant out, by its name")
    parser.add_argument("--folder", type=Path, help="where to work, if not in the system's temporary folder")


def _python() -> Path | None:
    if sys.version_info[:2] == (3, 13):
        return Path(sys.executable)
    import findpython

    found = findpython.find(3, 13)
    return found.executable if found else None


@contextlib.contextmanager
def prepared(options: argparse.Namespace) -> Iterator[Bench]:
    """Check what the comparison needs, and make the contestants' environments in a temporary folder."""
    if options.python is None:
        sys.exit("There is no Python 3.13 here; name one with --python.")
    if shutil.which("zip") is None:
        sys.exit("There is no `zip` here, which most people pack with.")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder, recording() as index:
        everyone = contestants(options.python, Path(folder))
        yield Bench(Path(folder), [one for one in everyone if one.name not in options.without], options.runs, index)


class Bench:
    def __init__(self, folder: Path, contestants: Sequence[Contestant], runs: int, index: LoopbackIndex) -> None:
        self.folder = folder
        self.contestants = contestants
        self.runs = runs
        self.index = index
        self._aside = folder / "aside"

    def run(self, workload: str, dependencies: Sequence[str], scene: str, delay: int | None) -> list[Row]:
        """Each contestant in turn, as often as wanted, after one run that does not count.

        `delay`: milliseconds of the index on loopback; None: with the index of the machine.
        """
        self._make_room()
        self.index.delay = (delay or 0) / 1000
        url = None if delay is None else self.index.url
        projects = {one.name: self._project(one, workload, dependencies) for one in self.contestants}
        measures: dict[str, list[Measure]] = {contestant.name: [] for contestant in self.contestants}
        turn = 0
        while turn <= self.runs:
            fetched = self.index.fetched
            for contestant in self.contestants:
                project = projects[contestant.name]
                without_caches = scene in {"cold", "far"} or (url and turn == 0)
                self._set_the_scene(contestant, project, scene, turn, without_caches=bool(without_caches))
                measure = _run(contestant, project, {**plain_environment(url), **self._caches(contestant, scene)})
                if turn:
                    measures[contestant.name].append(measure)
                figures = f"{measure.seconds:.2f} s, {measure.processor:.2f} of CPU, {measure.memory / 1e6:.0f} MB"
                sys.stderr.write(f"{workload} {scene} {contestant.name}: {figures}\n")
            if turn or self.index.fetched == fetched:  # else the index on loopback did not have everything yet
                turn += 1
        floor = self._floor(workload, scene)
        return [
            Row(workload, scene, one.name, measures[one.name], floor, projects[one.name] / one.result)
            for one in self.contestants
        ]

    def _project(self, contestant: Contestant, workload: str, dependencies: Sequence[str]) -> Path:
        project = self.folder / "projects" / workload / contestant.name.replace(" ", "-")
        if not project.exists():
            package = project / "app"
            package.mkdir(parents=True)
            (project / "pyproject.toml").write_text(PYPROJECT.format(dependencies=dependencies), encoding="utf-8")
            (project / "requirements.txt").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
            (package / "__init__.py").write_text("", encoding="utf-8")
        return project

    def _set_the_scene(
        self, contestant: Contestant, project: Path, scene: str, turn: int, *, without_caches: bool
    ) -> None:
        line = f"def handler(event, context):\n    return {turn}\n"
        (project / "app" / "handler.py").write_text(line, encoding="utf-8")
        gone = [project / name for name in (*contestant.outdated, *(contestant.forget if scene != "edit" else ()))]
        if without_caches:
            gone.append(self._cache_folder(contestant, scene))
        for path in gone:
            if path.exists():
                self._aside.mkdir(exist_ok=True)
                path.rename(Path(tempfile.mkdtemp(dir=self._aside), path.name))
        if self._aside.exists() and self.folder.is_relative_to("/dev/shm"):
            shutil.rmtree(self._aside)
        os.sync()

    def _make_room(self) -> None:
        if self._aside.exists() and shutil.disk_usage(self.folder).free < _ROOM:
            shutil.rmtree(self._aside)
            os.sync()
            time.sleep(300)  # until ext4 takes their inodes again (`recently_deleted` in fs/ext4/ialloc.c)

    def _cache_folder(self, contestant: Contestant, scene: str) -> Path:
        return (
            self.folder
            / "caches"
            / ("cold" if scene in {"cold", "far"} else "warm")
            / contestant.name.replace(" ", "-")
        )

    def _caches(self, contestant: Contestant, scene: str) -> dict[str, str]:
        folder = self._cache_folder(contestant, scene)
        names = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "HATCH_LAMBDA_CACHE_DIR")
        return {name: str(folder / name.lower()) for name in names}

    def _floor(self, workload: str, scene: str) -> float:
        """Seconds to write the wheels of a workload one after the other into a file: no zip is made quicker."""
        store = self._cache_folder(self.contestants[0], scene) / "hatch_lambda_cache_dir"
        project = self.folder / "projects" / workload / "hatch-lambda"
        lock = next(project.glob(".hatch/lambda/*/resolution.json"), None)
        if lock is None:
            return 0.0
        text = lock.read_text(encoding="utf-8")
        wheels = [str(path) for path in store.glob("wheels/*/*/*.whl") if path.parent.name in text]
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            with (self.folder / "floor").open("wb") as out:
                subprocess.run(["cat", *wheels], stdout=out, check=True)
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)


# A process starts with its parent's peak as its own, and a parent that serves an index is large.
_WEIGH = """\
import os, sys, time
started = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    print(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, file=file)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def _run(contestant: Contestant, project: Path, environment: Mapping[str, str]) -> Measure:
    """One run, by the operating system's own account of the process and all that it waited for."""
    figures = project / "figures"
    finished = subprocess.run(
        [sys.executable, "-IS", "-c", _WEIGH, str(figures), *contestant.command(project)],
        cwd=project,
        env={**environment, **contestant.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if finished.returncode:
        sys.exit(f"{contestant.name} failed:\n{finished.stdout.decode(errors='replace')}")
    seconds, processor, memory = figures.read_text(encoding="utf-8").split()
    return Measure(float(seconds), float(processor), int(memory), (project / contestant.result).stat().st_size)


@dataclass(frozen=True)
class Row:
    """What a contestant needed for a workload in a scene.

    `floor`: seconds to write the wheels into one file. `result`: the zip, while the benchmark lasts.
    """

    workload: str
    scene: str
    name: str
    measures: Sequence[Measure]
    floor: float
    result: Path

    def median(self, of: Callable[[Measure], float] = lambda measure: measure.seconds) -> float:
        return statistics.median(map(of, self.measures))


def _times(rows: Sequence[Row], of: Callable[[Measure], float] = lambda measure: measure.seconds) -> str:
    names = list(dict.fromkeys(row.name for row in rows))
    lines = [f"| workload | scene | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for workload, scene in dict.fromkeys((row.workload, row.scene) for row in rows):
        medians = [row.median(of) for row in rows if (row.workload, row.scene) == (workload, scene)]
        first, *others = medians
        cells = [f"{first:.2f}", *(f"{median:.2f} ({median / first:.1f})" for median in others)]
        lines.append(f"| {workload} | {scene} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _memory(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.name for row in rows))
    lines = [f"| workload | zip, MB | `cat` of the wheels, s | {' | '.join(f'{name}, MB' for name in names)} |"]
    lines.append(f"|---|---|---|{'---|' * len(names)}")
    for workload in dict.fromkeys(row.workload for row in rows):
        ours = [row for row in rows if row.workload == workload]
        peaks = [max(measure.memory for row in ours if row.name == name for measure in row.measures) for name in names]
        cells = [
            f"{ours[0].measures[0].size / 1e6:.1f}",
            f"{ours[0].floor:.2f}",
            *(f"{peak / 1e6:.0f}" for peak in peaks),
        ]
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    return "\n".join(lines)


_BEGIN, _END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


def _write_into_page(table: str) -> None:
    path = ROOT / "docs" / "explanation" / "speed.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
