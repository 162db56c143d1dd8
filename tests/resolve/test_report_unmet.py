"""Remedies of stage 7: each helps whom it is given to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.closure import MissingDependencyError
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]


def remedies(name: str, bundle_of: BundleOf, *requirements: str, **table: object) -> list[str]:
    with pytest.raises(MissingDependencyError) as caught:
        bundle_of(*(requirements or (name,)), **table)
    return [remedy for found in caught.value.missing if found.name == name for remedy in found.remedies]


class TestSiblings:
    """psycopg2 cannot be built here."""

    @pytest.fixture(autouse=True)
    def _packages(self, index: Path) -> None:
        make_sdist(index, "psycopg2", build="broken")
        make_wheel(index, "psycopg2-binary", files={"psycopg2/__init__.py": ""})
        make_wheel(index, "orm", requires=["psycopg2"])
        make_sdist(index, "cx-oracle", build="broken")
        make_wheel(index, "oracle-orm", requires=["cx-oracle"])

    def test_the_project_requires_the_original(self, bundle_of: BundleOf) -> None:
        found = remedies("psycopg2", bundle_of, "psycopg2", runtime=HERE)
        assert "depend on `psycopg2-binary` instead, which has wheels" in found

    def test_the_project_requires_both(self, bundle_of: BundleOf) -> None:
        found = remedies("psycopg2", bundle_of, "psycopg2", "psycopg2-binary", runtime=HERE)
        remedy = "remove it from the dependencies; `psycopg2-binary`, which has the same modules, is packaged, too"
        assert remedy in found
        assert not [remedy for remedy in found if "depend on" in remedy]

    def test_another_distribution_requires_it_and_the_project_the_sibling(self, bundle_of: BundleOf) -> None:
        found = remedies("psycopg2", bundle_of, "orm", "psycopg2-binary", runtime=HERE)
        way = 'leave it out: `provided = ["psycopg2"]`'
        assert f"{way}; `psycopg2-binary`, which has the same modules, is packaged, too" in found
        assert not [remedy for remedy in found if "depend on" in remedy]

        bundle = bundle_of("orm", "psycopg2-binary", runtime=HERE, provided=["psycopg2"])

        assert bundle.distributions == ("orm 1.0", "psycopg2-binary 1.0")

    def test_only_another_distribution_requires_it(self, bundle_of: BundleOf) -> None:
        (remedy,) = (found for found in remedies("psycopg2", bundle_of, "orm", runtime=HERE) if "binary" in found)
        assert remedy.startswith("depend on `psycopg2-binary`, which has wheels and the same modules, and leave it out")

    def test_another_distribution_cannot_use_a_sibling_with_other_modules(self, bundle_of: BundleOf) -> None:
        assert not [
            remedy for remedy in remedies("cx-oracle", bundle_of, "oracle-orm", runtime=HERE) if "oracledb" in remedy
        ]
        found = remedies("cx-oracle", bundle_of, "cx-oracle", runtime=HERE)
        assert "depend on `oracledb` instead, which has wheels" in found


class TestCompatible:
    @pytest.mark.parametrize(
        ("tag", "files"),
        [
            pytest.param("py2-none-any", {"foo.py": ""}, id="Python 2"),
            pytest.param("cp27-cp27mu-manylinux1_x86_64", {"foo.so": make_elf()}, id="Python 2, compiled"),
            pytest.param(
                "cp39-cp39-manylinux1_x86_64", {"foo.cpython-39-x86_64-linux-gnu.so": make_elf()}, id="another Python"
            ),
            pytest.param("cp39-cp39-manylinux_2_17_aarch64", {"foo.so": make_elf("aarch64")}, id="another machine"),
        ],
    )
    def test_it_is_no_advice_where_it_cannot_help(
        self, tag: str, files: dict[str, bytes | str], index: Path, bundle_of: BundleOf
    ) -> None:
        make_wheel(index, "foo", tag=tag, files=files)

        assert not [remedy for remedy in remedies("foo", bundle_of) if "compatible = " in remedy]
        with pytest.raises(LambdaBuildError):  # nor does it
            bundle_of("foo", compatible=["foo"])

    @pytest.mark.parametrize(
        "files",
        [
            {"foo.so": make_elf()},
            {"foo.cpython-39-x86_64-linux-gnu.so": make_elf(), "foo.py": ""},
            {"foo.so": make_elf(needed=("libnowhere.so",))},
        ],
        ids=["of any Python", "optional", "with a library of a layer"],
    )
    def test_it_is_where_it_can(self, files: dict[str, bytes | str], index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "foo", tag="cp39-cp39-manylinux1_x86_64", files=files)

        found = remedies("foo", bundle_of)
        assert 'if you know that its wheel works on Lambda, allow it: `compatible = ["foo"]`' in found
        assert bundle_of("foo", compatible=["foo"]).distributions == ("foo 1.0",)


def test_find_links_is_no_advice_for_a_direct_reference(tmp_path: Path, bundle_of: BundleOf) -> None:
    tree = make_source_tree(tmp_path / "foo", "foo", build="broken")

    found = remedies("foo", bundle_of, f"foo @ {tree.as_uri()}", runtime=HERE)

    assert "build a wheel of foo 1.0 on the target's platform, and require that by its path" in found
    assert not [remedy for remedy in found if "find-links" in remedy]


def test_no_deprecated_runtime_and_no_preview_is_recommended(index: Path, bundle_of: BundleOf) -> None:
    make_sdist(index, "native", build="broken")
    for tag in ("cp38", "cp39", "cp314", "cp315"):
        make_wheel(index, "native", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")

    found = remedies("native", bundle_of, runtime="python3.13")

    assert "use another runtime: it has wheels for `python3.14`" in found
