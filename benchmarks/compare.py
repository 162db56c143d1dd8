"""How long a Lambda zip takes: hatch-lambda beside what people use instead, in one run.

    hatch run bench                  # all workloads and scenes; some minutes
    hatch run bench --write          # … and put the table into the README
    hatch run bench --workload web --scene edit --runs 9

It needs the package index, `zip` and a Python 3.13; it makes environments of its own below a temporary folder. The
contestants take turns, so that a machine whose speed drifts is unfair to none; medians are compared, as ratios.

Nobody pays for somebody else. Between runs nothing is deleted, only moved aside, since ext4 is slow to make files for
some minutes after it has lost as many (it passes over the inodes of late); and a run begins when the disk has all of
the one before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent

WORKLOADS = {
    "requests": ["requests"],
    "web": ["fastapi", "pydantic", "mangum", "httpx", "cryptography"],
    "data": ["pandas", "scipy"],
}
SCENES = {
    "edit": "everything warm, one source line changed",
    "resolve": "caches warm, nothing resolved",
    "cold": "no caches at all",
}
PYTHON_VERSION = "3.13"
# What `uv` calls glibc 2.34, the target's.
UV_PLATFORM = "x86_64-manylinux_2_34"
PIP_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (34, 28, 27, 24, 17)] + ["manylinux2014_x86_64"]

AWS_SCRIPT = """\
import sys
from aws_lambda_builders.builder import LambdaBuilder
source, artifacts, scratch, manifest = sys.argv[1:]
LambdaBuilder(language="python", dependency_manager="pip", application_framework=None).build(
    source, artifacts, scratch, manifest, runtime="python3.13", architecture="x86_64"
)
"""


@dataclass(frozen=True)
class Measure:
    """One run of one contestant. `memory`: of the largest process, in bytes. `size`: of the zip."""

    seconds: float
    memory: int
    size: int


@dataclass
class Contestant:
    """A way to make the zip.

    `forget`: what it keeps beside its caches, gone before the scenes in which nothing is resolved yet. `outdated`: what
    it cannot take over from an earlier run, gone before each.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    result: str
    forget: Sequence[str]
    outdated: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = _Bench(Path(folder), options.python, options.runs, options.without)
        rows = [
            row
            for workload in options.workload or WORKLOADS
            for scene in options.scene or SCENES
            for row in bench.run(workload, scene)
        ]
    table = _table(rows, options.runs)
    print(table)
    if options.write:
        _write_into_readme(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="only this one; may be repeated")
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each contestant (5)")
    parser.add_argument("--python", type=Path, default=_python(), help="a Python 3.13 for all contestants")
    parser.add_argument("--without", action="append", default=[], help="leave a contestant out, by its name")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    return parser.parse_args()


def _python() -> Path | None:
    if sys.version_info[:2] == (3, 13):
        return Path(sys.executable)
    import findpython

    found = findpython.find(3, 13)
    return found.executable if found else None


class _Bench:
    def __init__(self, folder: Path, python: Path | None, runs: int, without: Sequence[str] = ()) -> None:
        if python is None:
            sys.exit("There is no Python 3.13 here; name one with --python.")
        if shutil.which("zip") is None:
            sys.exit("There is no `zip` here, which most people pack with.")
        self.folder = folder
        self.runs = runs
        ours, peers = folder / "ours", folder / "peers"
        _make_environment(python, ours, [str(ROOT)])
        _make_environment(python, peers, ["uv", "aws-lambda-builders", "setuptools", "wheel"])
        everyone = [_ours(ours), _uv(peers), _pip(peers), _aws(peers, folder)]
        self.contestants = [one for one in everyone if one.name not in without]

    def run(self, workload: str, scene: str) -> list[_Row]:
        """Each contestant in turn, as often as wanted, after one run that does not count."""
        projects = {contestant.name: self._project(contestant, workload) for contestant in self.contestants}
        measures: dict[str, list[Measure]] = {contestant.name: [] for contestant in self.contestants}
        for turn in range(self.runs + 1):
            for contestant in self.contestants:
                project = projects[contestant.name]
                self._set_the_scene(contestant, project, scene, turn)
                measure = _run(contestant, project, self._caches(contestant, scene))
                if turn:
                    measures[contestant.name].append(measure)
                sys.stderr.write(f"{workload} {scene} {contestant.name}: {measure.seconds:.2f} s\n")
        floor = self._floor(workload)
        return [_Row(workload, scene, name, found, floor) for name, found in measures.items()]

    def _project(self, contestant: Contestant, workload: str) -> Path:
        project = self.folder / "projects" / workload / contestant.name.replace(" ", "-")
        if not project.exists():
            package = project / "app"
            package.mkdir(parents=True)
            dependencies = WORKLOADS[workload]
            (project / "pyproject.toml").write_text(_PYPROJECT.format(dependencies=dependencies), encoding="utf-8")
            (project / "requirements.txt").write_text("\n".join(dependencies) + "\n", encoding="utf-8")
            (package / "__init__.py").write_text("", encoding="utf-8")
        return project

    def _set_the_scene(self, contestant: Contestant, project: Path, scene: str, turn: int) -> None:
        line = f"def handler(event, context):\n    return {turn}\n"
        (project / "app" / "handler.py").write_text(line, encoding="utf-8")
        gone = [project / name for name in (*contestant.outdated, *(contestant.forget if scene != "edit" else ()))]
        if scene == "cold":
            gone.append(self._cache_folder(contestant, scene))
        for path in gone:
            if path.exists():
                path.rename(Path(tempfile.mkdtemp(dir=self.folder), path.name))
        os.sync()

    def _cache_folder(self, contestant: Contestant, scene: str) -> Path:
        return self.folder / "caches" / ("cold" if scene == "cold" else "warm") / contestant.name.replace(" ", "-")

    def _caches(self, contestant: Contestant, scene: str) -> dict[str, str]:
        folder = self._cache_folder(contestant, scene)
        names = ("PIP_CACHE_DIR", "UV_CACHE_DIR", "HATCH_LAMBDA_CACHE_DIR")
        return {name: str(folder / name.lower()) for name in names}

    def _floor(self, workload: str) -> float:
        """Seconds to write the wheels of a workload one after the other into a file: no zip is made quicker."""
        store = self._cache_folder(self.contestants[0], "edit") / "hatch_lambda_cache_dir"
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


def _make_environment(python: Path, folder: Path, packages: Sequence[str]) -> None:
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade", "pip"]
    subprocess.run([*pip, *packages], check=True)


_PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "app"
version = "1.0"
dependencies = {dependencies}

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
"""


def _ours(environment: Path) -> Contestant:
    python = str(environment / "bin" / "python")
    return Contestant(
        "hatch-lambda",
        lambda _project: [python, "-m", "hatchling", "build", "-t", "lambda"],
        result="dist/app-1.0-python3.13-x86_64.zip",
        forget=(".hatch", "dist"),
    )


_PACK = "cp -r app target/ && rm -f function.zip && cd target && zip -qrX ../function.zip ."


def _shell(script: str) -> Callable[[Path], Sequence[str]]:
    return lambda _project: ["sh", "-ec", script]


def _uv(environment: Path) -> Contestant:
    install = (
        f"{environment}/bin/uv pip install --quiet --target target --python {environment}/bin/python "
        f"--python-version {PYTHON_VERSION} --python-platform {UV_PLATFORM} --only-binary :all: -r requirements.txt"
    )
    return Contestant("uv + zip", _shell(f"{install} && {_PACK}"), "function.zip", forget=("target", "function.zip"))


def _pip(environment: Path) -> Contestant:
    platforms = " ".join(f"--platform {platform}" for platform in PIP_PLATFORMS)
    install = (
        f"{environment}/bin/python -m pip install --quiet --upgrade --target target --python-version {PYTHON_VERSION} "
        f"--only-binary :all: {platforms} -r requirements.txt"
    )
    return Contestant("pip + zip", _shell(f"{install} && {_PACK}"), "function.zip", forget=("target", "function.zip"))


def _aws(environment: Path, folder: Path) -> Contestant:
    script = folder / "aws_build.py"
    script.write_text(AWS_SCRIPT, encoding="utf-8")
    build = (
        f"mkdir artifacts scratch && "
        f'{environment}/bin/python {script} "$PWD/app" "$PWD/artifacts" "$PWD/scratch" "$PWD/requirements.txt" && '
        "rm -f function.zip && cd artifacts && zip -qrX ../function.zip ."
    )
    return Contestant(
        "aws-lambda-builders + zip",
        _shell(build),
        "function.zip",
        forget=("function.zip",),
        outdated=("artifacts", "scratch"),
        environment={"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )


def _run(contestant: Contestant, project: Path, caches: dict[str, str]) -> Measure:
    """One run, by the operating system's own account of the process and all that it waited for."""
    environment = {**os.environ, **contestant.environment, **caches}
    started = time.perf_counter()
    process = subprocess.Popen(
        contestant.command(project), cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        sys.exit(f"{contestant.name} failed:\n{output.decode(errors='replace')}")
    return Measure(seconds, usage.ru_maxrss * 1024, (project / contestant.result).stat().st_size)


@dataclass(frozen=True)
class _Row:
    workload: str
    scene: str
    name: str
    measures: list[Measure]
    floor: float

    @property
    def seconds(self) -> float:
        return statistics.median(measure.seconds for measure in self.measures)


def _table(rows: list[_Row], runs: int) -> str:
    lines = [
        f"Median seconds of {runs} runs, the contestants in turn; × is how many times hatch-lambda's.",
        "",
        "| workload | scene | contestant | s | × | peak memory, MB | zip, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    ours = {(row.workload, row.scene): row.seconds for row in rows if row.name == "hatch-lambda"}
    for row in rows:
        ratio = row.seconds / ours[row.workload, row.scene]
        memory = max(measure.memory for measure in row.measures) / 1e6
        size = row.measures[-1].size / 1e6
        figures = f"{row.seconds:.2f} | {ratio:.1f} | {memory:.0f} | {size:.1f}"
        lines.append(f"| {row.workload} | {row.scene} | {row.name} | {figures} |")
        if row.name == "hatch-lambda" and row.scene == "edit":
            lines.append(f"| {row.workload} | {row.scene} | (the floor: `cat` of the wheels) | {row.floor:.2f} | | | |")
    return "\n".join(lines)


_BEGIN, _END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


def _write_into_readme(table: str) -> None:
    path = ROOT / "README.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
