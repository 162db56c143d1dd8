"""How long a function takes to start, with `compile-bytecode` and without: run by AWS's own runtime client.

    hatch run python benchmarks/cold_start.py            # all workloads
    hatch run python benchmarks/cold_start.py --write    # … and put the table into the page on cold starts
    hatch run python benchmarks/cold_start.py --workload boto3 --runs 21

It needs Linux, the package index and a Python 3.13. Measured is what Lambda calls the init: from the start of the
interpreter until it asks for the first event. The zip is unpacked once, for reading only, so that as in Lambda no run
leaves bytecode to the next. The two take turns, so that a machine whose speed drifts is unfair to neither; medians are
compared. Everything is in the memory of the system by then: a Lambda has to fetch the files as well.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.invoke import ExecutionEnvironment, Invocation, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workload:
    """A function: what it depends on, and what it does before the first event. `app.py` has its `handler`."""

    dependencies: Sequence[str]
    source: str


WORKLOADS: Mapping[str, Workload] = {
    "pydantic, numpy": Workload(
        ["pydantic", "numpy"],
        "import numpy\nfrom pydantic import BaseModel\n\n\n"
        "class Order(BaseModel):\n    amounts: list[float]\n\n\n"
        "def handler(event, context):\n    return float(numpy.sum(Order(amounts=[1, 2]).amounts))\n",
    ),
    "boto3": Workload(
        ["boto3"],
        'import boto3\n\nS3 = boto3.client("s3", region_name="eu-central-1")\n\n\n'
        "def handler(event, context):\n    return S3.meta.region_name\n",
    ),
    "fastapi, mangum": Workload(
        ["fastapi", "mangum"],
        "from fastapi import FastAPI\nfrom mangum import Mangum\n\nAPP = FastAPI()\n\n\n"
        '@APP.get("/orders/{number}")\ndef order(number: int) -> int:\n    return number\n\n\n'
        "API = Mangum(APP)\n\n\n"
        "def handler(event, context):\n    return API.config is not None\n",
    ),
}


@dataclass(frozen=True)
class Row:
    """One workload: milliseconds of each init, and the size of the zip in bytes, without bytecode and with it."""

    workload: str
    without: tuple[float, ...]
    with_it: tuple[float, ...]
    size_without: int
    size_with: int


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = [_measured(name, Path(folder), options.runs, options.python) for name in options.workload or WORKLOADS]
    table = _table(rows, options.runs)
    print(table)
    if options.write:
        _write_into_page(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=15, help="counted starts of each zip (15)")
    parser.add_argument("--python", type=Path, help="a Python 3.13 that compiles and runs; else one is looked for")
    parser.add_argument("--write", action="store_true", help="put the table into the page on cold starts")
    return parser.parse_args()


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
compile-bytecode = {compiled}
{python}

[tool.hatch.build.targets.lambda]
only-include = ["app.py"]
"""


def _measured(name: str, folder: Path, runs: int, python: Path | None) -> Row:
    """Each zip in turn, as often as wanted, after one start that does not count."""
    workload = WORKLOADS[name]
    zips = [_built(workload, folder / f"{name} {compiled}", python, compiled=compiled) for compiled in (False, True)]
    milliseconds: list[list[float]] = [[], []]
    with contextlib.ExitStack() as stack:
        environments = [
            stack.enter_context(prepare(Invocation(path, "app.handler", python=python, timeout=60, init_timeout=60)))
            for path in zips
        ]
        found = [_bytecode_in(environment) for environment in environments]
        for turn in range(runs + 1):
            for environment, taken in zip(environments, milliseconds, strict=True):
                result = environment.invoke()
                if result.error:
                    sys.exit(f"{name} failed: {result.error.type}: {result.error.message}")
                if turn:
                    taken.append(1000 * result.init_seconds)
                sys.stderr.write(f"{name} {environment.invocation.code.parent.parent.name}: {result.report}\n")
        if found != [_bytecode_in(environment) for environment in environments] or found[0] or not found[1]:
            sys.exit(f"{name}: bytecode is not where it should be, and only there, so the figures say nothing")
    sizes = [path.stat().st_size for path in zips]
    return Row(name, tuple(milliseconds[0]), tuple(milliseconds[1]), *sizes)


def _built(workload: Workload, project: Path, python: Path | None, *, compiled: bool) -> Path:
    project.mkdir()
    project.joinpath("app.py").write_text(workload.source, encoding="utf-8")
    pyproject = _PYPROJECT.format(
        dependencies=list(workload.dependencies),
        compiled=str(compiled).lower(),
        python=f"python = '{python}'" if python else "",
    )
    project.joinpath("pyproject.toml").write_text(pyproject, encoding="utf-8")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "lambda"]
    finished = subprocess.run(build, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if finished.returncode:
        sys.exit(finished.stdout.decode(errors="replace"))
    (path,) = project.glob("dist/*.zip")
    return path


def _bytecode_in(environment: ExecutionEnvironment) -> set[str]:
    def names() -> Iterator[str]:
        for path in environment.task_root.rglob("*.pyc"):
            yield path.relative_to(environment.task_root).as_posix()

    return set(names())


def _table(rows: list[Row], runs: int) -> str:
    lines = [
        f"Median milliseconds of {runs} starts each, the two in turn, on python3.13 and x86_64.",
        "",
        "| the function imports | init without | init with | less by | zip without, MB | zip with, MB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        without, with_it = statistics.median(row.without), statistics.median(row.with_it)
        sizes = f"{row.size_without / 1e6:.1f} | {row.size_with / 1e6:.1f}"
        lines.append(
            f"| {row.workload} | {without:.0f} | {with_it:.0f} | {100 * (1 - with_it / without):.0f} % | {sizes} |"
        )
    return "\n".join(lines)


_BEGIN, _END = "<!-- cold start: begin -->", "<!-- cold start: end -->"


def _write_into_page(table: str) -> None:
    path = ROOT / "docs" / "how-to" / "faster.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(f"{path} has no place for the table, between {_BEGIN} and {_END}")
    path.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
