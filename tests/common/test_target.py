from __future__ import annotations

import itertools
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import packaging
import pytest
from packaging import _manylinux
from packaging.markers import Marker, default_environment
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from hatch_lambda.common.target import (
    ARCHITECTURES,
    BUILT_IN_MODULES,
    LOADED_MODULES,
    RUNTIMES,
    Target,
    all_targets,
    target_named,
)
from tests.support.lambda_runtime import EVERY_RUNTIME, python_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# What AWS promises, written down a second time.
SYSTEMS = {
    "python3.8": ("Amazon Linux 2", 26),
    "python3.9": ("Amazon Linux 2", 26),
    "python3.10": ("Amazon Linux 2", 26),
    "python3.11": ("Amazon Linux 2", 26),
    "python3.12": ("Amazon Linux 2023", 34),
    "python3.13": ("Amazon Linux 2023", 34),
    "python3.14": ("Amazon Linux 2023", 34),
    "python3.15": ("Amazon Linux 2023", 34),
}
NOT_ON_LINUX = {"msilib", "msvcrt", "nt", "winreg", "winsound"}
NOT_IN_EVERY_BUILD = {"curses", "dbm", "nis", "ossaudiodev", "readline", "sqlite3", "tkinter", "turtle"}
STANDARD_LIBRARY = """
import pkgutil, sys, sysconfig
if sys.version_info >= (3, 10):
    print(*sys.stdlib_module_names)
else:
    folder = sysconfig.get_path("stdlib")
    found = pkgutil.iter_modules([folder, folder + "/lib-dynload"])
    print(*{module.name for module in found}.union(sys.builtin_module_names) - {"test", "xxlimited", "xxsubtype"})
"""
MACHINES = {"x86_64": ("x86_64", 5), "arm64": ("aarch64", 17)}

every_target = pytest.mark.parametrize("target", all_targets(), ids=str)
every_version = pytest.mark.parametrize("version", EVERY_RUNTIME)


def target(name: str) -> Target:
    runtime, _, architecture = name.partition("-")
    return Target(RUNTIMES[runtime], ARCHITECTURES[architecture])


def expected_platforms(target: Target) -> list[str]:
    """From PEP 600 and the legacy names' own PEPs, newest first."""
    machine, oldest = MACHINES[target.architecture.name]
    platforms = []
    for minor in range(SYSTEMS[target.runtime.name][1], oldest - 1, -1):
        platforms.append(f"manylinux_2_{minor}_{machine}")
        platforms += {17: [f"manylinux2014_{machine}"], 12: ["manylinux2010_x86_64"], 5: ["manylinux1_x86_64"]}.get(
            minor, []
        )
    return [*platforms, f"linux_{machine}"]


def without_plain_linux(tags: Iterable[str]) -> list[str]:
    """Where `linux_x86_64` goes is the packager's choice: `packaging` has had it last, and has it first."""
    return [tag for tag in tags if "-linux_" not in tag]


class TestTables:
    def test_there_is_every_runtime_on_every_architecture_and_no_other(self) -> None:
        assert list(map(str, all_targets())) == [
            f"{runtime}-{architecture}" for runtime, architecture in itertools.product(SYSTEMS, MACHINES)
        ]

    def test_the_tables_are_keyed_by_the_names_that_aws_uses(self) -> None:
        assert {key: runtime.name for key, runtime in RUNTIMES.items()} == {name: name for name in SYSTEMS}
        assert {key: architecture.name for key, architecture in ARCHITECTURES.items()} == {
            "x86_64": "x86_64",
            "arm64": "arm64",
        }

    @every_target
    def test_the_system_and_its_glibc_are_those_of_the_runtime(self, target: Target) -> None:
        system, glibc = SYSTEMS[target.runtime.name]

        assert target.description == f"{target} ({system}, glibc 2.{glibc})".replace("-", " on ", 1)
        assert target.glibc == f"2.{glibc}"

    @every_target
    def test_the_full_version_is_a_final_release_of_the_runtimes_python(self, target: Target) -> None:
        version = target.python_full_version

        assert f"python{version.major}.{version.minor}" == target.runtime.name
        assert version == Version(f"{version.major}.{version.minor}.{version.micro}")
        assert version.micro > 0 or target.runtime.deprecated is None
        assert target.runtime.python == version.release[:2]

    @every_target
    def test_scripts_are_run_by_the_runtimes_own_interpreter(self, target: Target) -> None:
        assert target.python_executable == f"/var/lang/bin/{target.runtime.name}"


class TestModules:
    def test_those_that_are_loaded_early_are_the_running_pythons(self) -> None:
        assert set(sys.builtin_module_names) >= BUILT_IN_MODULES
        assert LOADED_MODULES - {"__main__", "awslambdaric"} <= sys.stdlib_module_names

    @every_version
    def test_the_standard_library_is_that_of_the_runtimes_python(self, version: str) -> None:
        told = subprocess.run([python_of(version), "-c", STANDARD_LIBRARY], capture_output=True, text=True, check=True)

        public = {name for name in told.stdout.split() if not name.startswith("_")}
        expected = {name for name in RUNTIMES[f"python{version}"].standard_library if not name.startswith("_")}
        if version in {"3.8", "3.9"}:  # what these say of themselves is what this build of them has
            assert public <= expected
            assert expected - public <= NOT_IN_EVERY_BUILD
        else:
            assert expected == public - NOT_ON_LINUX

    @every_version
    def test_what_is_built_in_is_so_in_every_runtime(self, version: str) -> None:
        ask = "import sys; print(*sys.builtin_module_names)"
        told = subprocess.run([python_of(version), "-c", ask], capture_output=True, text=True, check=True)

        assert set(told.stdout.split()) >= BUILT_IN_MODULES

    def test_what_changes_between_pythons(self) -> None:
        has = {name: runtime.standard_library for name, runtime in RUNTIMES.items()}

        assert [name for name in has if "imp" in has[name]] == ["python3.8", "python3.9", "python3.10", "python3.11"]
        assert [name for name in has if "zoneinfo" in has[name]] == [*RUNTIMES][1:]
        assert [name for name in has if "tomllib" in has[name]] == [*RUNTIMES][3:]
        assert [name for name in has if "compression" in has[name]] == ["python3.14", "python3.15"]
        assert all({"json", "queue", "email"} <= modules for modules in has.values())


class TestPlatforms:
    @every_target
    def test_every_glibc_from_the_runtimes_down_is_named_and_none_above(self, target: Target) -> None:
        assert list(target.platforms) == expected_platforms(target)

    def test_python3_11_on_arm64_has_these_word_for_word(self) -> None:
        assert target("python3.11-arm64").platforms == (
            "manylinux_2_26_aarch64",
            "manylinux_2_25_aarch64",
            "manylinux_2_24_aarch64",
            "manylinux_2_23_aarch64",
            "manylinux_2_22_aarch64",
            "manylinux_2_21_aarch64",
            "manylinux_2_20_aarch64",
            "manylinux_2_19_aarch64",
            "manylinux_2_18_aarch64",
            "manylinux_2_17_aarch64",
            "manylinux2014_aarch64",
            "linux_aarch64",
        )


class TestTags:
    @every_target
    def test_they_are_in_number_and_order_what_packaging_finds_on_such_a_machine(
        self, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine = MACHINES[target.architecture.name][0]
        monkeypatch.setattr(sysconfig, "get_platform", lambda: f"linux-{machine}")
        monkeypatch.setattr("platform.system", lambda: "Linux")
        monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: (2, SYSTEMS[target.runtime.name][1]))
        monkeypatch.setattr(_manylinux, "_have_compatible_abi", lambda _executable, _archs: True)
        python = target.python_full_version.release[:2]
        interpreter = "cp{}{}".format(*python)

        expected = [
            *cpython_tags(python, abis=[interpreter]),
            *compatible_tags(python, interpreter=interpreter),
        ]

        assert target.tag_set == set(expected)
        assert len(target.tags) == len(expected)
        assert without_plain_linux(map(str, target.tags)) == without_plain_linux(map(str, expected))

    @every_version
    @pytest.mark.parametrize("architecture", MACHINES)
    def test_they_are_what_an_interpreter_of_the_runtimes_version_says_of_itself(
        self, version: str, architecture: str
    ) -> None:
        target, machine = target_named(f"python{version}", architecture), MACHINES[architecture][0]

        answer = subprocess.run(
            [python_of(version), "-I", "-c", SYS_TAGS, *PACKAGING, machine, target.glibc],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

        expected = json.loads(answer)
        tags = [str(tag) for tag in target.tags]
        if version in {"3.8", "3.9"}:  # the `packaging` in their pip does not know this one yet
            tags.remove(f"{target.interpreter}-none-any")
        assert set(tags) == set(expected)
        assert without_plain_linux(tags) == without_plain_linux(expected)

    @every_target
    def test_a_wheel_that_promises_a_glibc_goes_before_one_that_leaves_it_open(self, target: Target) -> None:
        of_the_interpreter = [tag.platform for tag in target.tags if tag.abi == target.interpreter]

        assert of_the_interpreter == expected_platforms(target)

    @pytest.mark.parametrize(
        ("wheel", "name"),
        [
            ("a-1-cp313-cp313-manylinux_2_34_x86_64.whl", "python3.13-x86_64"),
            ("a-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "python3.13-x86_64"),
            ("a-1-cp313-cp313-manylinux1_x86_64.whl", "python3.13-x86_64"),
            ("a-1-cp313-cp313-linux_x86_64.whl", "python3.13-x86_64"),
            ("a-1-cp39-abi3-manylinux_2_28_aarch64.whl", "python3.12-arm64"),
            ("a-1-cp312-abi3-manylinux_2_28_aarch64.whl", "python3.12-arm64"),
            ("a-1-cp314-none-manylinux_2_17_aarch64.whl", "python3.14-arm64"),
            ("a-1-py3-none-manylinux2014_aarch64.whl", "python3.10-arm64"),
            ("a-1-py3-none-any.whl", "python3.10-arm64"),
            ("a-1-py2.py3-none-any.whl", "python3.14-x86_64"),
            ("a-1-py310-none-any.whl", "python3.13-x86_64"),
            ("a-1-cp310-none-any.whl", "python3.10-x86_64"),
        ],
    )
    def test_a_wheel_that_runs_there_is_taken(self, wheel: str, name: str) -> None:
        assert parse_wheel_filename(wheel)[3] & target(name).tag_set

    @pytest.mark.parametrize(
        ("wheel", "name", "what_is_wrong"),
        [
            ("a-1-cp313-cp313-manylinux_2_35_x86_64.whl", "python3.13-x86_64", "a newer glibc"),
            ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "python3.11-x86_64", "a newer glibc than Amazon Linux 2 has"),
            ("a-1-cp313-cp313-manylinux_2_17_aarch64.whl", "python3.13-x86_64", "another architecture"),
            ("a-1-cp313-cp313-manylinux1_aarch64.whl", "python3.13-arm64", "a name that this machine never had"),
            ("a-1-cp313-cp313-manylinux_2_17_i686.whl", "python3.13-x86_64", "32 bits"),
            ("a-1-cp313-cp313-musllinux_1_2_x86_64.whl", "python3.13-x86_64", "another C library"),
            ("a-1-cp313-cp313-macosx_11_0_arm64.whl", "python3.13-arm64", "another operating system"),
            ("a-1-cp313-cp313-win_amd64.whl", "python3.13-x86_64", "another operating system"),
            ("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "python3.13-x86_64", "another Python"),
            ("a-1-cp313-cp313t-manylinux_2_17_x86_64.whl", "python3.13-x86_64", "free threading"),
            ("a-1-cp313-abi3-manylinux_2_17_x86_64.whl", "python3.12-x86_64", "the stable ABI of a newer Python"),
            ("a-1-cp312-none-any.whl", "python3.13-x86_64", "another Python, whatever the ABI"),
            ("a-1-py314-none-any.whl", "python3.13-x86_64", "a newer Python"),
            ("a-1-py2-none-any.whl", "python3.10-x86_64", "Python 2"),
            ("a-1-pp310-pypy310_pp73-manylinux_2_17_x86_64.whl", "python3.10-x86_64", "another implementation"),
        ],
    )
    def test_a_wheel_that_does_not_run_there_is_refused(self, wheel: str, name: str, what_is_wrong: str) -> None:
        assert not parse_wheel_filename(wheel)[3] & target(name).tag_set, what_is_wrong


PACKAGING = [str(Path(next(iter(packaging.__path__))).parent)]
# An older Python has its pip's.
IMPORT_PACKAGING = """
import sys
if sys.version_info >= (3, 10):
    sys.path.insert(0, sys.argv[1])
    import packaging
else:
    from pip._vendor import packaging
    sys.modules["packaging"] = packaging
"""

# All that makes an interpreter the runtime's, but for its version: the machine and its C library.
SYS_TAGS = f"""
import json, platform, sys, sysconfig
machine, glibc = sys.argv[2:]
sysconfig.get_platform = lambda: "linux-" + machine
platform.system = lambda: "Linux"
{IMPORT_PACKAGING}
from packaging import _manylinux, tags
_manylinux._get_glibc_version = lambda: tuple(map(int, glibc.split(".")))
_manylinux._have_compatible_abi = lambda *_: True
print(json.dumps([str(tag) for tag in tags.sys_tags() if "musllinux" not in tag.platform]))
"""


@every_version
@pytest.mark.skipif(sys.platform != "linux", reason="the runtimes are for Linux")
def test_extension_modules_are_found_by_the_suffixes_of_an_interpreter(version: str) -> None:
    ask = "import importlib.machinery as m, json, os; print(json.dumps([os.uname().machine, m.EXTENSION_SUFFIXES]))"
    answer = subprocess.run([python_of(version), "-c", ask], check=True, capture_output=True, text=True).stdout
    machine, suffixes = json.loads(answer)
    if version in {"3.13", "3.14"}:  # Debian's have another one
        suffixes = [suffix for suffix in suffixes if not suffix.startswith(".abi3-")]

    assert target(f"python{version}-{'arm64' if machine == 'aarch64' else machine}").extension_suffixes == (*suffixes,)


class TestMarkers:
    @every_target
    def test_the_environment_is_whole(self, target: Target) -> None:
        assert target.marker_environment.keys() == default_environment().keys()

    @every_target
    def test_every_value_is_the_runtimes(self, target: Target) -> None:
        environment = dict(target.marker_environment)
        assert environment.pop("platform_release")
        assert environment.pop("platform_version")

        assert environment == {
            "implementation_name": "cpython",
            "implementation_version": target.runtime.full_version,
            "os_name": "posix",
            "platform_machine": MACHINES[target.architecture.name][0],
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": target.runtime.full_version,
            "python_version": target.runtime.name.removeprefix("python"),
            "sys_platform": "linux",
        }

    @every_version
    @pytest.mark.skipif(sys.platform != "linux", reason="the runtimes are for Linux")
    def test_an_interpreter_of_the_runtimes_version_would_agree_but_for_its_patch_release(self, version: str) -> None:
        target = target_named(f"python{version}", "x86_64")
        script = f"{IMPORT_PACKAGING}import json; from packaging.markers import default_environment"
        answer = subprocess.run(
            [python_of(version), "-I", "-c", f"{script}; print(json.dumps(default_environment()))", *PACKAGING],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        of_this_machine = {"platform_machine", "platform_release", "platform_version"}
        patch_release = {"python_full_version", "implementation_version"}

        host = json.loads(answer)

        differing = {name for name, value in target.marker_environment.items() if host[name] != value}
        assert differing <= of_this_machine | patch_release

    @pytest.mark.parametrize(
        ("marker", "name", "holds"),
        [
            ("python_version < '3.11'", "python3.10-x86_64", True),
            ("python_version < '3.11'", "python3.11-x86_64", False),
            ("python_version >= '3.9'", "python3.10-x86_64", True),
            ("python_full_version < '3.11.3'", "python3.10-arm64", True),
            ("python_full_version < '3.11.3'", "python3.11-arm64", False),
            ("platform_machine == 'aarch64'", "python3.13-arm64", True),
            ("platform_machine == 'arm64'", "python3.13-arm64", False),
            ("platform_machine == 'x86_64'", "python3.13-x86_64", True),
            ("platform_machine == 'AMD64'", "python3.13-x86_64", False),
            ("sys_platform == 'win32' or os_name == 'nt'", "python3.13-x86_64", False),
            ("sys_platform == 'darwin'", "python3.13-arm64", False),
            ("platform_system == 'Linux'", "python3.14-arm64", True),
            ("implementation_name == 'cpython'", "python3.12-arm64", True),
            ("platform_python_implementation != 'PyPy'", "python3.12-arm64", True),
            ("implementation_version >= '3.12'", "python3.12-arm64", True),
        ],
    )
    def test_markers_decide_as_they_would_on_lambda(self, marker: str, name: str, *, holds: bool) -> None:
        assert Marker(marker).evaluate(dict(target(name).marker_environment)) is holds

    @every_target
    def test_markers_on_the_kernel_can_be_evaluated(self, target: Target) -> None:
        marker = Marker("platform_release >= '4.0' and platform_version != 'Darwin'")

        assert marker.evaluate(dict(target.marker_environment))
