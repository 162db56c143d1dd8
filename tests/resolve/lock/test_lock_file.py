"""Lock files (PEP 751), made by hand and by the tools that people use: what comes of them in the bundle."""

from __future__ import annotations

import codecs
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from packaging.pylock import Pylock

from hatch_lambda import pipeline
from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.common.ui import Reporter, SilentUI
from hatch_lambda.config.request import Request
from hatch_lambda.config.settings import load
from hatch_lambda.resolve.closure import MissingDependencyError, SourceTree
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.lock.read import LockFileError
from hatch_lambda.resolve.lock.write import _repository, write
from hatch_lambda.wheels.store import user_store
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]

LOCK = "pylock.toml"
HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "foo"\n'
HERE = "python{}.{}".format(*sys.version_info)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file(path: Path, root: Path, **more: object) -> Table:
    """A file as an entry of a lock in a folder has it."""
    place = Path(os.path.relpath(path, root)).as_posix()
    return {"name": path.name, "path": place, "hashes": {"sha256": sha256(path)}, **more}


def package(*paths: Path, root: Path, **more: object) -> Table:
    """An entry of wheels, or of an sdist, or of both."""
    name, version = paths[0].name.removesuffix(".tar.gz").split("-")[:2]
    entry: Table = {"name": name.replace("_", "-"), "version": version, **more}
    if wheels := [file(path, root) for path in paths if path.suffix == ".whl"]:
        entry["wheels"] = wheels
    if sdists := [file(path, root) for path in paths if path.suffix == ".gz"]:
        (entry["sdist"],) = sdists
    return entry


def write_lock(root: Path, *packages: Table, name: str = LOCK, **top: object) -> Path:
    path = root / name
    top = {key.replace("_", "-"): value for key, value in top.items()}
    path.write_text(
        tomli_w.dumps({"lock-version": "1.0", "created-by": "hand", **top, "packages": list(packages)}),
        encoding="utf-8",
    )
    return path


def distributions(bundle: Bundle) -> set[str]:
    return {wheel.distribution for wheel in bundle.wheels}


@pytest.fixture
def build(bundle_of: BundleOf, project_root: Path) -> BundleOf:
    """`bundle_of` with the lock file of the project's folder."""
    del project_root

    def run(*requirements: str, **table: object) -> Bundle:
        return bundle_of(*requirements, **{"lock_file": LOCK, **table})

    return run


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder that no index knows."""
    return tmp_path / "wheels"


def refuse(build: BundleOf, *requirements: str, **table: object) -> str:
    with pytest.raises(LockFileError) as caught:
        build(*requirements, **table)
    return str(caught.value)


class TestWhatIsPackaged:
    def test_what_the_lock_says_and_not_what_the_index_has(
        self, build: BundleOf, index: Path, project_root: Path, wheels: Path
    ) -> None:
        make_wheel(index, "foo", "2.0")
        write_lock(project_root, package(make_wheel(wheels, "foo", "1.0"), root=project_root))
        assert distributions(build("foo")) == {"foo 1.0"}

    def test_the_wheel_of_the_target(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        tags = (
            "cp313-cp313-win_amd64",
            "cp313-cp313-manylinux_2_17_x86_64",
            "cp313-cp313-manylinux_2_17_aarch64",
            "cp313-cp313-manylinux_2_39_aarch64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp313-cp313-musllinux_1_2_aarch64",
        )
        made = [make_wheel(wheels, "foo", tag=tag) for tag in tags]
        write_lock(project_root, package(*made, root=project_root))
        (wheel,) = build("foo", architecture="arm64").wheels
        assert wheel.filename == "foo-1.0-cp313-cp313-manylinux_2_17_aarch64.whl"
        (wheel,) = build("foo", architecture="arm64", runtime="python3.11").wheels
        assert wheel.filename == "foo-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"

    @pytest.mark.parametrize("runtime", ["python3.10", "python3.13"])
    def test_entries_by_the_targets_markers(
        self, build: BundleOf, project_root: Path, wheels: Path, runtime: str
    ) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo", "1.0"), root=project_root, marker="python_full_version < '3.11'"),
            package(make_wheel(wheels, "foo", "2.0"), root=project_root, marker="python_full_version >= '3.11'"),
            package(make_wheel(wheels, "win"), root=project_root, marker="sys_platform == 'win32'"),
            package(make_wheel(wheels, "arm"), root=project_root, marker="platform_machine == 'aarch64'"),
        )
        asked = ("foo", "win; sys_platform == 'win32'", "arm; platform_machine == 'aarch64'")
        assert distributions(build(*asked, runtime=runtime, architecture="arm64")) == {
            "foo 1.0" if runtime == "python3.10" else "foo 2.0",
            "arm 1.0",
        }

    def test_sdists_are_built_where_no_wheel_fits(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        unfit = make_wheel(wheels, "foo", tag="cp313-cp313-win_amd64")
        write_lock(
            project_root,
            package(unfit, make_sdist(wheels, "foo"), root=project_root),
            package(make_sdist(wheels, "bar"), root=project_root),
        )
        bundle = build("foo", "bar", runtime=HERE)
        assert distributions(bundle) == {"foo 1.0", "bar 1.0"}
        assert "BUILT_WITH" in (bundle.directory / "foo.py").read_text()

    def test_an_sdist_that_cannot_be_built_is_reported_as_ever(
        self, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        write_lock(project_root, package(make_sdist(wheels, "foo", build="broken"), root=project_root))
        with pytest.raises(MissingDependencyError) as caught:
            build("foo", runtime=HERE)
        assert "this sdist cannot be built by anyone" in str(caught.value)

    def test_folders_by_paths_from_the_lock_file(self, build: BundleOf, project_root: Path) -> None:
        make_source_tree(project_root / "libs" / "foo", "foo", "0.3")
        make_source_tree(project_root / "libs" / "mono" / "sub", "bar")
        (project_root / "locks").mkdir()
        write_lock(
            project_root,
            {"name": "foo", "directory": {"path": "../libs/foo", "editable": True}},
            {"name": "bar", "directory": {"path": "..\\libs\\mono", "subdirectory": "sub"}},
            name="locks/pylock.toml",
        )
        bundle = build("foo", "bar", runtime=HERE, lock_file="locks/pylock.toml")
        assert distributions(bundle) == {"foo 0.3", "bar 1.0"}
        assert not list(bundle.directory.glob("*.pth"))

    def test_commits_of_repositories(self, build: BundleOf, project_root: Path, tmp_path: Path) -> None:
        repository = make_source_tree(tmp_path / "repository", "foo", "1.0")
        first = commit(repository)
        shutil.copyfile(make_source_tree(tmp_path / "newer", "foo", "2.0") / "recipe.json", repository / "recipe.json")
        commit(repository)
        write_lock(
            project_root,
            {"name": "foo", "version": "1.0", "vcs": {"type": "git", "url": repository.as_uri(), "commit-id": first}},
        )
        assert distributions(build("foo", runtime=HERE)) == {"foo 1.0"}
        write_lock(
            project_root,
            {"name": "foo", "vcs": {"type": "git", "path": "../repository", "commit-id": first}},
        )
        assert distributions(build(f"foo @ git+{repository.as_uri()}", runtime=HERE)) == {"foo 1.0"}

    @pytest.mark.parametrize("kind", ["wheel", "sdist"])
    def test_archives(
        self, build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path, kind: str
    ) -> None:
        made = make_wheel(wheels, "foo") if kind == "wheel" else make_sdist(wheels, "foo")
        with serve(wheels) as server:
            url = server.file_url(made.name)
            archive = {"url": url, "hashes": {"sha256": sha256(made)}, "size": made.stat().st_size}
            write_lock(project_root, {"name": "foo", "version": "1.0", "archive": archive})
            assert distributions(build(f"foo @ {url}", runtime=HERE)) == {"foo 1.0"}

    def test_both_with_and_without_hashes_in_one_lock(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        make_source_tree(project_root / "lib", "bar")
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo"), root=project_root),
            {"name": "bar", "directory": {"path": "lib"}},
        )
        assert distributions(build("foo", "bar", runtime=HERE)) == {"foo 1.0", "bar 1.0"}

    def test_the_project_itself_is_not_taken_from_the_lock(
        self, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        write_lock(
            project_root,
            {"name": "orders", "directory": {"path": ".", "editable": True}},
            package(make_wheel(wheels, "foo"), root=project_root),
        )
        assert distributions(build("foo")) == {"foo 1.0"}

    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ({}, {"base 1.0"}),
            ({"extras": ["Web"]}, {"base 1.0", "web 1.0"}),
            ({"dependency_groups": ["jobs"]}, {"base 1.0", "jobs 1.0"}),
            ({"extras": ["web"], "dependency_groups": ["jobs"]}, {"base 1.0", "web 1.0", "jobs 1.0"}),
        ],
    )
    def test_extras_and_groups_by_the_settings_and_default_groups_always(
        self, build: BundleOf, project_root: Path, wheels: Path, table: Table, expected: set[str]
    ) -> None:
        def entry(name: str, marker: str) -> Table:
            return package(make_wheel(wheels, name), root=project_root, marker=marker)

        write_lock(
            project_root,
            entry("base", "'default' in dependency_groups"),
            entry("web", "'web' in extras"),
            entry("jobs", "'jobs' in dependency_groups"),
            entry("dev", "'dev' in dependency_groups"),
            extras=["web"],
            dependency_groups=["default", "dev", "jobs"],
            default_groups=["default"],
        )
        asked = [name.removesuffix(" 1.0") for name in expected]
        assert distributions(build(*asked, **table)) == expected

    def test_what_other_tools_add_is_of_no_matter(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        entry = package(make_wheel(wheels, "foo"), root=project_root, index="http://127.0.0.1:9/simple")
        entry |= {"attestation-identities": [{"kind": "somebody"}], "tool": {"theirs": {"x": 1}}}
        write_lock(project_root, entry, tool={"theirs": {"y": [1]}})
        assert distributions(build("foo")) == {"foo 1.0"}

    def test_a_wheel_that_is_listed_as_compatible(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        unfit = make_wheel(wheels, "foo", tag="cp313-cp313-manylinux_2_99_x86_64")
        write_lock(project_root, package(unfit, root=project_root))
        assert "has no file that fits" in refuse(build, "foo")
        assert distributions(build("foo", compatible=["foo"])) == {"foo 1.0"}


def commit(repository: Path) -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "--initial-branch", "trunk")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    return git("rev-parse", "HEAD")


class TestHashes:
    @pytest.mark.parametrize("kind", ["wheel", "sdist"])
    def test_another_file_in_its_place_stops_the_build(
        self, build: BundleOf, project_root: Path, wheels: Path, kind: str
    ) -> None:
        made = make_wheel(wheels, "foo") if kind == "wheel" else make_sdist(wheels, "foo")
        entry = package(made, root=project_root)
        if kind == "wheel":
            make_wheel(wheels, "foo", files={"foo.py": "EVIL = True"})
        else:
            make_sdist(wheels, "foo", build="broken")
        locked = (entry["wheels"][0] if kind == "wheel" else entry["sdist"])["hashes"]["sha256"]
        write_lock(project_root, entry)
        with pytest.raises(ResolutionError) as caught:
            build("foo", runtime=HERE)
        message = str(caught.value)
        assert "What was downloaded is not what pylock.toml has: foo" in message
        assert locked in message
        assert sha256(made) in message

    @pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
    def test_any_hash_that_pip_knows_serves(
        self, build: BundleOf, project_root: Path, wheels: Path, algorithm: str
    ) -> None:
        made = make_wheel(wheels, "foo")
        entry = package(made, root=project_root)
        entry["wheels"][0]["hashes"] = {algorithm: hashlib.new(algorithm, made.read_bytes()).hexdigest()}
        write_lock(project_root, entry)
        assert distributions(build("foo")) == {"foo 1.0"}

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"hashes": {"sha512": "0" * 128}}, "its sha512 is"),
            ({"hashes": {"blake2b": "0" * 128}}, "its blake2b is"),
            ({"size": 7}, "the lock says 7"),
        ],
    )
    @pytest.mark.parametrize("in_store", [False, True])
    def test_all_that_the_lock_says_of_a_file_must_be_so(
        self, build: BundleOf, project_root: Path, wheels: Path, *, wrong: Table, told: str, in_store: bool
    ) -> None:
        entry = package(make_wheel(wheels, "foo"), root=project_root)
        write_lock(project_root, entry)
        if in_store:
            build("foo")
        wheel = entry["wheels"][0]
        # Of several hashes pip is content with one.
        entry["wheels"] = [{**wheel, **wrong, "hashes": {**wheel["hashes"], **wrong.get("hashes", {})}}]
        write_lock(project_root, entry)
        message = refuse(build, "foo")
        assert "foo-1.0-py3-none-any.whl is not the file that was locked" in message
        assert told in message

    def test_a_hash_that_protects_nobody_is_refused(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        made = make_wheel(wheels, "foo")
        entry = package(made, root=project_root)
        entry["wheels"][0]["hashes"] = {"md5": hashlib.md5(made.read_bytes()).hexdigest()}
        write_lock(project_root, entry)
        assert "only md5; it knows sha256, sha384, sha512" in refuse(build, "foo")

    def test_another_version_than_the_lock_says(self, build: BundleOf, project_root: Path) -> None:
        make_source_tree(project_root / "lib", "foo", "1.1")
        write_lock(project_root, {"name": "foo", "version": "1.0", "directory": {"path": "lib"}})
        assert "what it has as foo 1.0 turned out to be version 1.1" in refuse(build, "foo", runtime=HERE)

    def test_a_branch_is_no_commit(self, build: BundleOf, project_root: Path, tmp_path: Path) -> None:
        repository = make_source_tree(tmp_path / "repository", "foo", "1.0")
        revision = commit(repository)
        vcs = {"type": "git", "url": repository.as_uri(), "commit-id": "trunk"}
        write_lock(project_root, {"name": "foo", "vcs": vcs})
        message = refuse(build, "foo", runtime=HERE)
        assert f"foo is not pinned to a commit: `trunk` stands for {revision}" in message

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9/foo-1.0-py3-none-any.whl\n--index-url http://127.0.0.1:9/evil"]
    )
    def test_a_url_cannot_bring_options_along(
        self, build: BundleOf, project_root: Path, wheels: Path, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET", "swordfish")
        entry = package(make_wheel(wheels, "foo"), root=project_root)
        entry["wheels"][0] = {
            "name": "foo-1.0-py3-none-any.whl",
            "url": url.replace("foo-1", "${SECRET}/foo-1"),
            "hashes": {"sha256": "0" * 64},
        }
        write_lock(project_root, entry)
        with pytest.raises(LambdaBuildError) as caught:
            build("foo", pip_args=["--retries", "0"])
        assert "swordfish" not in str(caught.value)
        assert "%24%7BSECRET%7D/foo-1.0-py3-none-any.whl%0A--index-url" in str(caught.value)


class TestLocksThatDoNotServe:
    def test_every_distribution_without_a_file_that_fits_with_its_files(
        self, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        write_lock(
            project_root,
            package(
                make_wheel(wheels, "foo", tag="cp313-cp313-win_amd64"),
                make_wheel(wheels, "foo", tag="cp311-cp311-manylinux_2_17_x86_64"),
                root=project_root,
            ),
            package(make_wheel(wheels, "bar", tag="cp313-cp313-macosx_11_0_arm64"), root=project_root),
            created_by="uv",
        )
        message = refuse(build, "foo", "bar")
        assert message.startswith("pylock.toml does not serve python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34):")
        assert "bar 1.0 has no file that fits and no sdist" in message
        assert "foo-1.0-cp313-cp313-win_amd64.whl, which is tagged cp313-cp313-win_amd64" in message
        assert "foo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl, which is tagged cp311-cp311-" in message
        assert "\n  hatch-lambda lock\n" in message
        assert "  uv export --format pylock.toml --no-dev --no-emit-project --output-file pylock.toml" in message

    def test_an_archive_for_another_platform(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        made = make_wheel(wheels, "foo", tag="cp313-cp313-win_amd64")
        archive = {"url": made.as_uri(), "hashes": {"sha256": sha256(made)}}
        write_lock(project_root, {"name": "foo", "archive": archive})
        assert "foo is the wheel foo-1.0-cp313-cp313-win_amd64.whl, which is tagged" in refuse(build, "foo")

    def test_python_and_environments(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo"), root=project_root, **{"requires-python": ">=3.15"}),
            requires_python=">=3.14",
            environments=["sys_platform == 'win32'", "sys_platform == 'darwin'"],
        )
        message = refuse(build, "foo")
        assert "it is for Python >=3.14, the runtime has 3.13." in message
        assert 'it is for another environment: `sys_platform == "win32"` or `sys_platform == "darwin"`' in message
        assert "foo 1.0 needs Python >=3.15, the runtime has 3.13." in message

    def test_two_entries_for_the_same_target(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo", "1.0"), root=project_root),
            package(make_wheel(wheels, "foo", "2.0"), root=project_root),
        )
        assert "two entries of one name hold for the target: foo 1.0 and foo 2.0" in refuse(build, "foo")

    def test_a_wheel_whose_own_metadata_wants_another_python(
        self, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", requires_python=">=3.14"), root=project_root))
        with pytest.raises(ResolutionError, match=r"requires a different Python: 3\.13\.\d+ not in '>=3\.14'"):
            build("foo")
        build("foo", runtime="python3.14")
        with pytest.raises(ResolutionError, match=r"not in '>=3\.14'"):  # though it is in the store by now
            build("foo")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("lock-version = =", "(at line 1, column 16)"),
            ('created-by = "x"\npackages = []\n', "Missing required value in 'lock-version'"),
            (
                HEAD + 'wheels = [{url = "http://127.0.0.1:9/foo.whl", hashes = {sha256 = "0"}}]',
                "'packages[0].wheels[0]'",
            ),
            (HEAD + 'sdist = {url = "http://127.0.0.1:9/foo-1.0.tar.gz"}', "'packages[0].sdist.hashes'"),
            ("\udcff", "invalid start byte"),
        ],
    )
    def test_files_that_are_no_lock_files_say_where(
        self, build: BundleOf, project_root: Path, content: str, told: str
    ) -> None:
        (project_root / LOCK).write_bytes(content.encode("utf-8", "surrogateescape"))
        message = refuse(build, "foo")
        assert "pylock.toml is not a valid lock file (PEP 751): " in message
        assert told in message
        assert "hatch-lambda lock" in message

    def test_versions_of_the_format(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI, caplog: pytest.LogCaptureFixture
    ) -> None:
        entry = package(make_wheel(wheels, "foo"), root=project_root)
        write_lock(project_root, entry, lock_version="2.0")
        assert "pylock.toml is a lock file of version 2.0; only versions 1.x are known" in refuse(build, "foo")
        write_lock(project_root, entry, lock_version="1.1")
        assert distributions(build("foo")) == {"foo 1.0"}
        assert "Warning: pylock.toml is of lock-version 1.1, read as 1.0" in ui.text
        assert len(caplog.records) <= 1

    def test_no_file_at_all(self, build: BundleOf) -> None:
        message = refuse(build, "foo", extras=["web"], dependency_groups=["jobs"])
        assert "There is no lock file pylock.toml, which `lock-file` names." in message
        assert "uv export --format pylock.toml --no-dev --no-emit-project --extra web --group jobs --out" in message

    def test_the_command_carries_what_chose_the_target(self, build: BundleOf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_LAMBDA_ARCHITECTURE", "arm64")
        assert "\n  HATCH_LAMBDA_ARCHITECTURE=arm64 hatch-lambda lock\n" in refuse(build, "foo", architecture="arm64")

    @pytest.mark.parametrize(
        ("source", "told"),
        [
            ({"directory": {"path": "gone"}}, "foo is the folder gone, and there is no such folder"),
            (
                {"archive": {"path": "gone.tar.gz", "hashes": {"sha256": "0" * 64}}},
                "foo is the file gone.tar.gz, and there is no such file",
            ),
        ],
    )
    def test_paths_that_lead_nowhere(self, build: BundleOf, project_root: Path, source: Table, told: str) -> None:
        write_lock(project_root, {"name": "foo", **source})
        assert told in refuse(build, "foo")


class TestCoverage:
    """Nothing that the project needs on the target may be missing in the lock, nor be there in a wrong version."""

    def test_what_the_project_asks_for(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", "1.5"), root=project_root))
        message = refuse(build, "foo>=2", "bar[x]<3", "baz; sys_platform == 'win32'")
        assert message.startswith("pylock.toml does not cover the dependencies of orders for python3.13 on x86_64")
        assert "- orders requires `foo>=2`: the lock has foo 1.5\n" in message
        assert "- orders requires `bar[x]<3`: the lock does not have it\n" in message
        assert "baz" not in message

    def test_nothing_is_downloaded_before_that_is_known(self, build: BundleOf, project_root: Path) -> None:
        wheel = {"url": "http://127.0.0.1:9/foo-1.0-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}
        write_lock(project_root, {"name": "foo", "version": "1.0", "wheels": [wheel]})
        assert "the lock has foo 1.0" in refuse(build, "foo>=2")

    @pytest.mark.parametrize("in_store", [False, True])
    def test_what_a_locked_distribution_requires_in_turn(
        self, build: BundleOf, project_root: Path, wheels: Path, *, in_store: bool
    ) -> None:
        requires = ["bar; extra == 'fast'", "win; sys_platform == 'win32'", "arm; platform_machine == 'aarch64'"]
        foo = package(make_wheel(wheels, "foo", requires=requires, extras=["fast"]), root=project_root)
        write_lock(project_root, foo)
        if in_store:
            build("foo")
        assert distributions(build("foo")) == {"foo 1.0"}
        assert "- foo 1.0 requires `bar`: the lock does not have it\n" in refuse(build, "foo[fast]")
        assert "- foo 1.0 requires `arm`: the lock does not have it\n" in refuse(build, "foo", architecture="arm64")

    def test_extras_that_are_asked_for_further_down(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        engine = ["fuel; extra == 'fast'", "engine[fast]; extra == 'all'"]
        write_lock(
            project_root,
            package(make_wheel(wheels, "car", requires=["engine[all]"]), root=project_root),
            package(make_wheel(wheels, "engine", requires=engine, extras=["all", "fast"]), root=project_root),
        )
        assert "- engine 1.0 requires `fuel`: the lock does not have it\n" in refuse(build, "car")

    def test_an_override_of_a_version_below_is_only_told(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI
    ) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo", requires=["bar<2"]), root=project_root),
            package(make_wheel(wheels, "bar", "2.0"), root=project_root),
        )
        assert distributions(build("foo")) == {"foo 1.0", "bar 2.0"}
        assert "Warning: pylock.toml: foo 1.0 requires `bar<2`: the lock has bar 2.0" in ui.text

    def test_what_nobody_needs_is_packaged_and_told(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI
    ) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo"), root=project_root),
            package(make_wheel(wheels, "pytest"), root=project_root),
        )
        assert distributions(build("foo")) == {"foo 1.0", "pytest 1.0"}
        assert "pytest 1.0 is locked, and nothing that is packaged requires it" in ui.text

    def test_requirements_files(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        (project_root / "more.txt").write_text("bar \\\n  >=1.0  # a comment\n--no-binary :none:\n", encoding="utf-8")
        (project_root / "requirements.txt").write_text(
            "-r more.txt\nfoo==1.0 --hash=sha256:00\nwin; sys_platform == 'win32'\n", encoding="utf-8"
        )
        foo = package(make_wheel(wheels, "foo", "2.0"), root=project_root)
        write_lock(project_root, foo)
        message = refuse(build, requirements=["requirements.txt"])
        assert "- requirements.txt requires `foo==1.0`: the lock has foo 2.0\n" in message
        assert "- more.txt requires `bar>=1.0`: the lock does not have it\n" in message
        assert "win" not in message

    @pytest.mark.parametrize(
        "content",
        [
            codecs.BOM_UTF16_LE + "foo\nbar\n".encode("utf-16-le"),
            codecs.BOM_UTF8 + b"foo\nbar\n",
            "# coding: latin-1 ü\nfoo\nbar\n".encode("latin-1"),
        ],
        ids=["UTF-16", "byte-order mark", "PEP 263"],
    )
    def test_requirements_files_in_other_encodings(
        self, content: bytes, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        (project_root / "requirements.txt").write_bytes(content)
        write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root))
        message = refuse(build, requirements=["requirements.txt"])
        assert "- requirements.txt requires `bar`: the lock does not have it\n" in message

    @pytest.mark.parametrize(("line", "file"), [("-r gone.txt", "gone.txt"), ("-r broken.txt", "broken.txt")])
    def test_a_requirements_file_that_cannot_be_read_is_not_empty(
        self, line: str, file: str, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        (project_root / "requirements.txt").write_text(f"{line}\nfoo\n", encoding="utf-8")
        (project_root / "broken.txt").write_bytes(codecs.BOM_UTF8 + b"\xff")
        write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root))
        assert f"- {file} cannot be read: " in refuse(build, requirements=["requirements.txt"])

    def test_a_requirements_file_behind_a_url_is_told(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI
    ) -> None:
        text = "-r https://alice:secret@example.org/more.txt\nfoo\n"
        (project_root / "requirements.txt").write_text(text, encoding="utf-8")
        write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root))
        assert distributions(build(requirements=["requirements.txt"])) == {"foo 1.0"}
        assert "https://****@example.org/more.txt is not checked: the build does not download it" in ui.text

    def test_constraints_files_that_others_include(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", "2.0"), root=project_root))
        (project_root / "requirements.txt").write_text("-c one.txt\nfoo\n", encoding="utf-8")
        (project_root / "one.txt").write_text("-c two.txt\n", encoding="utf-8")
        (project_root / "two.txt").write_text("foo<2\n", encoding="utf-8")
        message = refuse(build, requirements=["requirements.txt"])
        assert "- two.txt allows `foo<2` only: the lock has foo 2.0\n" in message

    def test_constraints(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", "2.0"), root=project_root))
        (project_root / "constraints.txt").write_text("foo<3\nother==1\n", encoding="utf-8")
        assert distributions(build("foo", constraints=["constraints.txt"])) == {"foo 2.0"}
        (project_root / "constraints.txt").write_text("foo<2\n", encoding="utf-8")
        message = refuse(build, "foo", constraints=["constraints.txt"])
        assert "- constraints.txt allows `foo<2` only: the lock has foo 2.0\n" in message

    @pytest.mark.parametrize(
        ("requirement", "told"),
        [
            ("foo @ http://127.0.0.1:9/foo-1.0.zip", "the lock has foo 1.0 from an index"),
            ("bar @ http://127.0.0.1:9/new/bar.zip", "the lock has bar 1.0 from http://127.0.0.1:9/old/bar.zip"),
            (f"baz @ git+http://127.0.0.1:9/baz@{'b' * 40}", f"the lock has baz 1.0 from commit {'a' * 40}"),
        ],
    )
    def test_direct_references_are_locked_from_where_they_say(
        self, build: BundleOf, project_root: Path, wheels: Path, requirement: str, told: str
    ) -> None:
        archive = {"url": "http://127.0.0.1:9/old/bar.zip", "hashes": {"sha256": "0" * 64}}
        vcs = {"type": "git", "url": "http://127.0.0.1:9/baz", "commit-id": "a" * 40}
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo"), root=project_root),
            {"name": "bar", "version": "1.0", "archive": archive},
            {"name": "baz", "version": "1.0", "vcs": vcs},
        )
        assert told in refuse(build, requirement)

    def test_what_is_provided_need_not_be_locked(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", requires=["lib"]), root=project_root))
        assert distributions(build("foo", "boto3", provided=["aws-sdk", "lib"])) == {"foo 1.0"}
        assert "- foo 1.0 requires `lib`" in refuse(build, "foo")


class TestStoreAndNetwork:
    def test_what_is_in_the_store_is_not_downloaded(
        self, build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path
    ) -> None:
        made = make_wheel(wheels, "foo", requires=["bar"]), make_wheel(wheels, "bar")
        with serve(wheels) as server:
            entries = [
                {
                    "name": path.name.partition("-")[0],
                    "version": "1.0",
                    "wheels": [{"url": server.file_url(path.name), "hashes": {"sha256": sha256(path)}}],
                }
                for path in made
            ]
            write_lock(project_root, *entries)
            first = build("foo")
        assert distributions(build("foo")) == distributions(first) == {"foo 1.0", "bar 1.0"}

    def test_with_all_of_it_there_pip_is_not_started(
        self, build: BundleOf, project_root: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root))
        build("foo")
        shutil.rmtree(wheels)
        monkeypatch.setattr("hatch_lambda.resolve.pip.process.pip_download", lambda *_: pytest.fail("pip was started"))
        assert distributions(build("foo")) == {"foo 1.0"}

    def test_a_damaged_wheel_in_the_store_is_fetched_again(
        self, build: BundleOf, project_root: Path, wheels: Path
    ) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo"), root=project_root))
        (kept,) = build("foo").wheels
        kept.path.write_bytes(b"damaged")
        assert distributions(build("foo")) == {"foo 1.0"}
        assert sha256(kept.path) == kept.sha256

    @pytest.mark.parametrize("where", ["index-url", "lock"])
    def test_credentials_of_the_same_host_are_used_and_never_shown(
        self,
        *,
        build: BundleOf,
        serve: type[SimpleIndex],
        project_root: Path,
        wheels: Path,
        ui: RecordingUI,
        monkeypatch: pytest.MonkeyPatch,
        where: str,
    ) -> None:
        made = make_wheel(wheels, "foo")
        with serve(wheels, ("jane", "swordfish")) as server:
            url = server.file_url(made.name)
            if where == "index-url":
                monkeypatch.setenv("PIP_INDEX_URL", server.url)
                url = url.replace("jane:swordfish@", "")
            wheel = {"url": url, "hashes": {"sha256": sha256(made)}}
            write_lock(project_root, {"name": "foo", "version": "1.0", "wheels": [wheel]})
            assert distributions(build("foo", verbose=True)) == {"foo 1.0"}
            assert "swordfish" not in ui.text

    def test_what_cannot_be_downloaded_is_told_without_credentials(
        self, build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path
    ) -> None:
        make_wheel(wheels, "foo")
        with serve(wheels, ("jane", "swordfish")) as server:
            url = server.file_url("gone-1.0-py3-none-any.whl")
            wheel = {"url": url, "hashes": {"sha256": "0" * 64}}
            write_lock(project_root, {"name": "gone", "version": "1.0", "wheels": [wheel]})
            with pytest.raises(ResolutionError) as caught:
                build("gone")
        assert "What pylock.toml has for python3.13 on x86_64" in str(caught.value)
        assert "404" in str(caught.value)
        assert "swordfish" not in str(caught.value)
        assert "locked-0.txt" not in str(caught.value)


@pytest.fixture
def resolved(project_root: Path, index: Path, tmp_path: Path) -> Callable[..., str]:
    """`resolved("foo", …)`: the text of the lock file that comes of a resolution."""
    del index
    numbers = iter(range(99))

    def run(*requirements: str, folder: Path = project_root, **table: object) -> str:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load({"runtime": HERE, **table}, project_root, environ={})
        scratch = tmp_path / f"scratch-{next(numbers)}"
        scratch.mkdir()
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements)
        closure = pipeline.resolve(Job(request, scratch, Reporter(SilentUI())), user_store(settings.fallback_store))
        write(folder / LOCK, closure, settings.target)
        return (folder / LOCK).read_text(encoding="utf-8")

    return run


class TestWriting:
    def test_it_is_read_back_as_the_same_wheels(
        self, resolved: Callable[..., str], build: BundleOf, bundle_of: BundleOf, index: Path
    ) -> None:
        machine = "x86_64"
        make_wheel(index, "foo", tag=f"cp3{sys.version_info[1]}-abi3-manylinux_2_17_{machine}", requires=["bar[x]"])
        make_wheel(index, "foo", tag="cp313-cp313-win_amd64")
        make_wheel(index, "bar", requires=["baz; extra == 'x'", "no; extra == 'y'"], extras=["x", "y"])
        make_sdist(index, "baz")
        written = tomllib.loads(resolved("foo"))
        Pylock.from_dict(written)
        assert [entry["name"] for entry in written["packages"]] == ["bar", "baz", "foo"]
        bar, baz, foo = written["packages"]
        assert bar["tool"]["hatch-lambda"] == {"extras": ["x"]}
        assert bar["dependencies"] == [{"name": "baz"}]
        assert baz["sdist"]["path"] == "../index/baz-1.0.tar.gz"  # and not the wheel that was built of it
        assert foo["dependencies"] == [{"name": "bar"}]
        assert foo["wheels"][0]["size"] == (index / foo["wheels"][0]["name"]).stat().st_size
        free = {(wheel.filename, wheel.sha256) for wheel in bundle_of("foo", runtime=HERE).wheels}
        assert {(wheel.filename, wheel.sha256) for wheel in build("foo", runtime=HERE).wheels} == free

    def test_it_is_for_its_target_alone(self, resolved: Callable[..., str], build: BundleOf, index: Path) -> None:
        make_wheel(index, "foo")
        lock = tomllib.loads(resolved("foo", architecture="arm64", runtime="python3.13"))
        assert lock["requires-python"] == ">=3.13"
        message = refuse(build, "foo")
        assert "it is for another environment" in message
        assert 'platform_machine == "aarch64"' in message

    def test_same_inputs_same_bytes_in_any_folder(
        self, resolved: Callable[..., str], index: Path, tmp_path: Path, project_root: Path
    ) -> None:
        make_wheel(index, "foo", requires=["bar"])
        make_sdist(index, "bar")
        (tmp_path / "elsewhere").mkdir()
        first = resolved("foo")
        assert resolved("foo", folder=tmp_path / "elsewhere") == first == resolved("foo")
        assert str(tmp_path) not in first
        assert "file:" not in first
        assert project_root.name not in first

    def test_urls_without_credentials(
        self, resolved: Callable[..., str], serve: type[SimpleIndex], index: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(index, "foo")
        make_sdist(index, "bar")
        make_wheel(index, "direct")
        monkeypatch.delenv("PIP_FIND_LINKS")
        with serve(index, ("jane", "swordfish")) as server:
            monkeypatch.setenv("PIP_INDEX_URL", server.url)
            direct = server.file_url("direct-1.0-py3-none-any.whl")
            text = resolved("foo", "bar", f"direct @ {direct}")
        assert "swordfish" not in text
        assert "jane" not in text
        clean = direct.replace("jane:swordfish@", "")
        bar, direct_entry, foo = tomllib.loads(text)["packages"]
        assert direct_entry["archive"]["url"] == clean
        assert foo["wheels"][0]["url"] == clean.replace("direct", "foo")
        assert bar["sdist"]["url"] == clean.rpartition("/")[0] + "/bar-1.0.tar.gz"

    def test_folders_and_repositories(
        self, resolved: Callable[..., str], build: BundleOf, project_root: Path, tmp_path: Path
    ) -> None:
        folder = make_source_tree(project_root / "lib", "foo")
        repository = make_source_tree(tmp_path / "repository", "bar")
        revision = commit(repository)
        asked = (f"foo @ {folder.as_uri()}", f"bar @ git+{repository.as_uri()}")
        bar, foo = tomllib.loads(resolved(*asked))["packages"]
        assert foo == {"name": "foo", "directory": {"path": "lib", "editable": False}}
        assert bar["vcs"] == {"type": "git", "path": "../repository", "commit-id": revision}
        assert distributions(build(*asked, runtime=HERE)) == {"foo 1.0", "bar 1.0"}

    def test_an_editable_checkout_cannot_be_locked(
        self, resolved: Callable[..., str], project_root: Path, tmp_path: Path
    ) -> None:
        repository = make_source_tree(tmp_path / "repository", "bar")
        commit(repository)
        (project_root / "requirements.txt").write_text(f"-e git+{repository.as_uri()}#egg=bar\n", encoding="utf-8")
        with pytest.raises(LockFileError, match=r"bar 1\.0 cannot be locked as an editable checkout"):
            resolved(requirements=["requirements.txt"])

    def test_a_wheel_that_works_despite_its_tags_does_so_from_the_lock(
        self, resolved: Callable[..., str], build: BundleOf, index: Path
    ) -> None:
        make_wheel(index, "foo", tag="cp313-cp313-win_amd64")  # with nothing but Python in it
        text = resolved("foo", runtime="python3.13")
        assert tomllib.loads(text)["packages"][0]["tool"]["hatch-lambda"] == {"despite-tags": True}
        assert distributions(build("foo", runtime="python3.13")) == {"foo 1.0"}

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("git+https://jane:swordfish@git.example.org/x/y.git@abc", "https://git.example.org/x/y.git"),
            ("git+ssh://git:swordfish@git.example.org:22/x/y.git@abc", "ssh://git@git.example.org:22/x/y.git"),
            ("git+ssh://git@git.example.org/x/y@abc#subdirectory=z", "ssh://git@git.example.org/x/y"),
        ],
    )
    def test_who_one_is_to_a_repository_is_kept_where_it_is_part_of_the_address(self, url: str, expected: str) -> None:
        assert _repository(SourceTree(url, None, "abc")) == ("git", expected)


EXAMPLE = Path(__file__).parents[3] / "example_project"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example project, with a dependency more that differs from Python to Python."""
    root = tmp_path / "project"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("dist", ".hatch", "__pycache__"), dirs_exist_ok=True)
    return root


ASKED = ("luhn>=0.2", "pydantic>=2.10")
NAMES = {"annotated-types", "luhn", "pydantic", "pydantic-core", "typing-extensions", "typing-inspection"}


def names(bundle: Bundle) -> set[str]:
    return {distribution.partition(" ")[0] for distribution in distributions(bundle)}


@pytest.mark.index
class TestOtherToolsLocks:
    def test_uv_locks_for_all_targets_at_once(self, example: Path, plain_bundle_of: BundleOf) -> None:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if uv is None:
            pytest.skip("uv is not there")
        command = [uv, "export", "--quiet", "--format", "pylock.toml", "--output-file", LOCK]
        subprocess.run(command, cwd=example, check=True, capture_output=True)
        arm = plain_bundle_of(*ASKED, runtime="python3.13", architecture="arm64", lock_file=LOCK)
        assert names(arm) == NAMES
        assert [path.name for path in arm.directory.glob("pydantic_core/*.so")] == [
            "_pydantic_core.cpython-313-aarch64-linux-gnu.so"
        ]
        intel = plain_bundle_of(*ASKED, runtime="python3.11", architecture="x86_64", lock_file=LOCK)
        assert names(intel) == NAMES
        assert [path.name for path in intel.directory.glob("pydantic_core/*.so")] == [
            "_pydantic_core.cpython-311-x86_64-linux-gnu.so"
        ]

    def test_pip_locks_for_where_it_runs(self, example: Path, plain_bundle_of: BundleOf) -> None:
        command = [sys.executable, "-m", "pip", "lock", "--quiet", *ASKED, "--output", LOCK]
        ended = subprocess.run(command, cwd=example, check=False, capture_output=True, text=True)
        if "unknown command" in ended.stderr:
            pytest.skip("this pip cannot lock")
        assert ended.returncode == 0, ended.stderr
        with pytest.raises(LockFileError) as caught:
            plain_bundle_of(*ASKED, runtime="python3.14" if HERE != "python3.14" else "python3.13", lock_file=LOCK)
        assert "pydantic-core" in str(caught.value)
        assert "`pip lock` locks for the machine that it runs on" in str(caught.value)
        if sys.platform == "linux" and os.uname().machine == "x86_64":
            assert names(plain_bundle_of(*ASKED, runtime=HERE, lock_file=LOCK)) == NAMES


@pytest.fixture
def plain_bundle_of(project_root: Path, ui: RecordingUI) -> BundleOf:
    """`bundle_of` without a local index."""

    def run(*requirements: str, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load(table, project_root, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements)
        return pipeline.run(request, Reporter(ui))

    return run
