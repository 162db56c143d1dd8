"""Lock files that do not match, and what they do not cover."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.errors import ResolutionError
from tests.support.locks import HEAD, LOCK, distributions, package, refuse, sha256, write_lock
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


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
        assert message.startswith("pylock.toml does not match python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34):")
        assert "bar 1.0 has no compatible wheel and no sdist" in message
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
        assert "it is for Python >=3.14, but the runtime has 3.13." in message
        assert 'it is for other environments: `sys_platform == "win32"` or `sys_platform == "darwin"`' in message
        assert "foo 1.0 requires Python >=3.15, but the runtime has 3.13." in message

    def test_two_entries_for_the_same_target(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo", "1.0"), root=project_root),
            package(make_wheel(wheels, "foo", "2.0"), root=project_root),
        )
        assert "two entries for one name match the target: foo 1.0 and foo 2.0" in refuse(build, "foo")

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
        assert "pylock.toml has lock-version 2.0; only versions 1.x are supported" in refuse(build, "foo")
        write_lock(project_root, entry, lock_version="1.1")
        assert distributions(build("foo")) == {"foo 1.0"}
        assert "Warning: pylock.toml has lock-version 1.1; reading it as 1.0" in ui.text
        assert len(caplog.records) <= 1

    def test_no_file_at_all(self, build: BundleOf) -> None:
        message = refuse(build, "foo", extras=["web"], dependency_groups=["jobs"])
        assert "The lock file pylock.toml, set by `lock-file`, does not exist." in message
        assert "uv export --format pylock.toml --no-dev --no-emit-project --extra web --group jobs --out" in message

    def test_the_command_carries_what_chose_the_target(self, build: BundleOf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_LAMBDA_ARCHITECTURE", "arm64")
        assert "\n  HATCH_LAMBDA_ARCHITECTURE=arm64 hatch-lambda lock\n" in refuse(build, "foo", architecture="arm64")

    @pytest.mark.parametrize(
        ("source", "told"),
        [
            ({"directory": {"path": "gone"}}, "foo is the directory gone, which does not exist"),
            (
                {"archive": {"path": "gone.tar.gz", "hashes": {"sha256": "0" * 64}}},
                "foo is the file gone.tar.gz, which does not exist",
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
        assert "- orders requires `foo>=2`: the lock file has foo 1.5\n" in message
        assert "- orders requires `bar[x]<3`: it is not locked\n" in message
        assert "baz" not in message

    def test_nothing_is_downloaded_before_that_is_known(self, build: BundleOf, project_root: Path) -> None:
        wheel = {"url": "http://127.0.0.1:9/foo-1.0-py3-none-any.whl", "hashes": {"sha256": "0" * 64}}
        write_lock(project_root, {"name": "foo", "version": "1.0", "wheels": [wheel]})
        assert "the lock file has foo 1.0" in refuse(build, "foo>=2")

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
        assert "- foo 1.0 requires `bar`: it is not locked\n" in refuse(build, "foo[fast]")
        assert "- foo 1.0 requires `arm`: it is not locked\n" in refuse(build, "foo", architecture="arm64")

    def test_extras_that_are_asked_for_further_down(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        engine = ["fuel; extra == 'fast'", "engine[fast]; extra == 'all'"]
        write_lock(
            project_root,
            package(make_wheel(wheels, "car", requires=["engine[all]"]), root=project_root),
            package(make_wheel(wheels, "engine", requires=engine, extras=["all", "fast"]), root=project_root),
        )
        assert "- engine 1.0 requires `fuel`: it is not locked\n" in refuse(build, "car")

    def test_an_override_of_a_version_below_is_only_told(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI
    ) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo", requires=["bar<2"]), root=project_root),
            package(make_wheel(wheels, "bar", "2.0"), root=project_root),
        )
        assert distributions(build("foo")) == {"foo 1.0", "bar 2.0"}
        assert "Warning: pylock.toml: foo 1.0 requires `bar<2`: the lock file has bar 2.0" in ui.text

    def test_what_nobody_needs_is_packaged_and_told(
        self, build: BundleOf, project_root: Path, wheels: Path, ui: RecordingUI
    ) -> None:
        write_lock(
            project_root,
            package(make_wheel(wheels, "foo"), root=project_root),
            package(make_wheel(wheels, "pytest"), root=project_root),
        )
        assert distributions(build("foo")) == {"foo 1.0", "pytest 1.0"}
        assert "pytest 1.0 is locked, but nothing that is packaged requires it" in ui.text

    def test_requirements_files(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        (project_root / "more.txt").write_text("bar \\\n  >=1.0  # a comment\n--no-binary :none:\n", encoding="utf-8")
        (project_root / "requirements.txt").write_text(
            "-r more.txt\nfoo==1.0 --hash=sha256:00\nwin; sys_platform == 'win32'\n", encoding="utf-8"
        )
        foo = package(make_wheel(wheels, "foo", "2.0"), root=project_root)
        write_lock(project_root, foo)
        message = refuse(build, requirements=["requirements.txt"])
        assert "- requirements.txt requires `foo==1.0`: the lock file has foo 2.0\n" in message
        assert "- more.txt requires `bar>=1.0`: it is not locked\n" in message
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
        assert "- requirements.txt requires `bar`: it is not locked\n" in message

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
        assert "- two.txt only allows `foo<2`: the lock file has foo 2.0\n" in message

    def test_constraints(self, build: BundleOf, project_root: Path, wheels: Path) -> None:
        write_lock(project_root, package(make_wheel(wheels, "foo", "2.0"), root=project_root))
        (project_root / "constraints.txt").write_text("foo<3\nother==1\n", encoding="utf-8")
        assert distributions(build("foo", constraints=["constraints.txt"])) == {"foo 2.0"}
        (project_root / "constraints.txt").write_text("foo<2\n", encoding="utf-8")
        message = refuse(build, "foo", constraints=["constraints.txt"])
        assert "- constraints.txt only allows `foo<2`: the lock file has foo 2.0\n" in message

    @pytest.mark.parametrize(
        ("requirement", "told"),
        [
            ("foo @ http://127.0.0.1:9/foo-1.0.zip", "the lock file has foo 1.0 from an index"),
            ("bar @ http://127.0.0.1:9/new/bar.zip", "the lock file has bar 1.0 from http://127.0.0.1:9/old/bar.zip"),
            (f"baz @ git+http://127.0.0.1:9/baz@{'b' * 40}", f"the lock file has baz 1.0 from commit {'a' * 40}"),
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
