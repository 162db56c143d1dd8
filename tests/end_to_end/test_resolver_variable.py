"""`HATCH_LAMBDA_RESOLVER`: which way stage 1 takes, as the user of a build sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.package_index import Offer, PackageIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import OnlyIndex
    from tests.support.projects import NewProject, Project

OFFERS = [
    Offer("foo", "1.0", requires=("bar; python_version >= '3.13'",)),
    *(Offer("foo", "2.0", requires=("bar[x]<2",)), Offer("foo", "2.1", entry=(("yanked", "broken"),))),
    *(Offer("bar", version, extras=("x",), requires=("baz; extra == 'x'",)) for version in ("1.0", "1.5", "2.0")),
    *(Offer("baz"), Offer("built", tag=None)),
]


class ChangingIndex(PackageIndex):
    """Has a newer `foo` only as long as nobody has asked for it."""

    def answer(self, path: str) -> tuple[str, bytes] | None:
        answer = super().answer(path)
        if path == "/0/simple/foo/":
            self._pages[0]["foo"] = [file for file in self._pages[0]["foo"] if "-2.0-" not in file["filename"]]
        return answer


@pytest.fixture
def packages() -> Iterator[PackageIndex]:
    with PackageIndex(OFFERS) as served:
        yield served


@pytest.fixture
def project(new_project: NewProject, packages: PackageIndex, only_index: OnlyIndex) -> Project:
    only_index(*packages.urls)
    return new_project(project='dependencies = ["foo"]')


def in_zip(project: Project) -> set[str]:
    return {name.partition(".dist-info/")[0] for name in project.zipped() if name.endswith(".dist-info/METADATA")}


def test_nothing_is_said_of_the_way(project: Project) -> None:
    shown = project.build()

    assert "pip" not in shown
    assert in_zip(project) == {"foo-2.0", "bar-1.5", "baz-1.0", "orders-1.0"}


@pytest.mark.parametrize("way", ["", "finder", "pip", "both"])
def test_the_zip_is_the_same_to_the_byte_whichever_way(project: Project, way: str) -> None:
    project.build()
    before = project.zip.read_bytes()
    project.zip.unlink()

    project.build("-t", "lambda", "-c", HATCH_LAMBDA_RESOLVER=way)

    assert project.zip.read_bytes() == before


@pytest.mark.parametrize(
    ("way", "lines"),
    [
        ("", ["Resolved without pip, from http://127.0.0.1:"]),
        ("finder", ["Resolved without pip, from http://127.0.0.1:"]),
        ("both", ["Resolved without pip, from http://127.0.0.1:", "Collecting foo"]),
        ("pip", ["Collecting foo"]),
    ],
)
def test_verbose_shows_which_way_was_taken(project: Project, way: str, lines: list[str]) -> None:
    shown = project.build("-t", "lambda", HATCH_VERBOSE="1", HATCH_LAMBDA_RESOLVER=way)

    assert [
        line for line in ("Resolved without pip, from http://127.0.0.1:", "Collecting foo") if line in shown
    ] == lines


def test_verbose_shows_why_pip_resolves(project: Project) -> None:
    shown = project.build("-t", "lambda", HATCH_VERBOSE="1", PIP_PRE="1")

    assert "Resolving with pip: pip's configuration has `pre`" in shown
    assert "Resolved without pip" not in shown


def test_verbose_shows_what_was_fetched_for_nothing(new_project: NewProject, only_index: OnlyIndex) -> None:
    """The newest `bar` is begun long before the chain is followed to its end, which excludes it."""
    chain = [Offer(f"chain{link}", requires=(f"chain{link + 1}",)) for link in range(8)]
    with PackageIndex(
        [*OFFERS, *chain, Offer("chain8", requires=("bar<2",)), Offer("hasty", requires=("bar",))]
    ) as index:
        only_index(*index.urls)
        project = new_project(project='dependencies = ["hasty", "chain0"]')

        shown = project.build("-t", "lambda", HATCH_VERBOSE="1")

    assert "bar-1.5" in in_zip(project)
    assert "Begun to download, but not needed: 1 wheel, " in shown


def test_finder_stops_where_pip_has_to_resolve(project: Project) -> None:
    shown = project.fail("-t", "lambda", HATCH_LAMBDA_RESOLVER="finder", PIP_NO_INDEX="1")

    assert "`HATCH_LAMBDA_RESOLVER` is `finder`, but pip has to resolve: pip's configuration has `no-index`." in shown


def test_finder_stops_at_an_sdist(new_project: NewProject, only_index: OnlyIndex, packages: PackageIndex) -> None:
    only_index(*packages.urls)
    project = new_project(project='dependencies = ["built"]')

    shown = project.fail("-t", "lambda", HATCH_LAMBDA_RESOLVER="finder")

    assert "`HATCH_LAMBDA_RESOLVER` is `finder`, but pip has to resolve: built 1.0 is an sdist." in shown


@pytest.mark.parametrize("way", ["garbage", "Finder", "uv", "pip,finder"])
def test_another_value_is_refused(project: Project, way: str) -> None:
    shown = project.fail("-t", "lambda", HATCH_LAMBDA_RESOLVER=way)

    assert f"Environment variable `HATCH_LAMBDA_RESOLVER` must be one of pip, finder and both, not `{way}`" in shown


def test_another_value_is_refused_without_dependencies(new_project: NewProject) -> None:
    assert "must be one of pip" in new_project().fail("-t", "lambda", HATCH_LAMBDA_RESOLVER="garbage")


def test_both_stop_where_they_differ(new_project: NewProject, only_index: OnlyIndex) -> None:
    with ChangingIndex(OFFERS) as changing:
        only_index(*changing.urls)
        project = new_project(project='dependencies = ["foo"]')

        shown = project.fail("-t", "lambda", HATCH_LAMBDA_RESOLVER="both")

    assert "The finder and pip resolve differently; please report this:" in shown
    assert [line.strip() for line in shown.splitlines() if line.endswith((" (the finder)", " (pip)"))] == [
        "bar: bar-1.5-py3-none-any.whl (the finder)",
        "bar: bar-2.0-py3-none-any.whl (pip)",
        "bar: extras: x (the finder)",
        "baz: baz-1.0-py3-none-any.whl (the finder)",
        "foo: foo-1.0-py3-none-any.whl (pip)",
        "foo: foo-2.0-py3-none-any.whl (the finder)",
    ]


def test_a_resolution_is_not_reused_for_another_way(project: Project) -> None:
    """Else `both` would compare nothing in a project that was built before."""
    project.build()

    assert "Reusing" in project.build()
    assert "Reusing" not in project.build("-t", "lambda", HATCH_LAMBDA_RESOLVER="both")
