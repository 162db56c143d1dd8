"""The lock files that `hatch-lambda lock` writes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import Pylock

from hatch_lambda import pipeline
from hatch_lambda.common.toml import tomllib
from hatch_lambda.common.ui import Reporter, SilentUI
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.closure import SourceTree
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.lock.read import LockFileError
from hatch_lambda.resolve.lock.write import _repository, write
from hatch_lambda.wheels.store import user_store
from tests.support.locks import HERE, LOCK, commit, distributions, refuse
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


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
        assert "it is for other environments" in message
        assert 'platform_machine == "aarch64"' in message

    @pytest.mark.slow
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
