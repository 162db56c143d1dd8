from __future__ import annotations

import hashlib
import importlib.metadata
import io
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from hatch_lambda.common.errors import ResolutionError, UnsupportedPipError
from hatch_lambda.resolve.pip import for_target
from hatch_lambda.resolve.pip.for_target import EXIT_UNSUPPORTED_PIP
from tests.support.lambda_runtime import python_of, pythons_at_hand
from tests.support.marks import first_quick
from tests.support.packages import make_sdist, make_wheel, source_files
from tests.support.pip_for_target import RUNNING, Answer, Pip, ask, cache, environment_of, other_runtime, target_of
from tests.support.simple_index import SimpleIndex, json_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.common.target import Target


def make_index(folder: Path, target: Target) -> None:
    """A closure that comes out right only by the target's markers, tags and version, with an sdist in its middle."""
    folder.mkdir(exist_ok=True)
    minor = target.runtime.python[1]
    only_there = [
        f"python_version == '3.{minor}'",
        f"python_full_version == '{target.runtime.full_version}'",
        f"platform_machine == '{target.architecture.machine}'",
        "sys_platform == 'linux' and platform_system == 'Linux' and os_name == 'posix'",
        "implementation_name == 'cpython' and platform_python_implementation == 'CPython'",
    ]
    never_there = [
        f"python_version != '3.{minor}'",
        f"python_full_version > '{target.runtime.full_version}'",
        f"platform_machine != '{target.architecture.machine}'",
        "sys_platform == 'win32' or platform_system == 'Darwin' or os_name == 'nt'",
        "implementation_name == 'pypy' or platform_python_implementation == 'PyPy'",
    ]
    for number in range(len(only_there)):
        make_wheel(folder, f"wanted-{number}")
    make_wheel(
        folder,
        "app",
        extras=["fast"],
        requires=[
            *(f"wanted-{number}; {marker}" for number, marker in enumerate(only_there)),
            *(f"not-in-the-index; {marker}" for marker in never_there),
            "deep",
            "dynamic",
            "native",
            "picky",
            "speed; extra == 'fast'",
            "not-in-the-index; extra == 'slow'",
        ],
    )
    # Built here: what it takes to build it follows the markers of this machine, what it needs at run time the target's.
    make_wheel(folder, "build-tool", requires=[f"not-in-the-index; {only_there[0]}"])
    make_sdist(
        folder,
        "deep",
        version="1.5",
        requires=[f"below; {only_there[0]}", f"not-in-the-index; {never_there[0]}"],
        build_requires=["build-tool", f"not-in-the-index; {only_there[0]}"],
    )
    make_dynamic_sdist(folder, never_there[0])
    make_wheel(folder, "below")
    make_wheel(folder, "speed")
    for machine in ("x86_64", "aarch64"):
        make_wheel(folder, "native", tag=f"cp3{minor}-cp3{minor}-manylinux_2_17_{machine}")
    make_wheel(folder, "native", "2.0", tag=f"cp3{minor}-cp3{minor}-manylinux_2_39_{target.architecture.machine}")
    make_wheel(folder, "native", "2.0", tag="cp39-cp39-win_amd64")
    make_wheel(folder, "picky", "1.0", requires_python=">=3.8")
    make_wheel(folder, "picky", "2.0", requires_python=f">=3.{minor + 1}")


def make_dynamic_sdist(folder: Path, true_here: str) -> None:
    """One whose backend asks for more to build with, by a marker, and cannot do without."""
    make_wheel(folder, "asked-for")
    files = source_files("dynamic")
    files["backend.py"] += f"""
def get_requires_for_build_wheel(config_settings=None):
    return ["asked-for; {true_here}"]

without = prepare_metadata_for_build_wheel

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    import asked_for
    return without(directory, config_settings)
"""
    with tarfile.open(folder / "dynamic-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"dynamic-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def assert_resolves_for(target: Target, folder: Path, pip: Pip) -> None:
    make_index(folder, target)

    answer = ask(folder, target, ["app[fast]", "not-in-the-index; sys_platform == 'win32'"], pip=pip)

    assert answer.exit_code == 0, answer.output
    assert answer.resolved == {
        "app": "1.0",
        "below": "1.0",
        "deep": "1.5",
        "dynamic": "1.0",
        "native": "1.0",
        "picky": "1.0",
        "speed": "1.0",
        **{f"wanted-{number}": "1.0" for number in range(5)},
    }
    tag = f"{target.interpreter}-{target.interpreter}-manylinux_2_17_{target.architecture.machine}"
    assert {f"native-1.0-{tag}.whl", "deep-1.5.tar.gz", "picky-1.0-py3-none-any.whl"} <= answer.files
    assert len(answer.files) == len(answer.resolved)
    assert_findings_are_whole(answer, folder)


def assert_findings_are_whole(answer: Answer, folder: Path) -> None:
    assert answer.findings is not None
    resolved = {found["name"]: found for found in answer.findings["resolved"]}
    app, deep = resolved["app"], resolved["deep"]
    assert (app["kind"], app["user_supplied"], app["extras"], app["direct"]) == ("wheel", True, ["fast"], False)
    assert "deep" in app["requires"]
    assert (deep["kind"], deep["filename"], deep["user_supplied"]) == ("sdist", "deep-1.5.tar.gz", False)
    assert any(requirement.startswith("below") for requirement in deep["requires"])
    assert answer.findings["index_options"] == ["--no-index", f"--find-links {folder}"]
    assert {filename for filename, *_ in answer.findings["offers"]["native"]} == {
        path.name for path in folder.glob("native-*")
    }
    assert {requires_python for _, requires_python, _ in answer.findings["offers"]["native"]} == {None}
    assert answer.findings["no_candidates"] == []


OTHER_RUNTIMES = sorted({other_runtime(RUNNING), "python3.14"} - {f"python{RUNNING}"})


class TestThePipAtHand:
    @pytest.mark.parametrize(
        ("runtime", "architecture"), first_quick([(OTHER_RUNTIMES[0], "x86_64"), (OTHER_RUNTIMES[-1], "arm64")])
    )
    def test_it_resolves_for_the_target_and_builds_for_this_machine(
        self, runtime: str, architecture: str, tmp_path: Path
    ) -> None:
        assert_resolves_for(target_of(runtime, architecture), tmp_path / "index", Pip())

    def test_what_is_not_there_for_the_target_is_told_with_what_is(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"])

        assert answer.exit_code == 1
        assert "No matching distribution found for native" in answer.output
        assert answer.findings is not None
        assert answer.findings["resolved"] is None
        assert answer.findings["no_candidates"] == ["native"]
        assert answer.findings["offers"]["native"] == [["native-1.0-cp313-cp313-win_amd64.whl", None, False]]

    def test_a_direct_wheel_for_another_machine_is_told_by_its_name(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), [f"native @ {wheel.as_uri()}"])

        assert answer.exit_code == 1
        assert answer.findings is not None
        assert answer.findings["no_candidates"] == ["native"]

    def test_ignore_tags_wheels_are_taken_behind_all_that_fit(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        make_wheel(tmp_path, "Both_Ways", tag="cp313-cp313-win_amd64")
        fitting = make_wheel(tmp_path, "Both_Ways", tag="cp313-cp313-manylinux_2_28_aarch64")

        answer = ask(
            tmp_path, target_of("python3.13", "arm64"), ["native", "both-ways"], ignore_tags=["native", "both-ways"]
        )

        assert answer.exit_code == 0, answer.output
        assert answer.files == {"native-1.0-cp313-cp313-win_amd64.whl", fitting.name}

    def test_only_those_that_are_named_count_as_ignore_tags(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        make_wheel(tmp_path, "other", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native", "other"], ignore_tags=["native"])

        assert answer.exit_code == 1
        assert "No matching distribution found for other" in answer.output

    def test_files_that_the_user_rules_out_are_told_as_such(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], arguments=["--no-binary=native"])

        assert answer.exit_code == 1
        assert answer.findings is not None
        assert [refused for _, _, refused in answer.findings["offers"]["native"]] == [True]

    def test_a_module_of_ours_beside_the_program_does_not_stand_in_for_one_of_pips(self, tmp_path: Path) -> None:
        """Python puts a program's folder first on its path, and ours has a `resolution` and an `archive` in it."""
        make_wheel(tmp_path, "native")
        ours = Path(for_target.__file__).parent
        trap = tmp_path / "trap"
        trap.mkdir()
        (trap / "sitecustomize.py").write_text(
            "import atexit, os, sys\n"
            f"atexit.register(lambda: print('OURS' if {str(ours)!r} in map(os.path.abspath, sys.path) else 'CLEAN'))\n",
            encoding="utf-8",
        )

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], in_front=trap)

        assert answer.output.splitlines()[-1] == "CLEAN"


def test_what_is_beside_our_package_does_not_stand_in_for_the_standard_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old backports are where distributions are, and so is our package."""
    for name in os.environ.keys() & {"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}:
        monkeypatch.delenv(name)  # the copy would be measured as well
    shutil.copytree(for_target.PROGRAM.parents[3], tmp_path / "site" / "hatch_lambda")
    for name in ("dataclasses", "json", "typing", "weakref", "logging"):
        (tmp_path / "site" / f"{name}.py").write_text("raise RuntimeError('a backport')\n", encoding="utf-8")
    make_wheel(tmp_path, "foo")

    answer = ask(
        *(tmp_path, target_of("python3.13", "arm64"), ["foo"]),
        program=tmp_path / "site" / "hatch_lambda" / "resolve" / "pip" / "for_target" / "__main__.py",
    )

    assert answer.exit_code == 0, answer.output
    assert answer.resolved == {"foo": "1.0"}


@pytest.mark.parametrize("runtime", ["python3.10", "python3.14"])
def test_a_lock_among_the_requirements_is_read_for_the_target(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("pip._vendor.packaging.pylock", reason="this pip reads no lock files")
    target = target_of(runtime, "arm64")
    here = "cp{}{}".format(*sys.version_info)
    tags = (f"{here}-{here}-{platform.system().lower()}_{platform.machine()}", "py3-none-any", "py2-none-any")
    fitting = f"{target.interpreter}-{target.interpreter}-manylinux_2_17_aarch64"
    wheels = [make_wheel(tmp_path, "foo", tag=tag) for tag in (*tags, fitting)]
    sdist = make_sdist(tmp_path, "foo")
    (tmp_path / "pylock.toml").write_text(
        "lock-version = '1.0'\ncreated-by = 'hand'\n"
        f"requires-python = '=={target.runtime.full_version}'\n[[packages]]\nname = 'foo'\nversion = '1.0'\n"
        + "".join(f"[[packages.wheels]]\n{_locked(wheel)}" for wheel in wheels)
        + f"[packages.sdist]\n{_locked(sdist)}",
        encoding="utf-8",
    )

    answer = ask(tmp_path, target, [], arguments=["--requirement", str(tmp_path / "pylock.toml")])

    assert answer.exit_code == 0, answer.output
    assert answer.files == {wheels[-1].name}


def _locked(file: Path) -> str:
    return f"path = '{file.name}'\nhashes.sha256 = '{hashlib.sha256(file.read_bytes()).hexdigest()}'\n"


@pytest.mark.parametrize("requirements", [["foo", "b"], ["b", "foo"]])
def test_of_two_files_of_one_name_the_one_that_pip_takes_is_saved(requirements: list[str], tmp_path: Path) -> None:
    make_wheel(tmp_path / "files", "foo", files={"foo.py": "OF = 'the index'\n"})
    fork = make_wheel(tmp_path / "fork", "foo", files={"foo.py": "OF = 'the fork'\n"})
    with SimpleIndex(tmp_path / "fork") as other:
        make_wheel(tmp_path / "files", "b", requires=[f"foo @ {other.file_url(fork.name)}"])
        with SimpleIndex(tmp_path / "files") as index:
            answer = ask(tmp_path, target_of("python3.13", "arm64"), requirements, index_url=index.url)

    assert answer.exit_code == 0, answer.output
    (saved,) = tmp_path.glob("request-*/files/foo/*.whl")
    assert saved.read_bytes() == fork.read_bytes()


# Each removes something that a patch relies on, or leaves a patch without effect, as a future pip may.
MISSING = {
    "from pip._vendor.packaging import markers; del markers.default_environment": "default_environment",
    "from pip._internal.build_env import BuildEnvironment as B; del B.check_requirements": "check_requirements",
    "from pip._internal.cli import cmdoptions; del cmdoptions.check_dist_restriction": "check_dist_restriction",
    "from pip._internal.commands import download; del download.cmdoptions": "cmdoptions",
    "from pip._internal.models.wheel import Wheel; del Wheel.supported": "Wheel.supported",
    "from pip._internal.models.wheel import Wheel; del Wheel.find_most_preferred_tag": "find_most_preferred_tag",
    "from pip._internal.index.package_finder import LinkEvaluator as L; del L.evaluate_link": "evaluate_link",
    "from pip._internal.index.package_finder import PackageFinder as P; del P.find_best_candidate": (
        "find_best_candidate"
    ),
    "from pip._internal.index import package_finder; del package_finder.LinkEvaluator": "LinkEvaluator",
    "from pip._internal.resolution.resolvelib.factory import Factory; del Factory._fail_if_link_is_unsupported_wheel": (
        "_fail_if_link_is_unsupported_wheel"
    ),
    "from pip._internal.cli.req_command import RequirementCommand as R; del R.make_resolver": "make_resolver",
    "import sys; sys.modules['pip._internal.cli.main'] = None": "pip._internal.cli.main",
}
WITHOUT_EFFECT = {
    # markers that remember their environment from elsewhere
    "from pip._vendor.packaging import markers as m\n"
    "fixed, evaluate = m.default_environment(), m.Marker.evaluate\n"
    "m.Marker.evaluate = lambda self, environment=None, *rest: evaluate(self, {**fixed, **(environment or {})})": (
        "does not follow"
    ),
    # a check that is imported by name
    "from pip._internal.commands import download\n"
    "import types\n"
    "download.cmdoptions = types.SimpleNamespace(**vars(download.cmdoptions))": "check_dist_restriction",
    # a command that resolves by other means
    "from pip._internal.commands.download import DownloadCommand\n"
    "DownloadCommand.run = lambda *args: 0": "make_resolver",
}


class TestAnUnfitPip:
    @pytest.mark.parametrize(("change", "missing"), first_quick(MISSING.items(), quick=4), ids=MISSING.values())
    def test_what_is_missing_is_named(
        self, change: str, missing: str, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "orders")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["orders"], in_front=changed_pip(change))

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert missing in answer.output
        assert "Traceback" not in answer.output
        assert answer.files == frozenset()

    @pytest.mark.parametrize(("change", "idle"), WITHOUT_EFFECT.items(), ids=WITHOUT_EFFECT.values())
    def test_a_patch_without_effect_is_noticed(
        self, change: str, idle: str, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "orders")
        target = target_of(other_runtime(RUNNING), "arm64")

        answer = ask(tmp_path, target, ["orders"], in_front=changed_pip(change))

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert idle in answer.output
        assert "Traceback" not in answer.output

    def test_another_program_called_pip_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere" / "pip").mkdir(parents=True)
        (tmp_path / "elsewhere" / "pip" / "__init__.py").write_text("__version__ = '99'\n", encoding="utf-8")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["orders"], in_front=tmp_path / "elsewhere")

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert "pip._internal" in answer.output
        assert "Traceback" not in answer.output

    def test_one_that_ends_well_and_says_nothing_stops_the_build(
        self,
        changed_pip: Callable[[str], Path],
        bundle_of: Callable[..., object],
        index: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "orders")
        program = str(for_target.PROGRAM)
        folder = changed_pip(f"import os, sys\nif {program!r} in sys.orig_argv:\n    os._exit(0)")
        monkeypatch.setenv("PYTHONPATH", str(folder))

        with pytest.raises(ResolutionError, match=r"cannot be resolved"):
            bundle_of("orders")

    def test_the_build_stops_with_its_version_what_is_missing_and_what_to_do(
        self,
        changed_pip: Callable[[str], Path],
        bundle_of: Callable[..., object],
        index: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "orders")
        folder = changed_pip("from pip._internal.models.wheel import Wheel; del Wheel.supported")
        monkeypatch.setenv("PYTHONPATH", str(folder))

        with pytest.raises(UnsupportedPipError) as raised:
            bundle_of("orders", runtime="python3.12", architecture="arm64")

        message = str(raised.value)
        assert message.startswith(f"pip {importlib.metadata.version('pip')} cannot resolve for python3.12 on arm64")
        assert "`Wheel.supported` is missing" in message
        assert f"tested with pip {oldest_pip()} and newer" in message
        assert "Install another version of pip" in message


def oldest_pip() -> str:
    """The lower bound that the project itself states."""
    requirements = map(Requirement, importlib.metadata.requires("hatch-lambda") or [])
    (pip,) = [requirement for requirement in requirements if requirement.name == "pip"]
    (bound,) = [specifier.version for specifier in pip.specifier if specifier.operator == ">="]
    return bound


@pytest.fixture(scope="session")
def pips(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The oldest and the newest pip that the project allows, each in a folder."""
    folder = tmp_path_factory.mktemp("pips")
    allowed = {"oldest": f"pip=={oldest_pip()}", "newest": f"pip>={oldest_pip()}"}
    for name, requirement in allowed.items():
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(folder / name),
                requirement,
            ],
            check=True,
            timeout=300,
        )
    return {name: folder / name for name in allowed}


@pytest.mark.index
class TestEveryPipThatIsAllowed:
    @pytest.mark.parametrize(
        ("which", "version"),
        # The oldest one cannot be imported by Python 3.15.
        [*itertools.product(("oldest", "newest"), ("3.10", "3.11", "3.12", "3.13", "3.14")), ("newest", "3.15")],
    )
    def test_it_resolves_for_the_target_whatever_python_runs_it(
        self, which: str, version: str, pips: Mapping[str, Path], tmp_path: Path
    ) -> None:
        pip = Pip(python_of(version), pips[which])

        assert_resolves_for(target_of(other_runtime(version), "arm64"), tmp_path / "index", pip)

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_the_tests_above_run_the_pip_that_they_say(self, which: str, pips: Mapping[str, Path]) -> None:
        script = "import pip; print(pip.__version__, pip.__file__)"
        for python in pythons_at_hand().values():
            told = subprocess.run(
                [str(python), "-c", script],
                env=environment_of([pips[which]]),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            version, _, file = told.strip().partition(" ")

            assert Path(file).is_relative_to(pips[which])
            assert (version == oldest_pip()) is (which == "oldest")

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_ignore_tags_wheels_and_what_is_missing_are_told_by_each(
        self, which: str, pips: Mapping[str, Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        target, pip = target_of("python3.13", "arm64"), Pip(folder=pips[which])

        first = ask(tmp_path, target, ["native"], pip=pip)
        second = ask(tmp_path, target, ["native"], pip=pip, ignore_tags=["native"])

        assert first.exit_code == 1
        assert first.findings is not None
        assert first.findings["no_candidates"] == ["native"]
        assert second.exit_code == 0, second.output
        assert second.files == {"native-1.0-cp313-cp313-win_amd64.whl"}

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_each_uses_cached_wheels(self, which: str, pips: Mapping[str, Path], tmp_path: Path) -> None:
        files = tmp_path / "files"
        wheels = make_wheel(files, "foo", requires=["bar"]), make_wheel(files, "bar")
        kept = {str(cache(tmp_path / "kept", wheel)) for wheel in wheels}
        with SimpleIndex(tmp_path, page=lambda _folder, name: json_page(files, name)) as index:
            answer = ask(
                *(tmp_path, target_of("python3.13", "arm64"), ["foo"]),
                pip=Pip(folder=pips[which]),
                index_url=index.url,
                cached_wheels=tmp_path / "kept",
            )

        assert answer.exit_code == 0, answer.output
        assert answer.findings is not None
        assert {found["cached"] for found in answer.findings["resolved"]} == kept

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_the_shortcuts_work_with_each(self, which: str, pips: Mapping[str, Path], tmp_path: Path) -> None:
        files = tmp_path / "files"
        make_wheel(files, "native", tag="cp313-cp313-win_amd64")
        make_wheel(files, "native", tag="cp313-cp313-manylinux_2_28_aarch64")
        with SimpleIndex(files, as_json=True) as index:
            answer = ask(
                tmp_path,
                target_of("python3.13", "arm64"),
                ["native"],
                pip=Pip(folder=pips[which]),
                index_url=index.url,
                arguments=["-vvv"],
            )

        assert answer.exit_code == 0, answer.output
        assert answer.files == {"native-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"}
        assert "win_amd64" not in answer.output

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_what_is_missing_is_named_by_each(
        self, which: str, pips: Mapping[str, Path], changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        folder = changed_pip("from pip._internal.cli import cmdoptions; del cmdoptions.check_dist_restriction")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["x"], pip=Pip(folder=pips[which]), in_front=folder)

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert "`pip._internal.cli.cmdoptions.check_dist_restriction` is missing" in answer.output
