"""How the time to make a zip grows with the number of distributions.

    hatch run python benchmarks/closures.py             # half an hour; prints Markdown
    hatch run python benchmarks/closures.py --largest 30 --runs 1

Closures of about 10, 30, 90 and 200 distributions, resolved with warm caches (*resolve*) and without caches (*cold*),
by contestants of `compare.py`, with an index on this machine that answers at once (see `loopback.py`). In parentheses:
milliseconds of CPU for each distribution. Where these do not grow with the closure, time grows no faster than it.
"""

from __future__ import annotations

import argparse
import os
import zipfile
from typing import TYPE_CHECKING

from benchmarks.compare import WORKLOADS, add_common_options, prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.compare import Row

CLOSURES: Mapping[int, Sequence[str]] = {
    10: ["requests", "pydantic"],
    30: [
        *("cryptography", "fastapi", "httpx", "jinja2", "mangum", "python-dotenv", "python-multipart", "pyyaml"),
        *("redis", "rich", "sqlalchemy"),
    ],
    90: WORKLOADS["big"],
    200: [  # without numpy, so that they fit into a Lambda
        *(name for name in WORKLOADS["big"] if name != "langchain-aws"),
        *("apispec", "arrow", "azure-identity", "azure-keyvault-secrets", "azure-storage-blob", "beautifulsoup4"),
        *("build", "cachetools", "celery", "colorama", "croniter", "deepdiff", "elasticsearch", "email-validator"),
        *("fabric", "flask-cors", "flask-login", "flask-migrate", "flask-sqlalchemy", "flask-wtf", "freezegun"),
        *("google-cloud-storage", "gunicorn", "humanize", "isort", "jupyter-client", "kafka-python", "loguru"),
        *("markdown", "marshmallow", "nbformat", "opentelemetry-exporter-otlp-proto-http", "passlib", "pyparsing"),
        *("pytest-asyncio", "pytest-cov", "pytest-mock", "pytest-xdist", "python-slugify", "responses", "slack-sdk"),
        *("tabulate", "tqdm", "typer", "uvicorn", "validators", "websocket-client", "xmltodict"),
    ],
}
_SCENES = ("resolve", "cold")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(parser)
    parser.set_defaults(without=["pip + zip", "aws-lambda-builders + zip"])
    parser.add_argument("--largest", type=int, default=max(CLOSURES), help="distributions of the largest closure")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with prepared(options) as bench:
        rows = [
            bench.run(str(number), CLOSURES[number], scene, delay=0)
            for number in CLOSURES
            if number <= options.largest
            for scene in _SCENES
        ]
        sizes = [_distributions(row) for row, *_ in rows]
    names = [contestant.name for contestant in bench.contestants]
    print(f"Median seconds of {options.runs} runs, in turn; in parentheses, milliseconds of CPU for each distribution.")
    print(f"The machine's load was {load:.1f} before, and {os.getloadavg()[0]:.1f} at the end.\n")
    print(f"| distributions | zip, MB | scene | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}")
    for size, (first, *others) in zip(sizes, rows, strict=True):
        figures = [
            f"{row.median():.2f} ({row.median(lambda measure: measure.processor) / size * 1000:.0f})"
            for row in (first, *others)
        ]
        print(f"| {size} | {first.measures[0].size / 1e6:.1f} | {first.scene} | {' | '.join(figures)} |")


def _distributions(row: Row) -> int:
    """Count those in the zip, except for the project's own."""
    with zipfile.ZipFile(row.result) as archive:
        return sum(name.endswith(".dist-info/METADATA") for name in archive.namelist()) - 1


if __name__ == "__main__":
    main()
