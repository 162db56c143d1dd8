"""Sdists that cannot be prepared by the running Python, where the runtime's Python is at hand."""

from __future__ import annotations

import sys
import tarfile
from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ResolutionError
from tests.support.lambda_runtime import pythons_at_hand
from tests.support.packages import make_source_tree, make_wheel
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]

pytestmark = pytest.mark.usefixtures("python_of_the_runtime")

ONLY = "if sys.version_info[:2] != {}:\n    raise ImportError('error: no module named imp')\n"
HOOK = "def get_requires_for_build_wheel(config_settings=None):\n"
REQUIRES_MORE = "if sys.version_info[:2] == {}:\n    RECIPE['requires'] = ['more']\n"


def make_sdist_for(python: tuple[int, int], index: Path, *, build_requires: str = "[]", at_import: str = "") -> None:
    """An sdist `old` whose backend runs in one Python alone. `at_import`: what it does instead when it is imported."""
    tree = make_source_tree(index.parent / "old-1.0", "old")
    backend, pyproject = tree / "backend.py", tree / "pyproject.toml"
    text = backend.read_text(encoding="utf-8")
    if at_import:
        text = text.replace("\n\n\n", f"\n{at_import.format(python)}\n\n", 1)
    elif build_requires == "[]":
        text = text.replace(HOOK, f"{HOOK}{indent(ONLY.format(python), '    ')}")
    backend.write_text(text, encoding="utf-8")
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace("requires = []", f"requires = {build_requires}"), encoding="utf-8")
    with tarfile.open(index / "old-1.0.tar.gz", "w:gz") as archive:
        archive.add(tree, "old-1.0")


@pytest.fixture
def other() -> tuple[int, int]:
    """The version of another Python that is at hand."""
    for name in reversed(pythons_at_hand()):
        version = (int(name.split(".")[0]), int(name.split(".")[1]))
        if version != sys.version_info[:2]:
            return version
    pytest.skip("no other Python at hand")


def test_its_metadata_and_its_wheel_are_made_by_the_runtimes(
    other: tuple[int, int], index: Path, bundle_of: BundleOf, ui: RecordingUI
) -> None:
    make_sdist_for(other, index)
    bundle = bundle_of("old", runtime="python{}.{}".format(*other))

    assert f"BUILT_WITH = {other}" in (bundle.directory / "old.py").read_text(encoding="utf-8")
    assert "retrying with Python {}.{}".format(*other) in ui.text


def test_so_are_those_of_one_that_cannot_be_imported(other: tuple[int, int], index: Path, bundle_of: BundleOf) -> None:
    make_sdist_for(other, index, at_import=ONLY)

    assert bundle_of("old", runtime="python{}.{}".format(*other)).distributions == ("old 1.0",)


def test_so_is_one_whose_build_requirements_lack_the_running_python(
    other: tuple[int, int], index: Path, bundle_of: BundleOf
) -> None:
    make_wheel(index, "helper", requires_python="=={}.{}.*".format(*other))
    make_sdist_for(other, index, build_requires='["helper"]')

    assert bundle_of("old", runtime="python{}.{}".format(*other)).distributions == ("old 1.0",)


def test_what_only_the_runtimes_makes_it_require_is_packaged(
    other: tuple[int, int], index: Path, bundle_of: BundleOf, ui: RecordingUI
) -> None:
    make_wheel(index, "more")
    make_sdist_for(other, index, at_import=REQUIRES_MORE)

    bundle = bundle_of("old", runtime="python{}.{}".format(*other))

    assert bundle.distributions == ("more 1.0", "old 1.0")
    assert "the built wheel requires more, which the metadata of its sources does not; resolving again" in ui.text


def test_what_fails_in_both_is_not_put_down_to_the_version(
    other: tuple[int, int], index: Path, bundle_of: BundleOf
) -> None:
    make_sdist_for((2, 7), index)
    with pytest.raises(ResolutionError, match="no module named imp") as caught:
        bundle_of("old", runtime="python{}.{}".format(*other))
    assert "could not make the metadata of old" in str(caught.value)
    assert "may be the reason" not in str(caught.value)


def test_the_same_python_is_not_asked_twice(index: Path, bundle_of: BundleOf, ui: RecordingUI) -> None:
    make_sdist_for((2, 7), index)
    with pytest.raises(ResolutionError):
        bundle_of("old", runtime=HERE)
    assert "retrying" not in ui.text
