"""Build backends whose wheel is not what the sdist's metadata promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.attacks import FOO_WHEEL, HERE, UNIX, make_forging_sdist
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


@pytest.mark.parametrize(("name", "version"), [("requests", "1.0"), ("foo", "6.6")])
def test_a_backend_that_builds_a_wheel_of_another_name_or_version(
    name: str, version: str, forge: Callable[..., None], bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    forge("foo", name=name, version=version)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    message = str(caught.value)
    assert "foo 1.0" in message
    assert (name if name != "foo" else version) in message
    as_it_was()


def test_a_backend_whose_wheel_requires_what_its_metadata_did_not(
    forge: Callable[..., None], index: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    """Nobody has resolved it, so it would be missing on Lambda."""
    make_wheel(index, "bar")
    forge("foo", name="foo", version="1.0", requires=["bar"])

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    assert "bar" in str(caught.value)
    as_it_was()


def test_a_backend_that_leaves_several_wheels(index: Path, tmp_path: Path, bundle_of: BundleOf) -> None:
    own = make_wheel(tmp_path, "foo")
    others = [make_wheel(tmp_path, "aaa"), make_wheel(tmp_path, "zzz"), make_wheel(tmp_path, "foo", "0.1")]
    forged = {path.name: path.read_bytes() for path in (own, *others)}
    make_forging_sdist(index, "foo", forged)

    bundle = bundle_of("foo", runtime=HERE)

    assert bundle.distributions == ("foo 1.0",)
    assert bundle.directory.joinpath("foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"
    assert not bundle.directory.joinpath("aaa.py").exists()


@pytest.mark.parametrize("where", ["..", "{tmp}/outside"])
def test_a_backend_that_builds_its_wheel_elsewhere(
    where: str, index: Path, tmp_path: Path, bundle_of: BundleOf
) -> None:
    """What a backend does to this machine is its own; the bundle takes the wheel that it was promised, or none."""
    evil = make_wheel(tmp_path / "forged", "bar")
    filename = f"{where.format(tmp=tmp_path)}/{FOO_WHEEL}"
    forged = {filename: make_wheel(tmp_path / "forged", "foo").read_bytes(), evil.name: evil.read_bytes()}
    make_forging_sdist(index, "foo", forged)

    bundle = bundle_of("foo", runtime=HERE)

    assert bundle.distributions == ("foo 1.0",)
    assert not bundle.directory.joinpath("bar.py").exists()
    assert bundle.directory.joinpath("foo.py").read_text(encoding="utf-8") == "VERSION = '1.0'\n"


@pytest.mark.parametrize(
    "returned", ["../../../../downloads/bar-1.0-py3-none-any.whl", "gone-1.0-py3-none-any.whl", ""]
)
def test_a_backend_that_names_a_wheel_that_it_has_not_built(
    returned: str, index: Path, tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    make_wheel(index, "bar")
    make_forging_sdist(index, "foo", {FOO_WHEEL: make_wheel(tmp_path, "foo").read_bytes()}, returned or "nothing")

    with pytest.raises(MissingDependencyError, match=r"foo 1\.0"):
        bundle_of("foo", "bar", runtime=HERE)

    as_it_was()


def test_a_backend_that_builds_machine_code_for_another_machine_under_a_pure_tag(
    forge: Callable[..., None], bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    forge("foo", name="foo", files={"foo/data.txt": make_elf("aarch64")})

    with pytest.raises(UnfitMachineCodeError, match=r"foo/data\.txt"):
        bundle_of("foo", runtime=HERE)

    as_it_was()
