"""The finder chooses what pip chooses, file by file, or leaves it to pip; pip is the reference."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from pip._internal.utils.compatibility_tags import get_supported

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, all_targets
from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.pip.process import _interpreter
from tests.support import requirement_sets
from tests.support.package_index import PackageIndex
from tests.support.requirement_sets import LEFT_TO_PIP, PREFER_BINARY, SDISTS, YANKED, need, scoped
from tests.support.two_ways import by_finder, by_pip, job_of, picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_lambda.common.target import Target
    from tests.conftest import OnlyIndex
    from tests.support.requirement_sets import RequirementSet

# Each of the newer half for both, the others, which differ less, for one.
TARGETS = [
    (name, each)
    for at, name in enumerate(RUNTIMES)
    for each in ARCHITECTURES
    if at > 3 or (at % 2 == 0) == (each == "arm64")
]


def numbered(sets: Sequence[RequirementSet]) -> list[RequirementSet]:
    return [scoped(number, each) for number, each in enumerate(sets)]


def serving(sets: Sequence[RequirementSet], indexes: int = 1) -> PackageIndex:
    return PackageIndex((offer for each in sets for offer in each.offers), indexes)


OF_TARGETS = numbered(requirement_sets.OF_TARGETS)
OF_ANY_TARGET = numbered(requirement_sets.OF_ANY_TARGET)
CONFLICTS = numbered(requirement_sets.CONFLICTS)
SEVERAL_INDEXES = numbered(requirement_sets.SEVERAL_INDEXES)


def compare(sets: Sequence[RequirementSet], root: Path, **table: object) -> None:
    """Resolve all sets at once in both ways, and tell them apart by the scopes of their names."""
    requirements = [line for each in sets for line in each.requirements]
    constraints = [line for each in sets for line in each.constraints]
    try:
        ours = picture(by_finder(job_of(root, requirements, constraints, **table)))
    except LeftToPip:
        assert not {each.title: why for each in sets if (why := why_left(each, root, **table))}, "left to pip"
        raise
    pips = picture(by_pip(job_of(root, requirements, constraints, **table)))
    differences, others = {}, {}
    for each in sets:
        found, expected = (
            {name.removeprefix(each.scope): what for name, what in every.items() if name.startswith(each.scope)}
            for every in (ours, pips)
        )
        if found != expected:
            differences[each.title] = (found, expected)
        chosen = ", ".join(f"{name} {what[0]}" for name, what in sorted(expected.items()))
        if each.chosen is not None and chosen != each.chosen:
            others[each.title] = (chosen, each.chosen)
    assert not differences
    assert not others, "pip itself chooses otherwise than the set says"
    assert ours == pips


def why_left(each: RequirementSet, root: Path, **table: object) -> str | None:
    """Why a set is left to pip; None if it is not."""
    try:
        by_finder(job_of(root, each.requirements, each.constraints, **table))
    except LeftToPip as reason:
        return str(reason)
    return None


def test_there_are_many_sets() -> None:
    assert len({each.title for each in (*OF_TARGETS, *OF_ANY_TARGET, *CONFLICTS, *SEVERAL_INDEXES)}) > 100


@pytest.mark.parametrize("target", all_targets(), ids=str)
def test_tags_are_preferred_as_pip_prefers_them(target: Target) -> None:
    supported = get_supported(**_interpreter(target))

    assert [*map(str, target.tags_as_pip_prefers_them)] == [*map(str, supported)]
    assert {*target.tags_as_pip_prefers_them} == target.tag_set


@pytest.mark.parametrize(
    ("runtime", "architecture"),
    [
        pytest.param(*target, marks=() if target == ("python3.13", "arm64") else pytest.mark.slow, id="-".join(target))
        for target in TARGETS
    ],
)
def test_what_depends_on_the_target(only_index: OnlyIndex, tmp_path: Path, runtime: str, architecture: str) -> None:
    with serving(OF_TARGETS) as index:
        only_index(*index.urls)
        compare(OF_TARGETS, tmp_path, runtime=runtime, architecture=architecture)


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "architecture"), [TARGETS[0], TARGETS[-1]])
def test_what_is_the_same_for_all_targets(
    only_index: OnlyIndex, tmp_path: Path, runtime: str, architecture: str
) -> None:
    with serving(OF_ANY_TARGET) as index:
        only_index(*index.urls)
        compare(OF_ANY_TARGET, tmp_path, runtime=runtime, architecture=architecture)


@pytest.mark.parametrize("each", CONFLICTS, ids=attrgetter("title"))
def test_conflicts(only_index: OnlyIndex, tmp_path: Path, each: RequirementSet) -> None:
    with serving([each]) as index:
        only_index(*index.urls)
        compare([each], tmp_path)


@pytest.mark.slow
def test_conflicts_of_several_kinds_at_once(only_index: OnlyIndex, tmp_path: Path) -> None:
    with serving(CONFLICTS) as index:
        only_index(*index.urls)
        compare(CONFLICTS, tmp_path, runtime="python3.10", architecture="arm64")


@pytest.mark.slow
@pytest.mark.parametrize("prefer_binary", [True, False])
def test_several_indexes(only_index: OnlyIndex, tmp_path: Path, *, prefer_binary: bool) -> None:
    with serving(SEVERAL_INDEXES, indexes=2) as index:
        only_index(*index.urls)
        compare(SEVERAL_INDEXES, tmp_path, prefer_binary=prefer_binary)


@pytest.mark.slow
def test_without_preferring_wheels(only_index: OnlyIndex, tmp_path: Path) -> None:
    sets = numbered([*SDISTS, *YANKED])
    with serving(sets) as index:
        only_index(*index.urls)
        compare(sets, tmp_path, prefer_binary=False)


@pytest.mark.parametrize("each", numbered(PREFER_BINARY), ids=attrgetter("title"))
def test_newer_sdists_are_left_to_pip_without_preferring_wheels(
    only_index: OnlyIndex, tmp_path: Path, each: RequirementSet
) -> None:
    with serving([each]) as index:
        only_index(*index.urls)

        assert "is an sdist" in (why_left(each, tmp_path, prefer_binary=False) or "")


@pytest.mark.parametrize(
    ("why", "each"), [pytest.param(why, scoped(0, each), id=each.title) for why, each in LEFT_TO_PIP]
)
def test_what_is_left_to_pip(only_index: OnlyIndex, tmp_path: Path, why: str, each: RequirementSet) -> None:
    with serving([each]) as index:
        only_index(*index.urls)

        assert why in (why_left(each, tmp_path) or "")


def test_an_html_page_is_left_to_pip(only_index: OnlyIndex, tmp_path: Path) -> None:
    each = need("a page of PEP 503", "a", "a")
    with serving([each]) as index:
        index.extra_pages["/0/simple/a/"] = ("text/html", b"<a href='/files/0/a-1.0-py3-none-any.whl'>a</a>")
        only_index(*index.urls)

        assert "has no JSON page" in (why_left(each, tmp_path) or "")


@pytest.mark.slow
def test_files_of_requirements_and_constraints(only_index: OnlyIndex, tmp_path: Path) -> None:
    for name, text in {
        "requirements.txt": "-r more/more.txt\n-c constraints.txt\nb # as is\n\na[x]>=1;os_name=='posix' \\\n  # end\n",
        "more/more.txt": "c ; sys_platform == 'win32'\nd<3\n--constraint ../others.txt\n",
        "constraints.txt": "b<2\nd!=2.5\n-c others.txt\n",
        "others.txt": "a<2 ; os_name == 'posix'\na<1 ; os_name == 'nt'\nd\n",
        "more-constraints.txt": "e==1.0\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    table = {"requirements": ["requirements.txt"], "constraints": ["constraints.txt", "more-constraints.txt"]}
    offers = [f"{name} 1.0 1.5 2.0 2.5 3.0 [x] -> e; extra == 'x'" for name in "abcd"]
    with serving([need("files", "", *offers, "e 1.0 2.0", "f 1.0 2.0")]) as index:
        only_index(*index.urls)
        ours, pips = (picture(way(job_of(tmp_path, ["f"], ["f<2"], **table))) for way in (by_finder, by_pip))

    assert ours == pips
    assert [(name, what[0]) for name, what in ours.items()] == [
        *(("a", "1.5"), ("b", "1.5"), ("d", "2.0"), ("e", "1.0"), ("f", "1.0"))
    ]
