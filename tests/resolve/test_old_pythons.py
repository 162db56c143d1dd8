"""Sdists for runtimes whose Python the installed pip does not support."""

from __future__ import annotations

from importlib.metadata import metadata
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet

from hatch_lambda.resolve.closure import MissingDependencyError
from tests.resolve.test_sdists_of_other_pythons import make_sdist_for
from tests.support.lambda_runtime import python_of
from tests.support.packages import make_sdist

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

TOO_OLD = [
    version
    for version in ("3.8", "3.9", "3.10")
    if not SpecifierSet(metadata("pip")["Requires-Python"]).contains(version)
]


@pytest.mark.index
@pytest.mark.parametrize("version", TOO_OLD)
def test_an_older_pip_is_downloaded_once(version: str, index: Path, bundle_of: BundleOf, cache: Path) -> None:
    python = str(python_of(version))
    wanted = (3, int(version.partition(".")[2]))
    make_sdist_for(wanted, index)  # not even its metadata can be had with another one

    bundle = bundle_of("old", runtime=f"python{version}", python=python)

    assert f"BUILT_WITH = {wanted}" in (bundle.directory / "old.py").read_text(encoding="utf-8")
    assert (cache / f"pips/python{version}/pip/__pip-runner__.py").is_file()


@pytest.mark.parametrize("version", TOO_OLD[:1])
def test_if_it_cannot_be_downloaded_the_message_says_so(version: str, index: Path, bundle_of: BundleOf) -> None:
    python = str(python_of(version))
    make_sdist(index, "old")

    with pytest.raises(MissingDependencyError) as raised:
        bundle_of("old", runtime=f"python{version}", python=python)

    text = str(raised.value)
    assert f"does not support Python {version}, and one that does cannot be downloaded" in text
    assert "No matching distribution found for pip" in text
