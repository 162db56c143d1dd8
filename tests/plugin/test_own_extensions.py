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
        *("py2-none-any", "cp311-none-any", "py314-none-any"),
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
        *("py3-none-any", "py2.py3-none-any", "py310-none-any", "cp39-abi3-manylinux_2_17_x86_64"),
        *("cp313-cp313-linux_x86_64", "cp310-abi3-linux_x86_64"),
        *("py3-none-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_34_x86_64"),
    ],
)
def test_tags_that_the_runtime_supports(tag: str) -> None:
    check_tags(Path(f"orders-1.0-{tag}.whl"), TARGET)


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_x86_64", "py2-none-any"])
def test_a_wheel_of_another_python(tag: str, new_project: NewProject) -> None:
    """With native code or without."""
    hook = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n" + TAGGING
    project = new_project(
        HOOK + "[tool.hatch.build.targets.wheel.hooks.custom]\n",
        files={**PACKAGE, "hatch_build.py": hook.format(tag=tag)},
    )
    assert f"The project's wheel is tagged {tag}, which python3.13" in project.fail()

    (project.root / "orders" / "_fast.so").write_bytes(make_elf())
    assert f"The project's wheel is tagged {tag}, which python3.13" in project.fail()


def test_a_function_may_leave_out_native_code_for_another_python(new_project: NewProject) -> None:
    hook = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n" + TAGGING
    hook = hook.format(tag="cp311-cp311-linux_x86_64")
    table = '[tool.hatch.build.hooks.lambda.functions.api]\nexclude = ["*.so"]\n'

    new_project(
        f"{HOOK}{table}[tool.hatch.build.targets.wheel.hooks.custom]\n",
        files={**PACKAGE, "orders/_fast.so": make_elf(), "hatch_build.py": hook},
    ).build()


@pytest.mark.parametrize("tag", ["py2.py3-none-any", "cp39-abi3-linux_x86_64"])
def test_a_wheel_of_any_python(tag: str, new_project: NewProject) -> None:
    hook = "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n" + TAGGING.format(tag=tag)
    code = {"orders/_fast.abi3.so": make_elf()} if "abi3" in tag else {}

    new_project(
        HOOK + "[tool.hatch.build.targets.wheel.hooks.custom]\n", files={**PACKAGE, **code, "hatch_build.py": hook}
    ).build()


def test_an_extension_of_another_python_in_a_wheel_for_any(new_project: NewProject) -> None:
    path = "orders/app.cpython-311-x86_64-linux-gnu.so"

    shown = new_project(files={**PACKAGE, path: make_elf()}).fail()

    assert f"orders 1.0\n  {path}\n    needs a Python that imports `*.cpython-311-x86_64-linux-gnu.so`" in shown
    assert "build with the runtime's Python (`python3.13 -m hatchling build -t lambda`)" in shown
