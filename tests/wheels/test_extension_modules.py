from __future__ import annotations

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.extension_modules import is_never_imported, path_in_bundle


@pytest.mark.parametrize(
    ("path", "never"),
    [
        ("app.cpython-311-x86_64-linux-gnu.so", True),
        ("shop/app.cpython-313-x86_64-linux-musl.so", True),
        ("shop/app.pypy310-pp73-x86_64-linux-gnu.so", True),
        ("app.abi3t.so", True),
        ("app.abi3-x86_64-linux-gnu.so", True),
        ("app.cp313-win_amd64.pyd", True),
        ("app.pyd", True),
        ("shop/app.cpython-313-darwin.so", True),
        ("shop/app.cpython-313-aarch64-linux-gnu.so", True),
        ("shop-1.0.data/platlib/shop/app.pyd", True),
        ("foo/_speed.cpython-313-x86_64-linux-gnu.so", False),
        ("foo/_speed.abi3.so", False),
        ("foo/_speed.so", False),
        ("foo/_speed.so.1", False),
        ("foo/test-data/x.cpython-39-x86_64-linux-gnu.so", False),  # nothing imports it; something may read it
        ("foo.libs/libx.cp39.so", False),
        ("foo/app.cpython-311.pyc", False),
    ],
)
def test_extensions_that_the_runtime_never_imports(path: str, never: bool) -> None:  # noqa: FBT001
    assert is_never_imported(path, Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])) is never


@pytest.mark.parametrize(
    ("path", "never"),
    [
        ("app.abi3-x86_64-linux-gnu.so", False),
        ("app.abi3t-x86_64-linux-gnu.so", False),
        ("app.abi3t.so", False),
        ("app.abi3-aarch64-linux-gnu.so", True),
        ("app.cpython-315t-x86_64-linux-gnu.so", True),
    ],
)
def test_python3_15_imports_more(path: str, never: bool) -> None:  # noqa: FBT001
    assert is_never_imported(path, Target(RUNTIMES["python3.15"], ARCHITECTURES["x86_64"])) is never


@pytest.mark.parametrize("scheme", ["purelib", "platlib", "data"])
def test_the_path_in_the_bundle_of_what_is_in_a_scheme(scheme: str) -> None:
    assert path_in_bundle(f"foo-1.0.data/{scheme}/lib/libx.so") == "lib/libx.so"
