"""`hatch-lambda lock`: writing, renewing and checking the lock files of a project."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from hatch_lambda.common.toml import tomllib
from tests.support.lock_tools import StandIns
from tests.support.locks import sha256
from tests.support.packages import make_sdist, make_wheel

if TYPE_CHECKING:
    from tests.support.simple_index import SimpleIndex

LOCK = "pylock.python313-x86_64.toml"
HOOK = """\
[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
lock-file = "pylock.{target}.toml"
"""


@dataclass(frozen=True)
class Project:
    root: Path

    def write(self, *dependencies: str, hook: str = HOOK, more: str = "") -> None:
        listed = ", ".join(f'"{dependency}"' for dependency in dependencies)
        (self.root / "orders").mkdir(exist_ok=True)
        (self.root / "orders" / "__init__.py").touch()
        (self.root / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling", "hatch-lambda"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "orders"\nversion = "1.0"\ndependencies = [{listed}]\n{more}\n{hook}',
            encoding="utf-8",
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("hatch_lambda", "lock", *arguments, **variables)

    def lock(self, *arguments: str, **variables: str) -> str:
        """Lock, make sure that it worked, and give back what was said on stdout."""
        ended = self.command(*arguments, **variables)
        assert ended.returncode == 0, ended.stderr
        assert [path.name for path in Path(os.environ["TMPDIR"]).iterdir()] == [], "scratch files are left"
        return ended.stdout

    def fail(self, *arguments: str, **variables: str) -> str:
        ended = self.command(*arguments, **variables)
        assert ended.returncode == 1, ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def versions(self, name: str = LOCK) -> dict[str, str]:
        packages: list[dict[str, Any]] = tomllib.loads((self.root / name).read_text(encoding="utf-8"))["packages"]
        return {package["name"]: package["version"] for package in packages}

    def zipped(self) -> set[str]:
        (path,) = (self.root / "dist").iterdir()
        with ZipFile(path) as archive:
            return {name.partition(".dist-info")[0] for name in archive.namelist() if name.endswith("/WHEEL")}


@pytest.fixture
def project(project_root: Path, index: Path) -> Project:
    """A project that depends on `foo`, which requires `bar`."""
    make_wheel(index, "foo", requires=["bar"])
    make_wheel(index, "bar")
    made = Project(project_root)
    made.write("foo")
    return made


class TestWriting:
    def test_a_build_takes_what_was_locked_from_then_on(self, project: Project, index: Path) -> None:
        assert project.lock() == f"{LOCK}: written, 2 distributions\n  + bar 1.0\n  + foo 1.0\n"
        make_wheel(index, "foo", "2.0")
        ended = project.run("hatchling", "build", "-t", "lambda", HATCH_LAMBDA_LOCKED="1")
        assert ended.returncode == 0, ended.stderr
        assert project.zipped() == {"orders-1.0", "foo-1.0", "bar-1.0"}

    def test_what_a_build_needs_of_wheels_is_in_the_store_then(
        self, project: Project, serve: type[SimpleIndex], index: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PIP_FIND_LINKS")
        with serve(index, ("jane", "swordfish")) as server:
            project.lock(PIP_INDEX_URL=server.url)
        assert "swordfish" not in (project.root / LOCK).read_text(encoding="utf-8")
        for _ in range(2):
            ended = project.run("hatchling", "build", "-c", "-t", "lambda")
            assert ended.returncode == 0, ended.stderr

    def test_a_file_for_each_target_of_the_environment(self, project: Project) -> None:
        project.lock()
        shown = project.lock(HATCH_LAMBDA_RUNTIME="python3.11", HATCH_LAMBDA_ARCHITECTURE="arm64")
        assert shown.startswith("pylock.python311-arm64.toml: written")
        assert {path.name for path in project.root.glob("pylock*")} == {LOCK, "pylock.python311-arm64.toml"}

    def test_of_another_folder(self, project: Project, tmp_path: Path) -> None:
        elsewhere = Project(tmp_path)
        elsewhere.lock(str(project.root))
        assert project.versions() == {"foo": "1.0", "bar": "1.0"}

    def test_a_resolution_that_fails_leaves_the_file_as_it_was(self, project: Project) -> None:
        project.lock()
        before = (project.root / LOCK).read_bytes()
        project.write("foo", "nowhere-to-be-found")
        assert "nowhere-to-be-found" in project.fail()
        assert (project.root / LOCK).read_bytes() == before

    def test_what_cannot_be_built_is_not_locked(self, project: Project, index: Path) -> None:
        make_sdist(index, "baz", build="broken")
        runtime = "python{}.{}".format(*sys.version_info)
        hook = HOOK.replace("python3.13", runtime) + 'on-missing = "warn"\n'
        project.write("foo", "baz", hook=hook)
        assert "this sdist cannot be built by anyone" in project.fail()
        assert not list(project.root.glob("pylock*"))

    def test_files_that_only_this_machine_has_are_told(self, project: Project) -> None:
        ended = project.command()
        assert "locked as local files, which other machines may not have: bar 1.0, foo 1.0" in ended.stderr

    def test_vendored_files_are_everybodys(self, project: Project) -> None:
        make_wheel(project.root / "vendor", "foo", requires=["bar"])
        make_wheel(project.root / "vendor", "bar")
        ended = project.command(PIP_FIND_LINKS=str(project.root / "vendor"))
        assert ended.returncode == 0
        assert "Warning" not in ended.stderr
        assert '"vendor/foo-1.0-py3-none-any.whl"' in (project.root / LOCK).read_text(encoding="utf-8")


class TestRenewing:
    def test_versions_stay_as_long_as_nothing_asks_for_others(self, project: Project, index: Path) -> None:
        project.lock()
        for name in ("foo", "bar"):
            make_wheel(index, name, "2.0", requires=["bar"] if name == "foo" else [])
        make_wheel(index, "baz")
        assert project.lock() == f"{LOCK}: unchanged, 2 distributions\n"
        project.write("foo", "baz")
        assert project.lock() == f"{LOCK}: updated, 3 distributions\n  + baz 1.0\n"
        project.write("baz")
        assert project.lock() == f"{LOCK}: updated, 1 distribution\n  - bar 1.0\n  - foo 1.0\n"

    def test_only_what_stands_in_the_way_is_let_go(self, project: Project, index: Path) -> None:
        make_wheel(index, "baz")
        project.write("foo", "baz")
        project.lock()
        make_wheel(index, "foo", "2.0", requires=["bar>=2"])
        make_wheel(index, "bar", "2.0")
        make_wheel(index, "baz", "2.0")
        project.write("foo>=2", "baz")
        assert project.lock() == f"{LOCK}: updated, 3 distributions\n  ~ bar 1.0 -> 2.0\n  ~ foo 1.0 -> 2.0\n"

    def test_a_version_that_is_gone_is_let_go(self, project: Project, index: Path) -> None:
        project.lock()
        (index / "bar-1.0-py3-none-any.whl").unlink()
        make_wheel(index, "bar", "1.1")
        make_wheel(index, "foo", "2.0", requires=["bar"])
        assert project.lock() == f"{LOCK}: updated, 2 distributions\n  ~ bar 1.0 -> 1.1\n"

    def test_upgrades(self, project: Project, index: Path) -> None:
        project.lock()
        make_wheel(index, "foo", "2.0", requires=["bar"])
        make_wheel(index, "bar", "2.0")
        assert project.lock("--upgrade-package", "Bar") == f"{LOCK}: updated, 2 distributions\n  ~ bar 1.0 -> 2.0\n"
        assert project.lock("--upgrade") == f"{LOCK}: updated, 2 distributions\n  ~ foo 1.0 -> 2.0\n"
        ended = project.command("-P", "nobody")
        assert "not locked, so there is nothing to upgrade: nobody" in ended.stderr

    def test_a_file_that_is_broken_is_replaced(self, project: Project) -> None:
        (project.root / LOCK).write_text("nonsense", encoding="utf-8")
        ended = project.command()
        assert ended.returncode == 0
        assert f"existing pins are ignored: {LOCK} is not a valid lock file" in ended.stderr
        assert project.versions() == {"foo": "1.0", "bar": "1.0"}


class TestChecking:
    def test_without_the_file(self, project: Project) -> None:
        assert f"The lock file {LOCK}, set by `lock-file`, does not exist" in project.fail("--check")
        assert not (project.root / LOCK).exists()

    def test_it_needs_no_index(self, project: Project, index: Path) -> None:
        project.lock()
        for path in index.iterdir():
            path.unlink()
        shown = project.lock("--check")
        assert shown.startswith(f"{LOCK} covers orders for python3.13 on x86_64")
        assert shown.endswith(": 2 distributions\n")

    def test_a_new_dependency_or_version(self, project: Project) -> None:
        project.lock()
        project.write("foo>=2", "baz")
        shown = project.fail("--check")
        assert "orders requires `foo>=2`: the lock file has foo 1.0" in shown
        assert "orders requires `baz`: it is not locked" in shown
        assert "hatch-lambda lock" in shown

    def test_extras_are_missed_even_without_metadata(self, project: Project, index: Path) -> None:
        make_wheel(index, "foo", requires=["bar; extra == 'x'"], extras=["x"])
        project.lock()
        project.write("foo[x]")
        shown = project.fail("--check", HATCH_LAMBDA_CACHE_DIR=str(project.root / "empty"))
        assert "orders requires `foo[x]`: the lock file has foo 1.0 without x" in shown

    def test_what_it_could_not_look_at_is_told(self, project: Project) -> None:
        project.lock()
        shown = project.lock("--check", HATCH_LAMBDA_CACHE_DIR=str(project.root / "empty"))
        assert "2 of them are not cached, so only a build can check what they require" in shown

    def test_of_one_it_is_told_in_the_singular(self, project: Project, cache: Path) -> None:
        project.lock()
        next(cache.rglob("foo-*.whl")).unlink()
        assert "(1 of them is not cached, so only a build can check what it requires.)" in project.lock("--check")

    def test_it_upgrades_nothing(self, project: Project) -> None:
        ended = project.command("--check", "--upgrade")
        assert ended.returncode == 2
        assert "--check writes nothing" in ended.stderr


FUNCTIONS = """
[tool.hatch.build.hooks.lambda.functions.api]
lock-file = "pylock.api.toml"
extras = ["web"]
[tool.hatch.build.hooks.lambda.functions.worker]
lock-file = "pylock.worker.toml"
"""
EXTRA = '[project.optional-dependencies]\nweb = ["baz"]\n'


class TestFunctions:
    def test_each_has_its_own_file(self, project: Project, index: Path) -> None:
        make_wheel(index, "baz")
        hook = HOOK.replace('lock-file = "pylock.{target}.toml"\n', "")
        project.write("foo", hook=hook + FUNCTIONS, more=EXTRA)
        project.lock()
        assert project.versions("pylock.api.toml") == {"bar": "1.0", "baz": "1.0", "foo": "1.0"}
        assert project.versions("pylock.worker.toml") == {"bar": "1.0", "foo": "1.0"}
        assert project.lock("--function", "api").startswith("pylock.api.toml: unchanged")
        (project.root / "pylock.worker.toml").unlink()
        assert "pylock.worker.toml" in project.fail("--check")
        assert project.lock("--check", "--function", "api").startswith("pylock.api.toml covers orders")

    def test_one_file_cannot_be_for_two(self, project: Project) -> None:
        functions = FUNCTIONS.replace("pylock.worker", "pylock.api")
        project.write("foo", hook=HOOK + functions, more=EXTRA)
        assert "`api` and `worker` resolve differently" in project.fail()

    def test_names_that_there_are_not(self, project: Project) -> None:
        assert "This project has no web; it has function, layer, code" in project.fail("--function", "web")


class TestSettings:
    def test_without_the_field_it_says_what_to_add(self, project: Project) -> None:
        project.write("foo", hook='[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\n')
        shown = project.fail()
        assert '[tool.hatch.build.hooks.lambda]\nlock-file = "pylock.{target}.toml"' in shown

    @pytest.mark.parametrize(
        ("hook", "told"),
        [("", "The target `lambda` requires the build hook `lambda`"), (f"{HOOK}extras = 1\n", "must be a list")],
    )
    def test_faults_of_the_configuration(self, project: Project, hook: str, told: str) -> None:
        project.write("foo", hook=hook)
        assert told in project.fail()

    def test_a_folder_without_a_project(self, project: Project, tmp_path: Path) -> None:
        assert project.fail(str(tmp_path / "index"))


class TestLocksOfOtherTools:
    HOOK = '[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\nlock-file = "poetry.lock"\n'
    FUNCTIONS = (
        '[project.optional-dependencies]\napi = ["bar"]\n'
        f"{HOOK}"
        '[tool.hatch.build.hooks.lambda.functions.api]\nextras = ["api"]\n'
        '[tool.hatch.build.hooks.lambda.functions.worker]\narchitecture = "arm64"\n'
    )

    @pytest.fixture
    def poetry(self, project: Project, index: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
        """A Poetry that has locked `foo`, whatever the extras."""
        monkeypatch.setenv("PATH", f"{project.root.parent}/tools{os.pathsep}{os.environ['PATH']}")
        tools = StandIns(project.root.parent / "tools")
        tools.folder.mkdir()
        tools.put("poetry", "foo==1.0\n")
        (wheel,) = index.glob("foo-*.whl")
        entry = f'{{file = "{wheel.name}", hash = "sha256:{sha256(wheel)}"}}'
        lock = f'[[package]]\nname = "foo"\nversion = "1.0"\nfiles = [{entry}]\n'
        (project.root / "poetry.lock").write_text(lock, encoding="utf-8")
        project.write("foo", hook=self.HOOK)
        return tools

    def test_a_check(self, project: Project, poetry: StandIns) -> None:
        shown = project.lock("--check")
        assert shown.startswith("poetry.lock covers orders for python3.13 on x86_64")
        assert ": 1 distribution\n" in shown
        assert len(poetry.calls()) == 2  # once for all versions

    def test_it_does_not_cover_a_new_dependency(self, project: Project, poetry: StandIns) -> None:
        project.write("foo>=2", "baz", hook=self.HOOK)
        shown = project.fail("--check")
        assert "orders requires `foo>=2`: the lock file has foo 1.0" in shown
        assert "orders requires `baz`: it is not locked" in shown
        assert shown.rstrip().endswith("To lock again:\n  poetry lock")
        assert poetry.calls()

    def test_functions_share_it(self, project: Project, poetry: StandIns) -> None:
        project.write("foo", hook=self.FUNCTIONS)
        shown = project.fail("--check")
        assert shown.count("orders requires `bar`: it is not locked") == 1
        exported = [line.partition(" --no-ansi")[2] for line in poetry.calls() if " export " in line]
        assert exported == ["", " --extras=api", ""]

    def test_it_is_not_overwritten(self, project: Project, poetry: StandIns) -> None:
        before = (project.root / "poetry.lock").read_bytes()
        shown = project.fail()
        assert "poetry.lock is written by poetry: `poetry lock` updates it" in shown
        assert (project.root / "poetry.lock").read_bytes() == before
        assert poetry.calls() == []
