"""Two distributions that own one path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError, ConflictingFilesError, ResolutionError
from tests.support.attacks import UNIX
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.packages import Content
    from tests.support.projects import Project

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        pytest.param({"shared/x.py": "1"}, {"shared/x.py": "2"}, "shared/x.py", id="a module"),
        pytest.param({"shared.py": "1"}, {"shared.py/x.py": "2"}, "shared.py", id="a file and a folder"),
        pytest.param(
            {"bar-1.0.data/purelib/x.py": "1"}, {"baz-1.0.data/platlib/x.py": "2"}, "x.py", id="by different schemes"
        ),
        pytest.param({"bin/tool": "1"}, {"baz-1.0.data/scripts/tool": "2"}, "bin/tool", id="a command"),
        pytest.param({"shared/__init__.py": "A = 1"}, {"shared/__init__.py": "B = 1"}, "shared/__init__.py", id="init"),
        pytest.param(
            {"shared/__init__.py": "import pkgutil\nA = 1"},
            {"shared/__init__.py": "import pkgutil\nB = 1"},
            "shared/__init__.py",
            id="init that uses pkgutil for something else",
        ),
        pytest.param({"baz-1.0.dist-info/METADATA": "x"}, {}, "baz-1.0.dist-info", id="another's metadata"),
    ],
)
def test_two_distributions_with_the_same_path(  # noqa: PLR0917
    one: Mapping[str, Content],
    other: Mapping[str, Content],
    path: str,
    index: Path,
    bundle_of: BundleOf,
    as_it_was: Callable[[], None],
) -> None:
    make_wheel(index, "bar", files=one)
    make_wheel(index, "baz", files=other)

    with pytest.raises((ConflictingFilesError, BrokenWheelError, ResolutionError)) as caught:
        bundle_of("bar", "baz")

    message = str(caught.value)
    assert "bar" in message
    assert path in message
    as_it_was()


def test_a_dependency_with_a_file_of_the_project(index: Path, project: Callable[..., Project]) -> None:
    make_wheel(index, "foo", files={"orders/app.py": "def handler(event, context):\n    steal(event)\n"})

    shown = project("foo").fail()

    assert "orders 1.0 and foo 1.0 both have a file `orders/app.py`" in shown
    assert "Traceback" not in shown
