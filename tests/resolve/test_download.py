"""Stage 1: what pip chooses for the target, seen in the bundle."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.common.redact import redact
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.resolve.pip.answer import _pinned_to_commit
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]
    Versions = Mapping[str, str]

MINORS = (10, 11, 12, 13, 14)
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
TARGETS = [(minor, architecture) for minor in MINORS for architecture in MACHINES]
ON_EVERY_TARGET = pytest.mark.parametrize(
    ("minor", "architecture"), TARGETS, ids=[f"python3.{minor}-{architecture}" for minor, architecture in TARGETS]
)
GLIBC = {10: 26, 11: 26, 12: 34, 13: 34, 14: 34}
# Sdists are built by the running interpreter, so that no other one has to be found.
HERE = "python{}.{}".format(*sys.version_info)
ANOTHER = "python3.13" if HERE != "python3.13" else "python3.12"

# Marker -> whether it holds for CPython 3.`minor` of Lambda on a `machine`.
MARKERS: dict[str, Callable[[int, str], bool]] = {
    **{f'python_version == "3.{n}"': lambda minor, _, n=n: minor == n for n in MINORS},  # type: ignore[misc]
    **{f'python_full_version >= "3.{n}.1"': lambda minor, _, n=n: minor >= n for n in MINORS},  # type: ignore[misc]
    **{f'python_full_version < "3.{n}.1"': lambda minor, _, n=n: minor < n for n in MINORS},  # type: ignore[misc]
    'python_version < "3.12"': lambda minor, _: minor < 12,
    'python_version >= "3.12"': lambda minor, _: minor >= 12,
    'sys_platform == "linux"': lambda *_: True,
    'sys_platform == "win32"': lambda *_: False,
    'sys_platform == "darwin"': lambda *_: False,
    'platform_machine == "x86_64"': lambda _, machine: machine == "x86_64",
    'platform_machine == "aarch64"': lambda _, machine: machine == "aarch64",
    'platform_machine == "arm64"': lambda *_: False,
    'platform_machine in "x86_64 AMD64"': lambda _, machine: machine == "x86_64",
    'platform_system == "Linux"': lambda *_: True,
    'platform_system != "Linux"': lambda *_: False,
    'os_name == "posix"': lambda *_: True,
    'os_name == "nt"': lambda *_: False,
    'implementation_name == "cpython"': lambda *_: True,
    'implementation_name == "pypy"': lambda *_: False,
    'platform_python_implementation == "CPython"': lambda *_: True,
    'platform_python_implementation == "PyPy"': lambda *_: False,
    'sys_platform == "linux" and (platform_machine == "aarch64" or python_version < "3.11")': (
        lambda minor, machine: machine == "aarch64" or minor < 11
    ),
    'os_name == "nt" or python_full_version > "3.13"': lambda minor, _: minor >= 13,
}
NUMBERED = {f"marked-{number}": marker for number, marker in enumerate(MARKERS)}


def holding(minor: int, architecture: str) -> set[str]:
    return {marker for marker, holds in MARKERS.items() if holds(minor, MACHINES[architecture])}


def make_world(folder: Path) -> list[str]:
    """Fill an index in which every target needs something else; returns what a project asks of it."""
    asked: list[str] = []
    deep: list[str] = []
    for name, marker in NUMBERED.items():
        make_wheel(folder, f"top-{name}")
        make_wheel(folder, f"deep-{name}")
        asked.append(f"top-{name}; {marker}")
        deep.append(f"deep-{name}; {marker}")
    make_wheel(folder, "trunk", requires=["branch"])
    make_wheel(folder, "branch", requires=["twig"])
    make_wheel(folder, "twig", requires=deep)

    # Extras, at the top and below
    extras = [
        'accelerator; extra == "fast"',
        'accelerator-for-arm; extra == "fast" and platform_machine == "aarch64"',
        'accelerator-for-old; python_version < "3.12" and extra == "fast"',
        'accelerator-for-windows; extra == "fast" and sys_platform == "win32"',
        'not-asked-for; extra == "slow"',
        'engine[fast]; extra == "all"',
    ]
    make_wheel(folder, "engine", requires=extras, extras=["all", "fast", "slow"])
    make_wheel(folder, "car", requires=["engine[fast]"])
    make_wheel(folder, "lorry", requires=["engine[all]"], extras=[])
    for name in ("accelerator", "accelerator-for-arm", "accelerator-for-old", "accelerator-for-windows"):
        make_wheel(folder, name)
    make_wheel(folder, "not-asked-for")

    # Requires-Python
    for minor in MINORS:
        make_wheel(folder, "climbing", f"{minor}.0", requires_python=f">=3.{minor}")
        make_wheel(folder, f"patched-{minor}", "1.0")
        make_wheel(folder, f"patched-{minor}", "2.0", requires_python=f">=3.{minor}.1")
        make_wheel(folder, f"patched-{minor}", "3.0", requires_python=f">=3.{minor}.90")
    make_wheel(folder, "climbing", "15.0", requires_python=">=3.15")

    # Platform tags
    for machine in MACHINES.values():
        for glibc in (17, 24, 26, 27, 28, 34, 35):
            make_wheel(folder, "glibc", f"{glibc}.0", tag=f"py3-none-manylinux_2_{glibc}_{machine}")
        for version, platform in {
            "1.0": "manylinux_2_17",
            "2.0": "manylinux_2_99",
            "3.0": "musllinux_1_2",
            "4.0": "manylinux_3_0",
        }.items():
            make_wheel(folder, "for-another-libc", version, tag=f"py3-none-{platform}_{machine}")
        make_wheel(folder, "both-names", tag=f"py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}")
        make_wheel(folder, "legacy-2014", tag=f"py3-none-manylinux2014_{machine}")
        make_wheel(folder, "plain-linux", tag=f"py3-none-linux_{machine}")
        # Python and ABI tags
        for minor in MINORS:
            make_wheel(folder, "exact", f"1.{minor}", tag=f"cp3{minor}-cp3{minor}-manylinux_2_17_{machine}")
            make_wheel(folder, "without-abi", f"1.{minor}", tag=f"cp3{minor}-none-manylinux_2_17_{machine}")
            make_wheel(folder, "threads", "1.0", tag=f"cp3{minor}-cp3{minor}-manylinux_2_17_{machine}")
            make_wheel(folder, "threads", "2.0", tag=f"cp3{minor}-cp3{minor}t-manylinux_2_17_{machine}")
        for minor in (8, 12, 15):
            make_wheel(folder, "stable-abi", f"{minor}.0", tag=f"cp3{minor}-abi3-manylinux_2_17_{machine}")
    make_wheel(folder, "legacy-2010", tag="py3-none-manylinux2010_x86_64")
    make_wheel(folder, "legacy-1", tag="py3-none-manylinux1_x86_64")
    asked += [f'{name}; platform_machine == "x86_64"' for name in ("legacy-2010", "legacy-1")]
    for version, tag in {
        "1.0": "py3-none-any",
        "2.0": "cp313-cp313-macosx_11_0_arm64",
        "3.0": "cp313-cp313-win_amd64",
        "4.0": "pp310-pypy310_pp73-manylinux_2_17_x86_64",
        "5.0": "py2-none-any",
        "6.0": "py3-none-manylinux_2_17_i686",
    }.items():
        make_wheel(folder, "for-other-machines", version, tag=tag)

    asked += ["trunk", "car", "lorry", "climbing", "glibc", "for-another-libc", "both-names", "legacy-2014"]
    asked += ["plain-linux", "without-abi", "exact", "threads", "stable-abi", "for-other-machines"]
    return [*asked, *(f'patched-{minor}; python_version == "3.{minor}"' for minor in MINORS)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    return World(folder, make_world(folder))


@dataclass(frozen=True)
class World:
    """An index, what a project asks of it, and what was resolved from it: each target needs that only once."""

    index: Path
    asked: Sequence[str]
    closures: dict[tuple[int, str], Versions] = field(default_factory=dict)


@pytest.fixture
def closure_of(world: World, bundle_of: BundleOf) -> Callable[[int, str], Versions]:
    """`closure_of(13, "arm64")`: name -> version of all that the bundle of that target holds."""

    def resolve(minor: int, architecture: str) -> Versions:
        if (minor, architecture) not in world.closures:
            table = {"runtime": f"python3.{minor}", "architecture": architecture}
            bundle = bundle_of(*world.asked, **table, pip_args=["--find-links", str(world.index)])
            world.closures[minor, architecture] = versions(bundle)
        return world.closures[minor, architecture]

    return resolve


def versions(bundle: Bundle) -> Versions:
    """What is really laid out, by its metadata: name -> version."""
    folders = [path.name.removesuffix(".dist-info") for path in bundle.directory.glob("*.dist-info")]
    return {name.replace("_", "-"): version for name, version in (folder.split("-") for folder in folders)}


def picked(closure: Versions, names: Iterable[str]) -> dict[str, str | None]:
    return {name: closure.get(name) for name in names}


def module(bundle: Bundle, name: str) -> str:
    return (bundle.directory / f"{name}.py").read_text(encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestTheClosureIsForTheTarget:
    @ON_EVERY_TARGET
    @pytest.mark.parametrize("place", ["top", "deep"])
    def test_markers_are_those_of_the_runtime_at_the_top_and_deep_in_the_tree(
        self, place: str, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        closure = closure_of(minor, architecture)
        assert {marker for name, marker in NUMBERED.items() if f"{place}-{name}" in closure} == holding(
            minor, architecture
        )

    @ON_EVERY_TARGET
    def test_extras_bring_their_requirements_under_the_markers_of_the_target(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        closure = closure_of(minor, architecture)
        wanted = {"accelerator"}
        wanted |= {"accelerator-for-arm"} if architecture == "arm64" else set()
        wanted |= {"accelerator-for-old"} if minor < 12 else set()
        assert {name for name in closure if name.startswith(("accelerator", "not-asked-for"))} == wanted

    @ON_EVERY_TARGET
    def test_a_version_that_needs_a_newer_python_is_passed_over(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        closure = closure_of(minor, architecture)
        expected = {"climbing": f"{minor}.0", f"patched-{minor}": "2.0"}
        assert picked(closure, expected) == expected

    @ON_EVERY_TARGET
    def test_the_newest_glibc_that_the_runtime_has_is_taken_and_no_newer_one(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        expected = {"glibc": f"{GLIBC[minor]}.0", "for-another-libc": "1.0"}
        assert picked(closure_of(minor, architecture), expected) == expected

    @ON_EVERY_TARGET
    def test_platforms_count_by_their_legacy_names_too(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        only_x86_64 = "1.0" if architecture == "x86_64" else None
        expected = {"both-names": "1.0", "legacy-2014": "1.0", "legacy-2010": only_x86_64, "legacy-1": only_x86_64}
        expected["plain-linux"] = "1.0"
        assert picked(closure_of(minor, architecture), expected) == expected

    @ON_EVERY_TARGET
    def test_python_and_abi_tags_are_those_of_the_runtime(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        expected = {
            "exact": f"1.{minor}",
            "threads": "1.0",
            "stable-abi": "12.0" if minor >= 12 else "8.0",
            "for-other-machines": "1.0",
        }
        assert picked(closure_of(minor, architecture), expected) == expected

    @ON_EVERY_TARGET
    def test_a_wheel_without_abi_is_for_its_own_python(
        self, minor: int, architecture: str, closure_of: Callable[[int, str], Versions]
    ) -> None:
        assert closure_of(minor, architecture)["without-abi"] == f"1.{minor}"

    def test_sdists_bring_their_requirements_under_the_markers_of_the_target(
        self, index: Path, bundle_of: BundleOf
    ) -> None:
        requires = [
            f'for-here; python_version == "{HERE.removeprefix("python")}"',
            f'not-for-here; python_version != "{HERE.removeprefix("python")}"',
            'for-lambda; platform_machine == "aarch64"',
            'for-windows; sys_platform == "win32"',
        ]
        make_sdist(index, "from-sources", requires=requires)
        for name in ("for-here", "not-for-here", "for-lambda", "for-windows"):
            make_wheel(index, name)
        assert set(versions(bundle_of("from-sources", runtime=HERE, architecture="arm64"))) == {
            "from-sources",
            "for-here",
            "for-lambda",
        }

    def test_a_project_without_dependencies_has_an_empty_bundle(self, bundle_of: BundleOf) -> None:
        bundle = bundle_of()
        assert list(bundle.directory.iterdir()) == []
        assert bundle.files == ()


class TestTheVersionThatIsTaken:
    @pytest.fixture
    def offers(self, index: Path) -> None:
        make_wheel(index, "older-wheel", "1.0")
        make_sdist(index, "older-wheel", "2.0")
        make_wheel(index, "foreign-wheel", "1.0", tag="cp313-cp313-win_amd64")
        make_sdist(index, "foreign-wheel", "2.0")
        make_sdist(index, "same-version", "1.0")
        make_wheel(index, "same-version", "1.0")
        make_wheel(index, "pre-release", "1.0")
        make_wheel(index, "pre-release", "2.0rc1")

    @pytest.mark.parametrize(("prefer_binary", "version"), [(True, "1.0"), (False, "2.0")])
    @pytest.mark.usefixtures("offers")
    def test_an_older_wheel_beats_a_newer_sdist_only_as_long_as_binaries_are_preferred(
        self, *, prefer_binary: bool, version: str, bundle_of: BundleOf
    ) -> None:
        asked = ("older-wheel", "foreign-wheel", "same-version", "pre-release")
        bundle = bundle_of(*asked, runtime=HERE, prefer_binary=prefer_binary)
        assert versions(bundle) == {
            "older-wheel": version,
            "foreign-wheel": "2.0",
            "same-version": "1.0",
            "pre-release": "1.0",
        }
        assert "BUILT_WITH" not in module(bundle, "same_version")
        assert ("BUILT_WITH" in module(bundle, "older_wheel")) == (not prefer_binary)

    @pytest.mark.usefixtures("offers")
    def test_pip_args_reach_pip(self, bundle_of: BundleOf) -> None:
        assert versions(bundle_of("pre-release", pip_args=["--pre"])) == {"pre-release": "2.0rc1"}

    def test_constraints_hold_for_the_whole_tree(self, index: Path, project_root: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "top", requires=["below"])
        for version in ("1.0", "1.5", "2.0"):
            make_wheel(index, "below", version)
        project_root.joinpath("one.txt").write_text("below<2\n", encoding="utf-8")
        project_root.joinpath("two.txt").write_text("below!=1.5\nnever-asked-for==1\n", encoding="utf-8")
        assert versions(bundle_of("top", constraints=["one.txt", "two.txt"])) == {"top": "1.0", "below": "1.0"}

    def test_pip_args_can_refuse_all_sdists(self, index: Path, bundle_of: BundleOf) -> None:
        make_sdist(index, "sources-only")

        assert versions(bundle_of("sources-only", runtime=HERE)) == {"sources-only": "1.0"}
        with pytest.raises(ResolutionError, match="No matching distribution found for sources-only"):
            bundle_of("sources-only", runtime=HERE, pip_args=["--only-binary=:all:"])


class TestDirectReferences:
    def test_wheels_sdists_and_folders_by_url_are_taken_as_they_are(
        self, index: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        elsewhere = tmp_path / "elsewhere, with spaces"
        wheel = make_wheel(elsewhere, "by-wheel", files={"by_wheel.py": "MINE = True\n"}, requires=["below"])
        sdist = make_sdist(elsewhere, "by-sdist", requires=["below-sdist"])
        folder = make_source_tree(elsewhere / "by-folder", "by-folder")
        for name in ("by-wheel", "by-sdist", "by-folder"):  # another project of that name, the same version
            make_wheel(index, name, files={f"{name.replace('-', '_')}.py": "MINE = False\n"})
        make_wheel(index, "below")
        make_wheel(index, "below-sdist")

        bundle = bundle_of(
            f"by-wheel @ {wheel.as_uri()}",
            f"by-sdist @ {sdist.as_uri()}",
            f"by-folder @ {folder.as_uri()}",
            runtime=HERE,
        )

        assert set(versions(bundle)) == {"by-wheel", "by-sdist", "by-folder", "below", "below-sdist"}
        assert module(bundle, "by_wheel") == "MINE = True\n"
        assert "BUILT_WITH" in module(bundle, "by_sdist")
        assert "BUILT_WITH" in module(bundle, "by_folder")

    def test_folders_beside_the_project_land_as_real_files_editable_or_not(
        self, index: Path, project_root: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        make_wheel(index, "lib", files={"lib.py": "MINE = False\n"})
        make_source_tree(tmp_path / "lib", "lib")
        make_source_tree(tmp_path / "editable", "editable")
        project_root.joinpath("requirements.txt").write_text("../lib\n-e ../editable\n", encoding="utf-8")
        bundle = bundle_of(requirements=["requirements.txt"], runtime=HERE)
        for name in ("lib", "editable"):
            assert "BUILT_WITH" in module(bundle, name)
        assert {path.name for path in bundle.directory.iterdir()} == {
            "lib.py",
            "lib-1.0.dist-info",
            "editable.py",
            "editable-1.0.dist-info",
        }

    def test_a_folder_that_changed_is_built_anew(self, tmp_path: Path, bundle_of: BundleOf) -> None:
        lib = make_source_tree(tmp_path / "lib", "lib")
        requirement = f"lib @ {lib.as_uri()}"
        assert versions(bundle_of(requirement, runtime=HERE)) == {"lib": "1.0"}
        recipe = (lib / "recipe.json").read_text(encoding="utf-8")
        (lib / "recipe.json").write_text(recipe.replace('"1.0"', '"1.1"'), encoding="utf-8")
        assert versions(bundle_of(requirement, runtime=HERE)) == {"lib": "1.1"}

    def test_a_wheel_by_url_for_another_platform_is_not_replaced_by_the_index(
        self, index: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        foreign = make_wheel(
            tmp_path / "elsewhere", "lib", tag="cp313-cp313-win_amd64", files={"lib.pyd": foreign_machine_code()}
        )
        make_wheel(index, "lib")
        with pytest.raises(MissingDependencyError) as caught:
            bundle_of(f"lib @ {foreign.as_uri()}")
        assert "lib-1.0-cp313-cp313-win_amd64.whl" in str(caught.value)
        assert caught.value.missing[0].chain == ("orders", "lib 1.0")


def foreign_machine_code() -> bytes:
    """A PE file's headers: Windows on x86_64."""
    coff = b"PE\0\0" + (0x8664).to_bytes(2, "little") + bytes(18) + (0x20B).to_bytes(2, "little") + bytes(200)
    return b"MZ" + bytes(58) + (64).to_bytes(4, "little") + coff


class TestRepositories:
    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        """A branch `stable` that has version 1.0 in the subdirectory `python`; `main` has 2.0."""
        folder = tmp_path / "repository"
        tree = make_source_tree(folder / "python", "lib")
        self.git(folder, "init", "--quiet", "--initial-branch=stable")
        self.commit(folder)
        self.git(folder, "checkout", "--quiet", "-b", "main")
        recipe = (tree / "recipe.json").read_text(encoding="utf-8")
        (tree / "recipe.json").write_text(recipe.replace('"1.0"', '"2.0"'), encoding="utf-8")
        self.commit(folder)
        return folder

    @staticmethod
    def git(folder: Path, *arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, folder: Path) -> None:
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "x")

    @pytest.mark.parametrize(("branch", "version"), [("@stable", "1.0"), ("", "2.0")])
    def test_a_branch_and_a_subdirectory_are_built_at_the_commit_that_was_resolved(
        self, branch: str, version: str, repository: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        url = f"git+{repository.as_uri()}{branch}#subdirectory=python"
        bundle = bundle_of(f"lib @ {url}", runtime=HERE, verbose=True)
        assert versions(bundle) == {"lib": version}
        assert "BUILT_WITH" in module(bundle, "lib")
        _resolved, _, built = ui.text.partition(" 3 download wheels ")
        assert self.git(repository, "rev-parse", branch.lstrip("@") or "main") in built

    def test_a_branch_that_is_not_there_is_named(self, repository: Path, bundle_of: BundleOf) -> None:
        with pytest.raises(ResolutionError, match="no-such-branch"):
            bundle_of(f"lib @ git+{repository.as_uri()}@no-such-branch#subdirectory=python")

    @pytest.mark.parametrize(
        ("url", "pinned"),
        [
            ("git+ssh://git@host/team/lib.git", "git+ssh://git@host/team/lib.git@c0ffee"),
            ("git+ssh://git@host/team/lib.git@v1", "git+ssh://git@host/team/lib.git@c0ffee"),
            ("git+ssh://git@host:2222/lib.git@feature/x", "git+ssh://git@host:2222/lib.git@c0ffee"),
            ("git+https://user:token@host/lib", "git+https://user:token@host/lib@c0ffee"),
            ("git+https://user:token@host/lib@main", "git+https://user:token@host/lib@c0ffee"),
            ("git+https://host/lib#egg=lib", "git+https://host/lib@c0ffee"),
            ("git+file:///srv/lib@main", "git+file:///srv/lib@c0ffee"),
        ],
    )
    @pytest.mark.parametrize(("subdirectory", "fragment"), [(None, ""), ("a/b", "#subdirectory=a/b")])
    def test_a_repository_is_pinned_with_its_credentials_kept(
        self, url: str, pinned: str, subdirectory: str | None, fragment: str
    ) -> None:
        entry = {"url": url, "commit": "c0ffee", "subdirectory": subdirectory}
        assert _pinned_to_commit(entry) == pinned + fragment


class TestRequirementsFiles:
    def test_options_and_nested_files_count_from_where_they_are_written(
        self, project_root: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        away = tmp_path / "away"
        make_wheel(away / "wheels", "first", requires=["below"])
        make_wheel(away / "wheels", "second")
        make_wheel(away / "wheels", "forced", files={"forced.py": "FROM = 'wheel'\n"})
        make_sdist(away / "wheels", "forced")
        make_wheel(away / "wheels", "below", "1.0")
        make_wheel(away / "wheels", "below", "2.0")
        make_wheel(away / "wheels", "elsewhere-only")
        (away / "constraints.txt").write_text("below==1.0\n", encoding="utf-8")
        (away / "more.txt").write_text(
            "-c constraints.txt\n--find-links wheels\n--no-binary forced\nfirst  # a comment\nforced\n",
            encoding="utf-8",
        )
        project_root.joinpath("requirements").mkdir()
        project_root.joinpath("requirements", "lambda.txt").write_text("-r ../../away/more.txt\n", encoding="utf-8")
        project_root.joinpath("more.txt").write_text(
            'second; python_version == "3.12"\nelsewhere-only; sys_platform == "win32"\n', encoding="utf-8"
        )
        # The project's own dependencies are not packaged then.
        bundle = bundle_of(requirements=["requirements/lambda.txt", "more.txt"], runtime="python3.12")
        assert versions(bundle) == {"first": "1.0", "second": "1.0", "forced": "1.0", "below": "1.0"}
        assert "BUILT_WITH" in module(bundle, "forced")

    @pytest.mark.parametrize("editable", ["-e ../lib", "-e../lib[fast]", "--editable {url}", "--editable={url}"])
    def test_markers_of_editables_are_the_targets(
        self, project_root: Path, tmp_path: Path, bundle_of: BundleOf, editable: str
    ) -> None:
        make_source_tree(tmp_path / "lib", "lib")
        make_source_tree(tmp_path / "other", "other")
        line = editable.format(url=(tmp_path / "lib").as_uri())
        text = f"{line} ; python_version < '3.12'\n-e ../other ; python_version >= '3.12' and sys_platform == 'linux'\n"
        project_root.joinpath("requirements.txt").write_text(text, encoding="utf-8")
        assert versions(bundle_of(requirements=["requirements.txt"])) == {"other": "1.0"}

    def test_an_invalid_marker_of_an_editable_is_shown(
        self, project_root: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        make_source_tree(tmp_path / "lib", "lib")
        project_root.joinpath("requirements.txt").write_text("-e ../lib ; python < 3\n", encoding="utf-8")
        with pytest.raises(ResolutionError, match=r"-e \.\./lib ; python < 3"):
            bundle_of(requirements=["requirements.txt"])

    def test_hashes_are_checked_for_wheels_and_for_sdists_that_are_built(
        self, index: Path, project_root: Path, bundle_of: BundleOf
    ) -> None:
        wheel, sdist = make_wheel(index, "wheel"), make_sdist(index, "sdist")
        lines = [f"wheel==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{sha256(wheel)}"]
        lines += [f"sdist==1.0 \\\n    --hash=sha256:{sha256(sdist)}"]
        project_root.joinpath("requirements.txt").write_text("\n".join(lines), encoding="utf-8")
        bundle = bundle_of(requirements=["requirements.txt"], runtime=HERE)
        assert versions(bundle) == {"wheel": "1.0", "sdist": "1.0"}

    @pytest.mark.parametrize("make", [make_wheel, make_sdist])
    def test_a_wrong_hash_stops_the_build_and_both_are_told(
        self, make: Callable[[Path, str], Path], index: Path, project_root: Path, bundle_of: BundleOf
    ) -> None:
        path = make(index, "wrong")
        project_root.joinpath("requirements.txt").write_text(f"wrong==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
        with pytest.raises(ResolutionError) as caught:
            bundle_of(requirements=["requirements.txt"], runtime=HERE)
        for words in ("HASHES", "wrong==1.0", "0" * 64, sha256(path)):
            assert words in str(caught.value)

    def test_find_links_may_have_spaces_in_every_stage(
        self, project_root: Path, tmp_path: Path, bundle_of: BundleOf
    ) -> None:
        folder = tmp_path / "my wheels"
        make_sdist(folder, "from-sources", build_requires=["needed-to-build"])
        make_wheel(folder, "needed-to-build")
        pip_args = ["--find-links", os.path.relpath(folder, project_root)]
        assert versions(bundle_of("from-sources", runtime=HERE, pip_args=pip_args)) == {"from-sources": "1.0"}


class TestIndexes:
    @pytest.fixture
    def served(self, tmp_path: Path) -> Path:
        """Wheels, an sdist, what is needed to build that, and one that only stage 3 can get."""
        folder = tmp_path / "served"
        make_wheel(folder, "wheel", "1.0", requires=["sdist"])
        make_wheel(folder, "wheel", "2.0", requires_python=">=3.15")
        make_sdist(folder, "sdist", build_requires=["needed-to-build"])
        make_wheel(folder, "needed-to-build")
        make_sdist(folder, "unbuildable", build="broken")
        make_wheel(folder, "unbuildable", tag="cp39-cp39-macosx_11_0_arm64")
        return folder

    EVERYTHING: Versions = {"wheel": "1.0", "sdist": "1.0", "unbuildable": "1.0"}  # noqa: RUF012 - a class of tests

    @pytest.mark.parametrize(
        ("place", "password"), [("requirements file", "s3cr3t-word"), ("pip-args", "s3cr3t%40w%2Ford")]
    )
    def test_an_index_and_its_credentials_reach_every_stage_and_no_line_of_output(  # noqa: PLR0917
        self,
        place: str,
        password: str,
        served: Path,
        project_root: Path,
        bundle_of: BundleOf,
        ui: RecordingUI,
        serve: type[SimpleIndex],
    ) -> None:
        asked = ["wheel", "unbuildable"]
        table = {"runtime": HERE, "compatible": ["unbuildable"], "verbose": True}
        with serve(served, credentials=("alice-the-user", password)) as index:
            if place == "pip-args":
                bundle = bundle_of(*asked, **table, pip_args=["--index-url", index.url])
            else:
                lines = "\n".join([f"--index-url {index.url}", *asked])
                project_root.joinpath("requirements.txt").write_text(lines, encoding="utf-8")
                bundle = bundle_of(requirements=["requirements.txt"], **table)
        assert versions(bundle) == self.EVERYTHING
        self.assert_no_secret(ui.text, password)
        assert "****" in ui.text  # pip did speak of the index
        for path in bundle.directory.parent.rglob("*"):
            assert path.is_dir() or b"alice-the-user" not in path.read_bytes()

    @pytest.mark.parametrize("name", ["no-such-thing", "unbuildable", "wheel==2.0"])
    def test_credentials_of_an_index_are_in_no_error(  # noqa: PLR0917
        self,
        name: str,
        served: Path,
        project_root: Path,
        bundle_of: BundleOf,
        serve: type[SimpleIndex],
        ui: RecordingUI,
    ) -> None:
        with serve(served, credentials=("alice-the-user", "s3cr3t-word")) as index:
            project_root.joinpath("requirements.txt").write_text(f"--index-url {index.url}\n{name}\n", encoding="utf-8")
            with pytest.raises(LambdaBuildError) as caught:
                bundle_of(requirements=["requirements.txt"], verbose=True)
        told = f"{caught.value}{getattr(caught.value, 'output', '')}{vars(caught.value)}{ui.text}"
        self.assert_no_secret(told, "s3cr3t-word")

    def test_credentials_of_a_direct_reference_are_in_no_error(
        self, served: Path, bundle_of: BundleOf, serve: type[SimpleIndex], ui: RecordingUI
    ) -> None:
        with (
            serve(served, credentials=("alice-the-user", "s3cr3t-word")) as index,
            pytest.raises(ResolutionError) as caught,
        ):
            bundle_of(
                f"wheel @ {index.file_url('wheel-1.0-py3-none-any.whl')}",
                f"wheel@{index.file_url('wheel-2.0-py3-none-any.whl')}",
                pip_args=["--index-url", index.url],
                verbose=True,
            )
        self.assert_no_secret(f"{caught.value}{caught.value.output}{ui.text}", "s3cr3t-word")

    @staticmethod
    def assert_no_secret(text: str, password: str) -> None:
        from urllib.parse import unquote

        for secret in ("alice-the-user", password, unquote(password)):
            assert secret not in text

    @pytest.mark.parametrize(
        "text",
        [
            "https://user:s3cr3t@host/x",
            "https://s3cr3t@host/x",
            "https://user:a@s3cr3t@host/x",
            "git+ssh://user:s3cr3t@host/x@main",
            "two: https://u:s3cr3t@a/, https://u:s3cr3t@b/",
        ],
    )
    def test_every_credential_in_a_text_is_hidden(self, text: str) -> None:
        assert "s3cr3t" not in redact(text)

    @pytest.mark.parametrize("retries", [0, 1])
    def test_an_index_out_of_reach_is_said_to_be_so(
        self, retries: int, bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PIP_NO_INDEX")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        url = f"http://127.0.0.1:{port}/simple"
        with pytest.raises(ResolutionError) as caught:
            bundle_of("anything", pip_args=["--index-url", url, f"--retries={retries}", "--timeout=1"])
        message = str(caught.value)
        assert "anything" in message
        assert "127.0.0.1" in message
        assert str(port) in message
        assert "Connection refused" in message

    def test_an_index_that_wants_another_password_is_said_to(
        self, served: Path, bundle_of: BundleOf, serve: type[SimpleIndex]
    ) -> None:
        with serve(served, credentials=("alice", "right")) as index, pytest.raises(ResolutionError) as caught:
            bundle_of("wheel", pip_args=["--index-url", index.url.replace("right", "s3cr3t")])
        assert "401" in str(caught.value)
        assert "s3cr3t" not in str(caught.value)


class TestFailures:
    """The head is ours, the words are pip's, and neither says a word about pip's internals or Python's."""

    @staticmethod
    def message(bundle_of: BundleOf, *requirements: str, **table: Any) -> str:
        with pytest.raises(ResolutionError) as caught:
            bundle_of(*requirements, **table)
        text = str(caught.value)
        runtime = table.get("runtime", "python3.13")
        assert text.startswith(f"The dependencies of orders cannot be resolved for {runtime} on x86_64 (Amazon Linux")
        assert "Traceback" not in text
        assert tempfile.gettempdir() not in text
        return text

    def test_no_such_package(self, bundle_of: BundleOf, ui: RecordingUI) -> None:
        words = "No matching distribution found for no-such-thing"
        assert words in self.message(bundle_of, "no-such-thing", verbose=True)
        assert ui.text.count(words) == 1  # to ask twice helps nobody, and takes long where the index is slow

    def test_no_such_package_deep_in_the_tree_is_told_with_who_wants_it(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "top", requires=["no-such-thing>=3"])
        message = self.message(bundle_of, "top")
        assert "no-such-thing>=3" in message
        assert "top" in message.replace("no-such-thing", "").partition("pip says")[2]

    def test_no_such_version_is_told_with_those_that_are_there(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "thing", "1.0")
        make_wheel(index, "thing", "1.1")
        message = self.message(bundle_of, "thing>=2")
        assert "thing>=2" in message
        assert "1.0, 1.1" in message

    def test_a_conflict_is_told_with_both_sides(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "left", requires=["shared<2"])
        make_wheel(index, "right", requires=["shared>=2"])
        make_wheel(index, "shared", "1.0")
        make_wheel(index, "shared", "2.0")
        message = self.message(bundle_of, "left", "right")
        assert "left 1.0 depends on shared<2" in message
        assert "right 1.0 depends on shared>=2" in message

    def test_a_conflict_with_a_constraint_is_told_with_both_sides(
        self, index: Path, project_root: Path, bundle_of: BundleOf
    ) -> None:
        make_wheel(index, "thing", "1.0")
        make_wheel(index, "thing", "2.0")
        project_root.joinpath("constraints.txt").write_text("thing<2\n", encoding="utf-8")
        message = self.message(bundle_of, "thing>=2", constraints=["constraints.txt"])
        assert "thing>=2" in message
        assert "thing<2" in message

    def test_a_python_too_old_for_every_version_is_told(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "modern", requires_python=">=3.14")
        message = self.message(bundle_of, "modern")
        assert "modern" in message
        assert ">=3.14" in message

    def test_a_malformed_requirement_is_shown(self, project_root: Path, bundle_of: BundleOf) -> None:
        project_root.joinpath("requirements.txt").write_text("fine\nnot fine at all\n", encoding="utf-8")
        message = self.message(bundle_of, requirements=["requirements.txt"])
        assert "not fine at all" in message
        assert "requirements.txt" in message
        assert "line 2" in message

    def test_an_unknown_option_in_a_requirements_file_is_shown(self, project_root: Path, bundle_of: BundleOf) -> None:
        project_root.joinpath("requirements.txt").write_text("--no-such-option 1\n", encoding="utf-8")
        assert "--no-such-option" in self.message(bundle_of, requirements=["requirements.txt"])

    def test_a_nested_file_that_is_missing_is_named(self, project_root: Path, bundle_of: BundleOf) -> None:
        project_root.joinpath("requirements.txt").write_text("-r missing.txt\n", encoding="utf-8")
        message = self.message(bundle_of, requirements=["requirements.txt"])
        assert str(project_root / "missing.txt") in message

    def test_a_folder_that_is_missing_is_named(self, tmp_path: Path, bundle_of: BundleOf) -> None:
        missing = tmp_path / "missing-lib"
        assert str(missing) in self.message(bundle_of, f"lib @ {missing.as_uri()}")

    def test_unknown_pip_args_are_shown(self, bundle_of: BundleOf) -> None:
        assert "--no-such-option" in self.message(bundle_of, "thing", pip_args=["--no-such-option"])

    @pytest.mark.parametrize("filename", ["broken-1.0.tar.gz", "broken-1.0-py3-none-any.whl", "broken-1.0.zip"])
    def test_a_broken_archive_is_named(self, filename: str, index: Path, bundle_of: BundleOf) -> None:
        (index / filename).write_bytes(b"this is no archive")
        assert filename in self.message(bundle_of, "broken")

    def test_an_sdist_whose_metadata_cannot_be_made_is_told_with_the_words_of_its_backend(
        self, index: Path, bundle_of: BundleOf
    ) -> None:
        make_sdist(index, "nameless", build="without-metadata")
        message = self.message(bundle_of, "nameless")
        assert "nameless" in message
        assert "error: this sdist does not know its name" in message
        assert "pip could not make the metadata of nameless from its sources." in message
        assert "- build a wheel of nameless elsewhere, and add its directory" in message

    def test_what_its_backend_prints_is_shown_and_who_requires_it(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "top", requires=["silent"])
        make_sdist(index, "silent", build="exits")

        message = self.message(bundle_of, "top")

        assert "\n  please install libfoo-dev\n" in message
        assert "Required by: orders -> top -> silent\n" in message

    @pytest.mark.parametrize("differs", [True, False])
    def test_another_python_than_the_runtimes_may_be_the_reason(
        self, index: Path, bundle_of: BundleOf, *, differs: bool
    ) -> None:
        make_sdist(index, "psycopg2", build="without-metadata")
        make_wheel(index, "psycopg2", "0.9")
        table = {"runtime": ANOTHER, "python": sys.executable} if differs else {"runtime": HERE}
        message = self.message(bundle_of, "psycopg2>=1", **table)
        assert ("which may be the reason" in message) is differs
        assert ("- run the build with Python 3." in message) is differs
        assert "- use a version that has a compatible wheel: `psycopg2==0.9`" in message
        assert "- depend on `psycopg2-binary` instead of `psycopg2`; it has wheels" in message

    def test_a_build_requirement_that_is_missing_is_named(self, index: Path, bundle_of: BundleOf) -> None:
        make_sdist(index, "from-sources", build_requires=["no-such-tool"])
        message = self.message(bundle_of, "from-sources")
        assert "no-such-tool" in message
        assert "from-sources" in message.replace("no-such-tool", "")
