"""What reports, SBOMs and `inspect --json` say of distributions that were built from sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.inspect import contents, report, sbom
from hatch_lambda.wheels.build_record import DOCUMENT, BuildRecord, add_record
from tests.support.cyclonedx_schema import fault_of
from tests.support.lambda_zips import make_zip
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

CROSSED = BuildRecord("zig 0.16.0", "aarch64-linux-gnu.2.34", "<a pack>", "foo-1.0.tar.gz", "0" * 64)
KNOWN = {
    "toolchain": "zig 0.16.0",
    "target": "aarch64-linux-gnu.2.34",
    "headers": "<a pack>",
    "sdist": "foo-1.0.tar.gz",
    "sdist-sha256": "0" * 64,
}


@pytest.fixture
def function(tmp_path: Path) -> Path:
    built, downloaded = make_wheel(tmp_path, "foo"), make_wheel(tmp_path, "bar")
    add_record(built, "foo", "1.0", CROSSED)
    return make_zip(tmp_path / "function.zip", built, downloaded)


@pytest.mark.slow
def test_an_sbom(function: Path) -> None:
    text = sbom.document(function)

    assert fault_of(text) is None
    found = {one["name"]: one.get("properties", []) for one in json.loads(text)["components"]}
    assert {one["name"]: one["value"] for one in found["foo"]} == {
        f"hatch-lambda:build:{name}": value for name, value in KNOWN.items()
    }
    assert found["bar"] == []


def test_a_report(function: Path) -> None:
    page = report.page(contents.read(function))

    assert "Built from sources" in page
    assert ">zig 0.16.0 for aarch64-linux-gnu.2.34</bdi>" in page
    assert "headers: &lt;a pack&gt;; sdist: foo-1.0.tar.gz" in page


def test_a_report_on_what_was_only_downloaded(tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", make_wheel(tmp_path, "bar"))

    assert "Built from sources" not in report.page(contents.read(function))


def test_json(function: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(function), "--json"])

    assert {one["name"]: one["built"] for one in json.loads(result.stdout)["distributions"]} == {
        "foo": KNOWN,
        "bar": None,
    }


def test_a_document_of_another_distribution_or_of_nobody_is_no_record(tmp_path: Path) -> None:
    files = {f"bar-1.0.dist-info/{DOCUMENT}": "{", "baz/x.py": ""}
    function = make_zip(tmp_path / "function.zip", make_wheel(tmp_path, "bar", files=files))

    assert json.loads(sbom.document(function))["components"][0].get("properties") is None
