"""Whatever an index and the requirements are like: the finder chooses what pip chooses, or leaves it to pip.

`EXAMPLES=500` tries more of them, others each time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.resolve.finder import LeftToPip
from tests.support.package_index import Offer, PackageIndex
from tests.support.two_ways import by_finder, by_pip, job_of, picture

if TYPE_CHECKING:
    from tests.conftest import OnlyIndex

EXAMPLES = os.environ.get("EXAMPLES")

NAMES = st.sampled_from("abcdef")
VERSIONS = ("0.9", "1.0", "1.0.post1", "1.1", "2.0a1", "2.0", "2.1", "2.1+local", "3.0rc1", "3.0", "1!1.0")
SPECIFIERS = st.sampled_from(
    ("",) * 12
    + ("<2", "<3", "<=2.0", ">=1.1", ">=2", ">1.0", "==1.*", "==2.0", "!=2.1", "!=3.0", "~=1.0", "~=2.0", ">=1,!=2.0")
    + ("<2", "<3", "<=2.0", ">=1.1", ">=1.0", ">=2", ">=2.0a1", ">=3.0rc1", "===1.0", "<1!0", "<3,!=2.0")
)
EXTRAS = st.sampled_from(("",) * 4 + ("[x]", "[y]", "[x,y]", "[unknown]"))
MARKERS = st.sampled_from(("",) * 4 + ("; python_version < '3.12'", "; extra == 'x'", "; extra == 'y'"))
PYTHONS = st.sampled_from((None,) * 5 + (">=3.8", ">=3.10", "<3.14", "<3.13", ">=3.14"))
FOREIGN = {"cp313-cp313-win_amd64", "py2-none-any"}
TAGS = st.sampled_from(
    ("py3-none-any",) * 20 + ("cp313-cp313-manylinux_2_17_x86_64", "cp312-abi3-manylinux2014_x86_64", *sorted(FOREIGN))
)
REQUIREMENTS = st.builds("{}{}{}".format, NAMES, EXTRAS, SPECIFIERS)


@st.composite
def offers(draw: st.DrawFn, name: str) -> list[Offer]:
    """The files of a project."""
    files = []
    dependencies = st.lists(st.builds("{}{}".format, REQUIREMENTS, MARKERS), max_size=2)
    for version in draw(st.lists(st.sampled_from(VERSIONS), min_size=3, max_size=7, unique=True)):
        python = draw(PYTHONS)
        offer = Offer(
            name,
            version,
            requires=tuple(draw(dependencies)),
            extras=("x", "y"),
            requires_python=python,
            on_page=draw(st.sampled_from((None, ""))) if python else None,
            beside=draw(st.sampled_from(("hash", True, None))),
            entry=(("yanked", draw(st.integers(0, 9)) == 1),),
        )
        tags = draw(st.lists(TAGS, min_size=1, max_size=2, unique=True))
        files += [offer._replace(tag=tag, place=draw(st.integers(0, 3)) // 3) for tag in tags]
        if draw(st.integers(0, 40)) == 1:
            files.append(offer._replace(tag=None))
    return files


WORLDS = st.tuples(*(offers(name) for name in "abcdef")).map(lambda every: [offer for one in every for offer in one])


@settings(
    max_examples=int(EXAMPLES or 15),
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@pytest.mark.slow
@given(
    world=WORLDS,
    requirements=st.lists(REQUIREMENTS, min_size=1, max_size=3),
    constraints=st.lists(st.builds("{}{}".format, NAMES, SPECIFIERS), max_size=1),
)
def test_the_finder_chooses_what_pip_chooses(
    only_index: OnlyIndex, tmp_path: Path, world: list[Offer], requirements: list[str], constraints: list[str]
) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    with PackageIndex(world, indexes=2) as index:
        only_index(*index.urls)
        try:
            found = picture(by_finder(job_of(root, requirements, constraints)))
        except LeftToPip as reason:
            event(f"left to pip: {reason}")
            # If they are in conflict, pip must find so, too; it may still get wheels that are not for the target.
            if " in " in str(reason) and FOREIGN.isdisjoint(offer.tag for offer in world):
                with pytest.raises(ResolutionError):
                    by_pip(job_of(root, requirements, constraints))
            return
        event(f"{len(found)} distributions")

        assert found == picture(by_pip(job_of(root, requirements, constraints)))
