"""Extension modules of the project itself, built for another Python or system than the runtime's."""

from __future__ import annotations

import platform
import shutil
import sysconfig
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target, target_named
from hatch_lambda.plugin.project_wheel import check_tags
from hatch_lambda.resolve.cross.zig import installed_zig
from hatch_lambda.wheels.build_record import DOCUMENT, read_document
from hatch_lambda.wheels.machine_code import read_machine_code
from tests.support.elf import make_elf
from tests.support.projects import HOOK, PACKAGE, NewProject
from tests.support.situation import HERE

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


BY_SYSCONFIG = """
import shlex, subprocess, sysconfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        path = "orders/_fast" + sysconfig.get_config_var("EXT_SUFFIX")
        command = shlex.split(sysconfig.get_config_var("LDSHARED") + " -fPIC -I" + sysconfig.get_path("include"))
        subprocess.run([*command, "fast.c", "-o", path], check=True)
        build_data.update(pure_python=False, infer_tag=True)
        build_data["artifacts"].append(path)
"""
BY_SETUPTOOLS = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        distribution = Distribution({"name": "orders", "ext_modules": [Extension("orders._fast", ["fast.c"])]})
        command = distribution.get_command_obj("build_ext")
        command.inplace = True
        command.ensure_finalized()
        command.run()
        build_data.update(pure_python=False, infer_tag=True)
        build_data["artifacts"].append("orders/" + command.get_ext_filename("_fast"))
"""
BY_A_CHILD = """
import subprocess, sys
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILING = '''
import shlex, subprocess, sysconfig
path = "orders/_fast" + sysconfig.get_config_var("EXT_SUFFIX")
command = shlex.split(sysconfig.get_config_var("LDSHARED") + " -fPIC -I" + sysconfig.get_path("include"))
subprocess.run([*command, "fast.c", "-o", path], check=True)
print(path)
'''

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        ended = subprocess.run([sys.executable, "-c", COMPILING], stdout=subprocess.PIPE, text=True, check=True)
        build_data.update(pure_python=False, infer_tag=True)
        build_data["artifacts"].append(ended.stdout.strip())
"""
FAST = "#include <Python.h>\nPyMODINIT_FUNC PyInit__fast(void) { return NULL; }\n"
THIS, OTHER = ("x86_64", "arm64") if platform.machine() == "x86_64" else ("arm64", "x86_64")


@pytest.mark.skipif(installed_zig() is None, reason="no cross compiler (ziglang) at hand")
@pytest.mark.skipif(RUNTIMES.get(HERE) is None, reason="no runtime has the running version")
@pytest.mark.usefixtures("zig")
@pytest.mark.real_processes  # in a fork, setuptools does not find its own distutils
class TestCrossCompiling:
    @pytest.mark.parametrize(
        "hook", [BY_SYSCONFIG, BY_SETUPTOOLS, BY_A_CHILD], ids=["by sysconfig", "by setuptools", "by a child"]
    )
    @pytest.mark.parametrize("architectures", [(OTHER,), (OTHER, THIS)], ids=["one target", "two targets"])
    def test_a_hook_compiles_for_the_target(
        self, hook: str, architectures: tuple[str, ...], new_project: NewProject
    ) -> None:
        """In one process, for one target after the other; what it leaves in the project is for one each."""
        if THIS in architectures and not (
            shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()
        ):
            pytest.skip("no C compiler, or no headers of this Python at hand")
        functions = "".join(
            f'[tool.hatch.build.hooks.lambda.functions.{name}]\narchitecture = "{name}"\n' for name in architectures
        )
        project = new_project(
            f'[tool.hatch.build.hooks.lambda]\nruntime = "{HERE}"\n{functions}'
            "[tool.hatch.build.targets.wheel.hooks.custom]\n",
            files={**PACKAGE, "hatch_build.py": hook, "fast.c": FAST, ".gitignore": "*.so\nbuild\n"},
        )

        project.build("-t", f"lambda:{','.join(architectures)}")

        for name in architectures:
            target = target_named(HERE, name)
            with ZipFile(project.dist / f"orders-1.0-{name}-{target}.zip") as archive:
                (path,) = (path for path in archive.namelist() if path.endswith(".so"))
                code = read_machine_code(path, BytesIO(archive.read(path)))
                documents = [archive.read(file) for file in archive.namelist() if file.endswith(DOCUMENT)]
            assert path == f"orders/_fast{target.extension_suffixes[0]}"
            assert code
            assert code.architecture == target.architecture.machine
            makers = [str(read_document(document)).partition(" ")[0] for document in documents]
            assert makers == (["zig"] if name == OTHER else [])

    def test_the_setting_leaves_it_to_this_machine(self, new_project: NewProject) -> None:
        table = f'[tool.hatch.build.hooks.lambda]\nruntime = "{HERE}"\narchitecture = "{OTHER}"\ncross = false\n'
        hook = f"import sysconfig\nfrom hatchling.builders.hooks.plugin.interface import BuildHookInterface\n{TAGGING}"
        hook = hook.replace('"{tag}"', '"py3-none-" + sysconfig.get_platform().replace("-", "_")')
        project = new_project(
            f"{table}[tool.hatch.build.targets.wheel.hooks.custom]\n", files={**PACKAGE, "hatch_build.py": hook}
        )

        tag = "py3-none-" + sysconfig.get_platform().replace("-", "_")
        assert f"The project's wheel is tagged {tag}, which" in project.fail()
