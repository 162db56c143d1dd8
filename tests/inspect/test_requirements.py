"""Which distribution of a zip requires which, and their licences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.inspect import contents
from hatch_lambda.inspect.licences import licence_of
from hatch_lambda.inspect.requirements import requirements
from hatch_lambda.wheels.metadata import Metadata
from tests.support.lambda_zips import make_zip
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.inspect.requirements import Requirements


def graph(tmp_path: Path, *wheels: Path, target: Target | None = None) -> Requirements:
    return requirements(contents.read(make_zip(tmp_path / "graph.zip", *wheels)).installed, target)


def edges(wanted: Requirements) -> set[str]:
    return {f"{edge.requirer}>{edge.required}{edge.specifier}" for edge in wanted.edges}


LINUX = Target(RUNTIMES["python3.10"], ARCHITECTURES["x86_64"])


def test_markers_of_the_runtime_and_required_extras(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [
        make_wheel(
            wheels, "app", requires=["Foo_Bar[fast]>=1", "old; python_version < '3.11'", "win; os_name == 'nt'"]
        ),
        make_wheel(
            wheels, "foo-bar", requires=["speed<2; extra == 'fast'", "docs; extra == 'docs'"], extras=["fast", "docs"]
        ),
        make_wheel(wheels, "speed"),
        make_wheel(wheels, "old"),
    ]

    assert edges(graph(tmp_path, *made, target=LINUX)) == {"app>foo-bar>=1", "app>old", "foo-bar>speed<2"}
    newer = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
    assert edges(graph(tmp_path, *made, target=newer)) == {"app>foo-bar>=1", "foo-bar>speed<2"}
    # Some runtime requires `old`.
    assert edges(graph(tmp_path, *made)) == {"app>foo-bar>=1", "app>old", "foo-bar>speed<2"}


def test_invalid_requirements_are_ignored(tmp_path: Path) -> None:
    odd = ["a; os_name ~= 'x'", "b; 'x' in extras", "c; python_version ~= 'abc'", "no requirement at all", "d"]

    assert edges(graph(tmp_path, make_wheel(tmp_path / "wheels", "app", requires=odd))) == {"app>d"}


def test_cycles_have_a_root(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [
        make_wheel(wheels, "a", requires=["b"]),
        make_wheel(wheels, "b", requires=["a", "b"]),
        make_wheel(wheels, "top", requires=["c"]),
        make_wheel(wheels, "c"),
    ]

    assert graph(tmp_path, *made).roots == ("top", "a")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": "mit or apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause"),
        ({"License": "Permission is hereby granted,\n  free of charge"}, ""),
        ({"License": "Our own", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT License"),
        ({"License": "Our own", "Classifier": "License :: OSI Approved"}, "Our own"),
        ({"License": "UNKNOWN"}, ""),
        ({"License": "x" * 5_000}, ""),
    ],
)
def test_licences(fields: dict[str, str], expected: str) -> None:
    metadata = Metadata("".join(f"{field}: {value}\n" for field, value in fields.items()))

    assert str(licence_of(metadata)) == expected
