"""The example that the README shows: built for every target as its reader would, and run as Lambda would."""

from __future__ import annotations

import json
import re
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.wheels.machine_code import scan_wheel
from tests.support.example_project import EXAMPLE
from tests.support.lambda_runtime import RUNTIMES, Invocation, invoke, python_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.example_project import BuiltExample

pytestmark = pytest.mark.index

TOP_LEVEL = (
    "annotated_types",
    "annotated_types-*.dist-info",
    "luhn-0.2.0.dist-info",
    "luhn.py",
    "orders",
    "orders-1.0.dist-info",
    "pydantic",
    "pydantic-*.dist-info",
    "pydantic_core",
    "pydantic_core-*.dist-info",
    "typing_extensions-*.dist-info",
    "typing_extensions.py",
    "typing_inspection",
    "typing_inspection-*.dist-info",
)
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

ORDER_ID = "7eceb96e-b738-596c-a0bf-5299c6a08405"
CREATED = {
    "id": ORDER_ID,
    "reference": "PO-2024-117",
    "customer_card": "6278420000123457",
    "currency": "EUR",
    "items": [
        {"sku": "TEA-EARLGREY-250", "quantity": 3, "price": "9.50", "subtotal": "28.50"},
        {"sku": "POT-CAST-IRON", "quantity": 1, "price": "64.90", "subtotal": "64.90"},
    ],
    "total": "93.40",
    "version": "1.0",
}
REFUSED = {
    "error": "invalid order",
    "details": [
        {
            "type": "value_error",
            "loc": ["customer_card"],
            "msg": "Value error, the check digit is wrong: is a digit mistyped?",
        },
        {
            "type": "greater_than_equal",
            "loc": ["items", 0, "quantity"],
            "msg": "Input should be greater than or equal to 1",
        },
        {
            "type": "decimal_max_places",
            "loc": ["items", 1, "price"],
            "msg": "Decimal input should have no more than 2 decimal places",
        },
    ],
    "version": "1.0",
}


def assert_whole(made: Path, architecture: str) -> None:
    """The top level is what the README shows, and all machine code is for the architecture."""
    with ZipFile(made) as archive:
        names = sorted({name.partition("/")[0] for name in archive.namelist()})
    assert len(names) == len(TOP_LEVEL), names
    assert all(fnmatchcase(name, pattern) for name, pattern in zip(names, TOP_LEVEL, strict=True)), names
    machine_code = scan_wheel(made)
    assert [code.path for code in machine_code if code.path.startswith("pydantic_core/")]
    assert {code.architecture for code in machine_code} == {MACHINES[architecture]}


def test_it_is_built_for_arm64_as_its_table_says(built_example: BuiltExample) -> None:
    made = built_example()

    assert made.name == "orders-1.0-python3.13-arm64.zip"
    assert_whole(made, "arm64")


def test_it_is_built_for_a_runtime_newer_than_the_python_that_builds(built_example: BuiltExample) -> None:
    made = built_example("python3.14", "x86_64")

    assert made.name == "orders-1.0-python3.14-x86_64.zip"
    assert_whole(made, "x86_64")
    (extension,) = (code.path for code in scan_wheel(made) if code.path.startswith("pydantic_core/"))
    assert "cpython-314-x86_64-linux-gnu" in extension


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "runtime-clients"


@pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client has wheels for Linux only")
@pytest.mark.parametrize(
    ("version", "architecture"),
    # It requires Python 3.9. On arm64, one for each Amazon Linux.
    [*((version, "x86_64") for version in RUNTIMES[1:]), ("3.11", "arm64"), ("3.14", "arm64")],
)
def test_it_answers_under_lambdas_own_runtime_client(
    version: str, architecture: str, clients: Path, built_example: BuiltExample
) -> None:
    emulated = "arm64" if architecture == "arm64" else ""
    python_of(version, emulated)  # or a skip: it is run by the very Python that it is for

    made = built_example(f"python{version}", architecture)

    assert made.name == f"orders-1.0-python{version}-{architecture}.zip"
    assert_whole(made, architecture)
    created = _invoke(made, version, "event.json", clients, emulated)
    assert created.error is None, created
    assert _with_parsed_body(created.response) == {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "location": f"/orders/{ORDER_ID}"},
        "body": CREATED,
    }
    refused = _invoke(made, version, "invalid_event.json", clients, emulated)
    assert refused.error is None, refused
    assert _with_parsed_body(refused.response) == {
        "statusCode": 422,
        "headers": {"content-type": "application/json"},
        "body": REFUSED,
    }


def _invoke(made: Path, version: str, event: str, clients: Path, architecture: str) -> Invocation:
    return invoke(
        made,
        version=version,
        handler="orders.app.handler",
        event=json.loads(EXAMPLE.joinpath(event).read_text(encoding="utf-8")),
        clients=clients,
        architecture=architecture,
    )


def _with_parsed_body(response: object) -> object:
    assert isinstance(response, dict)
    return {**response, "body": json.loads(response["body"])}


def test_its_readme_shows_what_the_tests_have_seen() -> None:
    readme = EXAMPLE.joinpath("README.md").read_text(encoding="utf-8")

    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    tree = [text for language, text in blocks if not language][-1]
    assert [line.lstrip("├└─ ").replace("…", "*") for line in tree.splitlines()] == [*TOP_LEVEL]
    assert [json.loads(text) for language, text in blocks if language == "json"] == [CREATED, REFUSED]
