"""What is packaged from a lock file, with hashes checked."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.resolve.closure import MissingDependencyError
from tests.support.locks import HERE, commit, distributions, package, refuse, sha256, write_lock
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


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
        assert "has no compatible wheel" in refuse(build, "foo")
        assert distributions(build("foo", compatible=["foo"])) == {"foo 1.0"}


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
        assert "Downloaded files do not match pylock.toml: foo" in message
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
            ({"size": 7}, "the lock file says 7"),
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
        assert "that pip supports (sha256, sha384, sha512), only md5" in refuse(build, "foo")

    def test_another_version_than_the_lock_says(self, build: BundleOf, project_root: Path) -> None:
        make_source_tree(project_root / "lib", "foo", "1.1")
        write_lock(project_root, {"name": "foo", "version": "1.0", "directory": {"path": "lib"}})
        assert "its entry for foo 1.0 is version 1.1" in refuse(build, "foo", runtime=HERE)

    def test_a_branch_is_no_commit(self, build: BundleOf, project_root: Path, tmp_path: Path) -> None:
        repository = make_source_tree(tmp_path / "repository", "foo", "1.0")
        commit(repository)
        vcs = {"type": "git", "url": repository.as_uri(), "commit-id": "trunk"}
        write_lock(project_root, {"name": "foo", "vcs": vcs})
        assert "foo is not pinned to a commit: its commit-id is 'trunk'" in refuse(build, "foo", runtime=HERE)

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
        assert "What pylock.toml locks for python3.13 on x86_64" in str(caught.value)
        assert "404" in str(caught.value)
        assert "swordfish" not in str(caught.value)
        assert "locked-0.txt" not in str(caught.value)
