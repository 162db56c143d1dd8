"""The saved resolution: when it is reused, and what is in it."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, Pylock

from hatch_lambda import pipeline
from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.config.settings import load
from hatch_lambda.resolve.closure import Closure, Wheel
from hatch_lambda.resolve.pip import process
from hatch_lambda.wheels.compatibility import Verdict
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
from tests.support.situation import HERE, REUSED, Situation, distribution_of, files_in, raising, read_lock, sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.config.settings import Settings
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]


class TestResolveOnce:
    def test_the_second_build_starts_no_program_and_asks_no_index(
        self,
        index: Path,
        bundle_with_state: BundleOf,
        ui: RecordingUI,
        no_process: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "foo", requires=["bar"])
        make_wheel(index, "bar")
        first = bundle_with_state("foo")
        before = files_in(first.directory)
        assert not REUSED.search(ui.text)

        no_process()
        monkeypatch.setattr(process, "pip_version", lambda: pytest.fail("pip is looked at"))
        second = bundle_with_state("foo")

        assert second == first
        assert files_in(second.directory) == before
        assert REUSED.search(ui.text)
        assert second.distributions == ("bar 1.0", "foo 1.0")

    @pytest.mark.parametrize(
        "line",
        [
            "-r https://example.org/requirements.txt",
            "--constraint=https://example.org/constraints.txt",
            '-c "https://example.org/constraints.txt"',
        ],
    )
    @pytest.mark.parametrize("place", ["requirements", "constraints", "included"])
    def test_what_only_the_network_can_tell_is_asked_every_time(
        self, line: str, place: str, situation: Situation
    ) -> None:
        situation.write("with-url.txt", f"foo\n{line}\n")
        situation.write("including.txt", "-r with-url.txt\n")
        if place == "included":
            situation.table["requirements"] = ["including.txt"]
        else:
            situation.table[place] = ["with-url.txt"]

        situation.build()
        situation.build()

        assert situation.resolved == 2

    @pytest.mark.parametrize("place", ["pip-args", "PIP_CONSTRAINT", "pip.conf"])
    def test_constraints_by_url_are_asked_every_time_wherever_they_are_named(
        self, place: str, situation: Situation
    ) -> None:
        url = "https://example.org/upper-constraints.txt"
        if place == "pip-args":
            situation.table["pip-args"] = ["--constraint", url]
        elif place == "pip.conf":
            situation.setenv("PIP_CONFIG_FILE", situation.write("pip.conf", f"[global]\nconstraint = {url}\n"))
        else:
            situation.setenv(place, url)

        situation.build()
        situation.build()

        assert situation.resolved == 2

    def test_no_lock_file_of_another_bundle_stays_beside_one_that_is_not_reused(self, situation: Situation) -> None:
        situation.build()
        assert (situation.state / "pylock.toml").is_file()
        situation.write("requirements.txt", "-r https://example.org/requirements.txt\n")
        situation.table["requirements"] = ["requirements.txt"]
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar")]

        situation.build()

        lock = situation.state / "pylock.toml"
        assert not lock.exists() or [package.name for package in read_lock(lock).packages] == ["bar"]

    def test_each_target_has_a_resolution_of_its_own(self, situation: Situation) -> None:
        for runtime in ("python3.13", "python3.12", "python3.13", "python3.12"):
            situation.table["runtime"] = runtime
            situation.build()

        assert situation.resolved == 2

    def test_a_failed_resolution_is_not_kept(self, situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as failing:
            failing.setattr(pipeline, "resolve", raising(ResolutionError("no such package", output="")))
            with pytest.raises(ResolutionError):
                situation.build()

        situation.build()

        assert situation.resolved == 1

    @pytest.mark.parametrize("seeds", [("0", "1", "2")])
    def test_the_hash_seed_makes_no_difference(self, seeds: tuple[str, ...], project_root: Path) -> None:
        script = (
            "import sys, pathlib\n"
            "from hatch_lambda.resolve.fingerprint import fingerprint\n"
            "from hatch_lambda.config.settings import load\n"
            "table = {'runtime': 'python3.13', 'compatible': ['a', 'b', 'c', 'd', 'e', 'f']}\n"
            "print(fingerprint(load(table, pathlib.Path(sys.argv[1])), ['foo']))\n"
        )
        keys = {
            subprocess.run(
                [sys.executable, "-c", script, str(project_root)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in seeds
        }

        assert len(keys) == 1
        assert re.fullmatch(r"[0-9a-f]{64}\n", keys.pop())

    def test_a_changed_include_reaches_the_bundle(
        self, index: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", "1.0")
        make_wheel(index, "foo", "2.0")
        (project_root / "requirements.txt").write_text("-c pins.txt\nfoo\n", encoding="utf-8")
        (project_root / "pins.txt").write_text("foo<2\n", encoding="utf-8")
        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 1.0",)

        (project_root / "pins.txt").write_text("foo<3\n", encoding="utf-8")

        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 2.0",)

    def test_a_local_project_that_another_one_requires_is_looked_at_too(
        self, tmp_path: Path, bundle_with_state: BundleOf
    ) -> None:
        """No text of this project names it."""
        core = make_source_tree(tmp_path / "core", "core")
        api = make_source_tree(tmp_path / "api", "api")
        for name in ("recipe.json", "PKG-INFO"):
            text = (api / name).read_text(encoding="utf-8")
            text = text.replace('"requires": []', f'"requires": ["core @ {core.as_uri()}"]')
            (api / name).write_text(text, encoding="utf-8")
        requirement = f"api @ {api.as_uri()}"
        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.0")

        recipe = (core / "recipe.json").read_text(encoding="utf-8")
        (core / "recipe.json").write_text(recipe.replace('"1.0"', '"1.1"'), encoding="utf-8")

        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.1")

    def test_what_is_excluded_no_more_is_checked_before_it_gets_in(
        self, index: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", files={"foo.py": "", "foo_fast.so": make_elf("aarch64")})
        bundle = bundle_with_state("foo", exclude=["*.so"])
        assert "foo_fast.so" not in {file.path for file in bundle.files}

        with pytest.raises(UnfitMachineCodeError, match=r"foo_fast\.so"):
            bundle_with_state("foo", exclude=["*.txt"])

        assert "foo_fast.so" not in files_in(bundle.directory)

    def test_what_is_excluded_now_is_gone(self, situation: Situation) -> None:
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar", files={"bar.py": "", "bar/data.txt": "x"})]
        situation.build()

        situation.table["exclude"] = ["*.txt"]
        bundle = situation.build()

        assert set(files_in(bundle.directory)) == {file.path for file in bundle.files}
        assert "bar/data.txt" not in files_in(bundle.directory)


def break_with(**changes: object) -> Callable[[Path], None]:
    """Change our own part of a lock file, that says how it was asked for."""

    def damage(lock: Path) -> None:
        import tomli_w

        content: dict[str, Any] = tomllib.loads(lock.read_text(encoding="utf-8"))
        (tool,) = content["tool"].values()
        for key, value in changes.items():
            if key in tool:
                tool[key] = value
            else:
                tool["wheels"] = [{**wheel, key: value} for wheel in tool["wheels"]]
        lock.write_text(tomli_w.dumps(content), encoding="utf-8")

    return damage


class TestABrokenLockFile:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda lock: lock.write_bytes(b""),
            lambda lock: lock.write_bytes(b"\xff\xfe not a text"),
            lambda lock: lock.write_bytes(lock.read_bytes()[:-20]),
            lambda lock: lock.write_text("tool = 5\n", encoding="utf-8"),
            lambda lock: lock.unlink(),
            break_with(key="of another question"),
            break_with(wheels="none"),
            break_with(wheels=[5]),
            break_with(wheels=[{"distribution": "foo 1.0"}]),
            break_with(filename=5),
            break_with(filename="foo\0-1.0-py3-none-any.whl"),
            break_with(filename="../foo-1.0-py3-none-any.whl"),
            break_with(sha256=5),
            break_with(sha256="0" * 64),
            break_with(sha256=""),
            break_with(unheard_of=1),
        ],
        ids=[
            *("empty", "no text", "cut off", "another shape", "gone", "another key", "wheels as text"),
            *("wheels as numbers", "half a wheel", "filename as number", "a NUL in it", "a path", "hash as number"),
            *("another hash", "no hash"),
            "unknown key",
        ],
    )
    def test_it_is_as_if_there_were_none(self, damage: Callable[[Path], None], situation: Situation) -> None:
        first = situation.build()
        damage(situation.state / "pylock.toml")

        assert situation.build() == first

        assert situation.resolved == 2

    def test_it_cannot_have_files_outside_the_store_removed(self, situation: Situation) -> None:
        situation.build()
        victim = situation.tmp / "victim" / "foo-1.0-py3-none-any.whl"
        victim.parent.mkdir()
        victim.write_bytes(b"dear to its owner")
        break_with(sha256=f"{'../' * 12}{victim.parent.relative_to('/')}")(situation.state / "pylock.toml")

        situation.build()

        assert victim.is_file()


def selected(lock: Pylock, settings: Settings) -> dict[str, Any]:
    environment: Any = settings.target.marker_environment
    chosen = list(lock.select(environment=environment, tags=settings.target.tags))
    found = {str(package.name): source for package, source in chosen}
    assert len(found) == len(chosen)
    return found


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class TestTheLockFile:
    def test_it_says_of_every_kind_of_source_what_was_chosen(
        self, index: Path, tmp_path: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        away = tmp_path / "elsewhere"
        cp = HERE.replace("python3.", "cp3")
        fitting = make_wheel(index, "tagged", tag=f"{cp}-{cp}-manylinux_2_17_x86_64", files={"tagged.py": ""})
        make_wheel(index, "tagged", tag=f"{cp}-{cp}-manylinux_2_17_aarch64", files={"tagged.py": ""})
        pure = make_wheel(index, "pure", "1.5", requires=["tagged"])
        make_wheel(index, "pure", "2.0", requires_python=">=3.99")
        sdist = make_sdist(index, "from-sdist")
        wheel_by_url, sdist_by_url = make_wheel(away, "by-wheel"), make_sdist(away, "by-sdist")
        folder = make_source_tree(away / "by-folder", "by-folder")
        repository = make_source_tree(away / "repository" / "python", "by-git").parent
        git(repository, "init", "--quiet", "--initial-branch=main")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "x")

        bundle = bundle_with_state(
            "pure",
            "from-sdist",
            f"by-wheel @ {wheel_by_url.as_uri()}",
            f"by-sdist @ {sdist_by_url.as_uri()}",
            f"by-folder @ {folder.as_uri()}",
            f"by-git @ git+{repository.as_uri()}@main#subdirectory=python",
            runtime=HERE,
        )
        lock = read_lock(bundle.directory.parent / "pylock.toml")
        chosen = selected(lock, load({"runtime": HERE}, project_root, environ={}))

        assert [str(package.name) for package in lock.packages] == sorted(chosen)
        assert {f"{package.name} {package.version}" for package in lock.packages} == set(bundle.distributions)
        kinds = {name: type(source) for name, source in chosen.items()}
        assert kinds == {
            "tagged": PackageWheel,
            "pure": PackageWheel,
            "from-sdist": PackageSdist,
            "by-wheel": PackageArchive,
            "by-sdist": PackageArchive,
            "by-folder": PackageDirectory,
            "by-git": PackageVcs,
        }
        for name, path in {"tagged": fitting, "pure": pure, "from-sdist": sdist}.items():
            assert (chosen[name].name, chosen[name].url) == (path.name, path.as_uri())
            assert chosen[name].hashes == {"sha256": sha256(path)}
        for name, path in {"by-wheel": wheel_by_url, "by-sdist": sdist_by_url}.items():
            assert (chosen[name].url, chosen[name].hashes) == (path.as_uri(), {"sha256": sha256(path)})
        assert Path(chosen["by-folder"].path) == folder
        assert not chosen["by-folder"].editable
        by_git = chosen["by-git"]
        assert (by_git.type, by_git.url, by_git.subdirectory) == ("git", repository.as_uri(), "python")
        assert by_git.commit_id == git(repository, "rev-parse", "HEAD")
        assert bundle_with_state(*bundle_requirements(bundle), runtime=HERE).distributions == bundle.distributions

    def test_it_is_for_this_target_and_no_other(self, situation: Situation) -> None:
        situation.table = {"architecture": "arm64"}
        situation.build()
        (marker,) = read_lock(situation.state / "pylock.toml").environments or ()

        fits = {
            (runtime, architecture): marker.evaluate(dict(target.marker_environment))
            for runtime, architecture in itertools.product(RUNTIMES, ARCHITECTURES)
            for target in [Target(RUNTIMES[runtime], ARCHITECTURES[architecture])]
        }

        assert [target for target, fit in fits.items() if fit] == [("python3.13", "arm64")]

    def test_it_is_valid_where_nothing_is_required(self, situation: Situation) -> None:
        situation.wheels, situation.requirements = [], []
        situation.build()
        situation.build()

        assert list(read_lock(situation.state / "pylock.toml").packages) == []
        assert situation.resolved == 1

    def test_it_carries_no_credentials_and_its_urls_work_without(
        self,
        tmp_path: Path,
        bundle_with_state: BundleOf,
        serve: type[SimpleIndex],
        ui: RecordingUI,
    ) -> None:
        served = tmp_path / "served"
        make_wheel(served, "foo")
        make_sdist(served, "bar")
        make_wheel(served, "direct")
        with serve(served, credentials=("alice-the-user", "s3cr3t%40word")) as index:
            direct = f"direct @ {index.file_url('direct-1.0-py3-none-any.whl')}"
            table: dict[str, object] = {"pip-args": ["--index-url", index.url], "runtime": HERE}
            bundle = bundle_with_state("foo", "bar", direct, **table)
            origin = f"http://{index.url.partition('@')[2].removesuffix('/simple')}"
        reused = bundle_with_state("foo", "bar", direct, **table)

        assert reused == bundle
        assert REUSED.search(ui.text)
        state = bundle.directory.parent
        for path in (*state.rglob("*"), *Path(os.environ["HATCH_LAMBDA_CACHE_DIR"]).rglob("*")):
            if path.is_file():
                for secret in (b"alice-the-user", b"s3cr3t"):
                    assert secret not in path.read_bytes(), path
        by_name = {str(package.name): package for package in read_lock(state / "pylock.toml").packages}
        assert [wheel.url for wheel in by_name["foo"].wheels or ()] == [f"{origin}/files/foo-1.0-py3-none-any.whl"]
        assert by_name["bar"].sdist
        assert by_name["bar"].sdist.url == f"{origin}/files/bar-1.0.tar.gz"
        assert by_name["direct"].archive
        assert by_name["direct"].archive.url == f"{origin}/files/direct-1.0-py3-none-any.whl"

    def test_credentials_of_a_repository_stay_out_and_its_address_is_right(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hatch_lambda.resolve.closure import SourceTree

        source = SourceTree("git+https://alice:s3cr3t@host/team/foo.git@c0ffee#subdirectory=a/b", None, "c0ffee", "a/b")
        built = dataclasses.replace(
            distribution_of(situation.wheels[0]),
            direct=True,
            source=source,
            wheels=(Wheel(situation.wheels[0], "built by stage 4", Verdict(compatible=True, reason="fits")),),
        )
        monkeypatch.setattr(pipeline, "resolve", lambda *_: Closure((built,)))
        situation.build()

        (package,) = read_lock(situation.state / "pylock.toml").packages

        assert package.vcs
        assert (package.vcs.url, package.vcs.commit_id) == ("https://host/team/foo.git", "c0ffee")
        assert package.vcs.subdirectory == "a/b"


def bundle_requirements(bundle: Bundle) -> list[str]:
    """What its wheels are, so that they are asked for as such."""
    return [f"{wheel.distribution.split()[0]} @ {wheel.path.as_uri()}" for wheel in bundle.wheels]
