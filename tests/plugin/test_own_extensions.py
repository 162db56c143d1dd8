"""Extension modules of the project itself, built for another Python or system than the runtime's."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.plugin.project_wheel import check_tags
from tests.support.elf import make_elf
from tests.support.projects import HOOK, PACKAGE, NewProject

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
TAGGING = """
class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        build_data["pure_python"] = False
        build_data["tag"] = "{tag}"
"""


@pytest.mark.parametrize(
    "tag",
    [
        *("cp311-cp311-linux_x86_64", "cp314-abi3-linux_x86_64", "cp313-cp313-macosx_14_0_arm64"),
        *("cp313-cp313-win_amd64", "cp313-cp313-musllinux_1_2_x86_64", "cp313-cp313-linux_aarch64"),
        *("cp313-cp313-manylinux_2_39_x86_64", "cp313-cp313t-linux_x86_64", "pp310-pypy310_pp73-linux_x86_64"),
    ],
)
def test_tags_that_the_runtime_does_not_support(tag: str) -> None:
    with pytest.raises(LambdaBuildError) as caught:
        check_tags(Path(f"orders-1.0-{tag}.whl"), TARGET)

    message = str(caught.value)
    assert message.startswith(f"The project's wheel is tagged {tag}, which python3.13 on x86_64 (Amazon Linux 2023, ")
    assert "What you can do: build with the runtime's Python on Linux on x86_64 (`python3.13 -m hatchling" in message


@pytest.mark.parametrize(
    "tag",
    [
        *("py3-none-any", "py2.py3-none-any", "cp313-cp313-linux_x86_64", "cp310-abi3-linux_x86_64"),
        *("py3-none-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_34_x86_64"),
    ],
)
def test_tags_that_the_runtime_supports(tag: str) -> None:
    check_tags(Path(f"orders-1.0-{tag}.whl"), TARGET)


def test_a_wheel_of_another_python(new_project: NewProject) -> None:
    hook = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n" + TAGGING
    project = new_project(
        HOOK + "[tool.hatch.build.targets.wheel.hooks.custom]\n",
        files={**PACKAGE, "hatch_build.py": hook.format(tag="cp311-cp311-linux_x86_64")},
    )
    project.build()  # without native code, it is Python like any other

    (project.root / "orders" / "_fast.so").write_bytes(make_elf())
    assert "The project's wheel is tagged cp311-cp311-linux_x86_64, which python3.13" in project.fail()


def test_an_extension_of_another_python_in_a_wheel_for_any(new_project: NewProject) -> None:
    path = "orders/app.cpython-311-x86_64-linux-gnu.so"

    shown = new_project(files={**PACKAGE, path: make_elf()}).fail()

    assert f"orders 1.0\n  {path}\n    needs a Python that imports `*.cpython-311-x86_64-linux-gnu.so`" in shown
    assert "build with the runtime's Python (`python3.13 -m hatchling build -t lambda`)" in shown
