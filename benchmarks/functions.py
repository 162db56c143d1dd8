"""How the time of a build grows with the functions of a project: of the first one, and of one after an edit.

    hatch run python benchmarks/functions.py                        # some minutes; prints Markdown
    hatch run python benchmarks/functions.py --functions 60 --runs 9

It makes projects whose functions have one of five sets of dependencies, hand-made wheels of about the files and sizes
of `requests`, `fastapi`, `pydantic`, `boto3` and `numpy`, and a module of their own; an edit changes that of one
function. The projects take turns. The package index is not asked.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.growth import MEGABYTE, make_wheel

# Files, and megabytes unzipped, which deflate to half.
KINDS = {"api": (120, 2), "web": (400, 10), "model": (300, 9), "sdk": (2_200, 23), "table": (900, 30)}
_SHARED_MODULES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, nargs="+", default=[10, 30, 60, 200], help="(10 30 60 200)")
    parser.add_argument("--runs", type=int, default=5, help="edits of which the median counts (5)")
    parser.add_argument("--folder", type=Path, help="where to work, if not in the system's temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="functions-", dir=options.folder) as name:
        folder = Path(name)
        for kind, (files, megabytes) in KINDS.items():
            make_wheel(folder / "wheels", files, megabytes * MEGABYTE, kind)
        projects = {number: _make_project(folder / str(number), number) for number in options.functions}
        first = {number: _build(project, number) for number, project in projects.items()}
        edits: dict[int, list[float]] = {number: [] for number in projects}
        for turn in range(options.runs + 1):
            for number, project in projects.items():
                with project.joinpath("shop", "f0.py").open("a", encoding="utf-8") as module:
                    module.write(f"# edit {turn}\n")
                seconds = _build(project, 1)
                if turn:  # before, the disk may not yet have all of the first builds
                    edits[number].append(seconds)
        print(_report(first, {number: statistics.median(seconds) for number, seconds in edits.items()}, options.runs))


def _make_project(root: Path, functions: int) -> Path:
    package = root / "shop"
    package.joinpath("common").mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    for number in range(_SHARED_MODULES):
        lines = (f"def step_{line}(order):\n    return order, {number * line}\n" for line in range(40))
        package.joinpath("common", f"m{number}.py").write_text("".join(lines), encoding="utf-8")
    extras = "".join(f'{kind} = ["{kind}"]\n' for kind in KINDS)
    text = (
        '[project]\nname = "shop"\nversion = "1.0"\n[project.optional-dependencies]\n'
        f'{extras}[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\n'
    )
    for number in range(functions):
        name, kind = f"f{number}", [*KINDS][number % len(KINDS)]
        module = f"from shop.common.m1 import step_1\n\n\ndef handler(event, context):\n    return step_1({number})\n"
        package.joinpath(f"{name}.py").write_text(module, encoding="utf-8")
        text += (
            f'[tool.hatch.build.hooks.lambda.functions.{name}]\nextras = ["{kind}"]\nhandler = "shop.{name}.handler"\n'
            f'include = ["/shop/__init__.py", "/shop/common/", "/shop/{name}.py"]\n'
        )
    root.joinpath("pyproject.toml").write_text(text, encoding="utf-8")
    return root


def _build(project: Path, written: int) -> float:
    """The seconds of a build. `written`: how many zips it is to write; all others stay as they are."""
    wheels = str(project.parent / "wheels")
    cache = str(project.parent / "cache")
    own = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels,
        "HATCH_LAMBDA_CACHE_DIR": cache,
    }
    before = {path: path.stat() for path in project.glob("dist/*.zip")}
    started = time.perf_counter()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "lambda"]
    ended = subprocess.run(
        command, cwd=project, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if ended.returncode:
        sys.exit(ended.stderr)
    after = {path: path.stat() for path in project.glob("dist/*.zip")}
    assert sum(before.get(path) != status for path, status in after.items()) == written
    return seconds


def _report(first: dict[int, float], edits: dict[int, float], runs: int) -> str:
    lines = ["| functions | first build (s) | for each (ms) | after an edit (s) | for each (ms) |", f"|{' ---: |' * 5}"]
    for number, seconds in first.items():
        cells = [f"{each:.2f} | {each / number * 1e3:.0f}" for each in (seconds, edits[number])]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return "\n".join(
        [*lines, "", f"Medians of {runs} edits. Load of the machine in the last 1, 5 and 15 minutes: {load}."]
    )


if __name__ == "__main__":
    main()
