"""`unpacked`: what the zip holds as a directory next to it."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.common import exchange
from hatch_lambda.common.files import put_in_place
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.wheels.members import BundleFile, Generated
from hatch_lambda.zip.unpacked import replacing_directory
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, ZIP, NewProject, Project
from tests.support.situation import files_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = ZIP.removesuffix(".zip")


@pytest.fixture
def project(new_project: NewProject, index: Path) -> Project:
    make_wheel(index, "foo")
    return new_project(
        f'{HOOK}prune = ["tests"]\n[tool.hatch.build.targets.lambda]\nunpacked = true\n',
        project='dependencies = ["foo"]\nscripts.order = "orders.app:main"\n',
        files={**PACKAGE, "orders/deep/er/data.bin": bytes(300_000)},
    )


def build(project: Project, **options: object) -> None:
    assert [*LambdaBuilder(str(project.root)).build(**options)] or options  # type: ignore[arg-type]


def entries(folder: Path) -> dict[str, tuple[int, int]]:
    """What would show that something was written again."""
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def edit(folder: Path) -> None:
    path = folder / "foo.py"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


TOUCHES: list[Callable[[Path], object]] = [
    edit,
    replace_by_a_link,
    lambda folder: folder.joinpath("foo.py").unlink(),
    lambda folder: folder.joinpath("bin/order").chmod(0o644),
    lambda folder: folder.joinpath("orders/deep/more").mkdir(),
    lambda folder: folder.joinpath("orders/deep/left.py").touch(),
    lambda folder: folder.rename(folder.with_name("away")),
]


class TestBuilds:
    def test_it_has_the_files_of_the_zip_with_their_modes_and_times(self, project: Project) -> None:
        old_umask = os.umask(0o077)
        try:
            build(project)
        finally:
            os.umask(old_umask)

        folder = project.dist / FOLDER
        with ZipFile(project.zip) as archive:
            infos = archive.infolist()
            assert files_in(folder) == {info.filename: archive.read(info) for info in infos}
        modes = {info.filename: stat.S_IMODE((folder / info.filename).stat().st_mode) for info in infos}
        assert modes == {info.filename: info.external_attr >> 16 & 0o777 for info in infos}
        assert modes["bin/order"] == 0o755
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
        assert {path.stat().st_mtime for path in (*folders, *folder.rglob("*"))} == {1_580_601_600}

    @pytest.mark.skipif(os.name == "nt", reason="there, all is written in each build")
    def test_it_stays_as_long_as_the_zip_does(self, project: Project) -> None:
        build(project)
        before = entries(project.dist / FOLDER)

        build(project)

        assert entries(project.dist / FOLDER) == before

    @pytest.mark.parametrize("touch", TOUCHES)
    def test_what_is_missing_or_was_changed_is_made_again(
        self, project: Project, touch: Callable[[Path], object]
    ) -> None:
        build(project)
        zipped, unpacked = project.zip.read_bytes(), files_in(project.dist / FOLDER)

        touch(project.dist / FOLDER)
        build(project)

        assert files_in(project.dist / FOLDER) == unpacked
        assert not (project.dist / FOLDER).is_symlink()
        assert os.access(project.dist / FOLDER / "bin/order", os.X_OK)
        assert project.zip.read_bytes() == zipped

    def test_nothing_is_left_of_the_former_one(self, project: Project) -> None:
        build(project)
        project.root.joinpath("orders/deep/er/data.bin").unlink()

        build(project)

        assert not (project.dist / FOLDER / "orders/deep").exists()
        assert sorted(path.name for path in project.dist.iterdir()) == [FOLDER, ZIP]

    def test_cleaning_removes_it_by_the_record_and_nothing_else(self, project: Project) -> None:
        build(project)
        kept = project.dist / "orders-1.0-python3.13-arm64"
        kept.mkdir()

        build(project, clean_only=True)

        assert [*project.dist.iterdir()] == [kept]

    @pytest.mark.parametrize("name", ["dist/...zip", "dist/..zip", "dist/.zip", "dist/orders", "dist/orders.tar"])
    def test_cleaning_removes_no_directory_by_a_damaged_record(self, project: Project, name: str) -> None:
        record = project.root / ".hatch/lambda/.zips/record.json"
        record.parent.mkdir(parents=True)
        facts = {"files": [name], "version": "function", "target": "python3.13-x86_64", "unpacked": True}
        record.write_text(json.dumps(facts))
        (project.dist / "orders").mkdir(parents=True)

        build(project, clean_only=True)

        assert (project.dist / "orders").is_dir()
        assert (project.root / "pyproject.toml").is_file()

    def test_it_is_no_source_of_the_project(self, project: Project) -> None:
        """In any directory: `prune` would else keep what the dependencies themselves name."""
        build(project, directory=str(project.root / "out"))
        lists = project.root / ".hatch/lambda/python3.13-x86_64/files.json"
        before = lists.read_bytes()

        build(project, directory=str(project.root / "out"))

        assert lists.read_bytes() == before

    def test_commands_take_it_as_they_take_the_zip(self, project: Project) -> None:
        build(project)
        folder = project.dist / FOLDER

        def run(*arguments: str | Path) -> str:
            result = CliRunner().invoke(main, [*map(str, arguments)])
            assert result.exit_code == 0, result.output
            return result.stdout

        of_zip, of_folder = (json.loads(run("inspect", path, "--json")) for path in (project.zip, folder))
        same = ("kind", "files", "unzipped", "project", "handlers", "machine_code", "bytecode")
        assert {key: of_zip[key] for key in same} == {key: of_folder[key] for key in same}
        assert not json.loads(run("diff", project.zip, folder, "--json"))["differ"]
        run("report", folder)
        assert "python3.13" in project.dist.joinpath(f"{FOLDER}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["..zip", "...zip"])
def test_a_zip_whose_name_leaves_none_for_the_directory(new_project: NewProject, name: str) -> None:
    project = new_project(f'{HOOK}[tool.hatch.build.targets.lambda]\narchive-name = "{name}"\n')

    assert "archive-name` must be a file name that ends with `.zip`" in project.fail()


FILES = [BundleFile("a/b.py", 0o644, Generated(b"new"), "foo 1.0")]


class TestReplacing:
    @pytest.fixture
    def former(self, tmp_path: Path) -> Path:
        directory = tmp_path / "dist" / "orders"
        directory.mkdir(parents=True)
        (directory / "old.py").write_bytes(b"old")
        return directory

    def test_a_failure_leaves_the_former_one(self, former: Path) -> None:
        with pytest.raises(OSError, match="full"), replacing_directory(former, FILES):
            raise OSError("full")

        assert files_in(former.parent) == {"orders/old.py": b"old"}

    def test_what_a_killed_build_left_goes_with_the_next(self, former: Path) -> None:
        (former.parent / ".orders-00000000-1-x").mkdir()
        os.utime(former.parent / ".orders-00000000-1-x", (0, 0))

        with replacing_directory(former, FILES):
            assert files_in(former) == {"old.py": b"old"}

        assert files_in(former.parent) == {"orders/a/b.py": b"new"}
        assert [path.name for path in former.parent.iterdir()] == ["orders"]

    @pytest.mark.parametrize("can_exchange", [True, False])
    def test_at_each_moment_there_is_one_or_the_other(
        self, former: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
    ) -> None:
        fresh = former.with_name("fresh")
        fresh.mkdir()
        if not can_exchange:
            monkeypatch.setattr(exchange, "exchange", lambda *_: False)

        put_in_place(fresh, former)

        assert former.is_dir()
        assert [path.name for path in former.parent.iterdir()] == ["orders"]
        assert not [*former.iterdir()]

    def test_a_file_in_its_place_is_replaced_and_what_a_link_leads_to_is_not(self, tmp_path: Path) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        (theirs / "kept.py").touch()
        for kind in ("file", "link"):
            directory = tmp_path / f"dist-{kind}" / "orders"
            directory.parent.mkdir()
            if kind == "file":
                directory.touch()
            else:
                directory.symlink_to(theirs)

            with replacing_directory(directory, FILES):
                pass

            assert files_in(directory) == {"a/b.py": b"new"}
            assert not directory.is_symlink()
        assert [path.name for path in theirs.iterdir()] == ["kept.py"]
