"""The build directory is right after each build, and written only where it has to be."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle import unpack as unpack_stage
from hatch_lambda.common import files as files_module
from tests.support.packages import make_wheel
from tests.support.situation import Situation, files_in, raising

if TYPE_CHECKING:
    from collections.abc import Callable


def looks(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What changes about a file when it is written."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def written_with_its_former_size(bundle: Path) -> None:
    (bundle / "bar/data.txt").write_text("4321\n", encoding="utf-8")


def written_at_its_former_time(bundle: Path) -> None:
    file = bundle / "bar/data.txt"
    status = file.stat()
    file.write_text("12345\n", encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced_by_a_link(bundle: Path) -> None:
    (bundle / "bar/data.txt").rename(bundle.parent / "data.txt")
    (bundle / "bar/data.txt").symlink_to(bundle.parent / "data.txt")


def folder_replaced_by_a_link(bundle: Path) -> None:
    (bundle / "bar").rename(bundle.parent / "bar")
    (bundle / "bar").symlink_to(bundle.parent / "bar")


def folder_replaced_by_a_file(bundle: Path) -> None:
    shutil.rmtree(bundle / "bar")
    (bundle / "bar").write_bytes(b"")


def file_replaced_by_a_folder(bundle: Path) -> None:
    (bundle / "bar/data.txt").unlink()
    (bundle / "bar/data.txt").mkdir()


def bundle_replaced_by_a_file(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.write_bytes(b"")


def added(name: str) -> Callable[[Path], None]:
    def add(bundle: Path) -> None:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text("by hand\n", encoding="utf-8")

    return add


INTERFERENCES: dict[str, Callable[[Path], object]] = {
    "a file written anew": added("bar/data.txt"),
    "a file written with its former size": written_with_its_former_size,
    "a file written at its former time": written_at_its_former_time,
    "a file emptied": lambda bundle: (bundle / "foo/a.py").write_bytes(b""),
    "an empty file filled": added("bar/__init__.py"),
    "a file added": added("foo/b.py"),
    "a file added at the root": added("c.py"),
    "a file added with a line in its name": added("foo/a.py\nc.py"),
    "a folder added": added("new/package/d.py"),
    "bytecode added": added("foo/__pycache__/a.cpython-313.pyc"),
    "an empty folder added": lambda bundle: (bundle / "empty").mkdir(),
    "a file removed": lambda bundle: (bundle / "bar/data.txt").unlink(),
    "a folder removed": lambda bundle: shutil.rmtree(bundle / "foo"),
    "a file made executable": lambda bundle: (bundle / "foo/a.py").chmod(0o755),
    "a program made none": lambda bundle: (bundle / "bar/run").chmod(0o644),
    "a file made private": lambda bundle: (bundle / "foo/a.py").chmod(0o600),
    "a folder made private": lambda bundle: (bundle / "foo").chmod(0o700),
    "a file replaced by a link": replaced_by_a_link,
    "a dangling link added": lambda bundle: (bundle / "dangling").symlink_to("nowhere"),
    "a folder replaced by a link": folder_replaced_by_a_link,
    "a folder replaced by a file": folder_replaced_by_a_file,
    "a file replaced by a folder": file_replaced_by_a_folder,
    "all of it removed": shutil.rmtree,
    "all of it replaced by a file": bundle_replaced_by_a_file,
}


def with_line(number: int, content: str) -> Callable[[Path], object]:
    """Put something else into one of the manifest's three lines."""

    def rewrite(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        lines[number] = content
        path.write_text("\n".join(lines), encoding="utf-8")

    return rewrite


MANIFESTS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "of an earlier version": lambda path: path.write_text('{"foo/a.py": ["", 1, 2, 3]}', encoding="utf-8"),
    "two lines": lambda path: path.write_text("key\n{}", encoding="utf-8"),
    "another key": with_line(0, "0"),
    "no key": with_line(0, ""),
    "no origins": with_line(1, "{}"),
    "a list of origins": with_line(1, "[]"),
    "origins that are numbers": with_line(1, '{"foo/a.py": 5}'),
    "origins of other files": with_line(1, '{"../x": ""}'),
    "origins cut off": with_line(1, '{"foo/a.py": "'),
    "no looks": with_line(2, ""),
    "looks of other files": with_line(2, "//493\0../x/1/2/3"),
    "looks without facts": with_line(2, "//493\0foo/a.py"),
    "looks of folders alone": with_line(2, "//493\0/foo//493\0/bar//493"),
}


class TestUnpackOnce:
    def test_nothing_is_written_if_nothing_has_changed(self, laid_out: Situation) -> None:
        bundle = laid_out.state / "bundle"
        before, folder = looks(bundle), bundle.stat()

        laid_out.build()

        assert looks(bundle) == before
        assert (bundle.stat().st_ino, bundle.stat().st_mtime_ns) == (folder.st_ino, folder.st_mtime_ns)

    def test_nothing_is_written_if_resolving_again_gives_the_same(self, laid_out: Situation) -> None:
        before = looks(laid_out.state / "bundle")

        laid_out.requirements = ["foo", "bar"]
        laid_out.build()

        assert laid_out.resolved == 2
        assert looks(laid_out.state / "bundle") == before

    def test_a_changed_dependency_has_only_its_own_files_written(self, laid_out: Situation) -> None:
        before = looks(laid_out.state / "bundle")
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(
            laid_out.tmp / "wheels", "foo", "2.0", files={"foo/__init__.py": "", "foo/b.py": "B = 2\n"}
        )

        laid_out.build()

        after = looks(laid_out.state / "bundle")
        of_bar = {path for path in before if path.startswith("bar")}
        assert len(of_bar) == 6
        assert {path: after[path] for path in of_bar} == {path: before[path] for path in of_bar}
        assert {path for path in after if path.startswith("foo")} == {
            *("foo/__init__.py", "foo/b.py"),
            *(f"foo-2.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
        }
        assert set(after) == of_bar | {path for path in after if path.startswith("foo")}

    @pytest.mark.parametrize("interfere", INTERFERENCES.values(), ids=INTERFERENCES)
    def test_what_was_changed_by_hand_is_put_right(
        self, interfere: Callable[[Path], object], laid_out: Situation
    ) -> None:
        bundle = laid_out.state / "bundle"
        content, modes = files_in(bundle), self.modes(bundle)
        interfere(bundle)
        assert bundle.is_symlink() or not bundle.is_dir() or (files_in(bundle), self.modes(bundle)) != (content, modes)

        laid_out.build()

        assert not bundle.is_symlink()
        assert files_in(bundle) == content
        assert self.modes(bundle) == modes
        assert laid_out.resolved == 1
        before = looks(bundle)
        laid_out.build()
        assert looks(bundle) == before, "it is still taken for changed"

    @staticmethod
    def modes(folder: Path) -> dict[str, int]:
        return {path.relative_to(folder).as_posix(): path.lstat().st_mode for path in folder.rglob("*")}

    @pytest.mark.parametrize("break_it", MANIFESTS.values(), ids=MANIFESTS)
    def test_a_broken_manifest_counts_as_missing(self, break_it: Callable[[Path], object], laid_out: Situation) -> None:
        bundle = laid_out.state / "bundle"
        content = files_in(bundle)
        manifest = laid_out.state / unpack_stage.MANIFEST_NAME
        break_it(manifest)
        added("foo/b.py")(bundle)

        laid_out.build()

        assert files_in(bundle) == content
        assert json.loads(manifest.read_text(encoding="utf-8").split("\n")[1]).keys() == content.keys()

    def test_a_former_bundle_without_a_manifest_is_not_believed(self, laid_out: Situation) -> None:
        for manifest in laid_out.state.glob("*.json"):
            manifest.unlink()
        (laid_out.state / "bundle/foo/a.py").write_bytes(b"A = 2\n")

        laid_out.build()

        assert (laid_out.state / "bundle/foo/a.py").read_bytes() == b"A = 1\n"

    def test_what_was_made_here_follows_the_settings(self, laid_out: Situation) -> None:
        """RECORD names what is laid out, so it changes with `exclude` though its wheel does not."""
        laid_out.table["exclude"] = ["data.txt"]

        bundle = laid_out.build()

        record_of_bar = (bundle.directory / "bar-1.0.dist-info/RECORD").read_text(encoding="utf-8")
        assert "bar/run" in record_of_bar
        assert "data.txt" not in record_of_bar
        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_a_shared_file_follows_its_wheel(self, situation: Situation) -> None:
        shared = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
        first = make_wheel(situation.tmp / "wheels", "a", files={"ns/__init__.py": f"# of a\n{shared}", "ns/a.py": ""})
        other = make_wheel(situation.tmp / "wheels", "b", files={"ns/__init__.py": f"# of b\n{shared}", "ns/b.py": ""})
        situation.wheels = [first, other]
        assert situation.build().distributions == ("a 1.0", "b 1.0")

        situation.wheels, situation.requirements = [other], ["b"]
        bundle = situation.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}
        assert (bundle.directory / "ns/__init__.py").read_text(encoding="utf-8") == f"# of b\n{shared}"

    def test_no_file_is_shared_with_anything_outside_the_bundle(self, laid_out: Situation) -> None:
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")
        laid_out.build()

        for path in (laid_out.state / "bundle").rglob("*"):
            assert path.is_dir() or path.stat().st_nlink == 1, path

    def test_modes_do_not_depend_on_the_umask(self, laid_out: Situation) -> None:
        before = self.modes(laid_out.state / "bundle")
        shutil.rmtree(laid_out.state / "bundle")
        former = os.umask(0o077)
        try:
            laid_out.build()
        finally:
            os.umask(former)

        assert self.modes(laid_out.state / "bundle") == before

    def test_a_large_file_is_written_whole(self, situation: Situation) -> None:
        content = bytes(range(256)) * 9000
        situation.wheels = [make_wheel(situation.tmp / "wheels", "foo", files={"foo/large.bin": content})]

        bundle = situation.build().directory

        assert (bundle / "foo/large.bin").read_bytes() == content

    def test_where_the_file_system_has_no_hard_links_all_is_written(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")

        bundle = laid_out.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_a_change_made_while_a_bundle_is_put_in_place_is_detected_by_the_next_build(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_in_place = files_module.put_in_place

        def put_in_place_and_meddle(fresh: Path, directory: Path) -> None:
            put_in_place(fresh, directory)
            (directory / "foo/a.py").unlink()
            (directory / "bar/data.txt").unlink()
            (directory / "bar/data.txt").write_bytes(b"4321\n")
            added("foo/__pycache__/a.cpython-313.pyc")(directory)

        shutil.rmtree(laid_out.state / "bundle")
        with monkeypatch.context() as meddled_with:
            meddled_with.setattr(unpack_stage, "put_in_place", put_in_place_and_meddle)
            laid_out.build()

        bundle = laid_out.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_where_modes_are_not_kept_it_is_laid_out_once_all_the_same(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on file systems of Windows under Linux."""
        situation.wheels = [make_wheel(situation.tmp / "wheels", "foo", files={"foo/a.py": "A = 1\n"})]
        monkeypatch.setattr(os, "chmod", lambda *_args, **_kwargs: None)
        bundle = situation.build().directory
        before = bundle.stat().st_ino

        situation.build()

        assert bundle.stat().st_ino == before

    def test_a_key_that_has_changed_for_the_same_files_is_noted(self, laid_out: Situation) -> None:
        manifest = laid_out.state / unpack_stage.MANIFEST_NAME
        before = manifest.read_bytes()
        with_line(0, "another")(manifest)
        looked = looks(laid_out.state / "bundle")

        laid_out.build()

        assert manifest.read_bytes() == before
        assert looks(laid_out.state / "bundle") == looked

    def test_a_failure_in_the_middle_leaves_the_former_bundle_and_the_next_build_works(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle = laid_out.state / "bundle"
        before = looks(bundle)
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")
        with monkeypatch.context() as broken:
            broken.setattr(unpack_stage, "write_all", raising(OSError(28, "No space left")))
            with pytest.raises(OSError, match="No space"):
                laid_out.build()
        assert looks(bundle) == before

        laid_out.build()

        assert (bundle / "foo.py").read_text(encoding="utf-8") == "VERSION = '2.0'\n"
