"""Lambda's limit on the unzipped size: of what the message speaks, and what it advises."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import TooLargeError
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from hatch_lambda.wheels.store import Store
from hatch_lambda.zip import size
from tests.support.elf import make_elf
from tests.support.handlers import RUNNING
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.packages import Content

PYC = f"__pycache__/foo.{sys.implementation.cache_tag}.pyc"
OWN = [BundleFile("orders/app.py", FILE_MODE, Generated(b"x" * 2048), "orders 1.0")]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines of the message where the limit is 1 kB. `wheels`: files by distribution."""
    monkeypatch.setattr(size, "UNZIPPED_LIMIT", 1024)

    def ask(
        version: str = "function",
        *,
        own: list[BundleFile] = OWN,
        wheels: dict[str, dict[str, Content]],
        **table: object,
    ) -> list[str]:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load({"runtime": "python3.13", **table}, tmp_path, environ={})
        store = Store(tmp_path / "store")
        kept = [
            store.keep(make_wheel(tmp_path / "wheels", name, files=contents), name, "1.0")
            for name, contents in wheels.items()
        ]
        files = [file for wheel in kept for file in lay_out(wheel.path, settings.target)]
        with pytest.raises(TooLargeError) as error:
            size.check_size(version, own, files, settings, kept, store)
        return str(error.value).splitlines()

    return ask


def kilobytes(number: float) -> str:
    return "#" * int(number * 1024)


PLAIN = {"foo": {"foo.py": kilobytes(400)}}


@pytest.mark.parametrize(
    ("version", "own", "said"),
    [
        ("function", OWN, "The zip would have 402."),
        ("code", OWN, "The function's code and its layer together would have 402."),
        ("layer", [], "The layer would have 400."),
    ],
)
def test_it_says_of_what(refused: Callable[..., list[str]], version: str, own: list[BundleFile], said: str) -> None:
    first, *rest = refused(version, own=own, wheels=PLAIN)

    assert first.startswith(said)
    assert first.endswith("; Lambda's limit is 1.0 kB, layers included.")
    assert ("bytes: code 2.0 kB, layer 400." in first) == (version == "code")
    assert rest[1].split()[1:] == ["kB", "foo", "1.0"]


def test_what_prune_would_leave_out_is_told_by_set(refused: Callable[..., list[str]]) -> None:
    wheels = {
        "foo": {
            "foo/__init__.py": kilobytes(1),
            "foo/tests/__init__.py": "",
            "foo/tests/test_x.py": "def test_x(): ...\n" + kilobytes(30),
            "foo/x.pyi": kilobytes(5),
            "foo/y.cpython-310-x86_64-linux-gnu.so": kilobytes(2),
        }
    }

    lines = refused(wheels=wheels)
    assert (
        '- set `prune = ["bytecode", "tests", "stubs", "other-pythons"]`, which leaves out 37.0 kB: '
        "tests 30.0 kB, stubs 5.0 kB, other-pythons 2.0 kB" in lines
    )
    lines = refused(wheels=wheels, prune=["tests", "stubs"])
    assert '- set `prune = ["tests", "stubs", "other-pythons"]`, which leaves out 2.0 kB: other-pythons 2.0 kB' in lines


def test_what_stripping_would_save_is_told(refused: Callable[..., list[str]]) -> None:
    wheels = {"foo": {"foo/x.abi3.so": make_elf(debug=b"#" * 40 * 1024)}}

    (line,) = [line for line in refused(wheels=wheels) if "prune" in line]

    assert line.startswith('- set `prune = ["bytecode", "debug"]`, which leaves out 40.')
    assert not any("prune =" in line for line in refused(wheels=wheels, prune=["debug"]))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.skipif(RUNNING not in RUNTIMES, reason="no runtime has this interpreter")
def test_what_leaving_sources_out_would_save_is_told(refused: Callable[..., list[str]], *, compiled: bool) -> None:
    wheels = {
        "foo": {"foo.py": f"# {kilobytes(50)}\n", **({PYC: kilobytes(9)} if compiled else {})},
        "bar": {"bar.py": f"import inspect\ninspect.getsource(print)\n# {kilobytes(50)}\n"},
    }

    (line,) = [
        line for line in refused(wheels=wheels, runtime=RUNNING, compile_bytecode=compiled, prune=[]) if "only" in line
    ]

    assert line.startswith(f'- set `compile-bytecode = "only"`, which saves {56 if compiled else 47}.')


def test_what_the_runtime_provides_is_told(refused: Callable[..., list[str]]) -> None:
    wheels = {name: {f"{name}.py": kilobytes(100)} for name in ("boto3", "botocore", "six", "foo")}

    (line,) = [line for line in refused(wheels=wheels) if "provided" in line]

    assert line.startswith("- add `aws-sdk` to `provided`, which leaves out what the runtime has, up to 301.")
    assert line.endswith("kB: boto3, botocore, six")


def test_bytecode_that_is_compiled_here_is_told(refused: Callable[..., list[str]]) -> None:
    wheels = {"foo": {"foo.py": "", "__pycache__/foo.cpython-313.pyc": kilobytes(50)}}

    lines = refused(wheels=wheels, compile_bytecode=True, prune=[])

    assert "- set `compile-bytecode = false`, which leaves out 50.0 kB" in lines
    assert not any('"bytecode"' in line for line in lines)


def test_all_ways_out_are_named_where_nothing_is_known(refused: Callable[..., list[str]]) -> None:
    lines = refused(wheels={**PLAIN, "six": {"six.py": ""}}, compile_bytecode="only")

    assert lines[lines.index("What you can do:") + 1 :] == [
        "- leave out what the function does not need, with `exclude` or fewer dependencies; their sizes are above",
        "- split the project into `functions`, each with its own dependencies and files",
        "- `prune` and `provided` would leave out nothing more",
        "- a layer does not help, as it counts, too; a function that is a container image may have 10 GB",
    ]


def test_of_a_large_project_the_largest_files_are_named_with_the_table_that_leaves_them_out(
    refused: Callable[..., list[str]],
) -> None:
    own = [
        BundleFile(f"orders/{name}", FILE_MODE, Generated(b"x" * 1024 * size), "orders 1.0")
        for name, size in {"app.py": 1, "m.bin": 270, "n.bin": 30, "o.bin": 20}.items()
    ]
    first = (
        "- leave out files of the project with `tool.hatch.build.targets.lambda.exclude`; the largest in the zip: "
        "orders/m.bin (270.0 kB), orders/n.bin (30.0 kB), orders/o.bin (20.0 kB)"
    )

    alone = refused(own=own, wheels={})
    assert alone[alone.index("What you can do:") + 1] == first
    assert not any("fewer dependencies" in line for line in alone)
    assert first in refused("code", own=own, wheels={"foo": {"foo.py": kilobytes(200)}})
    assert not any("of the project" in line for line in refused(own=own, wheels=PLAIN))
