"""SBOMs: valid CycloneDX, reproducible, consistent with the metadata."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.inspect import sbom
from tests.support.cyclonedx_schema import fault_of
from tests.support.lambda_zips import make_shop, make_zip
from tests.support.packages import make_wheel, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def document(zip_path: Path, target: Target | None = None, hashes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The SBOM, after the library has validated it."""
    text = sbom.document(zip_path, target, hashes)
    assert fault_of(text) is None
    content: dict[str, Any] = json.loads(text)
    return content


def components(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["name"]: component for component in content["components"]}


def dependencies(content: dict[str, Any]) -> dict[str, list[str]]:
    return {one["ref"]: one.get("dependsOn", []) for one in content["dependencies"]}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def test_zip_and_distributions(shop: Path) -> None:
    content = document(shop)

    root = content["metadata"]["component"]
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    assert (root["name"], root["version"], root["type"]) == (shop.name, "1.0", "application")
    assert root["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(shop.read_bytes()).hexdigest()}]
    assert {one["name"]: one["value"] for one in root["properties"]} == {
        "hatch-lambda:architecture": "x86_64",
        "hatch-lambda:package-type": "function",
        "hatch-lambda:runtime": "python3.13",
    }
    assert {name: one["purl"] for name, one in components(content).items()} == {
        "carts": "pkg:pypi/carts@2.5",
        "numbers-kit": "pkg:pypi/numbers-kit@1.4",
        "shop": "pkg:pypi/shop@1.0",
    }


def test_dependency_graph(shop: Path) -> None:
    assert dependencies(document(shop)) == {
        f"lambda:{shop.name}": ["pkg:pypi/shop@1.0"],
        "pkg:pypi/shop@1.0": ["pkg:pypi/carts@2.5"],
        "pkg:pypi/carts@2.5": ["pkg:pypi/numbers-kit@1.4"],
        "pkg:pypi/numbers-kit@1.4": [],
    }


def test_dependency_graph_depends_on_the_runtime(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [make_wheel(wheels, "app", requires=["old; python_version < '3.11'"]), make_wheel(wheels, "old")]
    zip_path = make_zip(tmp_path / "function.zip", *made)

    older, newer = (Target(RUNTIMES[name], ARCHITECTURES["arm64"]) for name in ("python3.10", "python3.13"))
    assert dependencies(document(zip_path, older))["pkg:pypi/app@1.0"] == ["pkg:pypi/old@1.0"]
    assert dependencies(document(zip_path, newer))["pkg:pypi/app@1.0"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("License-Expression: MIT", [{"license": {"id": "MIT"}}]),
        ("License-Expression: MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
        ("License-Expression: LicenseRef-Ours", [{"expression": "LicenseRef-Ours"}]),
        ("License: bsd-3-clause", [{"license": {"id": "BSD-3-Clause"}}]),
        ("Classifier: License :: OSI Approved :: BSD License", [{"license": {"name": "BSD License"}}]),
        (
            "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Public Domain",
            [{"license": {"name": "MIT License"}}, {"license": {"name": "Public Domain"}}],
        ),
        ("License: Ask Fred <fred@example.org>", [{"license": {"name": "Ask Fred <fred@example.org>"}}]),
        ("Summary: nothing said", None),
        *(
            (f"{field}: {text}", [{"license": {"name": text}}])
            for field in ("License-Expression", "License")
            for text in (
                "MIT OR",
                "MIT AND OR MIT",
                "MIT WITH nothing",
                "LicenseRef-",
                "GPL v3+",
                "(MIT",
                "MIT/X11",
                "\x07",
            )
        ),
        (f"License-Expression: {'(' * 9999}MIT{')' * 9999}", None),
    ],
)
def test_licences(tmp_path: Path, fields: str, expected: list[object] | None) -> None:
    text = f"{metadata('foo', '1.0').strip()}\n{fields}\n\n"
    content = document(make_zip(tmp_path / "f.zip", files={"foo-1.0.dist-info/METADATA": text}))

    assert components(content)["foo"].get("licenses") == expected


WHEELS_HASH, ARCHIVES_HASH = "a" * 64, "b" * 64


def test_hashes_of_wheels(shop: Path) -> None:
    content = components(document(shop, hashes={"Numbers_Kit": WHEELS_HASH}))

    assert content["numbers-kit"]["hashes"] == [{"alg": "SHA-256", "content": WHEELS_HASH}]
    assert "hashes" not in content["carts"]


@pytest.mark.parametrize(
    ("direct_url", "expected"),
    [
        (json.dumps({"url": "https://x/foo.whl", "archive_info": {"hashes": {"sha256": ARCHIVES_HASH}}}), True),
        (json.dumps({"url": "file:///home/me/foo", "dir_info": {}}), False),
        (json.dumps({"archive_info": {"hashes": {"sha256": "short"}}}), False),
        (json.dumps([]), False),
        ("no JSON", False),
        (b"\xff\xfe\x00", False),
    ],
)
def test_hash_from_direct_url_json(tmp_path: Path, direct_url: str | bytes, expected: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    wheel = make_wheel(tmp_path / "wheels", "foo")
    zip_path = make_zip(tmp_path / "f.zip", wheel, files={"foo-1.0.dist-info/direct_url.json": direct_url})
    text = sbom.document(zip_path)

    hashes = components(document(zip_path))["foo"].get("hashes")
    assert hashes == ([{"alg": "SHA-256", "content": ARCHIVES_HASH}] if expected else None)
    assert "/home/me" not in text


def test_reproducible(shop: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / shop.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(shop.read_bytes())

    first = sbom.document(shop)

    assert sbom.document(elsewhere) == first
    assert "timestamp" not in first


def test_serial_number_depends_on_the_content(tmp_path: Path) -> None:
    one = make_zip(tmp_path / "one" / "f.zip", make_wheel(tmp_path / "wheels", "foo", "1.0"))
    other = make_zip(tmp_path / "other" / "f.zip", make_wheel(tmp_path / "wheels", "foo", "1.1"))

    assert document(one)["serialNumber"] != document(other)["serialNumber"]


def test_timestamp_from_source_date_epoch(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    assert document(shop)["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_layer(tmp_path: Path) -> None:
    root = document(make_zip(tmp_path / "layer.zip", make_wheel(tmp_path / "wheels", "foo"), below="python/"))[
        "metadata"
    ]

    assert root["component"]["type"] == "library"
    assert root["component"]["properties"] == [{"name": "hatch-lambda:package-type", "value": "layer"}]


def test_directory_has_no_hash(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "app.py").write_text("", encoding="utf-8")

    assert "hashes" not in document(folder)["metadata"]["component"]


@pytest.mark.parametrize("files", [{}, {"app.py": "x"}], ids=["empty", "without distributions"])
def test_no_distributions(tmp_path: Path, files: dict[str, str]) -> None:
    assert document(make_zip(tmp_path / "f.zip", files=files)).get("components", []) == []


def test_distribution_installed_twice_is_one_component(tmp_path: Path) -> None:
    text = metadata("foo", "1.0")
    files = {f"{folder}foo-1.0.dist-info/METADATA": text for folder in ("", "vendor/")}

    assert len(document(make_zip(tmp_path / "f.zip", files=files))["components"]) == 1


def test_cycles(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [make_wheel(wheels, "a", requires=["b", "a"]), make_wheel(wheels, "b", requires=["a"])]

    graph = dependencies(document(make_zip(tmp_path / "f.zip", *made)))

    assert graph == {
        "lambda:f.zip": ["pkg:pypi/a@1.0"],
        "pkg:pypi/a@1.0": ["pkg:pypi/b@1.0"],
        "pkg:pypi/b@1.0": ["pkg:pypi/a@1.0"],
    }


@pytest.mark.parametrize(
    ("version", "kept"),
    [("1" * 1024, True), ("1" * 1025, False), ("1." * 5000 + "1", False), ("\U0001f40d" * 1024, True)],
    ids=["as long as allowed", "longer", "much longer", "of several bytes"],
)
def test_a_version_that_is_too_long_is_in_the_purl_alone(tmp_path: Path, version: str, kept: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    text = metadata("foo", version)
    content = document(make_zip(tmp_path / "f.zip", files={"foo-1.0.dist-info/METADATA": text}))

    for component in (components(content)["foo"], content["metadata"]["component"]):
        assert component.get("version") == (version if kept else None)
    assert unquote(components(content)["foo"]["purl"]) == f"pkg:pypi/foo@{version}"


def test_hostile_metadata_gives_a_valid_sbom(tmp_path: Path) -> None:
    text = (
        'Metadata-Version: 2.1\nName: <b>"é\nVersion: 1 \x00 \u202e ?#%@/\nSummary: \x07\nLicense: \x1b[31m\n'
        "Requires-Dist: <x>\n\n"
    )

    content = document(make_zip(tmp_path / "f.zip", files={"evil-1.0.dist-info/METADATA": text}))

    assert content["components"][0]["version"].startswith("1 ")


# --- the command ---


def test_output_to_stdout_or_file(shop: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["sbom", str(shop)])
    output = tmp_path / "shop.cdx.json"
    told = CliRunner().invoke(main, ["sbom", str(shop), "-o", str(output)])

    assert (shown.exit_code, told.exit_code) == (0, 0)
    assert told.output == f"{output}\n"
    assert output.read_text(encoding="utf-8") == shown.output
    assert json.loads(shown.output)["components"]


def test_runtime_option(shop: Path) -> None:
    outcome = CliRunner().invoke(main, ["sbom", str(shop), "--runtime", "python3.12", "--architecture", "arm64"])

    values = {one["value"] for one in json.loads(outcome.output)["metadata"]["component"]["properties"]}
    assert values == {"arm64", "function", "python3.12"}
    alone = CliRunner().invoke(main, ["sbom", str(shop), "--architecture", "arm64"])
    assert alone.exit_code == 2
    assert "--architecture requires --runtime" in alone.output


def test_missing_library(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx", None)
    output = tmp_path / "shop.cdx.json"

    outcome = CliRunner().invoke(main, ["sbom", str(shop), "-o", str(output)])

    assert outcome.exit_code == 1
    assert "pip install 'hatch-lambda[sbom]'" in outcome.output
    assert not output.exists()


def test_truncated_zip(tmp_path: Path) -> None:
    file = tmp_path / "broken.zip"
    file.write_bytes(b"PK\3\4")

    with pytest.raises(LambdaBuildError, match="truncated"):
        sbom.write(file, tmp_path / "broken.cdx.json")
    assert not (tmp_path / "broken.cdx.json").exists()
