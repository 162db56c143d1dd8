"""What the error of stage 1 says beyond pip's own words."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ResolutionError
from tests.support.packages import make_sdist, make_source_tree, make_wheel
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., object]


def message_of(bundle_of: BundleOf, *requirements: str, **table: object) -> str:
    with pytest.raises(ResolutionError) as caught:
        bundle_of(*requirements, **table)
    return str(caught.value)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("Location: /simple/foo/", "it redirects without end (Exceeded 30 redirects.)"),
        ("Location: x/", "it redirects without end (Exceeded 30 redirects.)"),
        ('{"meta": {', "its content is not valid JSON (Expecting "),
        ("[1]", "its content is not that of an index page ("),
        ('{"files": [1]}', "its content is not that of an index page ("),
    ],
)
def test_an_index_page_that_cannot_be_read_is_named(
    page: str, reason: str, tmp_path: Path, serve: type[SimpleIndex], bundle_of: BundleOf
) -> None:
    with serve(tmp_path, page=lambda _folder, _name: page) as index:
        message = message_of(bundle_of, "foo", pip_args=["--index-url", index.url])

    assert f"\nCould not fetch {index.url}/foo/: {reason}" in message
    assert "\nWhat you can do: check the index's URL and your credentials for it, or try again later." in message


def test_a_page_of_another_type_is_named(tmp_path: Path, serve: type[SimpleIndex], bundle_of: BundleOf) -> None:
    with serve(tmp_path) as index:
        page = index.url.replace("simple", "files")
        (tmp_path / "foo").write_bytes(b"nothing")
        message = message_of(bundle_of, "foo", pip_args=["--index-url", page])

    assert f"Skipping page {page}/foo/ because the GET request got Content-Type: application/octet-stream." in message


def test_a_404_is_not_reported_for_an_error_that_it_has_not_caused(
    tmp_path: Path, serve: type[SimpleIndex], bundle_of: BundleOf
) -> None:
    """`tool` is nowhere, but an older `a` does without."""
    make_wheel(tmp_path, "a", "2.0", requires=["tool"])
    make_wheel(tmp_path, "a", "1.0")
    with serve(tmp_path) as index:
        message = message_of(bundle_of, "a", "tool.box", pip_args=["--index-url", index.url])

    assert "No matching distribution found for tool.box" in message
    assert f"Could not fetch {index.url}/tool-box/: 404 " in message
    assert "/tool/" not in message


def test_a_conflict_names_what_is_nowhere_and_not_what_conflicts(
    tmp_path: Path, serve: type[SimpleIndex], bundle_of: BundleOf
) -> None:
    make_wheel(tmp_path, "a", "2.0", requires=["tool"])
    make_wheel(tmp_path, "a", "1.0", requires=["tool.box"])
    make_wheel(tmp_path, "one", requires=["shared<2"])
    make_wheel(tmp_path, "two", requires=["shared>=2"])
    make_wheel(tmp_path, "shared", "1.0")
    make_wheel(tmp_path, "shared", "2.0")
    with serve(tmp_path) as index:
        nowhere = message_of(bundle_of, "a", pip_args=["--index-url", index.url])
        conflict = message_of(bundle_of, "one", "two", pip_args=["--index-url", index.url])
        tree = make_source_tree(tmp_path / "tree", "shared")
        local = message_of(bundle_of, f"shared @ {tree.as_uri()}", "two", pip_args=["--index-url", index.url])

    assert "a 1.0 depends on tool.box\n\nNo files were found of: tool, tool-box\n" in nowhere
    assert f"\nCould not fetch {index.url}/tool-box/: 404 " in nowhere
    assert "No files were found" not in local, local
    assert conflict.endswith("two 1.0 depends on shared>=2"), conflict


@pytest.mark.parametrize("python", ["/no/such/python", sys.executable])
def test_python_in_pips_configuration_is_no_matter(
    python: str, index: Path, tmp_path: Path, bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip would run itself in that Python, without what makes it resolve for the target."""
    make_wheel(index, "foo")
    make_sdist(index, "bar")
    (tmp_path / "pip.conf").write_text(f"[global]\npython = {python}\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))

    bundle_of("foo", "bar", runtime=HERE)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_a_file_name_that_is_not_utf_8(index: Path, bundle_of: BundleOf) -> None:
    (index / os.fsdecode(b"foo\xff-1.0.tar.gz")).touch()

    message = message_of(bundle_of, "foo")

    # Newer patch releases of Python make a URL of it, which is no sdist's.
    assert (
        "pip has read the name of a file or directory that is not valid UTF-8.\nWhat you can do: rename it" in message
        or "No matching distribution found for foo" in message
    )


def test_a_requirements_file_that_cannot_be_decoded_is_named(project_root: Path, bundle_of: BundleOf) -> None:
    (project_root / "requirements.txt").write_text("-r more.txt\n", encoding="utf-8")
    (project_root / "more.txt").write_bytes(b"foo\xff\n")

    message = message_of(bundle_of, requirements=["requirements.txt"])

    assert f"{project_root / 'more.txt'} cannot be read: 'utf-8' codec can't decode byte 0xff" in message
    assert message.count("UnicodeDecodeError") == 1


def test_a_sibling_with_wheels_is_no_advice_if_another_distribution_requires_the_original(
    index: Path, bundle_of: BundleOf
) -> None:
    make_sdist(index, "psycopg2", build="without-metadata")
    make_wheel(index, "orm", requires=["psycopg2"])

    assert "depend on `psycopg2-binary` instead" in message_of(bundle_of, "psycopg2")
    assert "psycopg2-binary" not in message_of(bundle_of, "orm")
