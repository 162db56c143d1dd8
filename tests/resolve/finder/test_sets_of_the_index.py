"""The finder chooses what pip chooses on the package index itself, where projects are as nobody would make them up.

pip's configuration is a plain one here: only the index, and the certificates for it, are the machine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES
from hatch_lambda.resolve.finder import LeftToPip
from tests.support.two_ways import by_finder, by_pip, job_of, picture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import OnlyIndex

pytestmark = pytest.mark.index

SMALL = "requests & pyyaml & markupsafe & cffi & tomli; python_version < '3.11' & anyio & redis & attrs & idna"
"""Compiled and not, with markers, and fetched in no time: for every target."""

# What each is about, on which target
SETS = [
    ("Python's version in markers", "redis & importlib-metadata; python_version<'3.12'", "python3.10", "x86_64"),
    ("its patch release in markers", "async-timeout; python_full_version<'3.11.3' & redis", "python3.11", "arm64"),
    ("the platform in markers", "pyreadline3; sys_platform=='win32' & uvloop; platform_system!='Windows'",
     "python3.12", "arm64"),
    ("more of the platform", "colorama; os_name=='nt' & pywin32; platform_machine=='AMD64' & idna; os_name=='posix'",
     "python3.12", "arm64"),
    ("a newer sdist", "cryptography<42 & pyyaml<6.0.2", "python3.12", "x86_64"),
    ("the newest has no wheel for an old Python", "numpy & scipy", "python3.10", "x86_64"),
    ("the newest has no wheel for an old glibc", "numpy & pyarrow", "python3.11", "arm64"),
    ("the newest Python", "pandas & scipy", "python3.14", "arm64"),
    ("abi3 and manylinux_2_28", "bcrypt & cryptography & pynacl & argon2-cffi", "python3.14", "arm64"),
    ("manylinux_2_24 and 2_26", "confluent-kafka & pymssql & oracledb", "python3.10", "x86_64"),
    ("several platforms in a name", "lxml & pillow & pikepdf", "python3.11", "x86_64"),
    ("rarely built for arm64", "psycopg2-binary & psycopg[binary]", "python3.13", "arm64"),
    ("a wheel for each Python", "grpcio & protobuf & grpcio-status", "python3.14", "x86_64"),
    ("wheels by Rust", "polars & orjson & msgspec & tiktoken", "python3.10", "arm64"),
    ("extras", "uvicorn[standard] & fastapi[standard]", "python3.13", "x86_64"),
    ("extras of extras", "aws-lambda-powertools[all] & pydantic[email]", "python3.12", "arm64"),
    ("extras with many bounds", "dask[dataframe] & bokeh", "python3.12", "arm64"),
    ("pre-releases by name", "pydantic>=2.0a1,<2.1 & black>=23.10b0,<24", "python3.12", "x86_64"),
    ("pre-releases only", "opentelemetry-instrumentation-requests", "python3.13", "x86_64"),
    ("pre-releases of dependencies", "azure-monitor-opentelemetry-exporter", "python3.13", "x86_64"),
    ("yanked releases in between", "urllib3<2.6 & attrs!=24.1.0,!=24.2.0", "python3.13", "x86_64"),
    ("an old series", "sqlalchemy<2 & pyrsistent & markupsafe<2.1", "python3.10", "arm64"),
    ("versions by date", "pytz>=2024.1 & packaging~=24.0 & certifi", "python3.11", "arm64"),
    ("Requires-Python by far", "ipython & networkx & numba", "python3.10", "arm64"),
    ("names in other spellings", "Flask_SQLAlchemy & ruamel.yaml & Zope-Interface & PyJWT", "python3.12", "x86_64"),
    ("conflicts", "boto3<1.35.20 & botocore<1.35 & aiobotocore<2.15", "python3.12", "x86_64"),
    ("many dependencies", "langchain & langchain-openai & langchain-aws", "python3.13", "x86_64"),
    ("many bounds", "google-cloud-storage & google-cloud-pubsub", "python3.13", "arm64"),
    ("a framework", "django & djangorestframework & whitenoise & psycopg2-binary & gunicorn", "python3.12", "x86_64"),
]  # fmt: skip


@pytest.fixture
def _plain(only_index: OnlyIndex) -> None:
    only_index()


def compare(root: Path, requirements: str, runtime: str, architecture: str) -> None:
    table = {"runtime": runtime, "architecture": architecture}
    lines = requirements.split(" & ")

    ours, pips = (picture(way(job_of(root, lines, **table))) for way in (by_finder, by_pip))

    assert ours == pips


@pytest.mark.usefixtures("_plain")
@pytest.mark.parametrize(
    ("runtime", "architecture"), [(runtime, each) for runtime in RUNTIMES for each in ARCHITECTURES]
)
def test_small_projects_for_every_target(tmp_path: Path, runtime: str, architecture: str) -> None:
    compare(tmp_path, SMALL, runtime, architecture)


@pytest.mark.usefixtures("_plain")
@pytest.mark.parametrize(("title", "requirements", "runtime", "architecture"), SETS, ids=[each[0] for each in SETS])
def test_sets(tmp_path: Path, title: str, requirements: str, runtime: str, architecture: str) -> None:
    del title
    compare(tmp_path, requirements, runtime, architecture)


@pytest.mark.usefixtures("_plain")
@pytest.mark.parametrize(
    ("requirement", "why"),
    [
        ("docopt", "is an sdist"),
        ("attrs==21.1.0", "was yanked"),
        ("requests==2.31.0 & urllib3<1.21", "in conflict"),
        ("a-project-that-is-not-there-at-all", "in conflict"),
    ],
)
def test_what_is_left_to_pip(tmp_path: Path, requirement: str, why: str) -> None:
    with pytest.raises(LeftToPip, match=why):
        by_finder(job_of(tmp_path, requirement.split(" & ")))
